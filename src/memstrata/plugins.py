"""Name what can be swapped, and where to find it.

A part is a dotted path, imported when it is first asked for. Packages of others add theirs by an entry point
in the group `memstrata.<kind>`, for instance `memstrata.embedders`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from memstrata.errors import InvalidConfig

REGISTERED: Final[Mapping[str, Mapping[str, str]]] = {
    "stores": {
        "sqlite": "memstrata.store.sqlite:SqliteStore",
    },
    "vector_caches": {
        "exact": "memstrata.store.vectors.exact:ExactScan",
        "turbovec": "memstrata.store.vectors.turbo:TurboCache",
    },
    "embedders": {
        "builtin": "memstrata.providers.embedders.builtin:Builtin",
        "openai": "memstrata.providers.embedders.openai_compatible:OpenAICompatible",
        "sentence-transformers": "memstrata.providers.embedders.sentence_transformers:SentenceTransformers",
    },
    "retrievers": {
        "lexical": "memstrata.read.retrieve.lexical:Lexical",
        "vector": "memstrata.read.retrieve.vector:Vector",
        "recent": "memstrata.read.retrieve.recent:Recent",
        "time": "memstrata.read.retrieve.time:Time",
    },
    "rankers": {
        "linear": "memstrata.read.rankers.linear:Linear",
    },
    "counters": {
        "wordpiece": "memstrata.plan.counters:WordPieceCounter",
        "characters": "memstrata.plan.counters:CharacterCounter",
        "tiktoken": "memstrata.plan.counters:TiktokenCounter",
    },
    "formats": {
        "jsonl": "memstrata.write.formats.jsonl:JsonLines",
        "text": "memstrata.write.formats.text:PlainText",
        "markdown": "memstrata.write.formats.markdown:Markdown",
        "chat": "memstrata.write.formats.chat:Chat",
        "mem0": "memstrata.write.formats.mem0_export:Mem0Export",
        "server-memory": "memstrata.write.formats.server_memory:ServerMemory",
    },
}


def names(kind: str) -> list[str]:
    """The names registered for a kind, those of installed packages included."""
    return sorted({*REGISTERED[kind], *(point.name for point in entry_points(group=f"memstrata.{kind}"))})


def find(kind: str, name: str) -> Any:  # Any: a class of the kind's protocol, checked by its contract tests
    """The class registered under a name.

    Raises:
        InvalidConfig: nothing is registered under it; says what is.
    """
    path = REGISTERED[kind].get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=f"memstrata.{kind}", name=name):
        return point.load()
    known = names(kind)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
    raise InvalidConfig(f"no {kind.replace('_', ' ').removesuffix('s')} is named {name!r}{hint}")
