"""Turn events into rows ready to be written: passages, words and vectors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from memstrata.clock import moment
from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder, embedded
from memstrata.store import NewMemory, told_of
from memstrata.text.terms import described
from memstrata.types import Event, Scope
from memstrata.write.segment import segments

EMBED_BATCH: Final = 256


def rows_of(events: Sequence[Event], scope: Scope, embedder: Embedder, *, now: int) -> list[NewMemory]:
    """The events as rows; vectors are there when the embedder is quick enough to work while one waits."""
    rows = [_sound(row_of_event(event, scope, now=now)) for event in events]
    return with_vectors(rows, embedder) if embedder.inline else rows


def _sound(row: NewMemory) -> NewMemory:
    """The row itself, when what it says of itself goes together; an export of an older store is taken as it is.

    Raises:
        InvalidInput: it ends before it begins, or is pinned in a way that nobody would honour.
    """
    if row.valid_from is not None and row.valid_until is not None and row.valid_from > row.valid_until:
        raise InvalidInput("valid_until comes before valid_from; give an end that is later, or leave one of them out")
    pinned = row.attributes.get("pinned")
    if pinned is not None and not isinstance(pinned, bool):
        raise InvalidInput(f"the attribute pinned is true or false, not {pinned!r:.40}; name one of your own otherwise")
    return row


def row_of_event(event: Event, scope: Scope, *, now: int) -> NewMemory:
    """One event as a row without vectors."""
    given = moment(event.at)
    at, offset = given or (now, 0)
    namespace = event.namespace if event.namespace is not None else scope.namespace
    assert not isinstance(namespace, tuple)  # both were made paths when they were checked
    return NewMemory(
        text=event.text,
        kind=event.kind,
        attributes=event.attributes,
        speaker=event.speaker,
        role=event.role,
        at=at,
        at_offset=offset,
        at_given=given is not None,
        agent=event.agent_id or scope.agent_id,
        session=event.session_id or scope.session_id,
        namespace=namespace,
        valid_from=_micros(event.valid_from, "valid_from"),
        valid_until=_micros(event.valid_until, "valid_until"),
        expires_at=_micros(event.expires_at, "expires_at"),
        sources=event.sources,
        contributor=event.contributor,
        resource=event.resource,
        key=event.key,
        segments=tuple(segments(event.text, told_of(event.speaker, at, offset, event.attributes, event.role))),
    )


def _micros(value: object, name: str) -> int | None:
    read = moment(value, name=name)  # type: ignore[arg-type]  # moment() checks what it is given
    return None if read is None else read[0]


def with_vectors(rows: Sequence[NewMemory], embedder: Embedder) -> list[NewMemory]:
    """The rows with a vector for each passage."""
    texts = [described(row.text[segment.start : segment.stop], row.told) for row in rows for segment in row.segments]
    vectors = iter(encoded(texts, embedder))
    return [
        replace(row, segments=tuple(replace(segment, vector=next(vectors)) for segment in row.segments)) for row in rows
    ]


def encoded(texts: Sequence[str], embedder: Embedder) -> list[bytes]:
    """Vectors of passages as little-endian float16.

    Raises:
        EmbedderMismatch: the embedder answers with another dimension than it says.
        EmbedderUnavailable: it answers with too few rows, or with some that are no unit vectors.
    """
    found: list[bytes] = []
    for start in range(0, len(texts), EMBED_BATCH):
        vectors = embedded(texts[start : start + EMBED_BATCH], embedder)
        found += [vector.tobytes() for vector in vectors.astype("<f2")]
    return found
