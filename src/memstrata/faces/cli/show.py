"""Turn what the engine returns into text for people, or into JSON for programs.

What is kept may come from anywhere, so nothing of it reaches a terminal as it is: control characters are written out.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import datetime
from typing import TYPE_CHECKING, Final

from memstrata.faces.plain import plain
from memstrata.types import (
    Anyone,
    Changes,
    Context,
    Explanation,
    Fact,
    Hit,
    Memory,
    Profile,
    Reranking,
    Scope,
    Version,
)

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table
    from rich.text import Text

# C0 without tab and line feed, DEL, C1, the marks that turn or end lines, and halves of surrogate pairs
DANGEROUS: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)
SHORT: Final = 300  # characters of a memory in a table
PIPED_WIDTH: Final = 120  # columns where there is no terminal that says how wide it is


def safe(text: object) -> str:
    r"""A text that does nothing to a terminal: control characters are written out.

    >>> safe("red\x1b[31m")
    'red\\x1b[31m'
    """
    return DANGEROUS.sub(_written_out, str(text))


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


# ── programs ──


def print_json(value: object) -> None:
    """Print one JSON value; letters of all scripts stay readable, control characters are escaped."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(plain(value), ensure_ascii=not utf8, indent=2)
    # line feeds here are those between the values; inside a text json has escaped them already
    sys.stdout.write(DANGEROUS.sub(lambda match: f"\\u{ord(match[0]):04x}", text) + "\n")


# ── people ──


def console(*, stderr: bool = False) -> Console:
    """Where to print; rich takes NO_COLOR and terminals into account."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    return Console(file=stream, highlight=False, width=None if stream.isatty() else PIPED_WIDTH)


def say(*parts: RenderableType) -> None:
    """Print lines or tables for a person; plain strings are ours and may have markup."""
    out = console()
    for part in parts:
        out.print(part)


def text(value: object, style: str = "") -> Text:
    """Somebody's text, harmless and without markup."""
    from rich.text import Text

    return Text(safe(value), style=style)


def nothing(what: str, hint: str) -> None:
    """Say that there is nothing, and what to try."""
    say(text(what, "yellow"), text(hint, "dim"))


def error(message: str, *, name: str, as_json: bool) -> None:
    """Say on stderr what went wrong."""
    if as_json:
        sys.stderr.write(json.dumps({"error": {"type": name, "message": message}}) + "\n")
        return
    from rich.text import Text

    console(stderr=True).print(Text.assemble(("error: ", "bold red"), safe(message)), soft_wrap=True)


@contextmanager
def progress(title: str, *, total: int | None = None, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on stderr for the length of a block; call what it gives with each number of things done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    err = console(stderr=True)
    with Progress(*columns, console=err, transient=True, disable=not shown or not err.is_terminal) as bar:
        task = bar.add_task(title, total=total)
        yield lambda count: bar.advance(task, count)


# ── what there is to show ──


def when(moment: datetime) -> str:
    """A time in the zone it was given in, to the minute."""
    return f"{moment:%Y-%m-%d %H:%M}"


def scope_line(scope: Scope) -> str:
    """A scope in a few words."""
    named = ((field.name.removesuffix("_id"), getattr(scope, field.name)) for field in fields(scope))
    said = [f"{name} {'(every)' if isinstance(value, Anyone) else value}" for name, value in named if value is not None]
    return ", ".join(said) or "shared memory (no user)"


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        number = column in ("score", "version", "n", "found", "weight")
        table.add_column(
            column, justify="right" if number else "left", no_wrap=number or column == "at", overflow="fold"
        )
    return table


def shortened(value: str) -> str:
    """A text in one line, cut when it is long."""
    value = " ".join(value.split())
    return value if len(value) <= SHORT else value[: SHORT - 1] + "…"


def _with_id(passage: str, id: str) -> Text:
    return text(shortened(passage)).append(f"\n{id}", style="dim")


def hits(found: Sequence[Hit]) -> RenderableType:
    """Hits with score, time and speaker, each with the part that matched and the memory's id."""
    table = _table("score", "at", "speaker", "passage")
    for hit in found:
        one = hit.memory
        who = text(one.speaker or one.role or "")
        table.add_row(f"{hit.score:.3f}", when(one.at), who, _marked(hit))
    return table


def _marked(hit: Hit) -> Text:
    """The part that matched, with what is to be known of the hit."""
    shown = _with_id(hit.passage, hit.memory.id)
    if hit.pinned:
        shown.append("  pinned", style="cyan")
    if hit.replaced_by is not None:
        shown.append(f"  no longer holds: replaced by {safe(hit.replaced_by)}", style="yellow")
    if hit.via:
        shown.append(f"  by way of {', '.join(map(safe, hit.via))}", style="dim")
    return shown


def facts(found: Sequence[Fact]) -> RenderableType:
    """What holds, one value a row, each with its source and the values before it."""
    table = _table("subject", "attribute", "value", "since", "before")
    for one in found:
        condition = f" ({one.condition})" if one.condition else ""
        before = ", ".join(f"{earlier.value} until {_day(earlier.until)}" for earlier in one.history)
        value = text(f"{one.value}{condition}").append(f"\n{safe(one.memory_id)}", style="dim")
        table.add_row(text(one.subject or "the speaker"), text(one.attribute), value, _day(one.since), text(before))
    return table


def _day(moment: datetime | None) -> str:
    return "" if moment is None else when(moment)


def profile(found: Profile) -> RenderableType:
    """All that holds, by subject."""
    return facts([fact for some in found.subjects.values() for fact in some])


def memories(found: Iterable[Memory]) -> RenderableType:
    """Memories with their ids, one a row."""
    table = _table("at", "kind", "speaker", "text")
    for one in found:
        table.add_row(when(one.at), one.kind, text(one.speaker or one.role or ""), _with_id(one.text, one.id))
    return table


def details(found: Memory) -> RenderableType:
    """One memory with everything known of it."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    known: dict[str, object] = {"id": found.id, "text": found.text, "kind": found.kind}
    known |= {"whose": scope_line(found.scope), "version": f"{found.version} ({found.state})"}
    for name in ("speaker", "role", "at", "valid_from", "valid_until", "expires_at", "contributor", "resource", "key"):
        value = getattr(found, name)
        if value is not None:
            known[name] = value.isoformat() if isinstance(value, datetime) else value
    known |= {f"attribute {name}": json.dumps(value, ensure_ascii=False) for name, value in found.attributes.items()}
    if found.sources:
        known["sources"] = ", ".join(found.sources)
    known |= {"stored": found.created_at.isoformat(), "changed": found.updated_at.isoformat()}
    for name, value in known.items():
        table.add_row(text(name, "bold"), text(value))
    return table


def versions(found: Sequence[Version]) -> RenderableType:
    """A history, one version a row."""
    table = _table("version", "state", "recorded", "text")
    for one in found:
        said = text("(deleted)", "dim") if one.memory is None else text(shortened(one.memory.text))
        table.add_row(str(one.number), one.state, when(one.recorded_at), said)
    return table


def changes(found: Changes) -> Iterator[RenderableType]:
    """What has changed, one change a row, and where to go on."""
    if found.changes:
        table = _table("position", "when", "what", "id", "text")
        for one in found.changes:
            said = text("", "dim") if one.memory is None else text(shortened(one.memory.text))
            table.add_row(str(one.position), when(one.at), one.operation, one.memory_id, said)
        yield table
    yield text(f"go on with --after {found.position}", "dim")


def context(found: Context) -> Iterator[RenderableType]:
    """A packed context and its account."""
    yield text(found.text)
    yield text(ledger(found), "dim")


def ledger(found: Context) -> str:
    """What a context cost, in one line."""
    account = found.ledger
    chosen = "everything there is" if found.whole else f"{len(found.left_out)} left out"
    return (
        f"{account.tokens} of {account.token_budget} tokens ({account.counter}), {len(found.passages)} passages, "
        f"{chosen}, {sum(account.ms.values()):.1f} ms{_and_reranked(account.reranking)}"
    )


def _and_reranked(account: Reranking | None) -> str:
    """What a reranker did, behind something else; nothing where there is none."""
    if account is None:
        return ""
    why = {"time": ", then the time was up", "failure": ": it failed, and the order is the one before it", None: ""}
    done = f"{account.scored} of {account.candidates} in {account.ms:.1f} ms{why[account.stopped]}"
    return f"; reranked by {account.name}: {done}"


def explanation(found: Explanation) -> Iterator[RenderableType]:
    """Why a search answered as it did: its words, its retrievers, its hits."""
    words = _table("word", "found", "weight")
    for term in found.terms:
        asked = f"{term.said} → {', '.join(term.instead)}" if term.instead else term.term
        words.add_row(text(asked), f"{term.found}{'+' if term.capped else ''}", f"{term.weight:.2f}")
    if found.terms:
        yield words
    asked = ", ".join(f"{name} × {weight:g}" for name, weight in found.retrievers.items())
    for time in found.times:
        yield text(
            f"{time.expression}: {time.since.isoformat()} to {time.until.isoformat()}, {len(time.ids)} hits in it"
        )
    took = ", ".join(f"{name} {ms:.1f} ms" for name, ms in found.ms.items())
    yield text(f"asked: {asked}    {took}{_and_reranked(found.reranking)}", "dim")
    who = [*found.retrievers, *([found.reranking.name] if found.reranking else [])]
    table = _table("n", "score", *who, "passage")
    for place, hit in enumerate(found.hits, start=1):
        signals = [hit.signals.get(name) for name in who]
        said = [f"{signal.rank}. ({signal.score:.2f})" if signal else "-" for signal in signals]
        table.add_row(str(place), f"{hit.score:.3f}", *said, _marked(hit))
    yield table if found.hits else text("nothing was found", "yellow")
    if found.verdict is not None:
        yield text(f"the memory asked about: {found.verdict}", "bold")


def figures(rows: Mapping[str, object]) -> RenderableType:
    """Names and values, one a line."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(text(name, "bold"), text(value))
    return table


def size(count: int) -> str:
    """Bytes in the unit that suits them.

    >>> size(3_500_000)
    '3.5 MB'
    """
    for unit, bytes_ in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_:
            return f"{count / bytes_:.1f} {unit}"
    return f"{count} bytes"
