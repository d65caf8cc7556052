"""Ask kvpress, in an environment of its own, the same questions of the same model: JSON there and back."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

import numpy as np

from memstrata.bench.kv.answer import BATCH, Measured
from memstrata.bench.kv.tasks import Task
from memstrata.errors import InvalidInput

SCRIPT: Final = Path(__file__).with_name("kvpress_peer.py")
PRESSES: Final = 20  # how many the script knows, for the bar


@dataclass(frozen=True, slots=True)
class Pressed:
    """What one press came to in one task at one ratio, or how it failed."""

    task: str
    press: str
    ratio: float
    measured: Measured | None
    failed: str | None = None


def pressed(
    python: Path,
    model: Path,
    tasks: Sequence[Task],
    ratios: Sequence[float],
    *,
    threads: int,
    presses: Sequence[str] = (),
) -> Iterator[Pressed]:
    """One after the other, as they come; all presses where none is named.

    Raises:
        InvalidInput: that Python is not there, or it cannot run the presses.
    """
    request = {
        "model": str(model), "presses": list(presses), "ratios": list(ratios), "batch": BATCH, "threads": threads,
        "tasks": [_plain(task) for task in tasks],
    }  # fmt: skip
    with TemporaryFile("w+", encoding="utf-8") as told:
        try:
            peer = subprocess.Popen(  # noqa: S603  # the Python that the caller named
                [str(python), "-P", str(SCRIPT)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, text=True
            )
        except OSError as exc:
            raise InvalidInput(
                f"--peers takes the Python of an environment with kvpress; {python} does not run"
            ) from exc
        with peer:
            assert peer.stdin is not None
            assert peer.stdout is not None
            with peer.stdin as end:
                json.dump(request, end)
            for line in peer.stdout:
                yield _read(json.loads(line))
        if peer.returncode:
            told.seek(0)
            last = (told.read().strip().splitlines() or ["nothing was said"])[-1]
            raise InvalidInput(f"{python} could not run the presses of kvpress: {last:.200}")


def _plain(task: Task) -> dict[str, object]:
    tokens = {"ids": task.ids.tolist(), "asked": task.asked.tolist()}
    return {"name": task.name, "answered_first": task.first is not None, **tokens}


def _read(line: dict[str, object]) -> Pressed:
    task, press, ratio = str(line["task"]), str(line["press"]), float(str(line["ratio"]))
    if "failed" in line:
        return Pressed(task, press, ratio, None, str(line["failed"]))
    cost = {name: float(str(line[name])) for name in ("bytes", "peak_bytes", "full_bytes", "prefill_s", "decode_s")}
    measured = Measured(
        answers=np.array(line["answers"]),
        bytes=int(cost["bytes"]),
        peak_bytes=int(cost["peak_bytes"]),
        full_bytes=int(cost["full_bytes"]),
        prefill_s=cost["prefill_s"],
        decode_s=cost["decode_s"],
        first=np.array(line["first"]) if line["first"] else None,
    )
    return Pressed(task, press, ratio, measured)
