"""Run servers in processes of their own, and ask them as their clients do."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import urlsplit

from memstrata.errors import StoreUnavailable

TIMEOUT_S: Final = 60


@contextmanager
def serving(home: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """`memstrata serve`, with no limit to how often it may be asked: its address, and the process."""
    command = _command(home, "serve", "--rate", "0")
    with _ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as process:  # noqa: S603 - our own
        yield _address(process.stdout, " at "), process


@contextmanager
def speaking_mcp(home: Path) -> Iterator[str]:
    """The address of `memstrata mcp --http`, with the tools of teams."""
    command = _command(home, "mcp", "--http", "--team")
    with _ended(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) as process:  # noqa: S603 - our own
        yield _address(process.stderr, "memstrata mcp: ")


def _command(home: Path, *arguments: str) -> list[str]:
    start = [sys.executable, "-c", "from memstrata.faces.cli import main; main()", *arguments]
    return [*start, "--home", str(home), "--port", "0", "--embedder", "builtin"]


@contextmanager
def _ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


def _address(said: IO[str] | None, before: str) -> str:
    assert said is not None
    for line in said:
        if before in line and "http" in line:
            return line.partition(before)[2].split()[0]
    raise StoreUnavailable("the server did not start; run `memstrata serve` to see why")


class Client:
    """One connection that stays."""

    def __init__(self, url: str) -> None:
        self._line = http.client.HTTPConnection(urlsplit(url).netloc, timeout=TIMEOUT_S)

    def post(self, path: str, body: object) -> bytes:
        """What comes back."""
        self._line.request("POST", path, json.dumps(body).encode(), {"Content-Type": "application/json"})
        answer = self._line.getresponse()
        found = answer.read()
        if answer.status >= 300:
            raise StoreUnavailable(f"the server answered {path} with {answer.status}")
        return found

    def asked(self, path: str, body: object) -> Any:  # Any: JSON
        """What comes back, as values."""
        return json.loads(self.post(path, body))

    def stream(self, path: str) -> Iterator[str]:
        """The lines of an answer that goes on."""
        self._line.request("GET", path)
        answer = self._line.getresponse()
        while line := answer.readline():
            yield line.decode().rstrip("\n")

    def close(self) -> None:
        """Let go."""
        self._line.close()
