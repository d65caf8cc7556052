"""Start what the compatibility scripts talk to, and the programs of others that talk to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

MEMSTRATA = [sys.executable, "-c", "from memstrata.faces.cli import main; main()"]
ADDRESS = "memstrata mcp: "
PATIENCE_S = 600


def skipped() -> bool:
    """Say so when the other programs cannot run here."""
    if shutil.which("npx") is None:
        print("skipped: node and npx are not installed")
        return True
    return False


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """A finished command."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE_S)


@contextmanager
def over_http(home: str) -> Iterator[str]:
    """The address of a memory served over HTTP."""
    environment = os.environ | {"MEMSTRATA_HOME": home}
    command = [*MEMSTRATA, "mcp", "--http", "--port", "0"]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        yield next(line for line in process.stderr if line.startswith(ADDRESS)).removeprefix(ADDRESS).split()[0]
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()
