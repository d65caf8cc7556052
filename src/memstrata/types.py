"""Name the values that travel through Memstrata: what goes in, what is kept, what comes back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final, Literal, NotRequired, TypedDict, final

Json = Any  # a JSON value: str, int, float, bool, None, list or dict of these
Attributes = Mapping[str, Json]
Moment = datetime | str | float  # a time as callers write it; see `clock.moment`

Kind = Literal["turn", "fact", "summary", "profile", "skill", "tool", "task", "concept", "example", "document", "frame"]
State = Literal["active", "superseded", "merged", "deleted"]
Operation = Literal["add", "update", "merge", "delete", "vector", "feedback", "resolve"]

NOTHING: Final[Attributes] = MappingProxyType({})


@final
class Anyone:
    """The type of `ANY`."""

    def __repr__(self) -> str:
        return "memstrata.ANY"


ANY: Final = Anyone()
"""Every tenant, app or user, in the calls that may sweep over many: list, delete_all, export, stats.
An object and not a string, so that no user of yours can be named it."""


@final
class Unchanged:
    """The type of `KEEP`."""

    def __repr__(self) -> str:
        return "memstrata.KEEP"


KEEP: Final = Unchanged()
"""What an argument of `update` stands at when it is left out; None would mean to clear the property."""

ScopeId = str | Anyone | None


class ScopeIds(TypedDict):
    """The scope as keywords, as every method takes it."""

    tenant_id: NotRequired[ScopeId]
    app_id: NotRequired[ScopeId]
    user_id: NotRequired[ScopeId]
    agent_id: NotRequired[str | None]
    session_id: NotRequired[str | None]
    namespace: NotRequired[str | tuple[str, ...] | None]


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose memory: tenant, app and user name a space; agent, session and namespace narrow it.

    Leaving out the user means the memory that the app's users share, never every user's.

    >>> Scope(user_id="ana", session_id="s1").user_id
    'ana'
    """

    tenant_id: ScopeId = None
    app_id: ScopeId = None
    user_id: ScopeId = None
    agent_id: str | None = None
    session_id: str | None = None
    namespace: str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Event:
    """What a caller hands in: a turn, document, observation or tool result.

    `at` is when it happened, in any zone; `key` makes adding it twice the same as adding it once.
    """

    text: str
    kind: Kind = "turn"
    speaker: str | None = None
    role: str | None = None
    at: Moment | None = None
    attributes: Attributes = field(default_factory=dict)
    key: str | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    expires_at: Moment | None = None
    sources: tuple[str, ...] = ()
    contributor: str | None = None
    resource: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    namespace: str | tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Memory:
    """One version of one durable memory.

    `at` is when the event happened, with the UTC offset it came with; `created_at` when the first
    version was stored and `updated_at` when this one was, both UTC.
    """

    id: str
    text: str
    kind: Kind
    scope: Scope
    at: datetime
    created_at: datetime
    updated_at: datetime
    version: int = 1
    state: State = "active"
    speaker: str | None = None
    role: str | None = None
    attributes: Attributes = field(default_factory=dict)
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    expires_at: datetime | None = None
    sources: tuple[str, ...] = ()
    contributor: str | None = None
    resource: str | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof that a change is on disk: the ids, and the position in the list of changes.

    `repeated` counts the events that had been added before under the same key.
    """

    ids: tuple[str, ...]
    position: int
    repeated: int = 0

    @property
    def id(self) -> str:
        """The first, and for a single event the only, id."""
        return self.ids[0]


@dataclass(frozen=True, slots=True)
class BulkReceipt:
    """Proof that a stream of events is on disk: how many were new, how many came before."""

    added: int
    repeated: int
    position: int


@dataclass(frozen=True, slots=True)
class DeletionReceipt:
    """Proof that memories are deleted: how many, and the position in the list of changes."""

    memories: int
    position: int


@dataclass(frozen=True, slots=True)
class Version:
    """One step in a memory's history; a deleted one keeps its number and time, and no content."""

    number: int
    state: State
    recorded_at: datetime
    memory: Memory | None


@dataclass(frozen=True, slots=True)
class Change:
    """One change to a memory: which, what happened, when, at which position in the list of changes.

    `memory` is the version that the change wrote, or None where it is deleted, by this change or since. A memory whose
    expiry was moved comes as an update of the version that it has.
    """

    position: int
    operation: Operation
    memory_id: str
    version: int
    at: datetime
    memory: Memory | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Some changes in order, and the position to go on from."""

    changes: tuple[Change, ...]
    position: int


@dataclass(frozen=True, slots=True)
class Signal:
    """What one retriever, or the reranker, said of a hit: its score, and its rank from 1."""

    score: float
    rank: int


@dataclass(frozen=True, slots=True)
class Reranking:
    """What a reranker did: it scored so many of the best candidates, in wall milliseconds.

    `stopped` says why it did not score all of them: no time was left, or the model failed; then nothing is scored.
    """

    name: str
    scored: int
    candidates: int
    ms: float
    stopped: Literal["time", "failure"] | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """What a memory states: that an attribute of a subject has a value, from a time on.

    An empty `subject` is the speaker nobody named. The memory's `text[start:stop]` says so. `until` is when it ceased
    to hold, `replaced_by` the memory that says what holds instead, and `reason` why; `history` are earlier values.
    """

    subject: str
    attribute: str
    value: str
    memory_id: str
    start: int
    stop: int
    since: datetime
    until: datetime | None = None
    condition: str | None = None
    confidence: float = 1.0
    replaced_by: str | None = None
    reason: str | None = None
    history: tuple[Fact, ...] = ()


@dataclass(frozen=True, slots=True)
class Profile:
    """What currently holds in a scope, by subject; every fact cites its memory. `owed`: memories not yet read."""

    subjects: Mapping[str, tuple[Fact, ...]]
    owed: int

    def __str__(self) -> str:
        lines = []
        for subject, facts in self.subjects.items():
            lines.append(subject or "the speaker")
            for fact in facts:
                when = f" ({fact.condition})" if fact.condition else ""
                lines.append(f"  {fact.attribute}: {fact.value}{when} [{fact.memory_id}]")
        return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class Hit:
    """A memory found, with the place in its text that matched: `text[start:stop]`.

    `facts` are what it states, the one nearest to the query first; `replaced_by` is the memory that holds instead,
    where nothing that it states holds any more; `via` are the memories that led here in a search of several hops;
    `pinned` says that its caller wants it to come with every search.
    """

    memory: Memory
    score: float
    start: int
    stop: int
    signals: Mapping[str, Signal]
    evidence: bytes = field(default=b"", repr=False, compare=False)
    """What the ranker saw of it beside the other hits, for `feedback`."""
    facts: tuple[Fact, ...] = ()
    replaced_by: str | None = None
    via: tuple[str, ...] = ()
    pinned: bool = False

    @property
    def passage(self) -> str:
        """The part of the memory's text that matched."""
        return self.memory.text[self.start : self.stop]


@dataclass(frozen=True, slots=True)
class Budget:
    """What an answer may cost. `tokens` bounds the packed context, `latency_ms` the search behind it, and `vram_bytes`
    what a model may keep of what it has read.

    >>> Budget(tokens=500).tokens
    500
    """

    tokens: int = 2_000
    latency_ms: float | None = None
    vram_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A cited piece of a context: `memory.text[start:stop]`, and why it was taken.

    `replaced`: nothing that its memory states holds any more, and the text says so.
    """

    number: int
    memory: Memory
    start: int
    stop: int
    reason: Literal["hit", "neighbour", "whole"]
    replaced: bool = False

    @property
    def text(self) -> str:
        """The piece itself."""
        return self.memory.text[self.start : self.stop]


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A memory that was found and not packed, and why."""

    id: str
    reason: Literal["budget", "duplicate", "time"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """What an answer cost: tokens by the counter named, wall milliseconds by stage, memories read."""

    tokens: int
    token_budget: int
    counter: str
    ms: Mapping[str, float]
    memories: int
    reranking: Reranking | None = None


@dataclass(frozen=True, slots=True)
class Context:
    """What a query gets: one text of cited passages that fits the budget, and its account.

    `whole` says that everything in scope fitted and nothing had to be chosen.
    """

    text: str
    passages: tuple[Passage, ...]
    left_out: tuple[LeftOut, ...]
    ledger: Ledger
    whole: bool

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class TermUse:
    """A word of a query as the text index knows it: how many memories hold it, what it weighs.

    `said` is the word as it was asked for. Where no memory holds it, `instead` names the words that were searched in
    its place.
    """

    term: str
    found: int
    weight: float
    capped: bool
    said: str = ""
    instead: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedTime:
    """A time that a question names: how it was read, [since, until), and the ids of the hits that lie in it."""

    expression: str
    since: datetime
    until: datetime
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a search answered as it did, and, when asked about one memory, what became of it."""

    query: str
    terms: tuple[TermUse, ...]
    retrievers: Mapping[str, float]
    hits: tuple[Hit, ...]
    ms: Mapping[str, float]
    verdict: str | None = None
    reranking: Reranking | None = None
    times: tuple[NamedTime, ...] = ()


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the files do not agree with each other."""

    part: Literal["database", "rows", "text index", "vectors", "caches", "changes", "blobs"]
    subject: str
    problem: str
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check()` compared and where it differed."""

    memories: int
    segments: int
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing differs, or all that differed has been repaired."""
        return all(difference.repaired for difference in self.differences)


@dataclass(frozen=True, slots=True)
class PurgeReceipt:
    """Proof that deleted memories have left the files."""

    memories: int
    position: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class UpkeepReport:
    """What a stretch of upkeep settled, and what is still owed."""

    settled: Mapping[str, int]
    owed: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Statistics:
    """How much a scope holds, and how large the whole store is.

    `blobs` are payloads in files of their own, such as what a model has computed for a text.
    """

    memories: int
    versions: int
    segments: int
    by_kind: Mapping[str, int]
    spaces: int
    owed: Mapping[str, int]
    embedder: str
    size_bytes: int
    position: int
    blobs: int = 0
    blob_bytes: int = 0
