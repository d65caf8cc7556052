"""Prove that a saved cache comes back to the bit, and that nothing else than a whole one of this model is accepted."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="memstrata[kv] is not installed")
pytest.importorskip("transformers", reason="memstrata[kv] is not installed")

import random

import safetensors.torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import model, tokens

from memstrata import kv
from memstrata.errors import InvalidInput, KVDamaged, KVMismatch, KVProbeFailed, KVRefused, StoreUnavailable
from memstrata.kv import container

KINDS = ("llama", "qwen", "gemma", "convolution", "linear", "hybrid")


def read(made, ids, **options):
    """A cache that has read these tokens."""
    cache = kv.KVCache.of(made, **options)
    kv.prefill(made, ids, cache, chunk=16)
    return cache


def continued(made, cache, ids, length: int = 8):
    """Logits of the tokens that come next, and those tokens."""
    done = made.generate(
        ids, past_key_values=cache, max_new_tokens=length, do_sample=False, output_logits=True,
        return_dict_in_generate=True,
    )  # fmt: skip
    return torch.stack(done.logits), done.sequences


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("budget", [None, kv.KVBudget(tokens=24)])
@pytest.mark.parametrize("length", [5, 90])
def test_a_cache_goes_on_as_if_it_had_never_been_away(tmp_path: Path, kind: str, budget, length: int) -> None:
    made, ids = model(kind), tokens(2, length)
    cache = read(made, ids[:, :-1], budget=budget)
    path = kv.save(cache, tmp_path / "a.kv", tokens=ids, fingerprint=kv.fingerprint(made), model=made)
    before = cache.account()
    expected = continued(made, cache, ids)
    brought = kv.load(path, made)
    assert torch.equal(brought.tokens, ids)
    assert brought.cache.account() == before
    found = continued(made, brought.cache, ids)
    assert torch.equal(found[0], expected[0])
    assert torch.equal(found[1], expected[1])
