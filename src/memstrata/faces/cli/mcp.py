"""Commands for the Model Context Protocol: the server, and its configuration in clients."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from memstrata.errors import InvalidConfig, MissingExtra
from memstrata.faces.cli import show
from memstrata.faces.cli.options import SCOPE, Call, Embedder, Home, app
from memstrata.types import Scope

if TYPE_CHECKING:
    from memstrata.faces.mcp.clients import Client, Launch

PORT: Final = 8321

group = typer.Typer(
    rich_markup_mode=None, help="Serve a memory to clients of the Model Context Protocol.", invoke_without_command=True
)
app.add_typer(group, name="mcp")

UserId = Annotated[
    str | None,
    typer.Option("--user-id", "--user", "-u", help="Whose memory, where a call names nobody.", rich_help_panel=SCOPE),
]
AgentId = Annotated[str | None, typer.Option("--agent-id", "--agent", help="The agent.", rich_help_panel=SCOPE)]
SessionId = Annotated[str | None, typer.Option("--session-id", "--session", help="The session.", rich_help_panel=SCOPE)]
AppId = Annotated[str | None, typer.Option("--app-id", "--app", help="The app.", rich_help_panel=SCOPE)]
TenantId = Annotated[str | None, typer.Option("--tenant-id", "--tenant", help="The tenant.", rich_help_panel=SCOPE)]
Namespace = Annotated[str | None, typer.Option("--namespace", help="A path: team/notes.", rich_help_panel=SCOPE)]
Confine = Annotated[bool, typer.Option("--confine", help="Refuse calls that name another user.", rich_help_panel=SCOPE)]
Compat = Annotated[
    Literal["server-memory"] | None, typer.Option("--compat", help="The tools of another server, over this memory.")
]
Connector = Annotated[bool, typer.Option("--connector", help="Only search and fetch, as connectors want them.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Only tools that change nothing.")]
Tools = Annotated[str | None, typer.Option("--tools", help="These tools: names with commas between.")]


@group.callback()
def mcp(
    context: typer.Context,
    http: Annotated[bool, typer.Option("--http", help="Speak streamable HTTP instead of stdio.")] = False,
    host: Annotated[str, typer.Option("--host", help="Where to listen with --http; only this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="The port; 0 for a free one.")] = PORT,
    user_id: UserId = None,
    agent_id: AgentId = None,
    session_id: SessionId = None,
    app_id: AppId = None,
    tenant_id: TenantId = None,
    namespace: Namespace = None,
    confine: Confine = False,
    compat: Compat = None,
    connector: Connector = False,
    read_only: ReadOnly = False,
    tools: Tools = None,
    home: Home = None,
    embedder: Embedder = None,
) -> None:
    """Serve a memory to clients of the Model Context Protocol, over stdio or HTTP.

    With `install`, show or write what a client needs to start it."""
    if context.invoked_subcommand is not None:
        return
    if importlib.util.find_spec("mcp") is None:
        raise MissingExtra("MCP servers", "mcp")
    import anyio

    from memstrata.access import scope_from
    from memstrata.faces.mcp import serve
    from memstrata.faces.mcp.server import Offer, build
    from memstrata.faces.mcp.whose import Whose

    if compat is not None and connector:
        raise typer.BadParameter("--compat and --connector are different sets of tools; choose one")
    if confine and user_id is None:
        raise typer.BadParameter("--confine needs to know to whom: give --user-id")
    scope = scope_from(Scope(tenant_id, app_id, user_id, agent_id, session_id, namespace), {})
    offer = Offer(compat or ("connector" if connector else "memory"), _names(tools), read_only)
    serve.log_to_stderr()
    with Call(home, embedder, scope, json=False).opened(create=True) as memory:
        server = build(memory, Whose(scope, confine), offer)
        if http:
            anyio.run(lambda: serve.http(server, host=host, port=port, ready=_say_where))
        else:
            if sys.stdin.isatty():
                typer.echo("waiting for a client on standard input; `memstrata mcp install` sets one up", err=True)
            anyio.run(serve.stdio, server)


def _names(tools: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (tools or "").split(",") if name.strip())


def _say_where(url: str) -> None:
    typer.echo(f"memstrata mcp: {url}", err=True)


@group.command("install")
def install(
    client: Annotated[str | None, typer.Option("--client", help="Which one; all are shown without.")] = None,
    write: Annotated[bool, typer.Option("--write", help="Merge it into the client's file; a backup is kept.")] = False,
    name: Annotated[str, typer.Option("--name", help="What the client calls the server.")] = "memstrata",
    file: Annotated[Path | None, typer.Option("--file", help="The client's file, if it lies elsewhere.")] = None,
    user_id: UserId = None,
    confine: Confine = False,
    compat: Compat = None,
    read_only: ReadOnly = False,
    home: Home = None,
) -> None:
    """Show what a client needs to start the server, or write it into the client's file."""
    from memstrata import config
    from memstrata.faces.mcp import clients

    options = [
        *(("--user-id", user_id) if user_id else ()), *(("--confine",) if confine else ()),
        *(("--compat", compat) if compat else ()), *(("--read-only",) if read_only else ()),
    ]  # fmt: skip
    start = clients.launch(config.read(home).home, options)
    if client is not None and client not in clients.CLIENTS:
        raise InvalidConfig(f"no client is named {client!r:.80}; known are {', '.join(clients.CLIENTS)}")
    if client is None and (write or file is not None):
        raise typer.BadParameter(f"say which client: --client with one of {', '.join(clients.CLIENTS)}")
    for one in [clients.CLIENTS[client]] if client else clients.CLIENTS.values():
        path = file or clients.location(one)
        if not write:
            _say_how(one, name, start, path)
            continue
        done = clients.merge(one, name, start, path)
        kept = f"; what it was is in {done.backup}" if done.backup else ""
        typer.echo(show.safe(f"wrote {done.path}{kept}" if done.changed else f"{done.path} has it already"))
    if importlib.util.find_spec("mcp") is None:
        typer.echo('The server itself is not installed yet: pip install "memstrata[mcp]"', err=True)


def _say_how(client: Client, name: str, start: Launch, path: Path) -> None:
    """Print what to paste where, or to run."""
    from memstrata.faces.mcp import clients

    typer.echo(show.safe(f"# {client.title}: in {path}"))
    typer.echo(clients.snippet(client, name, start))
    line = clients.command_line(client, name, start)
    typer.echo(f"# or run: {line}\n" if line else "")
