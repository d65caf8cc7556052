"""Make every vector anew with another embedder, a batch at a time."""

from __future__ import annotations

from collections.abc import Callable

from memstrata.providers.embedders import Embedder
from memstrata.store import Store
from memstrata.upkeep import embed


def reembed(store: Store, embedder: Embedder, *, holder: str, progress: Callable[[int], None] | None = None) -> int:
    """Name the embedder in the store, owe it every vector, and settle that; picks up where it was stopped."""
    with store.writing() as writing:
        if writing.meta("embedder") != embedder.identity:
            writing.forget_vectors(embedder.identity)
            writing.set_meta("dimensions", embedder.dimensions)
    done = 0
    while settled := embed.settle(store, embedder, holder=holder):
        done += settled
        if progress is not None:
            progress(settled)
    return done
