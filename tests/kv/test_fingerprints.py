"""Prove that a fingerprint names what differs, and is the same in every process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="memstrata[kv] is not installed")
pytest.importorskip("transformers", reason="memstrata[kv] is not installed")

from models import model
from talk import tokenizer

from memstrata import kv
from memstrata.errors import InvalidInput


def differing(one: kv.Fingerprint, other: kv.Fingerprint) -> set[str]:
    return {name for name, value in one.fields.items() if other.fields[name] != value}


def test_the_same_model_made_twice_has_the_same_fingerprint() -> None:
    one, other = kv.fingerprint(model(), tokenizer()), kv.fingerprint(model(), tokenizer())
    assert one == other
    assert one.digest == other.digest


def test_a_fingerprint_does_not_depend_on_the_process() -> None:
    source = "import sys; sys.path.insert(0, sys.argv[1]); from models import model; from talk import tokenizer; "
    source += "from memstrata import kv; print(kv.fingerprint(model(), tokenizer()).digest.hex())"
    seen = {
        subprocess.run(
            [sys.executable, "-c", source, str(Path(__file__).parent)], capture_output=True, text=True, check=True,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
        ).stdout.strip()
        for seed in ("0", "1")
    }  # fmt: skip
    assert seen == {kv.fingerprint(model(), tokenizer()).digest.hex()}


def test_where_it_lies_and_how_it_is_asked_makes_no_difference() -> None:
    made, words = model(), tokenizer()
    before = kv.fingerprint(made, words)
    made.config._name_or_path = "/somewhere/else"
    made.config.use_cache = False
    words(["one", "another one"], padding=True, truncation=True, max_length=5)
    kv.attach(made)
    assert kv.fingerprint(made, words) == before
    assert kv.fingerprint(model(attention="eager"), words) == before


def changed_weight(made) -> None:
    made.model.layers[1].mlp.up_proj.weight.data[0, 0] += 1


def changed_positions(made) -> None:
    made.model.rotary_emb.original_inv_freq.mul_(0.5)


CHANGES = {
    "weights": changed_weight,
    "config": lambda made: setattr(made.config, "rms_norm_eps", 1e-5),
    "rope": lambda made: setattr(made.config, "rope_parameters", {"rope_type": "default", "rope_theta": 5_000.0}),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_change_of_the_model_is_named(field: str) -> None:
    made = model()
    before = kv.fingerprint(made)
    CHANGES[field](made)
    assert differing(before, kv.fingerprint(made)) == {field}


def test_frequencies_that_were_changed_in_place_are_seen() -> None:
    made = model()
    before = kv.fingerprint(made)
    changed_positions(made)
    assert differing(before, kv.fingerprint(made)) == {"rope"}


def test_another_precision_is_named() -> None:
    assert "dtype" in differing(kv.fingerprint(model()), kv.fingerprint(model().to(torch.bfloat16)))


def test_a_change_of_the_tokenizer_is_named() -> None:
    made, words = model(), tokenizer()
    before = kv.fingerprint(made, words)
    words.chat_template += " "
    assert differing(before, kv.fingerprint(made, words)) == {"tokenizer"}
    other = tokenizer()
    other.add_tokens(["memstrata"])
    assert differing(before, kv.fingerprint(made, other)) == {"tokenizer"}
    assert differing(before, kv.fingerprint(made)) == {"tokenizer"}


class Adapted(torch.nn.Module):
    """A layer with an adapter, in the shape in which peft makes them."""

    def __init__(self, base: torch.nn.Module) -> None:
        super().__init__()
        self.base_layer = base
        self.lora_A = torch.nn.ModuleDict({"one": torch.nn.Linear(64, 2, bias=False)})
        self.active_adapters = ["one"]
        self.disable_adapters = False
        self.scaling = {"one": 2.0}


def test_an_adapter_is_named_and_so_is_how_strongly_it_works() -> None:
    made = model()
    plain = kv.fingerprint(made)
    made.model.layers[0].self_attn.q_proj = Adapted(made.model.layers[0].self_attn.q_proj)
    adapted = kv.fingerprint(made)
    assert {"weights", "adapters"} <= differing(plain, adapted)
    made.model.layers[0].self_attn.q_proj.scaling["one"] = 1.0
    assert differing(adapted, kv.fingerprint(made)) == {"adapters"}
    made.model.layers[0].self_attn.q_proj.disable_adapters = True
    assert "adapters" in differing(adapted, kv.fingerprint(made))


def test_a_model_without_weights_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not in memory"):
        kv.fingerprint(model().to("meta"))
