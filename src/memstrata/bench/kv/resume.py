"""Measure how long it takes to bring a cache back, beside computing it anew, and whether it goes on alike elsewhere.

The weights are random: neither times nor exactness depend on what they say. Restoring is all that `kv.load` does: the
file is read, every byte of it checked, the model looked at, some tokens computed anew and compared.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import DynamicCache, LlamaConfig, LlamaForCausalLM

from memstrata import kv

if TYPE_CHECKING:
    from torch import Tensor
    from transformers import PreTrainedModel

TOKENS: Final = 2048
WRITTEN: Final = 16  # tokens that are compared after it was brought back
TIMES: Final = 3
RATIO: Final = 0.75  # of the tokens go, where the cache is bounded
POLICY: Final = "window"
VOCABULARY: Final = 1024


@dataclass(frozen=True, slots=True)
class Resumed:
    """What it took: seconds to compute the prompt anew, to bring it back, and to write one token more.

    `same` of the `WRITTEN` tokens that another process wrote on it had the same logits, to the bit.
    """

    recompute_s: float
    restore_s: float
    decode_s: float
    account: kv.Account
    same: int


def resume(*, tokens: int = TOKENS, device: str = "cpu", ratio: float = 0.0, policy: str = POLICY) -> Resumed:
    """Save a cache of so many tokens, a share of them let go, and have another process go on from it."""
    model, prompt = _model(device), _prompt(tokens, device)
    recompute_s = min(_seconds(lambda: _read_whole(model, prompt)) for _ in range(TIMES))
    cache = kv.KVCache.of(model, budget=kv.KVBudget(ratio=1 - ratio) if ratio else None, policy=policy)
    kv.prefill(model, prompt, cache)
    account = cache.account()
    with TemporaryDirectory(prefix="memstrata-resume-") as folder:
        path = kv.save(cache, Path(folder) / "a.kv", tokens=prompt, fingerprint=kv.fingerprint(model), model=model)
        start = time.perf_counter()
        here = _continued(model, cache, prompt)
        decode_s = (time.perf_counter() - start) / WRITTEN
        restore_s = min(_seconds(lambda: kv.load(path, model)) for _ in range(TIMES))
        there = _elsewhere(path, device)
    same = sum(one == other for one, other in zip(here, there, strict=True))
    return Resumed(recompute_s, restore_s, decode_s, account, same)


def rows(
    *, tokens: int = TOKENS, device: str = "cpu"
) -> list[dict[str, Any]]:  # Any: the columns of the benchmark's rows
    """The same as rows of `memstrata bench kv`: computing anew, bringing all of it back, and a quarter of it."""
    whole = resume(tokens=tokens, device=device)
    bounded = resume(tokens=tokens, device=device, ratio=RATIO)
    anew = _row("full", 0.0, whole, whole.recompute_s) | {"accuracy": 1.0, "accepted": WRITTEN}
    kept = _row(f"memstrata/{POLICY}", 0.0, whole, whole.restore_s)
    return [anew, kept, _row(f"memstrata-bounded/{POLICY}", RATIO, bounded, bounded.restore_s)]


def _row(method: str, ratio: float, found: Resumed, prefill_s: float) -> dict[str, Any]:  # Any: as above
    return {
        "name": "resume", "method": method, "ratio": ratio, "accuracy": found.same / WRITTEN, "ci": None,
        "bytes": found.account.bytes, "peak_bytes": found.account.peak_bytes, "full_bytes": found.account.full_bytes,
        "prefill_s": round(prefill_s, 5), "decode_s": round(found.decode_s, 5), "tried": WRITTEN,
        "accepted": found.same,
    }  # fmt: skip


def _model(device: str) -> PreTrainedModel:
    """Of 30 million parameters: 100 MB to read for each call, and 16 MB of cache for `TOKENS`."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=512, intermediate_size=1376, num_hidden_layers=8, num_attention_heads=8,
        num_key_value_heads=2, max_position_embeddings=4096, eos_token_id=None,
    )  # fmt: skip
    model: PreTrainedModel = LlamaForCausalLM(config)
    model.eval()  # type: ignore[no-untyped-call]  # untyped in transformers
    model.to(device)  # type: ignore[arg-type]  # a decorator hides what it takes
    return model


def _prompt(tokens: int, device: str) -> Tensor:
    return torch.randint(2, VOCABULARY, (1, tokens), generator=torch.Generator().manual_seed(0)).to(device)


@torch.inference_mode()
def _read_whole(model: PreTrainedModel, prompt: Tensor) -> None:
    """The prompt in one call and with transformers' own cache, which is the fastest way."""
    model(prompt, past_key_values=DynamicCache(config=model.config), logits_to_keep=1)


def _seconds(what: Callable[[], object]) -> float:
    start = time.perf_counter()
    what()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start


@torch.inference_mode()
def _continued(model: PreTrainedModel, cache: kv.KVCache, prompt: Tensor) -> list[str]:
    """What the model says next: a digest of the logits of each token."""
    token, said = prompt[:, -1:], []
    for _ in range(WRITTEN):
        logits = model(token, past_key_values=cache).logits[:, -1]
        said.append(blake2b(logits.float().cpu().numpy().tobytes(), digest_size=16).hexdigest())
        token = logits.argmax(-1, keepdim=True)
    return said


def _elsewhere(path: Path, device: str) -> list[str]:
    """The same as another process says it, which has nothing but the file and the weights."""
    command = [sys.executable, "-m", __name__, str(path), device, str(torch.get_num_threads())]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - this module
    return done.stdout.split()


def _go_on(path: str, device: str, threads: str) -> None:
    torch.set_num_threads(int(threads))
    model = _model(device)
    brought = kv.load(path, model)
    print("\n".join(_continued(model, brought.cache, brought.tokens)))


if __name__ == "__main__":
    _go_on(*sys.argv[1:])
