"""The memory itself: every verb a caller has, each one a line or two over the two paths."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, Unpack

from memstrata import access
from memstrata.clock import Stopwatch, id_bytes, micros, moment
from memstrata.errors import EmbedderError, InvalidInput, NotFound, StoreError
from memstrata.plan.counters import Counter
from memstrata.providers.embedders import Embedder
from memstrata.read import explain, export, lookaside, news, pipeline
from memstrata.read import state as states
from memstrata.read.lessons import KEPT, Lessons
from memstrata.read.query import analysed, checked
from memstrata.read.rankers import Ranker
from memstrata.read.rerank import Second
from memstrata.read.retrieve import Retriever
from memstrata.store import FileStore, Reading, space_of
from memstrata.store.filters import parse
from memstrata.store.spaces import Spaces
from memstrata.types import (
    ANY,
    KEEP,
    NOTHING,
    Attributes,
    Budget,
    BulkReceipt,
    Changes,
    CheckReport,
    Claim,
    Context,
    DeletionReceipt,
    Event,
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
    Tally,
    Unchanged,
    UpkeepReport,
    Version,
)
from memstrata.upkeep import check as checking
from memstrata.upkeep import purge as purging
from memstrata.upkeep import reembed as reembedding
from memstrata.upkeep import resolve
from memstrata.upkeep.pipeline import upkeep as settle
from memstrata.upkeep.worker import Worker
from memstrata.write import claims, intake, revise
from memstrata.write.event import Content, Message
from memstrata.write.pipeline import BATCH, write, write_many

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from memstrata.kv import Session

Filters = Mapping[str, Any]  # Any: the filter grammar's JSON, checked by store.filters
MAX_LIMIT: Final = 1_000
DEFAULT_BUDGET: Final = Budget()
TOKENS_A_HIT: Final = 20  # of a budget for each memory considered: few turns are shorter
PAGE: Final = 500
MAX_HOPS: Final = 3
MAX_CHANGES: Final = 10_000
RESOLVE_MS: Final = 20.0  # that a search spends on what its scope owes
RESOLVED_AT_ONCE: Final = 16
WAIT_S: Final = 0.25  # between two looks at a claim when nothing is written: a lease that ends is no change


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> int:
        """Microseconds since 1970 UTC."""
        ...


@dataclass(frozen=True, slots=True)
class Parts:
    """What a memory is made of; `wiring` puts it together."""

    store: FileStore
    spaces: Spaces
    embedder: Embedder
    retrievers: Mapping[str, Retriever]
    also: Mapping[str, float]
    ranker: Ranker
    second: Second | None
    counter: Counter
    clock: Clock
    reads: resolve.Reads = resolve.resolved
    follow_wishes: bool = True


class Memstrata:
    """A durable memory in one directory.

    Every method that reads or writes memories takes the scope: as keywords (`user_id=…`, `agent_id=…`,
    `session_id=…`, `app_id=…`, `tenant_id=…`, `namespace=…`), as `scope=Scope(…)`, or both. Without a user it
    means the memory that the app's users share. Methods that take an id find it in any scope unless one is
    given; then it must lie there. Threads may share one memory, and processes one directory.

    Make one with `memstrata.open(path)`.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._machinery = pipeline.Machinery(
            parts.spaces,
            parts.retrievers,
            parts.also,
            parts.ranker,
            Lessons(parts.ranker),
            parts.second,
            parts.embedder,
            parts.follow_wishes,
        )
        self._hits = lookaside.of_hits()
        self._contexts = lookaside.of_contexts()
        self._holder = uuid.uuid4().hex
        self._worker = Worker(self._settle_embeddings)
        if not parts.embedder.inline:
            self._worker.wake()

    # ── write ──

    def add(
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
        once: bool = False,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Receipt:
        """Keep a text, a message, or a list of messages; returns once they are on disk, all or none.

        Args:
            content: a text, a mapping with `role` and `content`, an `Event`, or a list of these. One event may
                have 1 MB of text; a longer one is refused.
            at: when it happened, in any zone; now when left out. Without a zone it is UTC.
            key: makes adding it twice the same as adding it once: the first receipt comes back.
            expires_at: from then on it is found no more, and upkeep deletes it.
            sources: ids or addresses that it was made from.
            contributor: who brought it in.
            resource: where it came from, such as a file or a page.
            once: keep it only if nothing came before under the key, whatever that said; the first receipt comes back.
                Without a key it is the words that count, in whatever case and with whatever marks: what was added
                `once` in the same words, by the same speaker, is there already.

        Raises:
            InvalidInput: it cannot be kept; says what, and the limit.
            KeyConflict: the key came before with other content, and not `once`.
            StoreError: the disk is full, the directory gone, or another writer holds it for too long.

        >>> receipt = memory.add("Ana moved to Porto in May.", user_id="ana", at="2024-05-20")
        >>> memory.get(receipt.id).text
        'Ana moved to Porto in May.'
        """
        where = access.scope_from(scope, ids)
        defaults = Event(
            "", kind, speaker, role, at, attributes, key, valid_from, valid_until, expires_at, _as_tuple(sources),
            contributor, resource,
        )  # fmt: skip
        parts = self._parts
        receipt = write(
            content, defaults, where, once=bool(once), store=parts.store, embedder=parts.embedder, now=parts.clock.now()
        )
        self._wake()
        return receipt

    def add_many(
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
        """Keep a stream of events of any length, in commits of `batch` events.

        `on_batch` gets the receipt of each commit: use it for progress, or to note the ids. When an event is
        refused, the commits before its own stay, and nothing of its own.

        >>> memory.add_many([{"role": "user", "content": f"note {n}"} for n in range(3)], user_id="bo").added
        3
        """
        parts = self._parts
        defaults = Event("", kind, contributor=contributor, resource=resource)
        receipt = write_many(
            events, defaults, access.scope_from(scope, ids), store=parts.store, embedder=parts.embedder,
            now=parts.clock.now, batch=batch, on_batch=on_batch,
        )  # fmt: skip
        self._warm(scope, ids)
        self._wake()
        return receipt

    def update(
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
        """Write a new version of a memory; the old one stays in its history.

        What is left out stays as it is; None clears a property; `attributes` replaces them all.
        With `expected_version` the change is made only to that version.

        Raises:
            NotFound: there is no such memory in this scope.
            VersionConflict: it has another version than the one expected.
        """
        changes = {
            "text": text, "kind": kind, "attributes": attributes, "speaker": speaker, "role": role, "at": at,
            "valid_from": valid_from, "valid_until": valid_until, "expires_at": expires_at,
        }  # fmt: skip
        parts = self._parts
        memory = revise.update(
            id, changes, access.scope_from(scope, ids), expected_version=expected_version, store=parts.store,
            embedder=parts.embedder, now=parts.clock.now(),
        )  # fmt: skip
        self._wake()
        return memory

    def merge(
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
        """Make one memory out of several of one user; it names them as its sources.

        Its text is theirs, one a line in order of time, unless another is given. They are found no more, and
        stay in the history.

        Raises:
            InvalidInput: fewer than two, or of different users.
            NotFound: one of them is not there.
        """
        parts = self._parts
        changes = {"text": text, "kind": kind, "attributes": attributes, "at": at}
        memory = revise.merge(
            memory_ids, changes, access.scope_from(scope, ids), store=parts.store, embedder=parts.embedder,
            now=parts.clock.now(),
        )  # fmt: skip
        self._wake()
        return memory

    def delete(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> DeletionReceipt:
        """Delete a memory with all its versions, and those merged into it; from now on nobody finds them.

        The words leave the files with the next `purge()` or `upkeep()`.

        Raises:
            NotFound: there is no such memory in this scope.
        """
        where = access.scope_from(scope, ids)
        with self._parts.store.writing() as writing:
            deleted = writing.bury(revise.kin(id, where, writing))
            return DeletionReceipt(deleted, writing.position())

    def delete_all(
        self, *, filters: Filters | None = None, scope: Scope | None = None, **ids: Unpack[ScopeIds]
    ) -> DeletionReceipt:
        """Delete every memory of a scope, or those that a filter passes.

        `memstrata.ANY` for a tenant, app or user means every one.

        Raises:
            InvalidInput: neither a scope nor a filter was named.
        """
        where = access.scope_from(scope, ids)
        if where == Scope() and filters is None:
            raise InvalidInput(
                "delete_all() needs to know what: name user_id=… or another part of the scope, "
                "or user_id=memstrata.ANY to empty the store"
            )
        tree = parse(filters)
        deleted = 0
        while True:
            with self._parts.store.writing() as writing:
                places = access.many_spaces(writing, where)
                found = writing.deletable(places, tree, limit=PAGE)
                deleted += writing.bury(found)
                if filters is None:
                    writing.forget_blobs(places)
                position = writing.position()
            if len(found) < PAGE:
                return DeletionReceipt(deleted, position)

    def claim(
        self,
        key: str,
        *,
        holder: str | None = None,
        seconds: float = 60.0,
        wait: float = 0.0,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Claim:
        """Claim what a key stands for before doing it, so that nobody else does it meanwhile, in any process.

        The answer's `state` says what to do. `yours`: do it, and `add(…, key=key)` what came of it. `done`: that has
        been added, and is `memory`. `taken`: somebody else is at it until then. Agent, session and namespace do not
        matter: a key is its user's.

        Args:
            holder: who claims; claiming again under the same name goes on. Each call is somebody else when left out.
            seconds: how long it is yours; then it is free for others, so that work nobody finished is done again.
            wait: so many seconds for one that is taken to be done or free.

        Raises:
            InvalidInput: the key, the holder or a time cannot be used.

        >>> claim = memory.claim("summary/2024", user_id="di")
        >>> memory.claim("summary/2024", user_id="di").state
        'taken'
        >>> receipt = memory.add("A year of moves.", key=claim.key, user_id="di")
        >>> memory.claim("summary/2024", user_id="di").memory.text
        'A year of moves.'
        """
        where, parts = access.scope_from(scope, ids), self._parts
        name = uuid.uuid4().hex if holder is None else holder
        _check_wait(wait)
        watch = Stopwatch()
        while True:
            found = claims.claimed(
                key, where, holder=name, seconds=seconds, store=parts.store, now=parts.clock.now()
            )  # fmt: skip
            left = wait - watch.total_ms / 1e3
            if found.state != "taken" or left <= 0:
                return found
            parts.store.wait(found.position, seconds=min(left, WAIT_S))

    def release(self, key: str, *, holder: str, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> bool:
        """Give up a claim before its time, as when the work failed; False when it was no longer that holder's."""
        where, parts = access.scope_from(scope, ids), self._parts
        return claims.released(key, where, holder=holder, store=parts.store, now=parts.clock.now())

    # ── read ──

    def search(
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
        """The memories that answer a question, best first; [] when nothing was found.

        What holds now comes before what it replaced, which is marked (`hit.replaced_by`); `hit.facts` are what a
        memory states. A memory with the attribute `pinned: true` comes with every search that may see it.

        Args:
            limit: at most so many, 1 to 1,000.
            filters: in the grammar of `docs/filters.md`, such as `{"kind": "fact", "room": {"in": ["attic"]}}`.
            as_of: answer with what was true at that time, and had been said by then.
            known_at: answer with what this memory knew at that time, later changes undone.
            hops: 2 or 3 to follow what is stated of the first hits to the facts they name.
            precise: only what the question names or clearly means, and nothing that was replaced; maybe nothing.
            shared: search also what the app's users share.
            latency_ms: leave out retrievers, and stop reranking, when it would take longer.

        Raises:
            InvalidInput: the query is empty, or the limit or filter cannot be used.
            RetrieverFailed: a retriever that was chosen failed, or found what it must not find.

        >>> memory.search("where does Ana live", user_id="ana")[0].memory.text
        'Ana moved to Porto in May.'
        """
        asked = self._asked(
            access.scope_from(scope, ids), filters, limit=limit, shared=shared, latency_ms=latency_ms, as_of=as_of,
            known_at=known_at, hops=hops, precise=precise,
        )  # fmt: skip
        worded = lookaside.Asked(checked(query), asked)
        with self._parts.store.reading() as reading:
            owing = self._owing(asked, reading)
            known = None if owing else self._hits.known(worded, reading)
        if known is not None:
            return known
        self._settle(owing)
        watch = Stopwatch()
        question = analysed(query, self._parts.embedder, at=asked.when.moment, at_offset=asked.offset)
        with self._parts.store.reading() as reading:
            known = self._hits.near(question, worded, reading)
            if known is not None:
                return known
            found = pipeline.search(question, asked, reading, self._machinery, watch)
            if found.whole:  # an answer in part is not worth keeping
                self._hits.keep(question, worded, found.hits, reading)
        return found.hits

    def context(
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
        """What a language model should read before it answers: cited passages within a token budget.

        When everything in scope fits, it is given whole and `whole` says so. The result is text (`str(context)`),
        the passages it cites by number, what was left out and why, and a ledger of what was spent.

        >>> print(memory.context("where does Ana live", user_id="ana", budget=100))
        May 20, 2024
        1: Ana moved to Porto in May.
        """
        budget = _checked_budget(budget)
        where = access.scope_from(scope, ids)
        asked = self._asked(
            where,
            filters,
            limit=min(MAX_LIMIT, max(50, budget.tokens // TOKENS_A_HIT)),
            shared=shared,
            latency_ms=budget.latency_ms,
            as_of=as_of,
            known_at=known_at,
            hops=hops,
            precise=precise,
        )
        worded = lookaside.Asked(checked(query), asked, budget.tokens)
        watch = Stopwatch()
        with self._parts.store.reading() as reading:
            owing = self._owing(asked, reading)
            known = None if owing else self._contexts.known(worded, reading)
        if known is not None:
            return _again(known, watch)
        self._settle(owing)
        watch.lap("resolve")
        question = analysed(query, self._parts.embedder, at=asked.when.moment, at_offset=asked.offset)
        watch.lap("query")
        with self._parts.store.reading() as reading:
            known = self._contexts.near(question, worded, reading)
            if known is not None:
                return _again(known, watch)
            made = pipeline.context(
                question, asked, reading, tokens=budget.tokens, counter=self._parts.counter,
                machinery=self._machinery, watch=watch,
            )  # fmt: skip
            if all(left.reason != "time" for left in made.left_out):  # the next one may have more of it
                self._contexts.keep(question, worded, made, reading)
        return made

    def get(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Memory:
        """The current version of a memory.

        Raises:
            NotFound: there is no such memory in this scope.
        """
        where = access.scope_from(scope, ids)
        with self._parts.store.reading() as reading:
            return revise.found(id, where, reading, now=self._parts.clock.now()).memory

    def list(
        self,
        *,
        limit: int | None = None,
        filters: Filters | None = None,
        newest_first: bool = False,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Iterator[Memory]:
        """Every memory of a scope in the order of its event time, read as you go.

        What others write meanwhile may or may not come. `memstrata.ANY` means every tenant, app or user.

        >>> [kept.text for kept in memory.list(user_id="bo", limit=2)]
        ['note 0', 'note 1']
        """
        where = access.scope_from(scope, ids)
        if limit is not None and (not _whole(limit) or limit < 0):
            raise InvalidInput(f"limit={limit}; give 0 or more, or leave it out for all")
        return self._pages(where, parse(filters), limit=limit, newest_first=newest_first)

    def history(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Sequence[Version]:
        """Every version of a memory, oldest first; of a deleted one only that it was, and when.

        Raises:
            NotFound: no memory ever had this id in this scope.
        """
        where = access.scope_from(scope, ids)
        raw = id_bytes(id)
        with self._parts.store.reading() as reading:
            versions = [] if raw is None else [version for _, version in reading.history(raw)]
        shown = [one for one in versions if one.memory is None or access.visible(one.memory, where)]
        if not shown or (where != Scope() and all(one.memory is None for one in shown)):
            raise NotFound(
                f"no memory with the id {id!r:.80} is known in this scope; of a deleted one ask without a scope"
            )
        return shown

    def explain(
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
        where = access.scope_from(scope, ids)
        asked = self._asked(
            where, filters, limit=limit, shared=shared, latency_ms=latency_ms, as_of=as_of, known_at=known_at,
            hops=hops, precise=precise,
        )  # fmt: skip
        watch = Stopwatch()
        self._settle_resolutions(asked)
        watch.lap("resolve")
        question = analysed(query, self._parts.embedder, at=asked.when.moment, at_offset=asked.offset)
        watch.lap("query")
        with self._parts.store.reading() as reading:
            found = pipeline.search(question, asked, reading, self._machinery, watch)
            verdict = None if id is None else explain.verdict(id, asked, found, reading)
            times = explain.times(question, asked, found, reading)
        terms = explain.as_written(found.gathered.terms, found.hits)
        return Explanation(
            query, terms, found.gathered.asked, tuple(found.hits), watch.ms, verdict, found.reranking, times
        )

    def feedback(self, hit: Hit, *, useful: bool, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Receipt:
        """Say whether a hit was of use; searches in its space learn from it, and no others.

        What is kept is the memory, the answer, and what the ranker saw of the hit; not the query. A little feedback
        changes little; the newest 1,000 of a space count.

        Raises:
            NotFound: the memory is not in this scope any more.
            InvalidInput: the hit did not come from a search.

        >>> hit = memory.search("where does Ana live", user_id="ana")[0]
        >>> receipt = memory.feedback(hit, useful=True)
        """
        where = access.scope_from(scope, ids)
        if not isinstance(hit, Hit) or not hit.evidence:
            raise InvalidInput("feedback takes a hit as search() returned it")
        with self._parts.store.writing() as writing:
            stored = revise.found(hit.memory.id, where, writing, now=self._parts.clock.now())
            writing.note_feedback(stored.row, useful=bool(useful), evidence=hit.evidence, keep=KEPT)
            return Receipt((stored.memory.id,), writing.position())

    def state(
        self,
        subject: str,
        attribute: str | None = None,
        *,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Sequence[Fact]:
        """What holds of a subject, or of one attribute of it, each value with its source and its history.

        An empty subject is the speaker whom nobody named. [] when nothing is stated.

        Args:
            attribute: such as "capital" or "lives in"; everything when left out.
            as_of: what was true at that time.
            known_at: what this memory knew at that time.

        >>> receipt = memory.add("The capital of Malta is Valletta.", user_id="ana")
        >>> memory.state("Malta", "capital", user_id="ana")[0].value
        'Valletta'
        """
        if not isinstance(subject, str) or not isinstance(attribute, str | None):
            raise InvalidInput("state() takes the name of a subject and that of an attribute; pass texts")
        asked = self._asked(
            access.scope_from(scope, ids), None, limit=1, shared=False, as_of=as_of, known_at=known_at
        )  # fmt: skip
        self._settle_resolutions(asked)
        with self._parts.store.reading() as reading:
            places = access.one_space(reading, asked.scope, shared=False)
            return states.state(subject, attribute, places, reading, asked.when)

    def profile(
        self,
        *,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Profile:
        """What holds in a scope, now or at another time, grouped by whom it is said of, every fact with its source."""
        asked = self._asked(
            access.scope_from(scope, ids), None, limit=1, shared=False, as_of=as_of, known_at=known_at
        )  # fmt: skip
        self._settle_resolutions(asked)
        with self._parts.store.reading() as reading:
            places = access.one_space(reading, asked.scope, shared=False)
            return states.profile(places, reading, asked.when)

    def undo(self, id: str, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> int:
        """Take back that what a memory states was replaced: it holds again, beside what had replaced it.

        `id` is the memory that was replaced, as `hit.replaced_by` marks it.

        Returns how many of its statements hold again. It is not replaced by the same statements a second time.

        Raises:
            NotFound: there is no such memory in this scope.
        """
        where = access.scope_from(scope, ids)
        with self._parts.store.reading() as reading:
            space = space_of(revise.found(id, where, reading, now=self._parts.clock.now()).row)
        while resolve.settle(self._parts.store, self._parts.reads, holder=self._holder, space=space):
            pass  # what replaced it may not have been read yet
        with self._parts.store.writing() as writing:
            stored = revise.found(id, where, writing, now=self._parts.clock.now())
            closed = [one for one in writing.successions([stored.row]) if one.old[0] == stored.row and not one.undone]
            writing.relink((), closed, undone=True)
            writing.resolved([space_of(stored.row)] if closed else ())
            return len(closed)

    def changes(
        self,
        after: int | None = None,
        *,
        limit: int = PAGE,
        filters: Filters | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> Changes:
        """What has changed in a scope after a position, in order; without a position nothing, only where to begin.

        Ask again with the position that comes back: nothing is missed, and nothing comes twice. Positions are those
        of receipts. A deletion names the memory's id and nothing else, whatever the filter.

        Raises:
            PositionExpired: the list no longer reaches back that far; it is kept for seven days.

        >>> start = memory.changes(user_id="cy").position
        >>> receipt = memory.add("Cy found a key.", user_id="cy")
        >>> [(one.operation, one.memory.text) for one in memory.changes(start, user_id="cy").changes]
        [('add', 'Cy found a key.')]
        """
        where = access.scope_from(scope, ids)
        if not _whole(limit) or not 1 <= limit <= MAX_CHANGES:
            raise InvalidInput(f"limit={limit}; ask for 1 to {MAX_CHANGES:,} changes at a time")
        if after is not None and (not _whole(after) or after < 0):
            raise InvalidInput(f"after={after!r:.80}; a position is a whole number, as receipts name it")
        with self._parts.store.reading() as reading:
            return news.changes(after, where, parse(filters), reading, limit=limit)

    def wait(self, after: int, *, seconds: float = 30.0) -> bool:
        """Wait until anything in the store has changed after a position; False when the time ran out first.

        Other processes' changes are noticed within some hundredths of a second.
        """
        return self._parts.store.wait(after, seconds=seconds)

    def stats(self, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Statistics:
        """How much a scope holds; without one, everything there is."""
        where = access.scope_from(scope, ids)
        if where == Scope():
            where = Scope(ANY, ANY, ANY)
        with self._parts.store.reading() as reading:
            return reading.statistics(access.many_spaces(reading, where), now=self._parts.clock.now())

    def scopes(self, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Sequence[Scope]:
        """The tenants, apps and users who have memories, within a scope; without one, all there are.

        >>> memory.scopes()[0].user_id
        'ana'
        """
        where = access.scope_from(scope, ids)
        if where == Scope():
            where = Scope(ANY, ANY, ANY)
        with self._parts.store.reading() as reading:
            return access.inhabited(reading, where)

    def tally(self, *, scope: Scope | None = None, **ids: Unpack[ScopeIds]) -> Sequence[Tally]:
        """How many memories each user, agent and session has, within a scope; without one, all there are.

        >>> [(one.scope.user_id, one.memories) for one in memory.tally(user_id="cy")]
        [('cy', 1)]
        """
        where = access.scope_from(scope, ids)
        if where == Scope():
            where = Scope(ANY, ANY, ANY)
        with self._parts.store.reading() as reading:
            places = access.many_spaces(reading, where)
            return [one for place in places for one in reading.tallies(place, now=self._parts.clock.now())]

    def session(
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
        """A conversation with a model run by transformers: it reads what this memory knows of each question.

        What the model has computed is kept when the session is closed, and the next process goes on from there. It is
        forgotten with the first memory that it was made from. `session_id` says which conversation it is, and does not
        narrow what is read. Use it in a `with`; `docs/sessions.md` has examples.

        Args:
            budget: `tokens` for the context of each question, and `vram_bytes` for all that the model has read.
            instructions: what the model is told before the first question.
            policy: what the cache lets go of when it is full, and `allocation` where; names from `docs/kv.md`.
            probe: compute a few tokens anew, and compare them with a cache that was kept, before it is used.
            filters: of the memories that are looked at, as in `context`.

        Raises:
            MissingExtra: `memstrata[kv]` is not installed.
            KVUnsupported: this model cannot be used with a bounded cache.
        """
        from memstrata import kv  # late: it loads torch

        budget = _checked_budget(budget)
        where = access.scope_from(scope, ids)
        access.space_name(where)
        settings = kv.Settings(
            instructions, kv.KVBudget.of(budget) if budget.vram_bytes else None, policy, allocation, probe
        )
        return kv.Session(
            model, tokenizer, settings=settings, shelf=kv.Shelf(self._parts.store, where, self._parts.clock),
            recall=lambda question: self.context(
                question, budget=budget, filters=filters, shared=shared, scope=replace(where, session_id=None)
            ),
        )  # fmt: skip

    # ── keep ──

    def purge(self) -> PurgeReceipt:
        """Take everything deleted out of the files, now; the receipt says how much and which files.

        Raises:
            StoreLocked: another process kept reading an older moment for too long.
        """
        return purging.purge(self._parts.store, self._parts.spaces)

    def upkeep(self, seconds: float = 10.0) -> UpkeepReport:
        """Settle what is owed for about so long: expired memories, embeddings, deletions, old changes."""
        parts = self._parts
        return settle(
            parts.store,
            parts.spaces,
            parts.embedder,
            parts.reads,
            seconds=seconds,
            now=parts.clock.now(),
            holder=self._holder,
        )

    def check(self, *, repair: bool = False, progress: Callable[[int], None] | None = None) -> CheckReport:
        """Compare rows, text index, vectors, caches, changes and blobs; with `repair`, put right what is derived."""
        parts = self._parts
        return checking.check(parts.store, parts.spaces, parts.embedder, repair=repair, progress=progress)

    def reembed(self, *, progress: Callable[[int], None] | None = None) -> int:
        """Make every vector anew with this memory's embedder; returns how many memories that took.

        Use it after opening with another embedder than the store's. It may be stopped and run again, by any
        process; until it is done, searches find by words, and by the vectors that are there.
        """
        return reembedding.reembed(self._parts.store, self._parts.embedder, holder=self._holder, progress=progress)

    def export(
        self,
        path: str | os.PathLike[str],
        *,
        progress: Callable[[int], None] | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> int:
        """Write a scope, or everything, to a JSONL file with all versions; returns how many memories.

        The form is described in `docs/export.md`; `import_` reads it back without loss.
        """
        where = access.scope_from(scope, ids)
        if where == Scope():
            where = Scope(ANY, ANY, ANY)
        with self._parts.store.reading() as reading:
            return export.write(Path(path), reading, access.many_spaces(reading, where), progress=progress)

    def import_(
        self,
        path: str | os.PathLike[str],
        *,
        format: str | None = None,
        contributor: str | None = None,
        progress: Callable[[int], None] | None = None,
        scope: Scope | None = None,
        **ids: Unpack[ScopeIds],
    ) -> BulkReceipt:
        """Keep what a file or folder holds: an `export`, notes, texts, chats, or another memory's data.

        An export comes back with its own ids, versions, times and users. What other files hold goes to the scope
        given; without a user, to the users that the file names. Importing a file again adds only what is new in it.

        Args:
            format: a name from `docs/import.md`, such as `markdown`; when left out, the file is looked at.
            contributor: who brought it in, whatever the file says; an `export` keeps who did at first.
            progress: gets the number of events or memories of each commit.

        Raises:
            InvalidInput: something cannot be read; says which file and line. What came before it is kept.
            InvalidConfig: no format has this name.
        """
        parts = self._parts
        where = access.scope_from(scope, ids)
        receipt = intake.imported(
            Path(path).expanduser(), where, format=format, contributor=contributor, store=parts.store,
            embedder=parts.embedder, now=parts.clock.now, progress=progress,
        )  # fmt: skip
        self._warm(scope, ids)
        self._wake()
        return receipt

    def backup(self, directory: str | os.PathLike[str]) -> Path:
        """A copy of the whole store in a new directory, while others go on writing; open it like any store."""
        target = Path(directory).expanduser().absolute()
        self._parts.store.backup(target)
        return target

    def close(self) -> None:
        """Let go of the directory; what was acknowledged is on disk already."""
        self._worker.stop()
        self._parts.store.close()

    # ── the names people also know ──

    remember = add
    recall = context
    forget = delete

    # ── inside ──

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<memstrata memory at {self._parts.store.directory}>"

    def _asked(
        self,
        where: Scope,
        filters: Filters | None,
        *,
        limit: int,
        shared: bool,
        latency_ms: float | None = None,
        as_of: Moment | None = None,
        known_at: Moment | None = None,
        hops: int = 1,
        precise: bool = False,
    ) -> pipeline.Search:
        if not _whole(limit) or not 1 <= limit <= MAX_LIMIT:
            raise InvalidInput(f"limit={limit}; a search returns 1 to {MAX_LIMIT:,} hits")
        if not _whole(hops) or not 1 <= hops <= MAX_HOPS:
            raise InvalidInput(f"hops={hops}; a search goes 1 to {MAX_HOPS} steps")
        _check_latency(latency_ms)
        access.space_name(where)
        true, known = moment(as_of, name="as_of"), moment(known_at, name="known_at")
        return pipeline.Search(
            where, parse(filters), limit, shared, self._parts.clock.now(), latency_ms,
            None if true is None else true[0], None if known is None else known[0], hops, bool(precise),
            offset=(true or known or (0, 0))[1],
        )  # fmt: skip

    def _settle_resolutions(self, asked: pipeline.Search) -> None:
        """Read what the searched memories state where it is owed, for a few milliseconds at most."""
        with self._parts.store.reading() as reading:
            owing = self._owing(asked, reading)
        self._settle(owing)

    def _owing(self, asked: pipeline.Search, reading: Reading) -> Sequence[int]:
        """The searched spaces in which it is owed to read what memories state."""
        places = access.one_space(reading, asked.scope, shared=asked.shared)
        return [place.space for place in places if reading.owed_in(place.space, resolve.TASK, most=1)]

    def _settle(self, owing: Sequence[int]) -> None:
        watch = Stopwatch()
        for space in owing:
            try:
                while watch.total_ms < RESOLVE_MS and resolve.settle(
                    self._parts.store,
                    self._parts.reads,
                    holder=self._holder,
                    space=space,
                    limit=RESOLVED_AT_ONCE,
                    wait=False,
                ):
                    pass
            except StoreError:  # others write, or the disk is full: the search answers without
                return

    def _pages(self, where: Scope, tree: Any, *, limit: int | None, newest_first: bool) -> Iterator[Memory]:
        after: tuple[int, int] | None = None
        left = limit
        while left is None or left > 0:
            size = PAGE if left is None else min(PAGE, left)
            with self._parts.store.reading() as reading:
                page = reading.select(
                    access.many_spaces(reading, where), tree, newest_first=newest_first, after=after, limit=size,
                    now=self._parts.clock.now(),
                )  # fmt: skip
            yield from (stored.memory for stored in page)
            if len(page) < size:
                return
            after = (micros(page[-1].memory.at), page[-1].row)
            left = None if left is None else left - size

    def _warm(self, scope: Scope | None, ids: ScopeIds) -> None:
        """Lay out the vectors of a space that has grown large, so that no later search waits for it."""
        with self._parts.store.reading() as reading:
            for place in access.one_space(reading, access.scope_from(scope, ids), shared=False):
                self._parts.spaces.warm(reading, place.space)

    def _wake(self) -> None:
        if not self._parts.embedder.inline:
            self._worker.wake()

    def _settle_embeddings(self) -> bool:
        from memstrata.upkeep import embed

        try:
            return embed.settle(self._parts.store, self._parts.embedder, holder=self._holder) > 0
        except EmbedderError:
            return False


def _again(context: Context, watch: Stopwatch) -> Context:
    """A context given before, with what it took to find it."""
    watch.lap("lookaside")
    return replace(context, ledger=replace(context.ledger, ms=watch.ms))


def _as_tuple(sources: Sequence[str]) -> tuple[str, ...]:
    if isinstance(sources, str) or not isinstance(sources, Iterable):
        raise InvalidInput(f"sources={sources!r:.80} is no list; pass ids or addresses in one")
    return tuple(sources)


def _whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _checked_budget(budget: Budget | int) -> Budget:
    if isinstance(budget, int) and not isinstance(budget, bool):
        budget = Budget(tokens=budget)
    if not isinstance(budget, Budget) or not _whole(budget.tokens):
        raise InvalidInput(f"a budget is a whole number of tokens, or a Budget of one, not {budget!r:.80}")
    if budget.tokens < 1:
        raise InvalidInput(f"a budget of {budget.tokens} tokens holds nothing; give at least 1")
    _check_latency(budget.latency_ms)
    return budget


def _check_wait(wait: object) -> None:
    if isinstance(wait, bool) or not isinstance(wait, int | float) or not 0 <= wait <= claims.LONGEST_S:
        raise InvalidInput(f"wait={wait!r:.40}; wait 0 seconds or more, up to {claims.LONGEST_S:,.0f}")


def _check_latency(latency_ms: object) -> None:
    if latency_ms is not None and not (isinstance(latency_ms, int | float) and latency_ms > 0):
        raise InvalidInput(f"latency_ms={latency_ms!r:.80}; a budget of time is milliseconds above 0, or None")
