"""Turn what happens at the door into figures for Prometheus: counts and times by route, and no contents."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The figures of one server."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.requests = Counter(
            "memstrata_requests", "Requests answered.", ("route", "method", "status"), registry=self._registry
        )
        self.seconds = Histogram(
            "memstrata_request_seconds", "From the first byte to the last.", ("route",), buckets=SECONDS,
            registry=self._registry,
        )  # fmt: skip
        self.refused = Counter(
            "memstrata_refused", "Requests refused, by kind of error.", ("error",), registry=self._registry
        )
        self.running = Gauge("memstrata_calls_running", "Engine calls running or waiting.", registry=self._registry)
        self.subscribers = Gauge("memstrata_subscribers", "Open subscriptions.", registry=self._registry)
        self.told = Counter("memstrata_changes_told", "Changes sent to subscribers.", registry=self._registry)

    def text(self) -> bytes:
        """Everything, in Prometheus' form."""
        return generate_latest(self._registry)
