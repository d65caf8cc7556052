"""Commit rows to the store, durably and once."""

from __future__ import annotations

from collections.abc import Sequence

from memstrata.access import space_name
from memstrata.clock import id_text
from memstrata.errors import EmbedderMismatch
from memstrata.providers.embedders import Embedder
from memstrata.store import NewMemory, Store, Writing
from memstrata.types import Receipt, Scope


def agree(writing: Writing, embedder: Embedder) -> None:
    """See that the store still holds this embedder's vectors before any of them are written.

    Raises:
        EmbedderMismatch: another process has changed it since this one opened the store.
    """
    known = writing.meta("embedder")
    if known != embedder.identity:
        raise EmbedderMismatch(
            f"the store now holds vectors of {known!r}, and this memory was opened with {embedder.identity!r}: "
            "open it again with the first"
        )


def committed(
    rows: Sequence[NewMemory], scope: Scope, *, store: Store, embedder: Embedder, once: bool = False
) -> Receipt:
    """Write the rows in one transaction; when this returns they are on disk."""
    with store.writing() as writing:
        agree(writing, embedder)
        ids, repeated = writing.insert(writing.space(*space_name(scope)), rows, once=once)
        return Receipt(tuple(id_text(id) for id in ids), writing.position(), repeated)
