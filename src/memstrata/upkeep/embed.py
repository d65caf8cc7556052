"""Settle owed embeddings: claim, embed outside of any transaction, commit, strike off."""

from __future__ import annotations

from memstrata.providers.embedders import Embedder
from memstrata.store import OwedTask, Store
from memstrata.text.terms import described
from memstrata.write.index import encoded
from memstrata.write.journal import agree

TASK = "embed"
BATCH = 64
LEASE_S = 120.0


def settle(store: Store, embedder: Embedder, *, holder: str) -> int:
    """Embed one batch of what is owed; returns how many memories that was, 0 when nothing is left to claim.

    Killed at any point, the work is owed again when its lease runs out; done twice, it gives the same vectors.
    """
    with store.writing() as writing:
        tasks = writing.claim(TASK, holder=holder, limit=BATCH, lease_s=LEASE_S)
    if not tasks:
        return 0
    texts = _texts(tasks, store)
    vectors = dict(zip(texts, encoded(list(texts.values()), embedder), strict=True))
    with store.writing() as writing:
        agree(writing, embedder)
        writing.set_vectors(vectors)
        writing.settle(task.id for task in tasks)
    return len(tasks)


def _texts(tasks: list[OwedTask], store: Store) -> dict[int, str]:
    with store.reading() as reading:
        ids = reading.segments_of([task.row for task in tasks])
        found = reading.segment_texts(ids)
    return {id: described(one.text, one.told) for id, one in found.items()}
