"""Turn what a model has read into a cache that fits a budget: activation memory for models run with transformers.

>>> from memstrata import kv
>>> kv.KVBudget(tokens=512).tokens
512

Needs `pip install "memstrata[kv]"`; importing this module loads neither torch nor transformers, using it does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from memstrata.errors import MissingExtra

if TYPE_CHECKING:
    from memstrata.kv.account import Account, LayerAccount
    from memstrata.kv.allocations import Allocation, Load
    from memstrata.kv.budget import KVBudget
    from memstrata.kv.hf import KVCache, attach, detach
    from memstrata.kv.policies import Policy, Queries, Seen, Statistics, Watching
    from memstrata.kv.prefill import prefill

__all__ = [
    "Account",
    "Allocation",
    "KVBudget",
    "KVCache",
    "LayerAccount",
    "Load",
    "Policy",
    "Queries",
    "Seen",
    "Statistics",
    "Watching",
    "attach",
    "detach",
    "prefill",
]

_HOMES: Final = {
    "Account": "account",
    "LayerAccount": "account",
    "Allocation": "allocations",
    "Load": "allocations",
    "KVBudget": "budget",
    "KVCache": "hf",
    "attach": "hf",
    "detach": "hf",
    "Policy": "policies",
    "Queries": "policies",
    "Seen": "policies",
    "Statistics": "policies",
    "Watching": "policies",
    "prefill": "prefill",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, and torch and transformers with it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    except ModuleNotFoundError as exc:
        if exc.name is not None and exc.name.partition(".")[0] in ("torch", "transformers", "safetensors"):
            raise MissingExtra("caches of models", "kv") from exc
        raise
    globals()[name] = found  # so that the module of the same name does not hide `prefill`
    return found


def __dir__() -> list[str]:
    return __all__
