"""Commands for the Model Context Protocol: the server, and its configuration in clients."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from memstrata.clock import SystemClock
from memstrata.errors import InvalidConfig, MissingExtra
from memstrata.faces.cli import show
from memstrata.faces.cli.options import SCOPE, Call, Embedder, Home, app
from memstrata.faces.cli.serve import OidcAudience, OidcClaims, OidcIssuedBy, OidcKeys, OidcWriteScope, issuer_of
from memstrata.faces.entrance.limits import Limits
from memstrata.types import Scope

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

    from memstrata.access.admission import Admission, Claims
    from memstrata.faces.mcp.clients import Client, Launch
    from memstrata.faces.mcp.desks import Desks
    from memstrata.faces.mcp.door import Authority
    from memstrata.providers.oidc import OidcIssuer

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
Team = Annotated[bool, typer.Option("--team", help="Also tools by which agents share work without doing it twice.")]
Tools = Annotated[str | None, typer.Option("--tools", help="These tools: names with commas between.")]


@group.callback()
def mcp(
    context: typer.Context,
    http: Annotated[bool, typer.Option("--http", help="Speak streamable HTTP instead of stdio.")] = False,
    host: Annotated[
        str, typer.Option("--host", help="Where to listen with --http; others than this machine need keys.")
    ] = "127.0.0.1",
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
    team: Team = False,
    home: Home = None,
    embedder: Embedder = None,
    oidc_issuer: OidcIssuedBy = None,
    oidc_audience: OidcAudience = None,
    oidc_keys: OidcKeys = None,
    oidc_claim: OidcClaims = None,
    oidc_write_scope: OidcWriteScope = None,
) -> None:
    """Serve a memory to clients of the Model Context Protocol, over stdio or HTTP.

    With `install`, show or write what a client needs to start it."""
    if context.invoked_subcommand is not None:
        return
    if importlib.util.find_spec("mcp") is None:
        raise MissingExtra("MCP servers", "mcp")
    from memstrata.access import scope_from
    from memstrata.faces.mcp import door, serve
    from memstrata.faces.mcp.desks import Offer, anybody
    from memstrata.faces.mcp.server import build
    from memstrata.faces.mcp.whose import Whose

    if compat is not None and connector:
        raise typer.BadParameter("--compat and --connector are different sets of tools; choose one")
    if confine and user_id is None:
        raise typer.BadParameter("--confine needs to know to whom: give --user-id")
    issuer, claims = issuer_of(oidc_issuer, oidc_audience, oidc_keys, oidc_claim, oidc_write_scope)
    if issuer is not None and not http:
        raise typer.BadParameter("tokens come over --http; over stdio the client starts the server")
    scope = scope_from(Scope(tenant_id, app_id, user_id, agent_id, session_id, namespace), {})
    offer = Offer(compat or ("connector" if connector else "memory"), _names(tools), team, read_only)
    serve.log_to_stderr()
    admission = _admission(home, Limits(host, port), issuer, claims) if http else None
    with Call(home, embedder, scope, json=False).opened(create=True) as memory:
        server = build(memory, Whose(scope, confine), offer, anybody if admission is None else door.caller)
        if admission is None:
            _speak(server)
        else:
            authority = door.Authority(oidc_issuer, oidc_audience) if oidc_issuer and oidc_audience else None
            _listen(server, admission, Limits(host, port), authority)


def _admission(home: Path | None, limits: Limits, issuer: OidcIssuer | None, claims: Claims | None) -> Admission:
    """Who may come in over HTTP."""
    from memstrata import config
    from memstrata.faces.entrance.listening import admitted

    return admitted(config.read(home).home, limits, issuer=issuer, claims=claims, now=SystemClock().now)


def _speak(server: Server[Desks]) -> None:
    import anyio

    from memstrata.faces.mcp import serve

    if sys.stdin.isatty():
        typer.echo("waiting for a client on standard input; `memstrata mcp install` sets one up", err=True)
    anyio.run(serve.stdio, server)


def _listen(server: Server[Desks], admission: Admission, limits: Limits, authority: Authority | None) -> None:
    import anyio

    from memstrata.faces.mcp import serve

    def ready(url: str) -> None:
        who = "keys or tokens only" if admission.guarded else "no keys: anybody on this machine"
        typer.echo(f"memstrata mcp: {url} ({who})", err=True)

    anyio.run(lambda: serve.http(server, admission, limits, authority=authority, ready=ready))


def _names(tools: str | None) -> tuple[str, ...]:
    return tuple(name.strip() for name in (tools or "").split(",") if name.strip())


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
