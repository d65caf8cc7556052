"""Turn what a caller hands in into durable memories: event → segment → index → journal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Final

from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder
from memstrata.store import Store
from memstrata.types import BulkReceipt, Event, Receipt, Scope
from memstrata.write.event import Content, Message, event_of, events_of, key_of_words
from memstrata.write.index import rows_of
from memstrata.write.journal import committed

BATCH: Final = 1_000


def write(
    content: Content, defaults: Event, scope: Scope, *, once: bool, store: Store, embedder: Embedder, now: int
) -> Receipt:
    """Keep one text, one message, or one list of them, in one commit; with `once` only what is not there yet."""
    events = events_of(content, defaults)
    if once:
        events = [event if event.key is not None else replace(event, key=key_of_words(event)) for event in events]
    rows = rows_of(events, scope, embedder, now=now)
    return committed(rows, scope, store=store, embedder=embedder, once=once)


def write_many(
    messages: Iterable[Message],
    defaults: Event,
    scope: Scope,
    *,
    store: Store,
    embedder: Embedder,
    now: Callable[[], int],
    batch: int = BATCH,
    on_batch: Callable[[Receipt], None] | None = None,
) -> BulkReceipt:
    """Keep a stream of any length, a commit for each batch; a batch that fails leaves those before it kept."""
    if not isinstance(batch, int) or batch < 1:
        raise InvalidInput(f"batch={batch!r:.80}; a batch is a whole number of events, at least one")
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Iterable):
        raise InvalidInput(f"add_many takes a list or stream of events, not {type(messages).__name__}")
    added = repeated = position = 0
    for chunk in _chunks(messages, batch):
        events = [event_of(message, defaults) for message in chunk]
        receipt = committed(rows_of(events, scope, embedder, now=now()), scope, store=store, embedder=embedder)
        added += len(receipt.ids) - receipt.repeated
        repeated += receipt.repeated
        position = receipt.position
        if on_batch is not None:
            on_batch(receipt)
    return BulkReceipt(added, repeated, position)


def _chunks(messages: Iterable[Message], size: int) -> Iterator[Sequence[Message]]:
    stream = iter(messages)
    while chunk := list(islice(stream, size)):
        yield chunk
