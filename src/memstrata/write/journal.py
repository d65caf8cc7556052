"""Commit rows to the store, durably and once."""

from __future__ import annotations

from collections.abc import Sequence

from memstrata.access import space_name
from memstrata.store import NewMemory, Store
from memstrata.clock import id_text
from memstrata.types import Receipt, Scope


def committed(rows: Sequence[NewMemory], scope: Scope, store: Store) -> Receipt:
    """Write the rows in one transaction; when this returns they are on disk."""
    with store.writing() as writing:
        ids, repeated = writing.insert(writing.space(*space_name(scope)), rows)
        receipt = Receipt(tuple(id_text(id) for id in ids), writing.position(), repeated)
    return receipt
