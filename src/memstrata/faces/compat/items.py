"""Keep values under a namespace and a key as memories, and answer what key-value and vector stores are asked.

An item is one memory. What is asked of all items at once (which lie under a prefix, which pass a filter, which vectors
are near) is answered from an image of them that every call brings up to date by the list of changes, as the engine
does with its spaces; so processes see each other's writes with their next call.
"""

from __future__ import annotations

import base64
import json
import math
import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from memstrata import access
from memstrata.clock import LATEST, as_datetime, micros
from memstrata.engine import MAX_LIMIT, Filters, Memstrata
from memstrata.errors import InvalidInput, PositionExpired
from memstrata.read import news
from memstrata.read.query import MAX_QUERY
from memstrata.store import Reading
from memstrata.store.filters import MAX_VALUES
from memstrata.types import Event, Memory, Scope
from memstrata.write import keyed
from memstrata.write.event import MAX_ATTRIBUTES_BYTES

Namespace = tuple[str, ...]
Value = Mapping[str, Any]  # Any: JSON
Vectors = NDArray[np.float32]  # (n, dimensions), unit rows or all zero

OURS: Final = "item/"  # how the keys of our memories begin
UNHOLDABLE: Final = re.compile("[%/\0\ud800-\udfff]")  # what a path cannot hold in a label, and what marks it
WRITTEN: Final = re.compile(r"\s")
PAGE: Final = 1_000
MINUTE: Final = 60_000_000  # microseconds
SURE: Final = 100  # hits of a search at least, so that pages of the same query agree with each other
RENEW_SHARE: Final = 0.01  # of its time to live, before which reading an item again does not renew it


@dataclass(frozen=True, slots=True)
class Put:
    """What is to stand under a key; no value removes it.

    `texts` are what it is searched by, the whole value when None; `searched` says whether queries find it;
    `vectors` (n, dimensions) are those of a caller's own embedder.
    """

    namespace: Namespace
    key: str
    value: Value | None
    texts: Sequence[str] | None = None
    searched: bool = True
    ttl_minutes: float | None = None
    vectors: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """A value under its key, as it was last written; `content` is the value as JSON."""

    id: str
    namespace: Namespace
    key: str
    content: str
    created_at: datetime
    updated_at: datetime
    searched: bool
    ttl_minutes: float | None
    expires_at: int | None
    vectors: Vectors | None

    @property
    def value(self) -> dict[str, Any]:  # Any: JSON
        """The value, a new one each time."""
        found: dict[str, Any] = json.loads(self.content)
        return found


# ── names ──


def path_of(namespace: Namespace) -> tuple[str, ...]:
    """A namespace's labels as a path of ours holds them.

    >>> path_of(("a/b", "50%"))
    ('a%2Fb', '50%25')
    """
    return tuple(UNHOLDABLE.sub(_escaped, label) for label in namespace)


def _escaped(found: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in found[0].encode("utf-8", "surrogatepass"))


def namespace_of(path: str | tuple[str, ...] | None) -> Namespace:
    """The labels that a path stands for.

    >>> namespace_of("a%2Fb/50%25")
    ('a/b', '50%')
    """
    parts = path.split("/") if isinstance(path, str) else path or ()
    return tuple(unquote(part, errors="surrogatepass") for part in parts)


def key_of(namespace: Namespace, key: str) -> str:
    """The one key under which an item is added, of a length that does not depend on its names."""
    named = json.dumps([*namespace, key]).encode()
    return f"{OURS}{blake2b(named, digest_size=20).hexdigest()}"


# ── memories ──


def readable(value: object, name: str = "") -> str:
    """A value as text that a search understands: sentences as they are, the rest with its name in front.

    >>> readable({"memory": "Ana likes tea.", "colour": "red", "sizes": [3, 4]})
    'Ana likes tea.\\ncolour: red\\nsizes: 3\\nsizes: 4'
    """
    if isinstance(value, Mapping):
        return "\n".join(part for inner, one in value.items() if (part := readable(one, str(inner))))
    if isinstance(value, list | tuple):
        return "\n".join(part for one in value if (part := readable(one, name)))
    if value is None:
        return ""
    said = value if isinstance(value, str) else json.dumps(value)
    return said if not name or WRITTEN.search(said.strip()) else f"{name}: {said}"


def event_of(put: Put, *, now: int) -> Event:
    """A put as an event. A value too large for attributes is kept as the text itself.

    Raises:
        InvalidInput: the value is no JSON, or it and its vectors are too large together.
    """
    content = _as_json(put)
    about: dict[str, Any] = {"key": put.key}  # Any: JSON
    if not put.searched:
        about["searched"] = False
    if put.ttl_minutes is not None:
        about["ttl_minutes"] = put.ttl_minutes
    if put.vectors is not None and len(put.vectors):
        about["dimensions"] = put.vectors.shape[1]
        about["vectors"] = base64.b64encode(_unit(put.vectors).astype("<f2").tobytes()).decode()
    whole = {**about, "value": json.loads(content)}
    texts = [readable(put.value)] if put.texts is None else put.texts
    text = "\n".join(texts).replace("\0", " ").encode("utf-8", "replace").decode().strip() or "…"
    if _size(whole) > MAX_ATTRIBUTES_BYTES:
        whole, text = about, content
        if _size(about) > MAX_ATTRIBUTES_BYTES:
            raise InvalidInput(
                f"{put.key!r:.80} in {put.namespace!r:.200} has {0 if put.vectors is None else len(put.vectors)} "
                f"vectors; they and the key take {_size(about):,} bytes, and may take {MAX_ATTRIBUTES_BYTES:,}: "
                "index fewer fields, or put the value under several keys"
            )
    return Event(
        text, kind="document", attributes=whole, key=key_of(put.namespace, put.key),
        expires_at=_expiry(put.ttl_minutes, now=now), namespace=path_of(put.namespace),
    )  # fmt: skip


def _as_json(put: Put) -> str:
    value = put.value
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise InvalidInput(f"the value of {put.key!r:.80} is no mapping of names to JSON values")
    try:
        content = json.dumps(dict(value), ensure_ascii=False, allow_nan=False)
        (content + put.key).encode()
    except UnicodeEncodeError as exc:
        raise InvalidInput(f"{put.key!r:.80} or its value has half of a surrogate pair; no text has that") from exc
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput(
            f"the value of {put.key!r:.80} must be JSON (texts, finite numbers, lists, mappings): {exc}"
        ) from exc
    if "\\u0000" in content or "\0" in put.key:
        raise InvalidInput(f"{put.key!r:.80} or its value has a NUL character, which cannot be kept; remove it")
    return content


def _size(attributes: Mapping[str, object]) -> int:
    return len(json.dumps(attributes, ensure_ascii=False).encode())


def _unit(vectors: NDArray[np.float32]) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = (vectors / np.where(lengths == 0, 1, lengths)).astype(np.float32)
    return unit


def _expiry(ttl_minutes: float | None, *, now: int) -> datetime | None:
    if ttl_minutes is None:
        return None
    if not isinstance(ttl_minutes, int | float) or not math.isfinite(ttl_minutes):
        raise InvalidInput(f"ttl={ttl_minutes!r:.80}; a time to live is a number of minutes")
    return as_datetime(_lasts(ttl_minutes, now=now))


def _lasts(ttl_minutes: float, *, now: int) -> int:
    """When a time to live that begins now is over, in microseconds; at the latest when the calendar ends."""
    return max(0, int(min(now + ttl_minutes * MINUTE, LATEST)))


def item_of(memory: Memory) -> Item | None:
    """The item that a memory is; None where it is another's."""
    about = memory.attributes
    if memory.key is None or not memory.key.startswith(OURS) or not isinstance(about.get("key"), str):
        return None
    content = json.dumps(about["value"], ensure_ascii=False) if "value" in about else memory.text
    return Item(
        memory.id, namespace_of(memory.scope.namespace), about["key"], content, memory.created_at, memory.updated_at,
        about.get("searched", True), about.get("ttl_minutes"),
        None if memory.expires_at is None else micros(memory.expires_at), _vectors(about),
    )  # fmt: skip


def _vectors(about: Mapping[str, Any]) -> Vectors | None:  # Any: JSON
    if "vectors" not in about:
        return None
    flat = np.frombuffer(base64.b64decode(about["vectors"]), "<f2")
    return _unit(flat.reshape(-1, about["dimensions"]).astype(np.float32))


# ── all of them ──


class Image:
    """The items of a scope as they were at a reader's moment."""

    def __init__(self, scope: Scope) -> None:
        self._scope = scope
        self._space: int | None = None
        self._position = -1
        self._items: dict[str, Item] = {}  # by the id of the memory
        self._named: dict[Namespace, dict[str, Item]] = {}

    def catch_up(self, reading: Reading, *, now: int) -> None:
        """Follow the changes up to a reader's moment."""
        position = reading.position()
        if position == self._position:
            return
        places = access.one_space(reading, self._scope, shared=False)
        space = places[0].space if places else None
        try:
            if space is None or space != self._space:
                raise PositionExpired("nothing is known of this space yet")
            while self._position < position:
                found = news.changes(self._position, self._scope, None, reading, limit=PAGE)
                for change in found.changes:
                    self._take(change.memory_id, change.memory)
                self._position = found.position
        except PositionExpired:  # read everything
            self._items, self._named, self._space = {}, {}, None  # until all is read, nothing is known
            after: tuple[int, int] | None = None
            while page := reading.select(places, None, after=after, limit=PAGE, now=now):
                for stored in page:
                    self._take(stored.memory.id, stored.memory)
                after = micros(page[-1].memory.at), page[-1].row
            self._space, self._position = space, position

    def _take(self, id: str, memory: Memory | None) -> None:
        item = None if memory is None or memory.state in ("deleted", "merged") else item_of(memory)
        before = self._items.pop(id, None)
        if before is not None and self._named[before.namespace].get(before.key) is before:
            del self._named[before.namespace][before.key]
            if not self._named[before.namespace]:
                del self._named[before.namespace]
        if item is not None:
            self._items[id] = item
            self._named.setdefault(item.namespace, {})[item.key] = item

    def get(self, namespace: Namespace, key: str, *, now: int) -> Item | None:
        """What stands under a key."""
        found = self._named.get(namespace, {}).get(key)
        return found if found is not None and _lives(found, now=now) else None

    def under(self, prefix: Namespace, *, now: int) -> list[Item]:
        """What stands in a namespace and below it, in the order in which the keys were first used."""
        length = len(prefix)
        found = [
            item
            for namespace, items in self._named.items()
            if namespace[:length] == prefix
            for item in items.values()
            if _lives(item, now=now)
        ]
        return sorted(found, key=lambda item: item.id)

    def namespaces(self, *, now: int) -> list[Namespace]:
        """The namespaces in which something stands."""
        return [
            namespace
            for namespace, items in self._named.items()
            if any(_lives(item, now=now) for item in items.values())
        ]


def _lives(item: Item, *, now: int) -> bool:
    return item.expires_at is None or item.expires_at > now


class Items:
    """The items that lie in one scope of a memory. Threads may share it.

    Raises:
        InvalidInput: the scope is narrowed by more than tenant, app and user, which is left to namespaces.
    """

    def __init__(self, memory: Memstrata, scope: Scope) -> None:
        if Scope(scope.tenant_id, scope.app_id, scope.user_id) != scope:
            raise InvalidInput(f"{scope} names more than a tenant, an app and a user; use namespaces for the rest")
        self.memory = memory
        self.scope = access.scope_from(scope, {})
        self._parts = memory._parts  # the engine has no verb for what stands under a key
        self._image = Image(self.scope)
        self._lock = threading.Lock()

    def now(self) -> int:
        """The memory's present moment, in microseconds."""
        return self._parts.clock.now()

    def get(self, namespace: Namespace, key: str) -> Item | None:
        """What stands under a key, or None."""
        with self._lock:
            return self._current().get(namespace, key, now=self.now())

    def under(self, prefix: Namespace) -> list[Item]:
        """What stands in a namespace and below it, in the order in which the keys were first used."""
        with self._lock:
            return self._current().under(prefix, now=self.now())

    def namespaces(self) -> list[Namespace]:
        """The namespaces in which something stands, in order."""
        with self._lock:
            return sorted(self._current().namespaces(now=self.now()))

    def _current(self) -> Image:
        with self._parts.store.reading() as reading:
            self._image.catch_up(reading, now=self.now())
        return self._image

    def write(self, puts: Iterable[Put]) -> None:
        """Do what is asked in one commit; of several puts under one key the last counts."""
        last = {(put.namespace, put.key): put for put in puts}.values()
        if not last:
            return
        now = self.now()
        keyed.put(
            [event_of(put, now=now) for put in last if put.value is not None],
            [key_of(put.namespace, put.key) for put in last if put.value is None],
            self.scope, store=self._parts.store, embedder=self._parts.embedder, now=now,
        )  # fmt: skip
        self.memory._wake()  # an embedder that is not quick works in the background

    def renew(self, items: Iterable[Item]) -> None:
        """Let the time to live of items begin again, where that makes a difference."""
        now = self.now()
        expiries: dict[str, int] = {}
        for item in items:
            if item.ttl_minutes is None or item.expires_at is None:
                continue
            until = _lasts(item.ttl_minutes, now=now)
            if until - item.expires_at > item.ttl_minutes * MINUTE * RENEW_SHARE:
                expiries[item.id] = until
        if expiries:
            keyed.renew(expiries, self.scope, store=self._parts.store, now=now)

    def asked(
        self, query: str, prefix: Namespace, among: Sequence[Item], *, first: int
    ) -> list[tuple[float | None, Item]]:
        """Some items of a namespace: those that the engine's search finds first, with its score; then the others.

        `first` says how many will be looked at. The engine tells the best thousand.
        """
        wanted = {item.id: item for item in among if item.searched}
        limit = min(MAX_LIMIT, max(SURE, first))
        found: dict[str, float] = {}
        for filters in self._narrowings(prefix, wanted) if wanted else ():
            hits = self.memory.search(
                query[:MAX_QUERY], limit=limit, filters=filters, scope=self.scope, namespace=path_of(prefix)
            )
            found = {hit.memory.id: hit.score for hit in hits if hit.memory.id in wanted}
            if len(found) == len(hits):  # else what is not asked for took places
                break
        scored: list[tuple[float | None, Item]] = [(score, wanted[id]) for id, score in found.items()]
        return [*scored, *((None, item) for item in among if item.id not in found)]

    def _narrowings(self, prefix: Namespace, wanted: Mapping[str, Item]) -> list[Filters | None]:
        """The filters to search with, one after the other: none is much quicker, where all of a namespace is wanted."""
        narrow: list[Filters | None] = [{"id": {"in": list(wanted)}}] if len(wanted) <= MAX_VALUES else []
        return [None, *narrow] if not narrow or len(wanted) == len(self.under(prefix)) else narrow


def nearest(vector: Sequence[float], among: Sequence[Item]) -> list[tuple[float | None, Item]]:
    """Items by the cosine of their nearest vector, best first; then, without a score, those that have none.

    Vectors of another length, from another embedder, count as none.
    """
    (query,) = _unit(np.array([vector], np.float32))
    comparable = [item.vectors is not None and item.vectors.shape[1] == len(query) for item in among]
    with_vectors = [item for item, fits in zip(among, comparable, strict=True) if fits]
    others: list[tuple[float | None, Item]] = [
        (None, item) for item, fits in zip(among, comparable, strict=True) if not fits
    ]
    if not with_vectors:
        return others
    held = [item.vectors for item in with_vectors if item.vectors is not None]
    cosines = np.concatenate(held) @ query
    starts = np.cumsum([0, *(len(vectors) for vectors in held[:-1])])
    best = np.maximum.reduceat(cosines, starts)
    order = np.argsort(-best, kind="stable").tolist()
    return [*((float(best[place]), with_vectors[place]) for place in order), *others]
