"""Use the server with the protocol's inspector, from the configuration that `memstrata mcp install` writes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from serving import MEMSTRATA, run, skipped

INSPECTOR = "@modelcontextprotocol/inspector@0.15.0"


def asked(config: Path, method: str, *options: str) -> Any:
    """What the inspector shows of one request."""
    known = ("--cli", "--config", str(config), "--server", "memstrata", "--method", method)
    done = run("npx", "--yes", INSPECTOR, *known, *options)
    if done.returncode:
        raise SystemExit(f"{method}: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)


def main() -> None:
    """Remember and find over the inspector, each call in a server process of its own."""
    if skipped():
        return
    with TemporaryDirectory() as folder:
        config = Path(folder) / "mcp.json"
        made = run(
            *MEMSTRATA,
            "mcp",
            "install",
            "--client",
            "cursor",
            "--file",
            str(config),
            "--write",
            "--home",
            folder + "/home",
        )
        assert made.returncode == 0, made.stderr
        tools = [tool["name"] for tool in asked(config, "tools/list")["tools"]]
        assert tools[:2] == ["add_memory", "search_memories"], tools
        text = "content=The key hangs behind the blue door."
        added = asked(config, "tools/call", "--tool-name", "add_memory", "--tool-arg", text)
        hits = asked(config, "tools/call", "--tool-name", "search_memories", "--tool-arg", "query=where is the key?")
        id = added["structuredContent"]["id"]
        assert [hit["id"] for hit in hits["structuredContent"]["hits"]] == [id], hits
        resources = asked(config, "resources/list")["resources"]
        assert [one["uri"] for one in resources] == [f"memstrata://memory/{id}"], resources
        templates = asked(config, "resources/templates/list")["resourceTemplates"]
        assert len(templates) == 2, templates
    print(f"inspector: {len(tools)} tools, a memory added, found and listed")


if __name__ == "__main__":
    sys.exit(main())
