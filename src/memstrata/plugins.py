"""Name what can be swapped, and where to find it.

A part is a dotted path, imported when it is first asked for. Packages of others add theirs by an entry point
in the group `memstrata.<kind>`, for instance `memstrata.embedders`.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from memstrata.errors import InvalidConfig, MemstrataError

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
    "rerankers": {
        "cross-encoder": "memstrata.providers.rerankers.cross_encoder:CrossEncoder",
        "onnx": "memstrata.providers.rerankers.onnx:Onnx",
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
    "kv_policies": {
        "window": "memstrata.kv.policies.window:Window",
        "random": "memstrata.kv.policies.random:Random",
        "key-norm": "memstrata.kv.policies.key_norm:KeyNorm",
        "key-difference": "memstrata.kv.policies.key_difference:KeyDifference",
        "heavy-hitters": "memstrata.kv.policies.heavy_hitters:HeavyHitters",
        "heavy-hitters-by-age": "memstrata.kv.policies.heavy_hitters_by_age:HeavyHittersByAge",
        "snapkv": "memstrata.kv.policies.snapkv:SnapKV",
        "expected-attention": "memstrata.kv.policies.expected_attention:ExpectedAttention",
        "tova": "memstrata.kv.policies.tova:Tova",
        "reread": "memstrata.kv.policies.reread:Reread",
        "sentences": "memstrata.kv.policies.sentences:Sentences",
        "episodes": "memstrata.kv.policies.episodes:Episodes",
    },
    "kv_allocations": {
        "uniform": "memstrata.kv.allocations.uniform:Uniform",
        "pyramid": "memstrata.kv.allocations.pyramid:Pyramid",
        "sensitivity": "memstrata.kv.allocations.sensitivity:Sensitivity",
        "entropy": "memstrata.kv.allocations.entropy:Entropy",
    },
}


def names(kind: str) -> list[str]:
    """The names registered for a kind, those of installed packages included."""
    return sorted({*REGISTERED[kind], *(point.name for point in entry_points(group=f"memstrata.{kind}"))})


def brought(kind: str) -> dict[str, str]:
    """The names that installed packages add to a kind, each with its package; what ships keeps its name."""
    points = entry_points(group=f"memstrata.{kind}")
    return {
        point.name: "an unknown package" if point.dist is None else f"{point.dist.name} {point.dist.version}"
        for point in points
        if point.name not in REGISTERED[kind]
    }


def find(kind: str, name: str) -> Any:  # Any: a class of the kind's protocol, checked by its contract tests
    """The class registered under a name.

    Raises:
        InvalidConfig: nothing is registered under it, and says what is; or what a package registered cannot be loaded.
    """
    path = REGISTERED[kind].get(name)
    if path is not None:
        module, _, attribute = path.partition(":")
        return getattr(import_module(module), attribute)
    for point in entry_points(group=f"memstrata.{kind}", name=name):
        return _loaded(point, kind)
    known = names(kind)
    close = difflib.get_close_matches(name, known, n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
    raise InvalidConfig(f"no {one_of(kind)} is named {name!r}{hint}")


def one_of(kind: str) -> str:
    """What one part of a kind is called.

    >>> one_of("vector_caches")
    'vector cache'
    >>> one_of("kv_policies")
    'cache policy'
    """
    words = kind.replace("kv_", "cache ").replace("_", " ")
    return f"{words.removesuffix('ies')}y" if words.endswith("ies") else words.removesuffix("s")


def _loaded(point: EntryPoint, kind: str) -> Any:  # Any: as above
    try:
        return point.load()
    except MemstrataError:
        raise
    except Exception as exc:
        raise InvalidConfig(
            f"the {one_of(kind)} {point.name!r} is registered as {point.value!r}, which cannot be loaded: "
            f"{type(exc).__name__}: {exc}"
        ) from exc
