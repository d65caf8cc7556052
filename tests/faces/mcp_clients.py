"""Give tests of the MCP face the official client: in memory, over a real process, over HTTP."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp import Client, MCPError, StdioServerParameters, types
from mcp.client.stdio import stdio_client

COMMAND = [sys.executable, "-c", "from memstrata.faces.cli import main; main()"]
PATIENCE_S = 60.0

__all__ = ["COMMAND", "Client", "MCPError", "content", "over_http", "over_stdio", "ran", "said", "shown", "types"]


def ran(main: Callable[[], Awaitable[Any]]) -> Any:
    """What an asynchronous test returns, within a time that a broken one does not get to use up."""

    async def patient() -> Any:
        with anyio.fail_after(PATIENCE_S):
            return await main()

    return anyio.run(patient)


def said(server: Any, name: str, mode: str = "auto", **arguments: Any) -> types.CallToolResult:
    """What one call brings, over a connection in memory."""

    async def main() -> types.CallToolResult:
        async with Client(server, mode=mode) as client:
            return await client.call_tool(name, arguments)

    return ran(main)


def content(result: types.CallToolResult) -> Any:
    """The structured content of a call that went well."""
    assert not result.is_error, shown(result)
    return result.structured_content


def shown(result: types.CallToolResult) -> str:
    """The text of a result."""
    (block,) = result.content
    assert isinstance(block, types.TextContent)
    return block.text


def environment(home: Path) -> dict[str, str]:
    """The environment of a server over a directory."""
    return os.environ | {"MEMSTRATA_HOME": str(home)}


@asynccontextmanager
async def over_stdio(home: Path, *options: str, log: Any = None, **client: Any) -> AsyncIterator[Client]:
    """A client of a server process of its own."""
    command, *before = COMMAND
    started = StdioServerParameters(command=command, args=[*before, "mcp", *options], env=environment(home))
    async with Client(stdio_client(started, errlog=log or sys.stderr), **client) as connected:
        yield connected


@contextmanager
def over_http(home: Path, *options: str) -> Iterator[str]:
    """The address of a server process that speaks HTTP."""
    process = subprocess.Popen(
        [*COMMAND, "mcp", "--http", "--port", "0", *options], env=environment(home), stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if line.startswith("memstrata mcp: "):
                yield line.removeprefix("memstrata mcp: ").split()[0]
                break
        else:
            raise AssertionError("the server ended before it said where it listens")
    finally:
        process.terminate()
        process.wait()
        process.stderr.close()


def plain(model: Any) -> Any:
    """One of the protocol's values as JSON."""
    return json.loads(model.model_dump_json(by_alias=True, exclude_none=True))
