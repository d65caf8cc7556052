"""Be the long-term memory of LangGraph agents: a `BaseStore` whose items are durable memories.

Needs `pip install "memstrata[langgraph]"`.
"""

from __future__ import annotations

import asyncio
import operator
import os
import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from memstrata.engine import Memstrata
from memstrata.errors import InvalidInput, MissingExtra, StoreError
from memstrata.faces.compat.items import MINUTE, Item, Items, Namespace, Put, nearest
from memstrata.types import Scope
from memstrata.wiring import open_memory

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        IndexConfig,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        Result,
        SearchItem,
        SearchOp,
        TTLConfig,
        ensure_embeddings,
        get_text_at_path,
        tokenize_path,
        validate_op_namespace,
    )
    from langgraph.store.base import Item as LangGraphItem
except ImportError as exc:
    raise MissingExtra("stores for LangGraph", "langgraph") from exc

SCOPE: Final = Scope(app_id="langgraph")
SWEEP_S: Final = 1.0  # that a call which finds sweeping due spends on it
WHOLE: Final = "$"  # the path of a whole value

COMPARED: Final[Mapping[str, Callable[[Any, Any], bool]]] = {  # Any: two numbers, or two texts
    "$gt": operator.gt, "$gte": operator.ge, "$lt": operator.lt, "$lte": operator.le,
}  # fmt: skip

Scored = tuple[float | None, Item]


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the store's own embedder said of the texts and queries in a batch of operations."""

    texts: Mapping[str, Sequence[float]]
    queries: Mapping[str, Sequence[float]]


NOTHING_EMBEDDED: Final = Embedded({}, {})


class MemstrataStore(BaseStore):
    """LangGraph's store over a memory in a directory; processes may share it, and threads one store.

    Without an `index` a query is answered by Memstrata's own search by words and meaning. With one, as LangGraph
    defines it, it is answered by the cosine of that embedder's vectors, and every item that has one is scored.
    In both cases items that the query does not find follow without a score.

    >>> store = MemstrataStore()
    >>> store.put(("users", "ana"), "seat", {"memory": "Ana prefers the window seat."})
    >>> store.search(("users",), query="where does she like to sit?")[0].key
    'seat'

    Args:
        path: the directory; without one, and without a memory, a temporary directory that is removed with the store.
        index: `embed`, `dims` and `fields`, as for LangGraph's other stores.
        ttl: `default_ttl` in minutes, `refresh_on_read`, `sweep_interval_minutes`, as for LangGraph's other stores.
            Expired items are never shown; `sweep_ttl()` takes them out of the files, and so does each write after
            an interval.
        memory: one that is open already; closing the store leaves it open.
        scope: the tenant, app and user whose memory the items are; nothing else there is touched or shown.

    Raises:
        InvalidInput: both a path and a memory were given, or the scope names more than tenant, app and user.
    """

    supports_ttl = True

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        memory: Memstrata | None = None,
        scope: Scope = SCOPE,
    ) -> None:
        if path is not None and memory is not None:
            raise InvalidInput("a store lies in a path or in a memory that is open; pass one of them")
        self.index_config = None if index is None else index.copy()
        self.embeddings = None if index is None else ensure_embeddings(index.get("embed"))
        self.ttl_config = ttl
        opened, self._release = _opened(path) if memory is None else (memory, lambda: None)
        try:
            self._items = Items(opened, scope)
        except BaseException:
            self._release()
            raise
        self._finalizer = weakref.finalize(self, self._release)
        self._swept_at = self._items.now()

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        index: IndexConfig | None = None,
        ttl: TTLConfig | None = None,
        scope: Scope = SCOPE,
    ) -> Self:
        """The store in a directory, made when it is not there."""
        return cls(path, index=index, ttl=ttl, scope=scope)

    @property
    def memory(self) -> Memstrata:
        """The memory that the items lie in."""
        return self._items.memory

    def close(self) -> None:
        """Let go of the directory; what was put is on disk already."""
        self._finalizer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self.close)

    # ── operations ──

    def batch(self, ops: Iterable[Op]) -> list[Result]:
        """The results of operations, in their order; what is read is read before anything is put.

        Puts are one commit. Of several under one key the last counts.

        Raises:
            InvalidNamespaceError: a label cannot be used.
            InvalidInput: a value cannot be kept, or a filter has an unknown operator; then nothing was put.
        """
        asked = _checked(ops)
        return self._answered(asked, self._embedded(asked))

    async def abatch(self, ops: Iterable[Op]) -> list[Result]:
        """As `batch`; what is embedded is awaited, and the store is used in a thread."""
        asked = _checked(ops)
        embedded = await self._aembedded(asked)
        return await asyncio.to_thread(self._answered, asked, embedded)

    def sweep_ttl(self, seconds: float = 10.0) -> int:
        """Delete what has expired and take it out of the files, for about so long; returns how many memories went."""
        self._swept_at = self._items.now()
        return self.memory.upkeep(seconds).settled.get("expire", 0)

    def _answered(self, ops: Sequence[Op], embedded: Embedded) -> list[Result]:
        used: list[Item] = []
        results = [self._result(op, embedded, used) for op in ops]
        self._items.write(self._put(op, embedded) for op in _last_puts(ops))
        with suppress(StoreError):  # the disk is full, or others write for long: what was read is right all the same
            self._items.renew(used)
        self._sweep_when_due()
        return results

    def _result(self, op: Op, embedded: Embedded, used: list[Item]) -> Result:
        """What an operation reads; items whose time to live it renews are added to `used`."""
        match op:
            case GetOp():
                item = self._items.get(tuple(op.namespace), op.key)
                if item is None:
                    return None
                used += [item] if op.refresh_ttl else []
                return _langgraph_item(item)
            case SearchOp():
                found = self._searched(op, embedded)
                used += [item for _, item in found] if op.refresh_ttl else []
                return [_search_item(item, score) for score, item in found]
            case ListNamespacesOp():
                return _listed(op, self._items.namespaces())
            case _:
                return None

    def _searched(self, op: SearchOp, embedded: Embedded) -> list[Scored]:
        prefix = tuple(op.namespace_prefix)
        among = self._items.under(prefix)
        if op.filter:
            among = [item for item in among if passes(item.value, op.filter)]
        query = (op.query or "").strip()
        if not query:
            found: list[Scored] = [(None, item) for item in among]
        elif self.embeddings is None:
            found = self._items.asked(query, prefix, among, first=op.offset + op.limit)
        else:
            found = nearest(embedded.queries[op.query or ""], among)
        return found[op.offset : op.offset + op.limit]

    def _put(self, op: PutOp, embedded: Embedded) -> Put:
        if op.value is None:
            return Put(tuple(op.namespace), op.key, None)
        paths = None if op.index is None or op.index is False else op.index
        texts = None if paths is None else _texts(op.value, paths)
        vectors = [embedded.texts[text] for text in dict.fromkeys(self._to_embed(op))]
        return Put(
            tuple(op.namespace), op.key, op.value, texts=texts, searched=op.index is not False, ttl_minutes=op.ttl,
            vectors=self._as_array(vectors) if vectors else None,
        )  # fmt: skip

    def _sweep_when_due(self) -> None:
        interval = (self.ttl_config or {}).get("sweep_interval_minutes")
        if interval is not None and self._items.now() - self._swept_at >= interval * MINUTE:
            self.sweep_ttl(SWEEP_S)

    # ── the caller's own embedder ──

    def _to_embed(self, op: PutOp) -> list[str]:
        """The texts by whose vectors an item is found."""
        if self.index_config is None or op.value is None or op.index is False:
            return []
        paths = self.index_config.get("fields") or [WHOLE] if op.index is None else op.index
        return [text for text in _texts(op.value, paths) if text.strip()]

    def _as_array(self, vectors: Sequence[Sequence[float]]) -> NDArray[np.float32]:
        dims = None if self.index_config is None else self.index_config.get("dims")
        lengths = {len(vector) for vector in vectors}
        if len(lengths) != 1 or (dims is not None and lengths != {dims}):
            raise InvalidInput(f"the index has dims={dims}, and its embedder gave vectors of {sorted(lengths)} numbers")
        return np.array(vectors, np.float32)

    def _wanted(self, ops: Sequence[Op]) -> tuple[list[str], list[str]]:
        """What is to be embedded for a batch: texts and queries, each once."""
        if self.embeddings is None:
            return [], []
        texts = dict.fromkeys(text for op in _last_puts(ops) for text in self._to_embed(op))
        queries = dict.fromkeys(op.query for op in ops if isinstance(op, SearchOp) and (op.query or "").strip())
        return list(texts), [query for query in queries if query is not None]

    def _embedded(self, ops: Sequence[Op]) -> Embedded:
        texts, queries = self._wanted(ops)
        if self.embeddings is None or not (texts or queries):
            return NOTHING_EMBEDDED
        vectors = self.embeddings.embed_documents(texts) if texts else []
        return Embedded(_paired(texts, vectors), {query: self.embeddings.embed_query(query) for query in queries})

    async def _aembedded(self, ops: Sequence[Op]) -> Embedded:
        texts, queries = self._wanted(ops)
        if self.embeddings is None or not (texts or queries):
            return NOTHING_EMBEDDED
        vectors = await self.embeddings.aembed_documents(texts) if texts else []
        asked = await asyncio.gather(*(self.embeddings.aembed_query(query) for query in queries))
        return Embedded(_paired(texts, vectors), dict(zip(queries, asked, strict=True)))


def _opened(path: str | os.PathLike[str] | None) -> tuple[Memstrata, Callable[[], None]]:
    """A memory in a directory, and what lets go of it; without a directory one that goes with it."""
    if path is not None:
        memory = open_memory(path)
        return memory, memory.close
    folder = tempfile.mkdtemp(prefix="memstrata-")
    try:
        memory = open_memory(Path(folder) / "store")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise

    def release() -> None:
        memory.close()
        shutil.rmtree(folder, ignore_errors=True)

    return memory, release


def _checked(ops: Iterable[Op]) -> list[Op]:
    """The operations, when each is one and its labels can be used."""
    asked = list(ops)
    for op in asked:
        if not isinstance(op, GetOp | SearchOp | PutOp | ListNamespacesOp):
            raise InvalidInput(f"{type(op).__name__} is no operation of a store")
        validate_op_namespace(op)
    return asked


def _last_puts(ops: Sequence[Op]) -> list[PutOp]:
    """The puts of a batch; of several under one key the last."""
    return list({(tuple(op.namespace), op.key): op for op in ops if isinstance(op, PutOp)}.values())


def _texts(value: Mapping[str, Any], paths: Iterable[str]) -> list[str]:  # Any: JSON
    """The texts at some paths of a value, as LangGraph reads paths."""
    tokens = [path if path == WHOLE else tokenize_path(path) for path in paths]
    return [text for path in tokens for text in get_text_at_path(value, path)]


def _paired(texts: Sequence[str], vectors: Sequence[Sequence[float]]) -> dict[str, Sequence[float]]:
    if len(texts) != len(vectors):
        raise InvalidInput(f"the embedder gave {len(vectors)} vectors for {len(texts)} texts; it owes one for each")
    return dict(zip(texts, vectors, strict=True))


def _langgraph_item(item: Item) -> LangGraphItem:
    return LangGraphItem(
        value=item.value, key=item.key, namespace=item.namespace, created_at=item.created_at,
        updated_at=item.updated_at,
    )  # fmt: skip


def _search_item(item: Item, score: float | None) -> SearchItem:
    return SearchItem(
        namespace=item.namespace, key=item.key, value=item.value, created_at=item.created_at,
        updated_at=item.updated_at, score=score,
    )  # fmt: skip


# ── namespaces ──


def _listed(op: ListNamespacesOp, namespaces: Iterable[Namespace]) -> list[Namespace]:
    """The namespaces that meet all conditions, in order, each cut to the depth asked for and named once."""
    found = [one for one in namespaces if all(_meets(one, condition) for condition in op.match_conditions or ())]
    cut = sorted({namespace[: op.max_depth] for namespace in found})
    return cut[op.offset : op.offset + op.limit]


def _meets(namespace: Namespace, condition: MatchCondition) -> bool:
    path = condition.path
    if len(namespace) < len(path):
        return False
    match condition.match_type:
        case "prefix":
            compared = namespace[: len(path)]
        case "suffix":
            compared = namespace[len(namespace) - len(path) :]
        case _:
            raise InvalidInput(f"{condition.match_type!r:.80} is no way to match a namespace; use prefix or suffix")
    return all(wanted in ("*", label) for label, wanted in zip(compared, path, strict=True))


# ── filters ──


def passes(value: object, wanted: Mapping[str, Any]) -> bool:  # Any: LangGraph's filters
    """Whether a mapping has everything a filter wants of its fields.

    >>> passes({"colour": "red", "size": 3}, {"colour": "red", "size": {"$gt": 2}})
    True

    Raises:
        InvalidInput: an operator is unknown.
    """
    return isinstance(value, Mapping) and all(_equals(value.get(name), one) for name, one in wanted.items())


def _equals(found: object, wanted: object) -> bool:
    match wanted:
        case Mapping() if any(name.startswith("$") for name in wanted):
            return all(_holds(found, sign, one) for sign, one in wanted.items())
        case Mapping():
            return passes(found, wanted)
        case list() | tuple():
            return (
                isinstance(found, list)
                and len(found) == len(wanted)
                and all(_equals(one, other) for one, other in zip(found, wanted, strict=True))
            )
        case _:
            return found == wanted


def _holds(found: object, sign: str, wanted: object) -> bool:
    match sign:
        case "$eq":
            return found == wanted
        case "$ne":
            return found != wanted
        case "$gt" | "$gte" | "$lt" | "$lte":
            return _ordered(found, sign, wanted)
        case _:
            raise InvalidInput(f"unknown operator {sign!r:.80}; known are $eq, $ne, $gt, $gte, $lt, $lte")


def _ordered(found: object, sign: str, wanted: object) -> bool:
    """Whether one comes before or after another: as numbers where both read as such, or as texts; otherwise never."""
    numbers = _number(found), _number(wanted)
    if None in numbers and not (isinstance(found, str) and isinstance(wanted, str)):
        return False
    left, right = (found, wanted) if None in numbers else numbers
    return COMPARED[sign](left, right)


def _number(value: object) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None
