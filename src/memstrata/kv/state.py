"""Take a cache apart into tensors and JSON, and put it back together.

Layers of transformers keep their state in attributes: keys and values, how long the sequence was, whether they were
used before. All of it is taken, so that a window that has moved on, and a state that sums up everything, come back as
they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, is_dataclass
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from memstrata import plugins
from memstrata.errors import InvalidConfig, KVDamaged, KVMismatch, KVTorn, KVUnsupported
from memstrata.kv.allocations import Allocation
from memstrata.kv.budget import KVBudget
from memstrata.kv.entries import Entries, Packed
from memstrata.kv.hf import KVCache, Rules
from memstrata.kv.policies import Policy

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Described = Any  # a JSON value that says how to put something back together
HELD: Final = {"Entries": Entries, "Packed": Packed}
DTYPES: Final = {
    str(dtype): dtype
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
                  torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
}  # fmt: skip


def taken_apart(cache: KVCache, tensors: dict[str, Tensor]) -> Described:
    """Everything that a cache needs to go on, as JSON; its tensors are put into `tensors`.

    Raises:
        KVUnsupported: a layer holds something that cannot be kept.
        KVTorn: a call broke off halfway.
    """
    if len({layer.seen for _, layer in cache.kept_layers()}) > 1:
        raise KVTorn("the last call broke off before all layers had read its tokens; reset() the cache and read anew")
    layers = [
        {"kind": type(layer).__name__, "state": described(vars(layer), f"layer.{index}", tensors)}
        for index, layer in enumerate(cache.layers)
    ]
    remembered = {name: getattr(cache, name) for name in KVCache.REMEMBERED}
    return {"rules": rules_said(cache.rules), "cache": described(remembered, "cache", tensors), "layers": layers}


def put_together(said: Described, tensors: Mapping[str, Tensor], model: PreTrainedModel) -> KVCache:
    """The cache that was taken apart, on the model's device.

    Raises:
        KVDamaged: this does not describe a cache.
        KVMismatch: its layers are not those of this model.
    """
    try:
        rules, states = rules_of(said["rules"]), said["layers"]
        remembered = restored(said["cache"], tensors, model.device)
        kinds = [one["kind"] for one in states]
    except (KeyError, TypeError) as exc:
        raise KVDamaged(f"the container does not describe a cache: {exc!r:.80}") from exc
    cache = KVCache.of(model, **{field.name: getattr(rules, field.name) for field in fields(Rules)})
    expected = [type(layer).__name__ for layer in cache.layers]
    if kinds != expected:
        raise KVMismatch("kind of layers", asked=", ".join(expected), found=", ".join(kinds))
    for layer, one, device in zip(cache.layers, states, _devices(model, len(states)), strict=True):
        vars(layer).update(restored(one["state"], tensors, device))
    vars(cache).update({name: remembered[name] for name in KVCache.REMEMBERED})
    return cache


def _devices(model: PreTrainedModel, layers: int) -> list[torch.device]:
    """Where each layer of a model lies: a large one is spread over several devices."""
    modules = getattr(model.get_decoder(), "layers", ())
    if len(modules) != layers:
        return [model.device] * layers
    return [next(module.parameters()).device for module in modules]


def rules_said(rules: Rules) -> Described:
    """What was asked of a cache, as JSON."""
    return {
        "budget": None if rules.budget is None else asdict(rules.budget),
        "policy": _part_said(rules.policy),
        "allocation": _part_said(rules.allocation),
        "first": rules.first,
        "last": rules.last,
        "bounded": rules.bounded,
    }


def rules_of(said: Described) -> Rules:
    """What was asked of a cache, from JSON.

    Raises:
        KVMismatch: a policy or allocation of this name is not registered here.
    """
    return Rules(
        None if said["budget"] is None else KVBudget(**said["budget"]),
        _part_of("kv_policies", said["policy"]),
        _part_of("kv_allocations", said["allocation"]),
        said["first"],
        said["last"],
        said["bounded"],
    )


def _part_said(part: Policy | Allocation) -> Described:
    settings: dict[str, object] = asdict(part) if is_dataclass(part) and not isinstance(part, type) else {}
    return {"name": part.name, "settings": described(settings, part.name, {})}


def _part_of(kind: str, said: Described) -> Any:  # Any: of the kind's protocol
    try:
        return plugins.find(kind, said["name"])(**restored(said["settings"], {}, torch.device("cpu")))
    except InvalidConfig as exc:
        raise KVMismatch(plugins.one_of(kind), asked="one that is registered here", found=said["name"]) from exc


def described(value: object, name: str, tensors: dict[str, Tensor]) -> Described:
    """A value as JSON; the tensors in it are put into `tensors`, under names that begin with `name`.

    Raises:
        KVUnsupported: it is nothing that can be kept.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor() if str(value.dtype) in DTYPES:
            tensors[name] = value
            return {"is": "tensor", "name": name}
        case torch.dtype():
            return {"is": "dtype", "name": str(value)}
        case torch.device():
            return {"is": "device"}  # whichever it comes back to
        case Entries() | Packed():
            parts = {field.name: getattr(value, field.name) for field in fields(value)}
            return {"is": type(value).__name__, "of": described(parts, name, tensors)}
        case Mapping():
            items = [[key, described(one, f"{name}.{key}", tensors)] for key, one in value.items()]
            return {"is": "mapping", "of": items}
        case list() | tuple():
            items = [described(one, f"{name}.{place}", tensors) for place, one in enumerate(value)]
            return {"is": type(value).__name__, "of": items}
    kind = value.dtype if isinstance(value, Tensor) else type(value).__name__
    raise KVUnsupported(f"{name} holds a {kind}, which cannot be kept in a file")


def restored(said: Described, tensors: Mapping[str, Tensor], device: torch.device) -> Any:  # Any: whatever it was
    """The value that was described, its tensors on a device.

    Raises:
        KVDamaged: this does not describe anything.
    """
    if not isinstance(said, dict):
        return said
    try:
        return _restored(said, tensors, device)
    except (KeyError, TypeError, ValueError) as exc:
        raise KVDamaged(f"the container describes something that cannot be put together: {exc!r:.80}") from exc


def _restored(said: dict[str, Any], tensors: Mapping[str, Tensor], device: torch.device) -> Any:
    match said["is"]:
        case "tensor":
            return tensors[said["name"]].to(device)
        case "dtype":
            return DTYPES[said["name"]]
        case "device":
            return device
        case "mapping":
            return {key: restored(one, tensors, device) for key, one in said["of"]}
        case "list":
            return [restored(one, tensors, device) for one in said["of"]]
        case "tuple":
            return tuple(restored(one, tensors, device) for one in said["of"])
        case name:
            return HELD[name](**restored(said["of"], tensors, device))
