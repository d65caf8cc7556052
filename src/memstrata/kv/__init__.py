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
    from memstrata.kv.allocations import Allocation, Load, Measuring
    from memstrata.kv.budget import KVBudget
    from memstrata.kv.container import Restored, load, save
    from memstrata.kv.episodes import EpisodeCaches
    from memstrata.kv.fingerprints import Fingerprint, fingerprint
    from memstrata.kv.hf import KVCache, attach, detach
    from memstrata.kv.policies import Grouping, Policy, Queries, Reading, Seen, Statistics, Watching
    from memstrata.kv.prefilling import prefill
    from memstrata.kv.session import Answer, Session, Settings, Start, Turn
    from memstrata.kv.shelf import Shelf

__all__ = [
    "Account",
    "Allocation",
    "Answer",
    "EpisodeCaches",
    "Fingerprint",
    "Grouping",
    "KVBudget",
    "KVCache",
    "LayerAccount",
    "Load",
    "Measuring",
    "Policy",
    "Queries",
    "Reading",
    "Restored",
    "Seen",
    "Session",
    "Settings",
    "Shelf",
    "Start",
    "Statistics",
    "Turn",
    "Watching",
    "attach",
    "detach",
    "fingerprint",
    "load",
    "prefill",
    "save",
]

_HOMES: Final = {
    "Account": "account",
    "LayerAccount": "account",
    "Allocation": "allocations",
    "Load": "allocations",
    "Measuring": "allocations",
    "KVBudget": "budget",
    "EpisodeCaches": "episodes",
    "KVCache": "hf",
    "attach": "hf",
    "detach": "hf",
    "Grouping": "policies",
    "Policy": "policies",
    "Queries": "policies",
    "Reading": "policies",
    "Seen": "policies",
    "Statistics": "policies",
    "Watching": "policies",
    "Answer": "session",
    "Restored": "container",
    "Session": "session",
    "Settings": "session",
    "Shelf": "shelf",
    "Start": "session",
    "Turn": "session",
    "load": "container",
    "save": "container",
    "Fingerprint": "fingerprints",
    "fingerprint": "fingerprints",
    "prefill": "prefilling",  # a module of the same name would hide the function
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
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
