"""Memstrata: a memory operating system for language models and the agents built on them.

>>> import memstrata
>>> with memstrata.open(directory) as memory:
...     receipt = memory.add("I prefer the window seat.", user_id="ana", speaker="Ana")
...     memory.search("where does she like to sit?", user_id="ana")[0].memory.text
'I prefer the window seat.'
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from memstrata.engine import Memstrata
    from memstrata.errors import MemstrataError
    from memstrata.faces.aio import AsyncMemstrata
    from memstrata.types import (
        ANY,
        KEEP,
        Budget,
        Claim,
        Context,
        Event,
        Hit,
        Memory,
        Receipt,
        Scope,
    )
    from memstrata.wiring import open_memory as open

__version__ = "0.1.0"

__all__ = [
    "ANY",
    "KEEP",
    "AsyncMemstrata",
    "Budget",
    "Claim",
    "Context",
    "Event",
    "Hit",
    "Memory",
    "Memstrata",
    "MemstrataError",
    "Receipt",
    "Scope",
    "__version__",
    "open",
]

_HOMES = {
    "AsyncMemstrata": "memstrata.faces.aio",
    "Memstrata": "memstrata.engine",
    "MemstrataError": "memstrata.errors",
    "open": "memstrata.wiring",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used, so that importing the package costs next to nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = import_module(_HOMES.get(name, "memstrata.types"))
    found = getattr(module, "open_memory" if name == "open" else name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
