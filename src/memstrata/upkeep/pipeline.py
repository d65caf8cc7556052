"""Do what is owed, within a stretch of time: expire → embed → words → resolve → purge → sweep → prune."""

from __future__ import annotations

from collections import Counter
from typing import Final

from memstrata.clock import Stopwatch
from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder
from memstrata.store import FileStore
from memstrata.store.spaces import Spaces
from memstrata.types import UpkeepReport
from memstrata.upkeep import embed, purge, resolve, words

EXPIRE_AT_ONCE: Final = 500
KEEP_CHANGES: Final = 1_000_000
KEEP_CHANGES_DAYS: Final = 7
DAY: Final = 86_400_000_000  # microseconds


def upkeep(
    store: FileStore, spaces: Spaces, embedder: Embedder, reads: resolve.Reads, *, seconds: float, now: int, holder: str
) -> UpkeepReport:
    """Work until nothing is owed or the time is up; always does at least one step of each kind."""
    if not isinstance(seconds, int | float):
        raise InvalidInput(f"seconds={seconds!r:.80}; say how long upkeep may take")
    watch = Stopwatch()
    settled: Counter[str] = Counter()
    while expired := _expire(store, now=now):
        settled["expire"] += expired
        if watch.total_ms > seconds * 1000:
            break
    while embedded := embed.settle(store, embedder, holder=holder):
        settled["embed"] += embedded
        if watch.total_ms > seconds * 1000:
            break
    while indexed := words.settle(store, holder=holder):
        settled["words"] += indexed
        if watch.total_ms > seconds * 1000:
            break
    while read := resolve.settle(store, reads, holder=holder):
        settled["resolve"] += read
        if watch.total_ms > seconds * 1000:
            break
    with store.reading() as reading:
        owed = reading.owed()
    if owed.get("purge"):
        settled["purge"] += purge.purge(store, spaces).memories
    if swept := store.sweep():
        settled["sweep"] += len(swept)
    with store.writing() as writing:
        writing.prune_changes(before=now - KEEP_CHANGES_DAYS * DAY, keep=KEEP_CHANGES)
    with store.reading() as reading:
        return UpkeepReport(dict(settled), reading.owed())


def _expire(store: FileStore, *, now: int) -> int:
    with store.writing() as writing:
        return writing.expire(now=now, limit=EXPIRE_AT_ONCE)
