"""Measure what a small model still recalls from caches that were thinned out, ours and others', and what they cost.

memstrata bench kv --json kv.json --plot kv.png

Three tasks of made-up facts (`tasks.py`), a model that recalls them (`model/`), the same texts and questions for
every method. `ratio` is the share of the text's tokens that goes, as kvpress counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from transformers import LlamaForCausalLM
from transformers.utils import logging

from memstrata import plugins
from memstrata.bench import report
from memstrata.bench.kv import containers, resume, tasks
from memstrata.bench.kv.answer import Measured, Method, measure
from memstrata.bench.kv.caches import ByEpisode, Memstrata, Transformers
from memstrata.bench.kv.peers import PRESSES, Pressed, pressed
from memstrata.bench.kv.report import plot
from memstrata.bench.kv.score import Right, Row, by_depth, compared, interval, right
from memstrata.bench.kv.shapes import large, shapes
from memstrata.bench.kv.tasks import Task
from memstrata.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODEL: Final = Path(__file__).with_name("model")
RATIOS: Final = (0.5, 0.75, 0.9)
TEXTS: Final = 125  # of eight questions each
QUICK_TEXTS: Final = 8
QUICK_POLICIES: Final = ("window", "snapkv", "expected-attention", "reread")
SEED: Final = 0
RESUMED: Final = 2048  # tokens of the prompt that another process goes on from
OFFERED: Final = 1_000  # containers that must not be taken
DEVICES: Final = ("cpu", "cuda")


@dataclass(slots=True)
class Figures:
    """The rows so far, and which questions each was right on, so that any two can be compared."""

    rows: list[Row] = field(default_factory=list)
    rights: dict[tuple[str, str, float], Right] = field(default_factory=dict)

    def add(self, task: Task, method: str, ratio: float, measured: Measured) -> None:
        """Score one method's answers to one task."""
        found = right(task, measured.answers)
        self.rights[task.name, method, ratio] = found
        self.rows.append(
            Row(
                name=task.name, method=method, ratio=ratio, accuracy=round(float(found.mean()), 4),
                ci=interval(found.mean(axis=1)), bytes=measured.bytes, peak_bytes=measured.peak_bytes,
                full_bytes=measured.full_bytes, prefill_s=round(measured.prefill_s, 5),
                decode_s=round(measured.decode_s, 5), tried=task.questions, accepted=int(found.sum()),
                by_depth=by_depth(task, found),
            )
        )  # fmt: skip
        if task.first is not None and measured.first is not None:
            self.rows[-1]["first"] = round(float((measured.first == task.first).all(axis=-1).mean()), 4)

    def add_pressed(self, one: Pressed, asked: Sequence[Task]) -> None:
        """Score one press's answers, or say why there are none."""
        name = f"kvpress/{one.press}"
        if one.measured is not None:
            self.add(next(task for task in asked if task.name == one.task), name, one.ratio, one.measured)
            return
        self.rows.append(
            Row(
                name=one.task, method=name, ratio=one.ratio, accuracy=None, ci=None, bytes=None, peak_bytes=None,
                full_bytes=None, prefill_s=None, decode_s=None, tried=0, accepted=0, note=str(one.failed)[:300],
            )
        )  # fmt: skip


def run(
    *,
    quick: bool = False,
    device: str = "cpu",
    peers: Path | None = None,
    policies: Sequence[str] | None = None,
    json_path: Path | None = None,
    plot_path: Path | None = None,
) -> list[Row]:
    """Every task with every method, with progress on stderr.

    Args:
        quick: few questions, four policies, and no peer that needs another environment.
        device: where the model runs; on `cuda` the shapes of a large model are measured too.
        peers: the Python of an environment with kvpress; `tools/kv/peers.sh` makes one.
        policies: names of ours; all that are registered when left out, or those four.
        json_path: where to write `{"rows": […]}`, after each method.
        plot_path: where to draw recall against bytes.

    Raises:
        InvalidInput: a device or a policy that is not there, or peers that cannot run.
        MissingExtra: a plot is wanted and matplotlib is not there.
    """
    if plot_path is not None:
        report.check_plots()
    model = shipped(device)
    asked = [
        make(QUICK_TEXTS if quick else TEXTS, seed=SEED) for make in (tasks.recall, tasks.multiturn, tasks.dialogue)
    ]
    figures = Figures()
    with _progress() as progress, _one_thread():
        for answered in _here(model, asked, methods(policies, quick=quick), progress):
            figures.add(*answered)
            _save(figures.rows, json_path)
        if peers is not None and not quick:
            for one in _elsewhere(peers, asked, progress):
                figures.add_pressed(one, asked)
                _save(figures.rows, json_path)
        rows = [*compared(figures.rows, figures.rights), *_others(device, progress)]
    _save(rows, json_path)
    if plot_path is not None:
        plot(rows, plot_path)
    return rows


def methods(policies: Sequence[str] | None = None, *, quick: bool = False) -> list[Method]:
    """What is measured here: the whole cache, transformers' own of fewer bits, and ours, peak free and bounded.

    Raises:
        InvalidConfig: nothing is registered under one of the names.
    """
    chosen = list(policies if policies is not None else QUICK_POLICIES if quick else plugins.names("kv_policies"))
    for name in chosen:
        plugins.find("kv_policies", name)
    ours = [Memstrata(name, ratio, bounded=bounded) for name in chosen for bounded in (False, True) for ratio in RATIOS]
    by_episode = [ByEpisode(ratio) for ratio in RATIOS] if policies is None and not quick else []
    return [Transformers("full"), Transformers("transformers/fp8", backend="fp8"), *ours, *by_episode]


def shipped(device: str) -> PreTrainedModel:
    """The model that ships, in single precision."""
    if device not in DEVICES:
        raise InvalidInput(f"--device takes {' or '.join(DEVICES)}, not {device!r:.80}")
    if device == "cuda" and not torch.cuda.is_available():
        raise InvalidInput(
            "--device cuda was asked for, and torch finds no CUDA device; leave it out, or see nvidia-smi"
        )
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]  # a bar for reading 55 small tensors
    model: PreTrainedModel = LlamaForCausalLM.from_pretrained(MODEL, dtype=torch.float32)
    model.to(device)  # type: ignore[arg-type]  # a decorator hides what it takes
    return model


def _here(
    model: PreTrainedModel, asked: Sequence[Task], chosen: Sequence[Method], progress: Progress
) -> Iterator[tuple[Task, str, float, Measured]]:
    """Every task with every method; what reads one text at a time is for dialogues only."""
    pairs = [(method, task) for method in chosen for task in asked if len(task.turns) > 1 or not method.alone]
    bar = progress.add_task("", total=len(pairs))
    for method, task in pairs:
        progress.update(bar, description=f"{task.name}, {method.name} {method.ratio:g}")
        yield task, method.name, method.ratio, measure(model, method, task)
        progress.advance(bar)


def _elsewhere(python: Path, asked: Sequence[Task], progress: Progress) -> Iterator[Pressed]:
    bar = progress.add_task("kvpress", total=PRESSES * len(RATIOS) * len(asked))
    for one in pressed(python, MODEL, asked, RATIOS, threads=1):
        progress.update(bar, advance=1, description=f"{one.task}, kvpress/{one.press} {one.ratio:g}")
        yield one


def _others(device: str, progress: Progress) -> Iterator[Row]:
    """What is not about recall: going on in another process, damaged containers, and the shapes of a large model."""
    bar = progress.add_task("resume", total=3 if device == "cuda" else 2)
    yield from cast("list[Row]", resume.rows(tokens=RESUMED, device=device))
    progress.update(bar, advance=1, description="container")
    yield from cast("list[Row]", containers.rows(OFFERED))
    progress.update(bar, advance=1, description="shapes")
    if device == "cuda":
        yield from shapes(large(), device=device)


def _save(rows: Sequence[Row], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps({"rows": rows}, indent=1) + "\n", encoding="utf-8")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Steady times: matrices this small gain nothing from a second thread, and lose much where a core is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield progress
