"""Run real servers for tests: in a thread, or as a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx

import memstrata
from memstrata import Memstrata
from memstrata.access.admission import Claims, Issuer
from memstrata.access.keys import Keys
from memstrata.clock import SystemClock
from memstrata.faces.entrance.listening import admitted, bound
from memstrata.faces.http.desk import Service
from memstrata.faces.http.serve import Server
from memstrata.faces.http.settings import Settings
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder
from memstrata.types import Scope

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Served:
    """A server that runs, and the memory behind it."""

    url: str
    port: int
    home: Path
    memory: Memstrata
    server: Server

    def client(self, key: str | None = None, **options: Any) -> httpx.Client:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers | options.pop("headers", {}), timeout=30, **options)

    def key(self, name: str = "tests", *, read_only: bool = False, **scope: str) -> str:
        """A new key for a scope."""
        return Keys(self.home).add(name, Scope(**scope), read_only=read_only, now=SystemClock().now())[1]


@contextmanager
def served(
    home: Path, *, issuer: Issuer | None = None, claims: Claims | None = None, **settings: Any
) -> Iterator[Served]:
    """A server in a thread, with an embedder that costs nothing."""
    memory = memstrata.open(home, embedder=FakeEmbedder(), counter=CharacterCounter())
    chosen = replace(Settings(port=0, grace_s=5.0), **settings)
    admission = admitted(home, chosen, issuer=issuer, claims=claims, now=SystemClock().now)
    listening = bound(chosen)
    server = Server(Service(memory, admission, chosen))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        port = listening.getsockname()[1]
        yield Served(f"http://127.0.0.1:{port}", port, home, memory, server)
    finally:
        server.should_exit = True
        thread.join(timeout=30)
    assert not thread.is_alive()


@contextmanager
def process(home: Path, *options: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`memstrata serve` in a process of its own, and where it listens."""
    command = [sys.executable, "-c", "from memstrata.faces.cli import main; main()", "serve", "--port", "0", *options]
    environment = {**os.environ, "MEMSTRATA_HOME": str(home)}
    running = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        line = running.stdout.readline()
        yield running, line.partition(" at ")[2].partition(" ")[0]
    finally:
        running.kill()
        running.wait()
        running.stdout.close()
