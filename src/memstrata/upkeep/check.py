"""Compare the rows with everything derived from them, and repair what differs when told to."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

import numpy as np

from memstrata.providers.embedders import Embedder
from memstrata.store import AuditRow, FileStore, NewSegment, space_of
from memstrata.store.spaces import Spaces
from memstrata.text.terms import described
from memstrata.types import CheckReport, Difference
from memstrata.write.index import encoded
from memstrata.write.segment import segments

NORM_TOLERANCE: Final = 0.02  # float16 keeps three digits


def check(
    store: FileStore, spaces: Spaces, embedder: Embedder, *, repair: bool, progress: Callable[[int], None] | None = None
) -> CheckReport:
    """Compare database, rows, text index, vectors, caches, changes and blobs."""
    differences = store.inspect()
    if differences:  # a damaged database cannot be compared, let alone repaired in place
        return CheckReport(0, 0, tuple(differences))
    broken: dict[int, AuditRow] = {}
    memories = count = 0
    with store.reading() as reading:
        indexed = reading.indexed_words()
        for row in reading.audit():
            memories += 1
            count += len(row.segments)
            found = list(_row_differences(row, embedder, indexed))
            if any(difference.part in ("text index", "vectors") for difference in found):
                broken[row.row] = row
            differences += found
            if progress is not None:
                progress(1)
        orphans = sorted(indexed)
        differences += [_orphan(id) for id in orphans]
        differences += reading.audit_counts()
        differences += spaces.compare(repair=repair)
    differences += store.audit_blobs(repair=repair)
    if repair and differences:
        _repair(store, broken, orphans, embedder)
        differences = [_repaired(difference) for difference in differences]
    return CheckReport(memories, count, tuple(differences))


def _row_differences(row: AuditRow, embedder: Embedder, indexed: dict[int, int]) -> Iterable[Difference]:
    subject = f"memory {row.id} version {row.version}"
    if not row.intact:
        yield Difference("rows", subject, "its content is not what was written; restore it from a backup")
    if not row.text:  # it cannot be read at all, so nothing can be compared with it
        for id, *_ in row.segments:
            indexed.pop(id, None)
        return
    spans = [(start, stop) for _, start, stop, _ in row.segments]
    if not _cover(spans, len(row.text)):
        yield Difference("text index", subject, "its passages do not cover its text")
    expected = segments(row.text, row.told, spans=spans)
    for (id, _, _, vector), segment in zip(row.segments, expected, strict=True):
        if indexed.pop(id, 0) != _words_sum(segment, space_of(id)) and not row.words_owed:
            yield Difference("text index", subject, "the index holds other words than the text")
        yield from _vector_differences(subject, vector, row.embedding_owed, embedder)


def _cover(spans: list[tuple[int, int]], length: int) -> bool:
    """Whether the spans lie end to end from 0 to the length."""
    return [0, *(stop for _, stop in spans)] == [*(start for start, _ in spans), length]


def _words_sum(segment: NewSegment, space: int) -> int:
    return sum(zlib.crc32(f"{space}_{term}".encode()) for term in segment.terms)


def _vector_differences(subject: str, vector: bytes | None, owed: bool, embedder: Embedder) -> Iterable[Difference]:
    if vector is None:
        if not owed:
            yield Difference("vectors", subject, "a vector is missing and nobody owes it")
        return
    if len(vector) != embedder.dimensions * 2:
        yield Difference("vectors", subject, f"a vector has {len(vector) // 2} dimensions, not {embedder.dimensions}")
        return
    values = np.frombuffer(vector, "<f2").astype(np.float32)
    length = float(np.linalg.norm(values)) if np.isfinite(values).all() else float("nan")
    if not (abs(length - 1) < NORM_TOLERANCE or length == 0):
        yield Difference("vectors", subject, f"a vector has length {length:.3f}, not 1")


def _orphan(id: int) -> Difference:
    return Difference("text index", f"segment {id}", "the index holds words of a passage that is not there")


def _repair(store: FileStore, broken: dict[int, AuditRow], orphans: list[int], embedder: Embedder) -> None:
    with store.writing() as writing:  # first: what is indexed anew below may take their place
        writing.drop_words(orphans)
    for row in broken.values():
        spans = [(start, stop) for _, start, stop, _ in row.segments]
        known = spans if _cover(spans, len(row.text)) else None
        passages = segments(row.text, row.told, spans=known)
        if embedder.inline:
            texts = [row.text[one.start : one.stop] for one in passages]
            said = [described(text, row.told) for text in texts]
            vectors = encoded(said, embedder)
            passages = [replace(one, vector=vector) for one, vector in zip(passages, vectors, strict=True)]
        with store.writing() as writing:
            writing.reindex(row.row, passages)
    with store.writing() as writing:
        writing.recount()


def _repaired(difference: Difference) -> Difference:
    if difference.part in ("database", "rows", "caches", "blobs"):
        return difference
    return Difference(difference.part, difference.subject, difference.problem, repaired=True)
