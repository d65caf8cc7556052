"""The engine for programs that `await`: each method in a thread, so that no loop waits for a disk.

Written by tools/generate_async.py out of the signatures of `memstrata.engine`; change them there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

from memstrata.engine import DEFAULT_BUDGET, PAGE, Clock, Filters, Memstrata
from memstrata.plan.counters import Counter
from memstrata.providers.embedders import Embedder
from memstrata.providers.rerankers import Reranker
from memstrata.read.rankers import Ranker
from memstrata.read.retrieve import Retriever
from memstrata.types import (
    KEEP,
    NOTHING,
    Attributes,
    Budget,
    BulkReceipt,
    Changes,
    CheckReport,
    Context,
    DeletionReceipt,
    Explanation,
    Fact,
    Hit,
    Kind,
    Memory,
    Moment,
    Profile,
    PurgeReceipt,
    Receipt,
    Scope,
    ScopeIds,
    Statistics,
    Unchanged,
    UpkeepReport,
    Version,
)
from memstrata.wiring import open_memory
from memstrata.write.event import Content, Message
from memstrata.write.pipeline import BATCH

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from memstrata.kv import Session

AT_ONCE = 200  # memories that `list` fetches from its thread at a time


class Opening:
    """A memory about to be opened: `await` it, or use it in `async with`."""

    def __init__(self, coroutine: Coroutine[Any, Any, AsyncMemstrata]) -> None:  # Any: they send it nothing
        self._coroutine = coroutine
        self._opened: AsyncMemstrata | None = None

    def __await__(self) -> Generator[Any, Any, AsyncMemstrata]:  # Any: as above
        return self._coroutine.__await__()

    async def __aenter__(self) -> AsyncMemstrata:
        self._opened = await self._coroutine
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._opened is not None
        await self._opened.close()


class AsyncMemstrata:
    """A durable memory in one directory, for asynchronous programs.

    Each method is the one of `memstrata.Memstrata` with the same name, run in a thread; callbacks such as `progress`
    are called in that thread. A task that is cancelled stops waiting, while what it asked for goes on.

    Make one with `AsyncMemstrata.open(path)`, which can be awaited or used in `async with`.
    """

    def __init__(self, memory: Memstrata) -> None:
        self._memory = memory

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        embedder: Embedder | str | None = None,
        counter: Counter | str | None = None,
        vector_cache: str | None = None,
        retrievers: Sequence[Retriever | str] | None = None,
        ranker: Ranker | str | None = None,
        reranker: Reranker | str | None = None,
        rerank_best: int | None = None,
        lock_timeout_s: float | None = None,
        reembed: bool = False,
        clock: Clock | None = None,
    ) -> Opening:
        """Open the memory in a directory, and make it when it is not there."""

        async def opened() -> AsyncMemstrata:
            return cls(
                await asyncio.to_thread(
                    open_memory,
                    path,
                    embedder=embedder,
                    counter=counter,
                    vector_cache=vector_cache,
                    retrievers=retrievers,
                    ranker=ranker,
                    reranker=reranker,
                    rerank_best=rerank_best,
                    lock_timeout_s=lock_timeout_s,
                    reembed=reembed,
                    clock=clock,
                )
            )

        return Opening(opened())

    async def close(self) -> None:
        """Let go of the directory; what was acknowledged is on disk already."""
        await asyncio.to_thread(self._memory.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<asynchronous {self._memory!r}>"

    async def add(
        self,
        content: Content,
        *,
        at: Moment | None = None,
        speaker: str | None = None,
        role: str | None = None,
        kind: Kind = "turn",
        attributes: Attributes = NOTHING,
        key: str | None = None,
        valid_from: Moment | None = None,
        valid_until: Moment | None = None,
        expires_at: Moment | None = None,
        sources: Sequence[str] = (),
        contributor: str | None = None,
        resource: str | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Receipt:
        """Keep a text, a message, or a list of messages; returns once they are on disk, all or none."""
        return await asyncio.to_thread(
            self._memory.add,
            content,
            at=at,
            speaker=speaker,
            role=role,
            kind=kind,
            attributes=attributes,
            key=key,
            valid_from=valid_from,
            valid_until=valid_until,
            expires_at=expires_at,
            sources=sources,
            contributor=contributor,
            resource=resource,
            scope=scope,
            **ids,
        )

    async def add_many(
        self,
        events: Iterable[Message],
        *,
        kind: Kind = "turn",
        contributor: str | None = None,
        resource: str | None = None,
        batch: int = BATCH,
        on_batch: Callable[[Receipt], None] | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> BulkReceipt:
        """Keep a stream of events of any length, in commits of `batch` events."""
        return await asyncio.to_thread(
            self._memory.add_many,
            events,
            kind=kind,
            contributor=contributor,
            resource=resource,
            batch=batch,
            on_batch=on_batch,
            scope=scope,
            **ids,
        )

    async def update(
        self,
        id: str,
        *,
        text: str | Unchanged = KEEP,
        kind: Kind | Unchanged = KEEP,
        attributes: Attributes | Unchanged | None = KEEP,
        speaker: str | Unchanged | None = KEEP,
        role: str | Unchanged | None = KEEP,
        at: Moment | Unchanged = KEEP,
        valid_from: Moment | Unchanged | None = KEEP,
        valid_until: Moment | Unchanged | None = KEEP,
        expires_at: Moment | Unchanged | None = KEEP,
        expected_version: int | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Memory:
        """Write a new version of a memory; the old one stays in its history."""
        return await asyncio.to_thread(
            self._memory.update,
            id,
            text=text,
            kind=kind,
            attributes=attributes,
            speaker=speaker,
            role=role,
            at=at,
            valid_from=valid_from,
            valid_until=valid_until,
            expires_at=expires_at,
            expected_version=expected_version,
            scope=scope,
            **ids,
        )

    async def merge(
        self,
        memory_ids: Sequence[str],
        *,
        text: str | Unchanged = KEEP,
        kind: Kind | Unchanged = KEEP,
        attributes: Attributes | Unchanged = KEEP,
        at: Moment | Unchanged = KEEP,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Memory:
        """Make one memory out of several of one user; it names them as its sources."""
        return await asyncio.to_thread(
            self._memory.merge, memory_ids, text=text, kind=kind, attributes=attributes, at=at, scope=scope, **ids
        )

    async def delete(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> DeletionReceipt:
        """Delete a memory with all its versions, and those merged into it; from now on nobody finds them."""
        return await asyncio.to_thread(self._memory.delete, id, scope=scope, **ids)

    async def delete_all(
        self, *, filters: Filters | None = None, scope: Scope | None = None, **ids: Unpack[ScopeIds]
    ) -> DeletionReceipt:
        """Delete every memory of a scope, or those that a filter passes."""
        return await asyncio.to_thread(self._memory.delete_all, filters=filters, scope=scope, **ids)

    async def search(
        self,
        query: str,
        *,
        limit: int = 10,
        filters: Filters | None = None,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        hops: int = 1,
        precise: bool = False,
        shared: bool = False,
        latency_ms: float | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> list[Hit]:
        """The memories that answer a question, best first; [] when nothing was found."""
        return await asyncio.to_thread(
            self._memory.search,
            query,
            limit=limit,
            filters=filters,
            as_of=as_of,
            known_at=known_at,
            hops=hops,
            precise=precise,
            shared=shared,
            latency_ms=latency_ms,
            scope=scope,
            **ids,
        )

    async def context(
        self,
        query: str,
        *,
        budget: Budget | int = DEFAULT_BUDGET,
        filters: Filters | None = None,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        hops: int = 1,
        precise: bool = False,
        shared: bool = False,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Context:
        """What a language model should read before it answers: cited passages within a token budget."""
        return await asyncio.to_thread(
            self._memory.context,
            query,
            budget=budget,
            filters=filters,
            as_of=as_of,
            known_at=known_at,
            hops=hops,
            precise=precise,
            shared=shared,
            scope=scope,
            **ids,
        )

    async def get(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Memory:
        """The current version of a memory."""
        return await asyncio.to_thread(self._memory.get, id, scope=scope, **ids)

    async def list(
        self,
        *,
        limit: int | None = None,
        filters: Filters | None = None,
        newest_first: bool = False,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> AsyncIterator[Memory]:
        """Every memory of a scope in the order of its event time, read as you go."""
        stream = await asyncio.to_thread(
            self._memory.list, limit=limit, filters=filters, newest_first=newest_first, scope=scope, **ids
        )
        while found := await asyncio.to_thread(lambda: tuple(islice(stream, AT_ONCE))):
            for one in found:
                yield one

    async def history(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Sequence[Version]:
        """Every version of a memory, oldest first; of a deleted one only that it was, and when."""
        return await asyncio.to_thread(self._memory.history, id, scope=scope, **ids)

    async def explain(
        self,
        query: str,
        *,
        id: str | None = None,
        limit: int = 10,
        filters: Filters | None = None,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        hops: int = 1,
        precise: bool = False,
        shared: bool = False,
        latency_ms: float | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Explanation:
        """Why a search answers as it does; with an id, also why that memory came or did not."""
        return await asyncio.to_thread(
            self._memory.explain,
            query,
            id=id,
            limit=limit,
            filters=filters,
            as_of=as_of,
            known_at=known_at,
            hops=hops,
            precise=precise,
            shared=shared,
            latency_ms=latency_ms,
            scope=scope,
            **ids,
        )

    async def feedback(self, hit: Hit, *, useful: bool, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Receipt:
        """Say whether a hit was of use; searches in its space learn from it, and no others."""
        return await asyncio.to_thread(self._memory.feedback, hit, useful=useful, scope=scope, **ids)

    async def state(
        self,
        subject: str,
        attribute: str | None = None,
        *,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Sequence[Fact]:
        """What holds of a subject, or of one attribute of it, each value with its source and its history."""
        return await asyncio.to_thread(
            self._memory.state, subject, attribute, as_of=as_of, known_at=known_at, scope=scope, **ids
        )

    async def profile(
        self,
        *,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Profile:
        """What holds in a scope, now or at another time, grouped by whom it is said of, every fact with its source."""
        return await asyncio.to_thread(self._memory.profile, as_of=as_of, known_at=known_at, scope=scope, **ids)

    async def undo(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> int:
        """Take back that what a memory states was replaced: it holds again, beside what had replaced it."""
        return await asyncio.to_thread(self._memory.undo, id, scope=scope, **ids)

    async def changes(
        self,
        after: int | None = None,
        *,
        limit: int = PAGE,
        filters: Filters | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Changes:
        """What has changed in a scope after a position, in order; without a position nothing, only where to begin."""
        return await asyncio.to_thread(self._memory.changes, after, limit=limit, filters=filters, scope=scope, **ids)

    async def wait(self, after: int, *, seconds: float = 30.0) -> bool:
        """Wait until anything in the store has changed after a position; False when the time ran out first."""
        return await asyncio.to_thread(self._memory.wait, after, seconds=seconds)

    async def stats(self, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Statistics:
        """How much a scope holds; without one, everything there is."""
        return await asyncio.to_thread(self._memory.stats, scope=scope, **ids)

    async def scopes(self, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Sequence[Scope]:
        """The tenants, apps and users who have memories, within a scope; without one, all there are."""
        return await asyncio.to_thread(self._memory.scopes, scope=scope, **ids)

    async def session(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        budget: Budget | int = DEFAULT_BUDGET,
        instructions: str | None = None,
        policy: str = "reread",
        allocation: str = "uniform",
        probe: bool = True,
        filters: Filters | None = None,
        shared: bool = False,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Session:
        """A conversation with a model run by transformers: it reads what this memory knows of each question."""
        return await asyncio.to_thread(
            self._memory.session,
            model,
            tokenizer,
            budget=budget,
            instructions=instructions,
            policy=policy,
            allocation=allocation,
            probe=probe,
            filters=filters,
            shared=shared,
            scope=scope,
            **ids,
        )

    async def purge(self) -> PurgeReceipt:
        """Take everything deleted out of the files, now; the receipt says how much and which files."""
        return await asyncio.to_thread(self._memory.purge)

    async def upkeep(self, seconds: float = 10.0) -> UpkeepReport:
        """Settle what is owed for about so long: expired memories, embeddings, deletions, old changes."""
        return await asyncio.to_thread(self._memory.upkeep, seconds)

    async def check(self, *, repair: bool = False, progress: Callable[[int], None] | None = None) -> CheckReport:
        """Compare rows, text index, vectors, caches, changes and blobs; with `repair`, put right what is derived."""
        return await asyncio.to_thread(self._memory.check, repair=repair, progress=progress)

    async def reembed(self, *, progress: Callable[[int], None] | None = None) -> int:
        """Make every vector anew with this memory's embedder; returns how many memories that took."""
        return await asyncio.to_thread(self._memory.reembed, progress=progress)

    async def export(
        self,
        path: str | os.PathLike[str],
        *,
        progress: Callable[[int], None] | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> int:
        """Write a scope, or everything, to a JSONL file with all versions; returns how many memories."""
        return await asyncio.to_thread(self._memory.export, path, progress=progress, scope=scope, **ids)

    async def import_(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        contributor: str | None = None,
        progress: Callable[[int], None] | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> BulkReceipt:
        """Keep what a file or folder holds: an `export`, notes, texts, chats, or another memory's data."""
        return await asyncio.to_thread(
            self._memory.import_, path, format=format, contributor=contributor, progress=progress, scope=scope, **ids
        )

    async def backup(self, directory: str | os.PathLike[str]) -> Path:
        """A copy of the whole store in a new directory, while others go on writing; open it like any store."""
        return await asyncio.to_thread(self._memory.backup, directory)

    # ── the names people also know ──

    remember = add
    recall = context
    forget = delete
