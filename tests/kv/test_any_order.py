"""Whatever is done to a bounded cache, in any order, its answers stay those of the masked oracle."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from models import model
from oracle import Recording, difference, watch
from test_exact import TOLERANCE, Scattered, Uneven, tokens
from transformers import PreTrainedModel

from memstrata import kv

STEPS = st.one_of(
    st.tuples(st.just("read"), st.integers(1, 30)),
    st.tuples(st.just("prefill"), st.integers(1, 60)),
    st.tuples(st.just("crop"), st.integers(0, 12)),
    st.tuples(st.just("reorder"), st.permutations([0, 1])),
    st.tuples(st.just("compress"), st.none()),
    st.tuples(st.just("generate"), st.integers(1, 4)),
)
BUDGETS = st.one_of(
    st.none(),
    st.builds(kv.KVBudget, tokens=st.integers(8, 40)),
    st.builds(kv.KVBudget, ratio=st.floats(0.1, 1)),
    st.builds(kv.KVBudget, bytes=st.integers(60_000, 200_000)),
)


@pytest.fixture(scope="module")
def llama() -> PreTrainedModel:
    """A small model that writes down what it is asked."""
    made = model(layers=2)
    watch(made)
    return made


@settings(max_examples=25)
@given(
    budget=BUDGETS,
    steps=st.lists(STEPS, min_size=2, max_size=8),
    uneven=st.booleans(),
    bounded=st.booleans(),
    pads=st.integers(0, 9),
)
@torch.no_grad()
def test_any_order(
    llama: PreTrainedModel,
    budget: kv.KVBudget | None,
    steps: list[tuple[str, object]],
    uneven: bool,
    bounded: bool,
    pads: int,
) -> None:
    cache = Recording.of(
        llama, budget=budget, policy=Scattered(), allocation=Uneven() if uneven else "uniform", bounded=bounded
    )
    ids = tokens(2, 600)
    mask = torch.ones_like(ids)
    mask[0, :pads] = 0
    for kind, how in [("prefill", 20), *steps]:
        seen = cache.get_seq_length()
        if kind == "read":
            positions = (mask.cumsum(-1) - 1).clamp(min=0)[:, seen : seen + how]
            llama(
                ids[:, seen : seen + how],
                attention_mask=mask[:, : seen + how],
                position_ids=positions,
                past_key_values=cache,
            )
        elif kind == "prefill":
            kv.prefill(llama, ids[:, seen : seen + how], cache, attention_mask=mask[:, : seen + how], chunk=13)
        elif kind == "crop":
            cache.crop(-min(how, seen - 12))
        elif kind == "reorder":
            cache.reorder_cache(torch.tensor(how))
            mask = mask[list(how)]
        elif kind == "compress":
            cache.compress()
        else:
            asked = ids[:, : seen + 1]
            llama.generate(
                asked, attention_mask=mask[:, : seen + 1], past_key_values=cache, max_new_tokens=how, do_sample=False
            )
    if budget is not None and budget.tokens is not None:
        cache.compress()
        assert cache.account().entries <= budget.tokens * 2 * 2 * 2
    if budget is not None and budget.bytes is not None and bounded:
        assert cache.account().peak_bytes <= budget.bytes
    assert cache.account().bytes <= cache.account().peak_bytes
    assert difference(llama, cache) <= TOLERANCE
