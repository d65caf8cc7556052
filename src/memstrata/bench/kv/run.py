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
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from transformers import LlamaForCausalLM
from transformers.utils import logging

from memstrata import plugins
from memstrata.bench import report
from memstrata.bench.kv import peers as others
from memstrata.bench.kv import tasks
from memstrata.bench.kv.answer import Measured, Method, measure
from memstrata.bench.kv.caches import Memstrata, Transformers
from memstrata.bench.kv.report import plot
from memstrata.bench.kv.score import Right, Row, by_depth, compared, interval, right
from memstrata.bench.kv.tasks import Task
from memstrata.errors import InvalidInput

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MODEL: Final = Path(__file__).with_name("model")
RATIOS: Final = (0.5, 0.75, 0.9)
TEXTS: Final = 125  # of eight questions each
QUICK_TEXTS: Final = 16
SEED: Final = 0
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

    def failed(self, name: str, method: str, ratio: float, why: str) -> None:
        """A row that says why there is no figure."""
        self.rows.append(
            Row(
                name=name, method=method, ratio=ratio, accuracy=None, ci=None, bytes=None, peak_bytes=None,
                full_bytes=None, prefill_s=None, decode_s=None, tried=0, accepted=0, note=why[:300],
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
        quick: few questions, and no peer that needs another environment.
        device: where the model runs; on `cuda` the shapes of a large model are measured too.
        peers: the Python of an environment with kvpress; `tools/kv/peers.sh` makes one.
        policies: names of ours; all that are registered when left out.
        json_path: where to write `{"rows": […]}`, after each method.
        plot_path: where to draw recall against bytes.

    Raises:
        InvalidInput: a device or a policy that is not there, or peers that cannot run.
        MissingExtra: a plot is wanted and matplotlib is not there.
    """
    if plot_path is not None:
        report.check_plots()
    model = _model(device)
    texts = QUICK_TEXTS if quick else TEXTS
    asked = [make(texts, seed=SEED) for make in (tasks.recall, tasks.multiturn, tasks.dialogue)]
    figures = Figures()
    with _progress() as progress, _one_thread():
        _ours(figures, model, asked, methods(policies), progress, json_path)
        if peers is not None and not quick:
            _theirs(figures, peers, asked, progress, json_path)
    figures.rows = compared(figures.rows, figures.rights)
    _save(figures.rows, json_path)
    if plot_path is not None:
        plot(figures.rows, plot_path)
    return figures.rows


def methods(policies: Sequence[str] | None = None) -> list[Method]:
    """Everything that runs here, the whole cache first; ours by policy, with the peak free and with it bounded.

    Raises:
        InvalidConfig: nothing is registered under one of the names.
    """
    chosen = list(policies) if policies is not None else plugins.names("kv_policies")
    for name in chosen:
        plugins.find("kv_policies", name)
    ours = [Memstrata(name, ratio, bounded=bounded) for name in chosen for bounded in (False, True) for ratio in RATIOS]
    return [Transformers("full"), *_quantised(), *ours]


def _quantised() -> Iterator[Method]:
    """transformers' caches of fewer bits, as far as their packages are installed."""
    yield Transformers("transformers/fp8", backend="fp8")
    if find_spec("optimum") is not None and find_spec("optimum.quanto") is not None:
        yield Transformers("transformers/quanto-int4", backend="quanto", bits=4)
    if find_spec("hqq") is not None:
        yield Transformers("transformers/hqq-int4", backend="hqq", bits=4)


def _model(device: str) -> PreTrainedModel:
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


def _ours(
    figures: Figures, model: PreTrainedModel, asked: Sequence[Task], chosen: Sequence[Method], progress: Progress,
    json_path: Path | None,
) -> None:  # fmt: skip
    bar = progress.add_task("", total=len(chosen) * len(asked))
    for method in chosen:
        for task in asked:
            progress.update(bar, description=f"{task.name}, {method.name} {method.ratio:g}")
            figures.add(task, method.name, method.ratio, measure(model, method, task))
            progress.advance(bar)
        _save(figures.rows, json_path)


def _theirs(figures: Figures, python: Path, asked: Sequence[Task], progress: Progress, json_path: Path | None) -> None:
    by_name = {task.name: task for task in asked}
    bar = progress.add_task("kvpress", total=others.PRESSES * len(RATIOS) * len(asked))
    for one in others.pressed(python, MODEL, asked, RATIOS, threads=torch.get_num_threads()):
        name = f"kvpress/{one.press}"
        if one.measured is None:
            figures.failed(one.task, name, one.ratio, str(one.failed))
        else:
            figures.add(by_name[one.task], name, one.ratio, one.measured)
        progress.update(bar, advance=1, description=f"{one.task}, {name} {one.ratio:g}")
        _save(figures.rows, json_path)


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
