"""Take what a cache knows apart into tensors and JSON, and put it back together.

Layers of transformers keep their state in attributes: keys and values, how long the sequence was, whether they were used
before. All of it is taken, so that a window that has moved on and a state that sums up everything come back as they were.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final

import torch
from torch import Tensor

from memstrata.errors import KVDamaged, KVUnsupported
from memstrata.kv.entries import Entries, Packed

Described = Any  # a JSON value that says how to put something back together
HELD: Final = {"Entries": Entries, "Packed": Packed}
DTYPES: Final = {
    str(dtype): dtype
    for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2,
                  torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
}  # fmt: skip


def described(value: object, name: str, tensors: dict[str, Tensor]) -> Described:
    """A value as JSON; the tensors in it are put into `tensors`, under names that begin with `name`.

    Raises:
        KVUnsupported: it is nothing that can be kept.
    """
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
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
    raise KVUnsupported(f"{name} holds a {type(value).__name__}, which cannot be kept in a file")


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
