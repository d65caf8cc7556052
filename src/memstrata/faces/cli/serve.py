"""The command that serves a memory to other programs, and those that say who may come."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from memstrata.clock import SystemClock, as_datetime, moment
from memstrata.errors import MissingExtra
from memstrata.faces.cli import show
from memstrata.faces.cli.options import (
    DURATION,
    SECONDS,
    Call,
    Embedder,
    Home,
    Ranker,
    Reranker,
    Retrievers,
    Searching,
    app,
    command,
    moment_option,
)
from memstrata.faces.plain import plain
from memstrata.types import ANY, Scope

if TYPE_CHECKING:
    from memstrata.access.admission import Claims
    from memstrata.access.keys import Key, Keys
    from memstrata.providers.oidc import OidcIssuer

PORT: Final = 8420
LIMITS: Final = "Limits"
TOKENS: Final = "Bearer tokens"

keys = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Say who may use the server.")
app.add_typer(keys, name="keys")

OidcIssuedBy = Annotated[str | None, typer.Option("--oidc-issuer", help="Who signs tokens.", rich_help_panel=TOKENS)]
OidcAudience = Annotated[
    str | None, typer.Option("--oidc-audience", help="What tokens are for.", rich_help_panel=TOKENS)
]
OidcKeys = Annotated[str | None, typer.Option("--oidc-keys", help="Address of the JWKS.", rich_help_panel=TOKENS)]
OidcClaims = Annotated[
    list[str] | None, typer.Option("--oidc-claim", help="user_id=sub, tenant_id=org, …", rich_help_panel=TOKENS)
]
OidcWriteScope = Annotated[
    str | None, typer.Option("--oidc-write-scope", help="OAuth scope that may write.", rich_help_panel=TOKENS)
]
KeyId = Annotated[str, typer.Argument(help="The id of a key, as `memstrata keys list` shows it.", show_default=False)]


@app.command("serve")
def serve(
    host: Annotated[str, typer.Option("--host", help="The address; others than this machine need keys.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="The port; 0 for any.", min=0, max=65_535)] = PORT,
    home: Home = None,
    embedder: Embedder = None,
    retriever: Retrievers = None,
    ranker: Ranker = None,
    reranker: Reranker = None,
    threads: Annotated[int, typer.Option("--threads", help="Engine calls at once.", min=1, max=256)] = 8,
    rate: Annotated[
        float, typer.Option("--rate", help="Requests a second for each key; 0 for any.", rich_help_panel=LIMITS)
    ] = 1_000.0,
    max_body: Annotated[
        int, typer.Option("--max-body", help="Bytes of a request.", min=1_024, rich_help_panel=LIMITS)
    ] = 4 << 20,
    max_subscribers: Annotated[
        int, typer.Option("--max-subscribers", help="Subscriptions at once.", min=1, rich_help_panel=LIMITS)
    ] = 256,
    grace: Annotated[
        float, typer.Option("--grace", help="Seconds for requests to end when stopped.", rich_help_panel=LIMITS)
    ] = 15.0,
    oidc_issuer: OidcIssuedBy = None,
    oidc_audience: OidcAudience = None,
    oidc_keys: OidcKeys = None,
    oidc_claim: OidcClaims = None,
    oidc_write_scope: OidcWriteScope = None,
) -> None:
    """Serve the memory over HTTP: REST and streams under /v1, and mem0's protocol.

    On this machine alone it asks for no key until there is one; docs/server.md has the rest."""
    try:
        from memstrata.faces.http.serve import serve as serving  # late: FastAPI and what it brings
        from memstrata.faces.http.settings import Settings
    except ImportError as exc:
        raise MissingExtra("servers", "server") from exc
    from memstrata import config

    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    issuer, claims = issuer_of(oidc_issuer, oidc_audience, oidc_keys, oidc_claim, oidc_write_scope)
    settings = Settings(
        host, port, threads=threads, rate=rate, burst=2 * rate, max_body_bytes=max_body,
        max_subscribers=max_subscribers, grace_s=grace,
    )  # fmt: skip
    searching = Searching(tuple(retriever) if retriever else None, ranker, reranker)
    call = Call(home, embedder, Scope(), json=False, searching=searching)
    directory = config.read(home).home

    def ready(address: str, guarded: bool) -> None:
        who = "keys or tokens only" if guarded else "no keys: anybody on this machine"
        typer.echo(f"memstrata serves {directory} at {address} ({who})")

    serving(
        call.opened(create=True), directory, settings, issuer=issuer, claims=claims, now=SystemClock().now,
        ready=ready,
    )  # fmt: skip


def issuer_of(
    issuer: str | None, audience: str | None, keys_url: str | None, claims: list[str] | None, write_scope: str | None
) -> tuple[OidcIssuer | None, Claims | None]:
    """Who verifies tokens, and what their claims mean, as the options say."""
    if issuer is None and audience is None:
        if keys_url or claims or write_scope:
            raise typer.BadParameter("--oidc-issuer and --oidc-audience say whose tokens are meant")
        return None, None
    if issuer is None or audience is None:
        raise typer.BadParameter("--oidc-issuer and --oidc-audience go together")
    from memstrata.access.admission import DEFAULT_CLAIMS, Claims
    from memstrata.providers.oidc import OidcIssuer

    pairs = dict(pair.partition("=")[::2] for pair in claims or ())
    if not all(pairs.values()):
        raise typer.BadParameter("--oidc-claim takes user_id=CLAIM, app_id=CLAIM or tenant_id=CLAIM")
    return OidcIssuer(issuer, audience=audience, keys_url=keys_url), Claims(pairs or DEFAULT_CLAIMS, write_scope)


# ── keys ──


@command("add", app=keys)
def add(
    call: Call,
    name: Annotated[str, typer.Argument(help="Whose key it is, such as a program.", show_default=False)],
    read_only: Annotated[bool, typer.Option("--read-only", help="It may change nothing.")] = False,
    expires: Annotated[str | None, typer.Option("--expires", help="A time, or from now on: 90d.")] = None,
) -> None:
    """Make a key, and show it this once.

    It reaches the --tenant, --app or --user named, with all below; without any, everything."""
    now = SystemClock().now()
    until = moment(moment_option(expires, "--expires"), name="--expires")
    key, token = _keys(call).add(
        name, call.scope, read_only=read_only, now=now, ends_at=None if until is None else until[0]
    )
    _show_new(call, key, token)


@command("list", app=keys)
def list_(call: Call) -> None:
    """Show the keys there are and were, and what they reach."""
    found = _keys(call).all()
    if call.json:
        show.print_json([_plain(key) for key in found])
    elif found:
        for key in found:
            show.say(show.text(f"{key.id}  {_line(key)}"))
    else:
        show.nothing("there are no keys", "`memstrata keys add NAME` makes one")


@command("revoke", app=keys)
def revoke(call: Call, id: KeyId) -> None:
    """End a key now, in every server."""
    key = _keys(call).revoke(id, now=SystemClock().now())
    call.answer(_plain(key), f"the key {key.id} of {key.name} has ended")


@command("rotate", app=keys)
def rotate(
    call: Call,
    id: KeyId,
    overlap: Annotated[str, typer.Option("--overlap", help="How long the old one still works: 1h.")] = "0s",
) -> None:
    """Make a new key in the place of one, and show it this once."""
    match = DURATION.fullmatch(overlap.strip())
    if match is None:
        raise typer.BadParameter("--overlap takes a duration such as 30m, 1h or 2d")
    key, token = _keys(call).rotate(id, now=SystemClock().now(), overlap_s=float(match[1]) * SECONDS[match[2]])
    _show_new(call, key, token)


def _keys(call: Call) -> Keys:
    from memstrata import config
    from memstrata.access.keys import Keys  # late: numpy and the store

    return Keys(config.read(call.home).home)


def _show_new(call: Call, key: Key, token: str) -> None:
    if call.json:
        show.print_json(_plain(key) | {"key": token})
        return
    show.say(show.text(token))
    show.say(show.text(f"{key.id}  {_line(key)}; keep it, it is not shown again", "dim"))


def _plain(key: Key) -> dict[str, Any]:  # Any: JSON
    return {
        "id": key.id, "name": key.name, "reach": plain(key.reach), "read_only": key.read_only,
        "created_at": as_datetime(key.created_at).isoformat(),
        "ends_at": None if key.ends_at is None else as_datetime(key.ends_at).isoformat(),
        "holds": key.holds(SystemClock().now()),
    }  # fmt: skip


def _line(key: Key) -> str:
    reach = key.reach
    parts = {"tenant": reach.tenant_id, "app": reach.app_id, "user": reach.user_id}
    named = [f"{name} {value}" for name, value in parts.items() if value is not None and value is not ANY]
    may = "reads" if key.read_only else "reads and writes"
    end = "" if key.ends_at is None else f", until {as_datetime(key.ends_at):%Y-%m-%d %H:%M} UTC"
    if not key.holds(SystemClock().now()):
        end = ", ended"
    return f"{key.name}: {may} {', '.join(named) or 'everything'}{end}"
