"""Take what was deleted out of the files."""

from __future__ import annotations

from memstrata.store import FileStore
from memstrata.store.spaces import Spaces
from memstrata.types import PurgeReceipt


def purge(store: FileStore, spaces: Spaces) -> PurgeReceipt:
    """Rewrite the text index, the write-ahead log and the vector files; nothing deleted is in them afterwards."""
    cleared = store.purge()
    with store.reading() as reading:
        files = spaces.rewrite(reading)
        position = reading.position()
    return PurgeReceipt(cleared, position, (*store.files(), *files))
