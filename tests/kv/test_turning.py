"""Vectors are turned by positions as the model at hand turns them."""

from __future__ import annotations

import pytest
import torch
from models import model, tokens

from memstrata import kv
from memstrata.kv.turning import turning


@torch.no_grad()
@pytest.mark.parametrize("kind", ["llama", "qwen", "gemma", "convolution", "linear", "hybrid", "phi", "shared"])
def test_a_key_turned_is_the_same_token_s_key_further_on(kind: str) -> None:
    made = model(kind)
    found = turning(made)
    assert found is not None
    cache = kv.KVCache.of(made)
    index = next(iter(cache.kept_layers()))[0]
    ids = tokens(1, 1).repeat(1, 9)
    places = torch.tensor([[0, 1, 2, 3, 10, 11, 40, 41, 80]])
    made(ids, position_ids=places, past_key_values=cache)
    keys = cache.layers[index].entries.keys
    turned = found.turned(keys, -places, index)
    again = found.turned(turned, places, index)
    assert float((again - keys).abs().max()) < 1e-4, "turned back and forth it is another"
    if index == 0:
        assert float((turned - keys[:, :, :1]).abs().max()) < 1e-4, "the model turns otherwise"


def test_a_model_that_turns_in_a_way_of_its_own_is_let_be() -> None:
    made = model()
    made.model.rotary_emb.forward = lambda position_ids: position_ids
    assert turning(made) is None
