"""Settle owed work in the background, as soon as there is some."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

log = logging.getLogger("memstrata")
STOP_WAIT_S = 5.0


class Worker:
    """A thread that runs a step until it has nothing to do; it is started by the first `wake()`."""

    def __init__(self, step: Callable[[], bool]) -> None:
        self._step = step
        self._wanted = threading.Event()
        self._stopped = False
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def wake(self) -> None:
        """Say that there may be work."""
        with self._lock:
            if not self._stopped and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="memstrata-upkeep", daemon=True)
                self._thread.start()
        self._wanted.set()

    def stop(self) -> None:
        """Finish the step under way and end; what is left stays owed."""
        with self._lock:
            self._stopped = True
            thread = self._thread
        self._wanted.set()
        if thread is not None:
            thread.join(STOP_WAIT_S)

    def _run(self) -> None:
        while not self._stopped:
            self._wanted.wait()
            self._wanted.clear()
            try:
                while not self._stopped and self._step():
                    pass
            except Exception as exc:  # noqa: BLE001 - the outermost loop: an embedder of others may raise anything
                # the work stays owed; the next wake tries again
                log.warning("upkeep stopped: %s", type(exc).__name__)
