"""Settle owed words: index anew what an older version indexed without the stems of its own language."""

from __future__ import annotations

from memstrata.store import SegmentText, Store
from memstrata.text.languages import foreign_terms
from memstrata.write.segment import indexed

TASK = "words"
BATCH = 256
LEASE_S = 120.0


def settle(store: Store, *, holder: str) -> int:
    """Bring one batch of memories up to date; returns how many, 0 when nothing is left to claim.

    Until then they are found by the words that the older version gave them.
    """
    with store.writing() as writing:
        tasks = writing.claim(TASK, holder=holder, limit=BATCH, lease_s=LEASE_S)
    if not tasks:
        return 0
    with store.reading() as reading:
        found = reading.segment_texts(reading.segments_of([task.row for task in tasks]))
    words = {id: indexed(one.text, one.told)[1] for id, one in found.items() if _may_differ(one)}
    with store.writing() as writing:
        writing.set_words(words)
        writing.settle(task.id for task in tasks)
    return len(tasks)


def _may_differ(passage: SegmentText) -> bool:
    """Whether the text may have words that the older version did not have; plain English has none."""
    told = passage.told
    plain = all((part or "").isascii() for part in (passage.text, told.speaker, told.caption))
    return not plain or bool(foreign_terms(passage.text))
