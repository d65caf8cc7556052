"""Turn a task and a way of caching into answers, and what they cost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
import torch

from memstrata.bench.kv.tasks import ANSWER, Ids, Task

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import Cache, PreTrainedModel

BATCH: Final = 16  # texts read side by side


@dataclass(frozen=True, slots=True)
class Held:
    """What a cache holds and held, in bytes, for all texts of a batch."""

    bytes: int
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading came to."""

    logits: Tensor  # (text, vocabulary): after the last token
    held: Held
    cache: Cache | None  # to go on with; None where there is one for each episode
    asked: Callable[[Tensor], Cache]  # questions (text, token) → a copy of the cache that is to answer them


class Method(Protocol):
    """A way to keep what was read."""

    @property
    def name(self) -> str:
        """As it stands in the figures."""
        ...

    @property
    def ratio(self) -> float:
        """The share of the text's tokens that goes; 0 where all stay."""
        ...

    @property
    def alone(self) -> bool:
        """Whether it reads one text at a time."""
        ...

    def read(self, model: PreTrainedModel, ids: Tensor, turns: tuple[int, ...]) -> Reading:
        """Read texts (text, token) that come in pieces of these lengths."""
        ...


@dataclass(frozen=True, slots=True)
class Measured:
    """The answers of one method to one task; bytes and seconds are for one text, `decode_s` for one answer."""

    answers: Ids  # (text, question, ANSWER)
    bytes: int
    peak_bytes: int
    full_bytes: int
    prefill_s: float
    decode_s: float
    first: Ids | None = None  # (text, ANSWER): the answer to the question that the text ended in


def full_bytes(model: PreTrainedModel, tokens: int) -> int:
    """Keys and values of all tokens of one text, in the model's own precision."""
    config = model.config.get_text_config()
    dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    width = 2 * config.num_hidden_layers * config.num_key_value_heads * dim
    return int(tokens * width * torch.finfo(model.dtype).bits // 8)


@torch.inference_mode()
def measure(model: PreTrainedModel, method: Method, task: Task) -> Measured:
    """Read every text, ask every question of a copy of its cache, and count."""
    first, answers, held, prefill_s, decode_s = [], [], [], 0.0, 0.0
    for rows in _batches(len(task.ids), 1 if method.alone else BATCH):
        ids = torch.from_numpy(task.ids[rows]).to(model.device)
        asked = torch.from_numpy(task.asked[rows]).to(model.device)
        start = now(model)
        read = method.read(model, ids, task.turns)
        prefill_s += now(model) - start
        held.append(read.held)
        if task.first is not None:
            first.append(_spoken(model, read).cpu().numpy())
        start = now(model)
        of_batch = [_answer(model, asked[:, place], read.asked(asked[:, place])) for place in range(asked.shape[1])]
        decode_s += now(model) - start
        answers.append(torch.stack(of_batch, dim=1).cpu().numpy())
    texts = len(task.ids)
    return Measured(
        answers=np.concatenate(answers),
        bytes=sum(one.bytes for one in held) // texts,
        peak_bytes=sum(one.peak_bytes for one in held) // texts,
        full_bytes=full_bytes(model, task.tokens),
        prefill_s=prefill_s / texts,
        decode_s=decode_s / task.questions,
        first=np.concatenate(first) if first else None,
    )


def _batches(count: int, size: int) -> Iterator[slice]:
    for start in range(0, count, size):
        yield slice(start, min(count, start + size))


def now(model: PreTrainedModel) -> float:
    """Seconds of a clock that only goes forward, once everything that was asked of the device is done."""
    if model.device.type == "cuda":
        torch.cuda.synchronize(model.device)
    return time.perf_counter()


def _spoken(model: PreTrainedModel, read: Reading) -> Tensor:
    """The answer to the question that a text ends in, said and kept (text, ANSWER)."""
    said = [read.logits.argmax(-1)]
    while len(said) <= ANSWER:
        said.append(model(said[-1][:, None], past_key_values=read.cache).logits[:, -1].argmax(-1))
    return torch.stack(said[:ANSWER], dim=1)


def _answer(model: PreTrainedModel, question: Tensor, cache: Cache) -> Tensor:
    """(text, ANSWER) tokens, the likeliest each time."""
    said = [model(question, past_key_values=cache).logits[:, -1].argmax(-1)]
    while len(said) < ANSWER:
        said.append(model(said[-1][:, None], past_key_values=cache).logits[:, -1].argmax(-1))
    return torch.stack(said, dim=1)
