"""Turn the options that every command takes into one value."""

from __future__ import annotations

import functools
import inspect
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Concatenate, Final, ParamSpec, get_type_hints

import typer

from memstrata.errors import InvalidInput, StoreUnavailable
from memstrata.faces.cli import show
from memstrata.faces.cli.faults import JSON_WANTED, Faults
from memstrata.types import ANY, Scope

if TYPE_CHECKING:
    from memstrata.engine import Memstrata

P = ParamSpec("P")

app: Final = typer.Typer(
    name="memstrata",
    cls=Faults,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they show the values of variables, and so what is remembered
    context_settings={"help_option_names": ["-h", "--help"]},
    help="A memory for language models and the agents built on them, in one directory of yours.",
    epilog="Exit codes: 0 done, 1 failed or refused, 2 used wrongly, 3 no such memory. "
    "With --json, errors are JSON on stderr.",
)

MAX_STDIN_BYTES: Final = 64 << 20
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, slots=True)
class Searching:
    """The parts that a search is made of, by name; what is None comes from the environment, or is what ships."""

    retrievers: tuple[str, ...] | None = None
    ranker: str | None = None
    reranker: str | None = None


IDLE: Final = Searching((), "linear", "none")  # a command that does not search waits for no model to load


@dataclass(frozen=True, slots=True)
class Call:
    """Which memory a command means, whose part of it, how to search there, and how to answer."""

    home: Path | None
    embedder: str | None
    scope: Scope
    json: bool
    searching: Searching = IDLE

    def opened(self, *, create: bool = False, reembed: bool = False) -> Memstrata:
        """The memory, to be used in a `with`; only with `create` is one made that is not there."""
        from memstrata import config
        from memstrata.wiring import open_memory  # late: numpy and the store

        home = config.read(self.home).home
        if not create and not home.is_file() and not any(home.glob("*")):
            raise StoreUnavailable(f"there is no memory at {home}; `memstrata add` or `memstrata import` makes one")
        chosen = self.searching
        return open_memory(
            self.home, embedder=self.embedder, retrievers=chosen.retrievers, ranker=chosen.ranker,
            reranker=chosen.reranker, reembed=reembed,
        )  # fmt: skip

    def answer(self, value: object, sentence: str) -> None:
        """Say how it went: the value to a program, one sentence to a person."""
        if self.json:
            show.print_json(value)
        else:
            show.say(show.text(sentence))

    def of_everyone(self) -> Call:
        """The same for every user, and in every app and tenant that was not named."""
        scope = self.scope
        return replace(
            self, scope=replace(scope, tenant_id=scope.tenant_id or ANY, app_id=scope.app_id or ANY, user_id=ANY)
        )


def _want_json(context: typer.Context, wanted: bool) -> bool:
    context.meta[JSON_WANTED] = wanted
    return wanted


SCOPE: Final = "Whose memory"
PAST: Final = "Of another time"
PARTS: Final = "How to search"

Home = Annotated[Path | None, typer.Option("--home", help="The directory of the memory, if not MEMSTRATA_HOME.")]
Embedder = Annotated[
    str | None, typer.Option("--embedder", help="builtin, openai:MODEL or sentence-transformers:MODEL.")
]
User = Annotated[
    str | None, typer.Option("--user", "-u", help="The user; shared memory without.", rich_help_panel=SCOPE)
]
Agent = Annotated[str | None, typer.Option("--agent", help="Only this agent's.", rich_help_panel=SCOPE)]
Session = Annotated[str | None, typer.Option("--session", help="Only this session's.", rich_help_panel=SCOPE)]
App = Annotated[str | None, typer.Option("--app", help="The app.", rich_help_panel=SCOPE)]
Tenant = Annotated[str | None, typer.Option("--tenant", help="The tenant.", rich_help_panel=SCOPE)]
Namespace = Annotated[str | None, typer.Option("--namespace", help="A path: team/notes.", rich_help_panel=SCOPE)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON value and nothing else.", callback=_want_json)]

COMMON: Final[dict[str, Any]] = {  # Any: annotated types
    "user": User, "agent": Agent, "session": Session, "app": App, "tenant": Tenant, "namespace": Namespace,
    "home": Home, "embedder": Embedder, "as_json": AsJson,
}  # fmt: skip

Retrievers = Annotated[
    list[str] | None,
    typer.Option("--retriever", help="Ask this one too; may be given again.", metavar="NAME", rich_help_panel=PARTS),
]
Ranker = Annotated[
    str | None, typer.Option("--ranker", help="What orders: linear, or another.", metavar="NAME", rich_help_panel=PARTS)
]
Reranker = Annotated[
    str | None,
    typer.Option("--reranker", help="onnx:FOLDER, cross-encoder:MODEL or none.", rich_help_panel=PARTS),
]

FOR_SEARCHES: Final[dict[str, Any]] = {  # Any: annotated types
    "retriever": Retrievers, "ranker": Ranker, "reranker": Reranker,
}  # fmt: skip

# what several commands take
Limit = Annotated[int, typer.Option("--limit", "-n", help="At most so many.")]
Where = Annotated[str | None, typer.Option("--filter", help='JSON such as {"kind": "fact"}; see docs/filters.md.')]
Latency = Annotated[float | None, typer.Option("--latency", help="Milliseconds the search may take.")]
Shared = Annotated[bool, typer.Option("--shared", help="Search also what the app's users share.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="What was true then: 2024-05-20.", rich_help_panel=PAST)]
KnownAt = Annotated[str | None, typer.Option("--known-at", help="What this memory knew then.", rich_help_panel=PAST)]
Hops = Annotated[int, typer.Option("--hops", help="2 or 3 to follow what is stated from thing to thing.")]
Precise = Annotated[bool, typer.Option("--precise", help="Only what the question names or clearly means.")]
AllUsers = Annotated[bool, typer.Option("--all-users", help="Every user's.", rich_help_panel=SCOPE)]
Id = Annotated[str, typer.Argument(help="The id of a memory.", show_default=False)]


def command(
    name: str, *others: str, app: typer.Typer = app, searches: bool = False
) -> Callable[[Callable[Concatenate[Call, P], None]], Callable[Concatenate[Call, P], None]]:
    """Add a function to the command line, with the common options in front of its own as one `Call`.

    The other names work as well, and are not listed. One that `searches` also takes what a search is made of.
    """
    common = COMMON | (FOR_SEARCHES if searches else {})

    def added(function: Callable[Concatenate[Call, P], None]) -> Callable[Concatenate[Call, P], None]:
        hints = get_type_hints(function, include_extras=True)
        own = [
            parameter.replace(annotation=hints[parameter.name])
            for parameter in list(inspect.signature(function).parameters.values())[1:]
        ]

        @functools.wraps(function)
        def called(**given: Any) -> None:  # Any: what typer read, of the types annotated
            scope = Scope(
                given.pop("tenant"), given.pop("app"), given.pop("user"), given.pop("agent"), given.pop("session"),
                given.pop("namespace"),
            )  # fmt: skip
            searching = IDLE
            if searches:
                retrievers = given.pop("retriever")
                searching = Searching(
                    tuple(retrievers) if retrievers else None, given.pop("ranker"), given.pop("reranker")
                )
            call = Call(given.pop("home"), given.pop("embedder"), scope, given.pop("as_json"), searching)
            function(call, **given)  # type: ignore[call-arg]  # the signature below says what is given

        shared = [
            inspect.Parameter(
                option, inspect.Parameter.KEYWORD_ONLY, default=False if option == "as_json" else None, annotation=type_
            )
            for option, type_ in common.items()
        ]
        own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
        called.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # typer reads it
        called.__annotations__ = {parameter.name: parameter.annotation for parameter in [*own, *shared]}
        app.command(name)(called)
        for other in others:
            app.command(other, hidden=True)(called)
        return function

    return added


# ── values ──


def given_text(argument: str | None) -> str:
    """A text from the command line, or from standard input when there is none, or `-`.

    Raises:
        InvalidInput: standard input is no UTF-8, or too long.
        BadParameter: there is no argument, and standard input is a terminal.
    """
    if argument is not None and argument != "-":
        return argument
    if argument is None and sys.stdin.isatty():
        raise typer.BadParameter("there is no text: give one as an argument, or on standard input")
    raw = sys.stdin.buffer.read(MAX_STDIN_BYTES + 1)
    if len(raw) > MAX_STDIN_BYTES:
        raise InvalidInput(f"standard input has more than {MAX_STDIN_BYTES:,} bytes; use `memstrata import` for files")
    try:
        return raw.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as exc:
        raise InvalidInput(f"standard input is not UTF-8 at byte {exc.start + 1}; convert it first") from exc


def json_option(text: str | None, option: str) -> Any:  # Any: JSON, checked by the engine
    """The JSON value of an option.

    Raises:
        BadParameter: it is none.
    """
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise typer.BadParameter(f"{option} takes JSON, and this is none: {exc}") from exc


def attributes_of(pairs: list[str]) -> dict[str, Any]:  # Any: JSON
    """The attributes of `name=value` pairs; a value that is JSON is taken as such, any other as text.

    >>> attributes_of(["room=attic", "floor=3", 'tags=["a", "b"]'])
    {'room': 'attic', 'floor': 3, 'tags': ['a', 'b']}
    """
    found = {}
    for pair in pairs:
        name, mark, value = pair.partition("=")
        if not mark or not name:
            raise typer.BadParameter(f"--attribute takes name=value, not {pair!r:.80}")
        try:
            found[name] = json.loads(value)
        except (ValueError, RecursionError):
            found[name] = value
    return found


def moment_option(text: str | None, option: str) -> str | float | None:
    """A time, as ISO 8601, or from now on as a number of s, m, h, d or w: `30d`."""
    match = None if text is None else DURATION.fullmatch(text.strip())
    if match is None:
        return text
    if option != "--expires":
        raise typer.BadParameter(f"{option} takes a time such as 2024-05-20T18:05:00+02:00, not {text!r:.80}")
    from memstrata.clock import SystemClock

    return SystemClock().now() / 1e6 + float(match[1]) * SECONDS[match[2]]
