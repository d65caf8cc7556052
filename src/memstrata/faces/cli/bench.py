"""Commands that measure this machine; the measuring itself is `memstrata.bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import typer

from memstrata.errors import MissingExtra
from memstrata.faces.cli.options import app
from memstrata.faces.cli.show import console

SIZES: Final = "1000,10000,100000"
QUICK: Final = "1000"

group = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure speed, and how much is found.")
app.add_typer(group, name="bench")


@group.callback()
def _group() -> None:
    """Measure speed, and how much is found."""


@group.command("speed")
def speed(
    sizes: Annotated[str, typer.Option("--sizes", help="How many memories, with commas between.")] = SIZES,
    peers: Annotated[bool, typer.Option("--peers", help="Measure other stores too, where installed.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Draw into this directory.")] = None,
    quick: Annotated[bool, typer.Option("--quick", help=f"One small size, {QUICK}.")] = False,
) -> None:
    """Measure adding, searching and the rest in stores of several sizes."""
    try:
        from memstrata.bench.report import show
        from memstrata.bench.speed import run  # late: it loads what it measures
    except ImportError as exc:
        raise MissingExtra("benchmarks", "bench") from exc
    rows = run(sizes=_numbers(QUICK if quick else sizes), peers=peers, json_path=json_path, plots=plots)
    show(rows, console())


@group.command("recall")
def recall(
    data: Annotated[Path, typer.Option("--data", help="The directory with the published sets' files.")],
    sets: Annotated[str, typer.Option("--sets", help="Names with commas between; all that are there if none.")] = "",
    embedder: Annotated[str | None, typer.Option("--embedder", help="The built-in one if none.")] = None,
    reranker: Annotated[str | None, typer.Option("--reranker", help="Measure memstrata with it.")] = None,
    context: Annotated[bool, typer.Option("--context", help="Measure contexts of several token budgets too.")] = False,
    features: Annotated[bool, typer.Option("--features", help="Measure the product without each part too.")] = False,
    ablate: Annotated[bool, typer.Option("--ablate", help="Measure contexts without the best hits too.")] = False,
    slips: Annotated[bool, typer.Option("--slips", help="Ask again with one word of each misspelt.")] = False,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    plots: Annotated[Path | None, typer.Option("--plots", help="Draw into this directory.")] = None,
) -> None:
    """Measure how much of what should be found is found, next to plain words and plain vectors."""
    try:
        from memstrata.bench.recall import Wanted, run, show  # late: it loads what it measures
    except ImportError as exc:
        raise MissingExtra("benchmarks", "bench") from exc
    wanted = Wanted(context=context, features=features, ablate=ablate, slips=slips)
    rows = run(
        data=data, sets=_names(sets), embedder=embedder, reranker=reranker, json_path=json_path, plots=plots,
        wanted=wanted,
    )  # fmt: skip
    show(rows, console())


@group.command("lookaside")
def lookaside(
    searches: Annotated[int, typer.Option("--searches", min=1, help="Questions in each stream.")] = 600,
    data: Annotated[Path | None, typer.Option("--data", help="A directory with published sets, to ask too.")] = None,
    sets: Annotated[str, typer.Option("--sets", help="Names with commas between; all that are there if none.")] = "",
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Measure what it saves that questions were asked before, and whether their answers are those of a search."""
    from memstrata.bench.lookaside import run, show  # late: it loads what it measures

    show(run(searches=searches, data=data, sets=_names(sets), json_path=json_path), console())


@group.command("feedback")
def feedback(
    data: Annotated[Path, typer.Option("--data", help="The directory with the published sets' files.")],
    sets: Annotated[str, typer.Option("--sets", help="Names with commas between; those that fit if none.")] = "",
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Measure what a simulated user's feedback does to the questions it was not given on."""
    from memstrata.bench.feedback import run, table  # late: it loads what it measures

    rows = run(data=data, sets=_names(sets), json_path=json_path)
    console().print(table(rows), markup=False)


@group.command("change")
def change(
    data: Annotated[Path, typer.Option("--data", help="The directory with the published sets' files.")],
    sets: Annotated[str, typer.Option("--sets", help="Names with commas between; all that are there if none.")] = "",
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Measure what following time and change does, with all of it and with each part off."""
    try:
        from memstrata.bench.change import run, show  # late: it loads what it measures
    except ImportError as exc:
        raise MissingExtra("benchmarks", "bench") from exc
    rows = run(data=data, sets=_names(sets), json_path=json_path)
    show(rows, console())


@group.command("kv")
def kv(
    quick: Annotated[bool, typer.Option("--quick", help="Few questions, and no peers.")] = False,
    device: Annotated[str, typer.Option("--device", help="cpu or cuda.")] = "cpu",
    peers: Annotated[Path | None, typer.Option("--peers", help="The Python of an environment with kvpress.")] = None,
    policies: Annotated[str, typer.Option("--policies", help="Names with commas between; all if none.")] = "",
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
    plot: Annotated[Path | None, typer.Option("--plot", help="Draw recall against bytes into this file.")] = None,
) -> None:
    """Measure what a small model still recalls from caches that were thinned out, and what they cost."""
    try:
        from memstrata.bench.kv.report import show
        from memstrata.bench.kv.run import run  # late: it loads what it measures
    except ImportError as exc:
        raise MissingExtra("benchmarks of caches", "kv") from exc
    rows = run(
        quick=quick, device=device, peers=peers, policies=_names(policies), json_path=json_path, plot_path=plot
    )  # fmt: skip
    show(rows, console())


@group.command("serve")
def serve(
    sizes: Annotated[str, typer.Option("--sizes", help="How many memories, with commas between.")] = QUICK,
    seconds: Annotated[float, typer.Option("--seconds", min=0.1, help="Each figure takes at most so long.")] = 10.0,
    requests: Annotated[int, typer.Option("--requests", min=10, help="Over which growth is looked at.")] = 2_000,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Measure the server: requests a second, how soon changes are heard, what it grows by."""
    try:
        from memstrata.bench.serve import run, show  # late: it loads what it measures
    except ImportError as exc:
        raise MissingExtra("benchmarks", "bench") from exc
    show(run(sizes=_numbers(sizes), seconds=seconds, requests=requests, json_path=json_path), console())


@group.command("team")
def team(
    teams: Annotated[int, typer.Option("--teams", min=1, help="Teams that work at the same time.")] = 3,
    agents: Annotated[int, typer.Option("--agents", min=1, help="Agents in each.")] = 4,
    seconds: Annotated[float, typer.Option("--seconds", min=0, help="What the fake model takes for an answer.")] = 0.05,
    json_path: Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")] = None,
) -> None:
    """Count the calls of a model that teams need for work that overlaps: without a memory, with one, with claims."""
    try:
        from memstrata.bench.team import run, show  # late: it loads what it measures
    except ImportError as exc:
        raise MissingExtra("benchmarks", "bench") from exc
    show(run(teams=teams, agents=agents, seconds=seconds, json_path=json_path), console())


def _names(text: str) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] or None


def _numbers(text: str) -> list[int]:
    try:
        found = [int(part.replace("_", "")) for part in text.split(",") if part.strip()]
    except ValueError as exc:
        raise typer.BadParameter(f"--sizes takes numbers with commas between, not {text!r:.80}") from exc
    if not found or min(found) < 1:
        raise typer.BadParameter(f"--sizes takes numbers from 1 on, not {text!r:.80}")
    return found
