"""Train the small model that recalls facts from its context, which `memstrata bench kv` measures caches with.

    python tools/kv/train.py src/memstrata/bench/kv/model --log tools/kv/log.txt

A text is a stream of items: a fact (a key and its two values) or three words of filler, with a stop after every few.
The first time a key comes its values are news; every later time they are a question with its answer, and only those
count. Texts grow from 32 tokens and 4 facts to 768 tokens and 32 facts as the model learns. Two starts make it learn
in minutes instead of never: token vectors of size one (at the usual 0.02 what a token is drowns in the first
attention's output), and one head that begins as a look at the token before. Both stay trainable.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from memstrata.bench.kv.words import BOS, FILLER, ITEM, KEYS, PAD, SIZE, STOP, TOPICS, VALUES

LENGTHS = (32, 64, 128, 256, 512, 768)  # tokens of the texts, shortest first
FACTS = (4, 8, 16, 32, 32, 32)  # and how many facts each may have
LEARNT = 0.95  # right answers, on average, before texts grow
DONE = 0.9985
TOKENS = 4096  # in a step
RATE = 1e-3
SHARPNESS = 6.0  # of the head that looks back
THETA = 10_000.0
TOPICAL_RUN = 13  # items that keep to one topic


@dataclass(frozen=True, slots=True)
class Texts:
    """How the texts of one step look."""

    count: int
    tokens: int
    facts: int
    filler: float  # share of items
    sentence: int  # items up to a stop; 0 for none
    topical: bool  # filler keeps to a topic for a while


def texts(what: Texts, rng: np.random.Generator) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Token ids (text, token), and which of them answer a question."""
    stopped = ITEM * what.sentence + 1 if what.sentence else ITEM
    per_stop = max(1, what.sentence)
    items = max(1, what.tokens // stopped) * per_stop
    facts = _facts(what.count, what.facts, rng)
    which = rng.integers(0, what.facts, (what.count, items))
    is_filler = rng.random((what.count, items)) < what.filler
    said = np.where(is_filler[..., None], _filler(what, items, rng), np.take_along_axis(facts, which[..., None], 1))
    asked = np.zeros((what.count, items, ITEM), dtype=bool)
    asked[..., 1:] = (_said_before(which, is_filler, what.facts) & ~is_filler)[..., None]
    if what.sentence:
        said, asked = _sentences(said, what.sentence, STOP), _sentences(asked, what.sentence, False)
    start = np.full((what.count, 1), BOS)
    return (
        np.concatenate([start, said.reshape(what.count, -1)], axis=1),
        np.concatenate([np.zeros_like(start, dtype=bool), asked.reshape(what.count, -1)], axis=1),
    )


def _facts(count: int, facts: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """(text, fact, token): no key twice in a text, and no value, so that the first value tells the second."""
    keys = rng.random((count, len(KEYS))).argsort(-1)[:, :facts] + KEYS.start
    values = rng.random((count, len(VALUES))).argsort(-1)[:, : 2 * facts] + VALUES.start
    return np.concatenate([keys[..., None], values.reshape(count, facts, 2)], axis=-1)


def _filler(what: Texts, items: int, rng: np.random.Generator) -> NDArray[np.int64]:
    if not what.topical:
        return rng.integers(FILLER.start, FILLER.stop, (what.count, items, ITEM))
    width = len(FILLER) // TOPICS
    runs = rng.integers(0, TOPICS, (what.count, items // TOPICAL_RUN + 1)).repeat(TOPICAL_RUN, axis=1)[:, :items]
    return FILLER.start + runs[..., None] * width + rng.integers(0, width, (what.count, items, ITEM))


def _said_before(which: NDArray[np.int64], is_filler: NDArray[np.bool_], facts: int) -> NDArray[np.bool_]:
    said = np.eye(facts, dtype=np.int64)[which] * ~is_filler[..., None]
    return np.take_along_axis(said.cumsum(1) - said, which[..., None], 2)[..., 0] > 0


def _sentences(items: NDArray, length: int, stop: int) -> NDArray:
    """The same with a stop after every `length` items."""
    runs = items.reshape(items.shape[0], -1, length * ITEM)
    return np.concatenate([runs, np.full((*runs.shape[:2], 1), stop, dtype=items.dtype)], axis=-1)


def untrained(layers: int) -> LlamaForCausalLM:
    """A model that has not learnt yet, with the two starts that let it."""
    config = LlamaConfig(
        vocab_size=SIZE, hidden_size=128, intermediate_size=256, num_hidden_layers=layers, num_attention_heads=4,
        num_key_value_heads=2, head_dim=32, max_position_embeddings=8192, tie_word_embeddings=False,
        rope_parameters={"rope_type": "default", "rope_theta": THETA}, attention_bias=True, initializer_range=0.09,
        bos_token_id=BOS, eos_token_id=None, pad_token_id=PAD,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    model.model.embed_tokens.weight.data.normal_(0.0, 1.0)
    _look_back(model.model.layers[0].self_attn, config.head_dim)
    return model


def _look_back(attention: torch.nn.Module, dim: int) -> None:
    """Head 0 begins with one query and one key for all tokens, which rotary positions match one step apart."""
    half = dim // 2
    turns = THETA ** (-torch.arange(half) / half)
    size = math.sqrt(SHARPNESS * math.sqrt(dim))
    attention.q_proj.weight.data[:dim] = 0.0
    attention.k_proj.weight.data[:dim] = 0.0
    attention.k_proj.bias.data[:dim] = torch.cat([torch.full((half,), size), torch.zeros(half)])
    attention.q_proj.bias.data[:dim] = torch.cat([size * torch.cos(turns), -size * torch.sin(turns)])


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the training stands: the stage of the texts, since which step, and the running share of right answers."""

    stage: int = 0
    since: int = 0
    right: float = 0.0

    def after(self, step: int, right: float) -> Progress:
        """One step later; a stage that is learnt gives way to the next."""
        moved = replace(self, right=0.95 * self.right + 0.05 * right)
        if moved.right > LEARNT and step - self.since > 40 and self.stage + 1 < len(LENGTHS):
            return Progress(self.stage + 1, step, 0.0)
        return moved

    def done(self, step: int) -> bool:
        """Whether nothing is left to be learnt."""
        return self.stage + 1 == len(LENGTHS) and self.right > DONE and step - self.since > 300


def drawn(stage: int, rng: np.random.Generator) -> Texts:
    """Mostly texts of this stage, some of earlier ones so that they are not forgotten."""
    if rng.random() > 0.75:
        stage = int(rng.integers(0, stage + 1))
    tokens = LENGTHS[stage]
    fillers = (0.0, 0.3, 0.6, 0.8, 0.9) if tokens > 64 else (0.0, 0.0, 0.3)
    return Texts(
        count=max(2, TOKENS // tokens), tokens=tokens, facts=FACTS[stage], filler=float(rng.choice(fillers)),
        sentence=int(rng.choice((0, 2, 4, 6))) if tokens > 64 else 0, topical=bool(rng.random() < 0.5),
    )  # fmt: skip


def train(model: LlamaForCausalLM, *, cpu_s: float, rng: np.random.Generator, log: Sequence[TextIO]) -> None:
    """Until it recalls, or the CPU seconds are used up."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=RATE, betas=(0.9, 0.98), weight_decay=0.05)
    start, step, progress = time.process_time(), 0, Progress()
    while (used := (time.process_time() - start) / cpu_s) < 1 and not progress.done(step):
        optimiser.param_groups[0]["lr"] = RATE * min(1, (step + 1) / 50) * min(1, max(0.05, (1 - used) / 0.25))
        ids, asked = (torch.from_numpy(one) for one in texts(drawn(progress.stage, rng), rng))
        answers = ids[:, 1:][asked[:, 1:]]
        if not len(answers):
            continue
        seen = model.model(ids, use_cache=False).last_hidden_state[:, :-1]
        guessed = model.lm_head(seen[asked[:, 1:]])
        loss = functional.cross_entropy(guessed, answers)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        step += 1
        before, progress = progress, progress.after(step, float((guessed.argmax(-1) == answers).float().mean()))
        if step % 100 == 0 or progress.stage > before.stage:
            told = (
                f"step {step}, {used * cpu_s:.0f} CPU s: texts of {LENGTHS[progress.stage]}, right {progress.right:.3f}"
            )
            _tell(log, f"{told}, loss {loss.item():.3f}")


@torch.no_grad()
def recalled(model: LlamaForCausalLM, tokens: int, facts: int, *, rng: np.random.Generator) -> float:
    """Share of questions answered exactly, in texts never seen: each fact stated once among filler, then asked."""
    right = []
    for _ in range(8):
        count = 8
        stated = _facts(count, facts, rng)
        items = tokens // ITEM
        said = _filler(Texts(count, tokens, facts, 1.0, 0, False), items, rng)
        places = np.sort(rng.random((count, items)).argsort(-1)[:, :facts], axis=-1)
        np.put_along_axis(said, places[..., None], stated, axis=1)
        asked = stated[:, rng.permutation(facts)[:16]]
        ids = np.concatenate([np.full((count, 1), BOS), said.reshape(count, -1), asked.reshape(count, -1)], axis=1)
        guessed = model(torch.from_numpy(ids), use_cache=False).logits.argmax(-1).numpy()
        values = guessed[:, 1 + tokens // ITEM * ITEM :].reshape(count, -1, ITEM)[..., :2]
        right.append((values == asked[..., 1:]).all(-1))
    return float(np.mean(right))


def _tell(log: Sequence[TextIO], line: str) -> None:
    for stream in log:
        print(line, file=stream, flush=True)


def main() -> None:
    """Train, measure, and write the model as it ships: half precision, safetensors."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where config.json and model.safetensors go")
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-minutes", type=float, default=12.0, help="stop after so much CPU time")
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(asked.seed)
    with asked.log.open("w") as file:
        log = (sys.stdout, file)
        model = untrained(asked.layers)
        told = f"{sum(one.numel() for one in model.parameters()):,} parameters, torch {torch.__version__}"
        _tell(log, f"seed {asked.seed}, {asked.layers} layers, {told}")
        train(model, cpu_s=60 * asked.cpu_minutes, rng=np.random.default_rng(asked.seed), log=log)
        model.eval()
        shipped = model.half()
        shipped.save_pretrained(asked.folder)
        (asked.folder / "generation_config.json").unlink(missing_ok=True)
        read = LlamaForCausalLM.from_pretrained(asked.folder, dtype=torch.float32).eval()
        for tokens, facts in ((63, 8), (255, 16), (510, 16), (510, 32), (717, 16), (717, 32), (1023, 32)):
            share = recalled(read, tokens, facts, rng=np.random.default_rng(1_000_000))
            _tell(log, f"recall in {tokens} tokens with {facts} facts: {share:.3f}")


if __name__ == "__main__":
    main()
