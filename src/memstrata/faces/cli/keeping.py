"""Commands about the store as a whole: check, bring in and out, clean up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from memstrata.faces.cli import show
from memstrata.faces.cli.faults import FAILED
from memstrata.faces.cli.options import Call, command
from memstrata.faces.plain import plain
from memstrata.types import CheckReport

Repair = Annotated[bool, typer.Option("--repair", help="Put right what can be made anew from the rows.")]


@command("check")
def check(call: Call, repair: Repair = False) -> None:
    """Compare rows, text index, vectors, caches and blobs.

    Exits with 1 when something differs and was not repaired."""
    with call.opened() as memory, show.progress("checking", total=memory.stats().memories, shown=not call.json) as done:
        report = memory.check(repair=repair, progress=done)
    if call.json:
        show.print_json(plain(report) | {"ok": report.ok})
    else:
        _say_differences(report)
    if not report.ok:
        raise typer.Exit(FAILED)


def _say_differences(report: CheckReport) -> None:
    for difference in report.differences:
        state = "repaired" if difference.repaired else "differs"
        show.say(show.text(f"{state}: {difference.part}, {difference.subject}: {difference.problem}"))
    looked = f"{report.memories:,} memories, {report.segments:,} passages"
    if report.ok:
        show.say(show.text(f"{looked}: all is well", "green"))
    else:
        show.say(show.text(f"{looked}: {len(report.differences)} differences", "red"))
        show.say(show.text("`memstrata check --repair` puts right what can be made anew; see also your backups", "dim"))


@command("export")
def export(
    call: Call, path: Annotated[Path, typer.Argument(help="The JSONL file to write.", show_default=False)]
) -> None:
    """Write memories to a file, with all versions.

    Those of a scope, or everything when none is given."""
    with call.opened() as memory, show.progress("exporting", shown=not call.json) as done:
        count = memory.export(path, progress=done, scope=call.scope)
    call.answer({"memories": count, "path": str(path)}, f"wrote {count:,} memories to {path}")


@command("import")
def import_(
    call: Call,
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders of files.", show_default=False)],
    format: Annotated[
        str | None, typer.Option("--format", help="jsonl, text, markdown, chat, mem0, server-memory or memstrata.")
    ] = None,
) -> None:
    """Bring in exports, notes, texts and chats.

    Doing it twice adds nothing twice. docs/import.md says which formats there are."""
    with call.opened(create=True) as memory, show.progress("importing", shown=not call.json) as done:
        receipts = [memory.import_(path, format=format, progress=done, scope=call.scope) for path in paths]
    added = sum(receipt.added for receipt in receipts)
    total = replace(receipts[-1], added=added, repeated=sum(receipt.repeated for receipt in receipts))
    before = f"; {total.repeated:,} were there before" if total.repeated else ""
    call.answer(total, f"kept {total.added:,} memories{before}")


@command("backup")
def backup(
    call: Call, directory: Annotated[Path, typer.Argument(help="A new directory for the copy.", show_default=False)]
) -> None:
    """Copy the whole store to a new directory."""
    with call.opened() as memory:
        made = memory.backup(directory)
    call.answer({"directory": str(made)}, f"the copy is in {made}; open it with --home")


@command("stats")
def stats(call: Call) -> None:
    """Say how much a scope, or the whole store, holds."""
    with call.opened() as memory:
        found = memory.stats(scope=call.scope)
    if call.json:
        show.print_json(found)
        return
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in found.by_kind.items())
    owed = ", ".join(f"{task} {count:,}" for task, count in found.owed.items())
    show.say(
        show.figures(
            {
                "memories": f"{found.memories:,}" + (f" ({kinds})" if kinds else ""),
                "versions": f"{found.versions:,}",
                "passages": f"{found.segments:,}",
                "spaces": f"{found.spaces:,}",
                "owed": owed or "nothing",
                "embedder": found.embedder,
                "size": show.size(found.size_bytes),
                "blobs": f"{found.blobs:,}, {show.size(found.blob_bytes)}" if found.blobs else "none",
                "position": f"{found.position:,}",
            }
        )
    )


@command("upkeep")
def upkeep(
    call: Call, seconds: Annotated[float, typer.Option("--seconds", help="Stop after about so long.")] = 10.0
) -> None:
    """Settle owed work: expiry, embeddings, deletions."""
    with call.opened() as memory:
        report = memory.upkeep(seconds)
    if call.json:
        show.print_json(report)
        return
    settled = ", ".join(f"{count:,} {task}" for task, count in report.settled.items() if count)
    owed = ", ".join(f"{count:,} {task}" for task, count in report.owed.items() if count)
    show.say(show.text(f"settled: {settled or 'nothing was owed'}"))
    if owed:
        show.say(show.text(f"still owed: {owed}; run it again", "yellow"))


@command("purge")
def purge(call: Call) -> None:
    """Take deleted memories out of the files, now."""
    with call.opened() as memory:
        receipt = memory.purge()
    call.answer(receipt, f"took {receipt.memories:,} deleted memories out of {', '.join(receipt.files)}")


@command("reembed")
def reembed(call: Call) -> None:
    """Make every vector anew with --embedder.

    It may be stopped and run again; searches go on meanwhile."""
    if call.embedder is None:
        raise typer.BadParameter("say with which: --embedder builtin, openai:MODEL or sentence-transformers:MODEL")
    with call.opened(reembed=True) as memory, show.progress("embedding", shown=not call.json) as done:
        total = memory.stats().memories
        count = memory.reembed(progress=done)
    made = f"made the vectors of {count:,} of {total:,} memories with {call.embedder}"
    call.answer({"memories": count, "embedder": call.embedder}, made)
