"""Answer tasks from caches that kvpress has pressed: JSON in on stdin, one line of JSON out for each press and ratio.

This file runs alone, by the Python of an environment that has kvpress and the older transformers it needs, where
memstrata is not installed: it imports nothing of ours. Positions after compression are given to the model explicitly,
as kvpress's own pipeline does; without that every later token would stand in the wrong place.
"""

# mypy: ignore-errors
# (what it imports is not in the environment that types are checked in, or in another version)

from __future__ import annotations

import copy
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypedDict

import kvpress
import torch
from transformers import AutoModelForCausalLM, DynamicCache
from transformers.utils import logging

ANSWER: Final = 2  # tokens of an answer
EAGER: Final = ("ObservedAttention",)  # presses that read the attention's weights

Press = Callable[[float], Any]  # Any, here and below: see above


def _scorer(name: str, **settings: Any) -> Press:
    return lambda ratio: getattr(kvpress, f"{name}Press")(compression_ratio=ratio, **settings)


def _around(name: str, inner: Press) -> Press:
    return lambda ratio: getattr(kvpress, f"{name}Press")(press=inner(ratio))


PLAIN: Final = (
    "Random", "StreamingLLM", "Knorm", "KeyDiff", "SnapKV", "PyramidKV", "TOVA", "ObservedAttention",
    "ExpectedAttention", "LagKV", "LeverageScore", "NonCausalAttn", "Compactor", "CUR", "Cap",
)  # fmt: skip
PRESSES: Final[Mapping[str, Press]] = {
    **{name: _scorer(name) for name in PLAIN},
    "SnapKV-kernel-1": _scorer("SnapKV", kernel_size=1),
    "CriticalKV-ExpectedAttention": _around("CriticalKV", _scorer("ExpectedAttention")),
    "AdaKV-ExpectedAttention": _around("AdaKV", _scorer("ExpectedAttention")),
    "AdaKV-SnapKV": _around("AdaKV", _scorer("SnapKV")),
    "ChunkKV-SnapKV": _around("ChunkKV", _scorer("SnapKV")),
}


class Asked(TypedDict):
    """What comes in: token ids as nested lists."""

    model: str
    presses: list[str]
    ratios: list[float]
    batch: int
    threads: int
    tasks: list[dict[str, Any]]


class Watched(DynamicCache):
    """transformers' own cache, which notes the most bytes it ever held, and those of everything that came in."""

    most = 0
    came = 0

    def update(self, keys: Any, values: Any, *args: Any, **kwargs: Any) -> Any:
        """Once for each layer, before the press thins that layer out."""
        given = super().update(keys, values, *args, **kwargs)
        self.came += keys.nbytes + values.nbytes
        self.most = max(self.most, self.held())
        return given

    def held(self) -> int:
        """Bytes of keys and values."""
        filled = [layer for layer in self.layers if layer.is_initialized]
        return sum(one.nbytes for layer in filled for one in (layer.keys, layer.values))


@dataclass
class Spent:
    """What the answers cost so far."""

    answers: list[Any] = field(default_factory=list)
    first: list[Any] = field(default_factory=list)  # answers to the questions that texts end in
    bytes: int = 0
    peak_bytes: int = 0
    full_bytes: int = 0
    prefill_s: float = 0.0
    decode_s: float = 0.0


def main() -> None:
    """Read the request, answer each task with each press at each ratio."""
    warnings.filterwarnings("ignore")
    logging.set_verbosity_error()
    asked: Asked = json.load(sys.stdin)
    torch.set_num_threads(asked["threads"])
    torch.manual_seed(0)
    for line in answered(asked):
        print(json.dumps(line), flush=True)


def answered(asked: Asked) -> Iterator[dict[str, object]]:
    """One line for each task, press and ratio; a press that fails says how."""
    models = {
        how: AutoModelForCausalLM.from_pretrained(asked["model"], dtype=torch.float32, attn_implementation=how).eval()
        for how in ("sdpa", "eager")
    }
    for name in asked["presses"] or PRESSES:
        model = models["eager" if name in EAGER else "sdpa"]
        for ratio in asked["ratios"]:
            for task in asked["tasks"]:
                named = {"task": task["name"], "press": name, "ratio": ratio}
                try:
                    spent = _pressed(model, PRESSES[name](ratio), task, asked["batch"])
                except (AssertionError, RuntimeError, ValueError, KeyError, AttributeError, TypeError) as exc:
                    yield {**named, "failed": f"{type(exc).__name__}: {exc}"}
                    continue
                yield {**named, **vars(spent)}


@torch.inference_mode()
def _pressed(model: Any, press: Any, task: dict[str, Any], batch: int) -> Spent:
    ids, asked = torch.tensor(task["ids"]), torch.tensor(task["asked"])
    spent = Spent()
    for first in range(0, len(ids), batch):
        _one_batch(
            model, press, ids[first : first + batch], asked[first : first + batch], task["answered_first"], spent
        )
    spent.bytes //= len(ids)
    spent.peak_bytes //= len(ids)
    spent.full_bytes //= len(ids)
    spent.prefill_s /= len(ids)
    spent.decode_s /= len(ids) * asked.shape[1]
    return spent


def _one_batch(model: Any, press: Any, ids: Any, asked: Any, answered_first: bool, spent: Spent) -> None:
    cache, place = Watched(), ids.shape[1]
    start = time.perf_counter()
    with press(model):
        seen = model.model(ids, past_key_values=cache).last_hidden_state[:, -1:]
    last = model.lm_head(seen)[:, -1].argmax(-1)
    spent.prefill_s += time.perf_counter() - start
    spent.bytes += cache.held()
    spent.peak_bytes += cache.most
    spent.full_bytes += cache.came
    if answered_first:
        said = []
        for _ in range(ANSWER):
            said.append(last)
            last = _step(model, last[:, None], cache, place)
            place += 1
        spent.first += torch.stack(said, dim=1).tolist()
    start = time.perf_counter()
    rows = [_answer(model, asked[:, question], copy.deepcopy(cache), place) for question in range(asked.shape[1])]
    spent.decode_s += time.perf_counter() - start
    spent.answers += torch.stack(rows, dim=1).tolist()


def _answer(model: Any, question: Any, cache: Any, place: int) -> Any:
    """(text, ANSWER) tokens, the likeliest each time."""
    said = [_step(model, question, cache, place)]
    for step in range(ANSWER - 1):
        said.append(_step(model, said[-1][:, None], cache, place + question.shape[1] + step))
    return torch.stack(said, dim=1)


def _step(model: Any, ids: Any, cache: Any, place: int) -> Any:
    """The likeliest token after `ids`, which stand from `place` on."""
    places = torch.arange(place, place + ids.shape[1])[None].expand(ids.shape[0], -1)
    return model(ids, past_key_values=cache, position_ids=places).logits[:, -1].argmax(-1)


if __name__ == "__main__":
    main()
