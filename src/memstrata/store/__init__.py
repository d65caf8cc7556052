"""Keep rows and what is derived from them; the narrow waist that every backend fills.

A store hands out two kinds of transaction. A `Reading` sees one moment and never changes it; a
`Writing` is the only writer of the directory while it lasts, and commits whole or not at all.
A memory is addressed inside a store by its row: the space in the upper bits, and a number that counts
up inside the space in the lower ones. A memory's row is the id of its first segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from memstrata.store.blobs import Blobs, Written
from memstrata.text.terms import Told
from memstrata.text.traits import Trait

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from memstrata.store.filters import Filter
    from memstrata.types import Attributes, Difference, Kind, Memory, Operation, State, Statistics, Version

MAX_CAPTION = 1_000  # characters
MAX_ALIASES = 64  # of one memory
MAX_ALIAS = 200  # characters
RESOLVED = Trait.TIME | Trait.STATEMENT  # what a passage's form must say for its memory to be resolved
SPACE_BITS = 36  # 2^36 segments in a space, 2^27 spaces in a store
NUMBERS = (1 << SPACE_BITS) - 1  # the bits of a row that number the segment in its space


def caption_of(attributes: Attributes) -> str | None:
    """What a photo shows, where the attributes say so: it is found and packed along with the text."""
    caption = attributes.get("caption")
    return caption[:MAX_CAPTION] if isinstance(caption, str) and caption.strip() else None


def aliases_of(attributes: Attributes) -> tuple[str, ...]:
    """Other names for what a memory is about, from its attribute `aliases`, a text or a list of texts."""
    found = attributes.get("aliases")
    names = [found] if isinstance(found, str) else found if isinstance(found, list | tuple) else []
    texts = [name.strip()[:MAX_ALIAS] for name in names if isinstance(name, str) and name.strip()]
    return tuple(dict.fromkeys(texts))[:MAX_ALIASES]


def successor_of(attributes: Attributes) -> str | None:
    """The id or key of the memory that a caller says holds instead, from the attribute `superseded_by`."""
    found = attributes.get("superseded_by")
    return found if isinstance(found, str) and found else None


def told_of(speaker: str | None, at: int, at_offset: int, attributes: Attributes, role: str | None = None) -> Told:
    """What goes with a text, from what is known of its memory."""
    aliases = aliases_of(attributes)
    return Told(
        speaker, at, at_offset, caption_of(attributes), role, aliases,
        pinned=attributes.get("pinned") is True, given=bool(aliases) or successor_of(attributes) is not None,
    )  # fmt: skip


def row_of(space: int, number: int) -> int:
    """The row of the segment that is `number`th (from 1) in its space."""
    return (space << SPACE_BITS) | number


def space_of(row: int) -> int:
    """The space that a row lies in."""
    return row >> SPACE_BITS


def number_of(row: int) -> int:
    """The number that a row's segment has in its space."""
    return row & NUMBERS


@dataclass(frozen=True, slots=True)
class NewSegment:
    """A piece of a text as the indexes take it: where it lies, its words for the text index, its vector.

    `vector` holds little-endian float16, or nothing while the embedding is owed.
    """

    start: int
    stop: int
    words: int
    traits: int
    terms: tuple[str, ...]
    vector: bytes | None


@dataclass(frozen=True, slots=True)
class NewMemory:
    """A version of a memory, ready to be written; times in microseconds since 1970 UTC."""

    text: str
    kind: Kind
    attributes: Attributes
    speaker: str | None
    role: str | None
    at: int
    at_offset: int
    at_given: bool  # by the caller; otherwise it is the moment of writing, and no part of the content
    agent: str | None
    session: str | None
    namespace: str | None
    valid_from: int | None
    valid_until: int | None
    expires_at: int | None
    sources: tuple[str, ...]
    contributor: str | None
    resource: str | None
    key: str | None
    segments: tuple[NewSegment, ...]

    @property
    def told(self) -> Told:
        """What is indexed along with the text."""
        return told_of(self.speaker, self.at, self.at_offset, self.attributes, self.role)

    @property
    def owes(self) -> bool:
        """Whether it may speak of a time or state something, which is left to be resolved later."""
        return bool(self.attributes) or any(segment.traits & RESOLVED for segment in self.segments)


@dataclass(frozen=True, slots=True)
class Stored:
    """A memory together with where it lies."""

    row: int
    memory: Memory


@dataclass(frozen=True, slots=True)
class SpaceState:
    """What a space holds just now: its last segment number, live segments and words, last change."""

    last: int
    segments: int
    words: int
    position: int


@dataclass(frozen=True, slots=True)
class SegmentText:
    """A segment with its text and what its memory says about it."""

    id: int
    row: int
    start: int
    stop: int
    text: str
    told: Told


@dataclass(frozen=True, slots=True)
class SegmentColumns:
    """A run of a space's segments as columns, all of one length n.

    `numbers` and `owners` (n,): the segment's number and that of its memory's first segment; `live` (n,): whether it
    belongs to a memory's current version; `words`, `traits` (n,): its length and form; `at` (n,): event time in
    microseconds; `born` (n,): a number that grows with each memory first added; `sessions` and `speakers` (n,): codes,
    0 for none; `vectors` (n, dimensions) float16, rows without a vector all zero.
    """

    numbers: NDArray[np.int64]
    owners: NDArray[np.int64]
    live: NDArray[np.bool_]
    words: NDArray[np.int32]
    traits: NDArray[np.uint8]
    at: NDArray[np.int64]
    born: NDArray[np.int64]
    sessions: NDArray[np.int64]
    speakers: NDArray[np.uint32]
    vectors: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """A line of the list of changes: its number, the memory's row and id, what happened, when in microseconds.

    `retired`: it only says that the version at this row gave way to another.
    """

    position: int
    row: int
    id: bytes | None
    version: int
    operation: Operation
    at: int
    retired: bool


@dataclass(frozen=True, slots=True)
class Feedback:
    """What callers said of hits in a space, oldest first.

    `rows` (n,): the memories; `useful` (n,): what was said; `evidence` (n, features) float32: what the ranker saw.
    """

    rows: NDArray[np.int64]
    useful: NDArray[np.bool_]
    evidence: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class StoredStatement:
    """What a memory states, and since when: `attribute` of `subject` is `object`.

    These three and `condition` are as they compare; `said` has subject, attribute, value and condition as they were
    said, the passage is `text[start:stop]` of the memory at `row`. Times in microseconds since 1970 UTC: it holds
    from `since` on, was known from `known` on, and was taken back with its memory's version at `retired`; `until` is
    an end that the caller gave.
    """

    row: int
    place: int
    subject: str
    attribute: str
    object: str
    condition: str
    said: tuple[str, str, str, str]
    start: int
    stop: int
    single: bool
    ends: bool
    confidence: float
    since: int
    until: int | None
    known: int
    retired: int | None

    @property
    def key(self) -> tuple[int, int]:
        """What it is addressed by: its memory's row, and its place in it."""
        return self.row, self.place


@dataclass(frozen=True, slots=True)
class Succession:
    """That one statement closed the validity of another: why, how surely, from when on, and when that was noticed."""

    old: tuple[int, int]
    new: tuple[int, int]
    reason: str
    confidence: float
    closed_at: int
    noticed_at: int = 0
    undone: bool = False


@dataclass(frozen=True, slots=True)
class Resolved:
    """What a memory at a row speaks of: times as (start, stop, since, until), and what it states."""

    row: int
    spoken: tuple[tuple[int, int, int, int], ...]
    statements: tuple[StoredStatement, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A space resolved from a scope, with what narrows it inside."""

    space: int
    agent: str | None = None
    session: str | None = None
    namespace: str | None = None

    @property
    def narrowed(self) -> bool:
        """Whether less than the whole space is meant."""
        return self.agent is not None or self.session is not None or self.namespace is not None


@dataclass(frozen=True, slots=True)
class NewBlob:
    """A payload on disk, ready to be named: whose it is, what it is, and the rows of the memories it was made from.

    `fingerprint` is a digest of what made it, `tokens` one of the tokens it was computed for.
    """

    place: Place
    kind: str
    written: Written
    fingerprint: bytes
    tokens: bytes
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StoredBlob:
    """A payload that a row names; `created_at` in microseconds since 1970 UTC."""

    id: int
    digest: bytes
    size: int
    fingerprint: bytes
    tokens: bytes
    created_at: int
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class When:
    """The moment that is asked about: what was true then (`as_of`), and what was known then (`known_at`), both in
    microseconds and both None for now."""

    now: int
    as_of: int | None = None
    known_at: int | None = None

    @property
    def past(self) -> bool:
        """Whether another moment than now is meant."""
        return self.as_of is not None or self.known_at is not None

    @property
    def moment(self) -> int:
        """The moment at which something must hold, and that "yesterday" in a question is relative to."""
        return next(moment for moment in (self.as_of, self.known_at, self.now) if moment is not None)


@dataclass(frozen=True, slots=True)
class OwedTask:
    """A piece of work claimed by lease: what to do, and the row it is about."""

    id: int
    task: str
    row: int


@dataclass(frozen=True, slots=True)
class Restored:
    """A version of a memory as an export carries it, to be written with its own id and times."""

    id: bytes
    version: int
    state: State
    created_at: int
    recorded_at: int
    content: NewMemory


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A version of a memory as it lies in the files; `segments` are (id, start, stop, vector)."""

    row: int
    id: str
    version: int
    text: str
    told: Told
    intact: bool
    embedding_owed: bool
    words_owed: bool
    segments: tuple[tuple[int, int, int, bytes | None], ...]


class RowReading(Protocol):
    """Rows as they were at one moment."""

    def spaces(self, tenant: str | None, app: str | None, user: str | None) -> list[int]:
        """The spaces of this name; None stands for any. A space never written to does not exist."""
        ...

    def name_of(self, space: int) -> tuple[str, str, str]:
        """The tenant, app and user of a space."""
        ...

    def select(
        self,
        places: Sequence[Place],
        where: Filter | None,
        *,
        newest_first: bool = False,
        after: tuple[int, int] | None = None,
        limit: int,
        now: int,
    ) -> list[Stored]:
        """Current memories of the places in the order of their event time, from after (time, row)."""
        ...

    def memories(self, rows: Iterable[int]) -> dict[int, Stored]:
        """The memories at these rows; a row that is not there is left out."""
        ...

    def current(self, id: bytes) -> Stored | None:
        """The current version of a memory that is not deleted, by its id."""
        ...

    def named(self, space: int, name: str) -> Stored | None:
        """The current version of a memory of a space, by its key or its id."""
        ...

    def history(self, id: bytes) -> list[tuple[int, Version]]:
        """Every version ever, oldest first, each with its row."""
        ...

    def deletable(self, places: Sequence[Place], where: Filter | None, *, limit: int) -> list[bytes]:
        """Ids of memories of the places that still hold content: current, expired or merged ones."""
        ...

    def lineage(self, id: bytes) -> list[bytes]:
        """The id itself and those of all memories that were merged into it; [] when it holds no content."""
        ...

    def everything(self, places: Sequence[Place]) -> Iterator[Stored]:
        """Every version of every memory of the places that is not deleted, memory by memory."""
        ...


class IndexReading(Protocol):
    """What the indexes knew at one moment."""

    def state(self, space: int) -> SpaceState:
        """How much the space holds and its last change."""
        ...

    def postings(self, space: int, term: str, *, limit: int) -> NDArray[np.int64]:
        """Numbers of the newest `limit` segments of the space that hold the word, newest first."""
        ...

    def words(self, space: int, opening: str) -> list[str]:
        """The words of the space that begin so, in order; some may be of deleted segments only."""
        ...

    def allowed_rows(self, place: Place, where: Filter | None, *, when: When) -> NDArray[np.int64]:
        """Numbers of the first segments of the memories that the place and filter allow, as of a moment."""
        ...

    def last_feedback(self, space: int) -> int:
        """The number of the last feedback given in a space, 0 for none."""
        ...

    def feedback(self, space: int, *, features: int, limit: int) -> Feedback:
        """The newest feedback given in a space with so many features."""
        ...

    def lapsed(self, space: int, *, now: int) -> NDArray[np.int64]:
        """Numbers of the first segments of current memories that have expired, or do not hold now by what their
        caller said."""
        ...

    def next_lapse(self, space: int, *, now: int) -> int | None:
        """When the first of a space's memories expires, begins or ceases to hold, in microseconds; None when none
        will."""
        ...

    def segment_texts(self, ids: Iterable[int]) -> dict[int, SegmentText]:
        """Segments with their texts, by id."""
        ...

    def segments_of(self, rows: Iterable[int]) -> list[int]:
        """Ids of the segments of the memories at these rows."""
        ...


class VectorReading(Protocol):
    """What the vector caches are filled from."""

    def columns(self, space: int, *, after: int, dimensions: int) -> Iterator[SegmentColumns]:
        """The space's segments with numbers above `after`, in runs of some thousands."""
        ...

    def changed(self, space: int, *, after: int) -> Sequence[int] | None:
        """Numbers of memories that changed after a position other than by being added; None when
        the list of changes no longer reaches back that far."""
        ...

    def changes_after(self, position: int, spaces: Sequence[int], *, limit: int) -> list[ChangeRow]:
        """The next changes to memories of some spaces, oldest first.

        Raises:
            PositionExpired: the list of changes no longer reaches back that far.
        """
        ...

    def moment_of(self, position: int) -> int | None:
        """When a change was made, in microseconds; None when the list of changes does not hold it."""
        ...

    def columns_of(self, space: int, numbers: Sequence[int], *, dimensions: int) -> SegmentColumns:
        """The segments of the memories with these first-segment numbers."""
        ...

    def vectors(self, ids: Sequence[int], *, dimensions: int) -> NDArray[np.float16]:
        """Exact vectors (len(ids), dimensions) of segments; zero rows where there is none."""
        ...


class FactReading(Protocol):
    """What memories state, and the times they speak of."""

    def statements_of(self, rows: Iterable[int]) -> list[StoredStatement]:
        """What the memories at these rows state, in order."""
        ...

    def statements_about(self, space: int, subject: str, attribute: str | None) -> list[StoredStatement]:
        """All that versions of memories, those no longer current included, ever stated of a subject."""
        ...

    def statements_naming(self, space: int, names: Iterable[str], *, limit: int) -> list[StoredStatement]:
        """What current memories state whose subject or object is one of these names, newest first."""
        ...

    def known_names(self, space: int, names: Iterable[str]) -> set[str]:
        """Those of some names that are a subject or an object of something stated in a space."""
        ...

    def subjects(self, space: int) -> list[str]:
        """All subjects of whom something is stated."""
        ...

    def successions(self, rows: Iterable[int]) -> list[Succession]:
        """Which statements of these rows were closed by others, or closed others; those undone included."""
        ...

    def spoken_in(self, space: int, since: int, until: int, *, limit: int) -> NDArray[np.int64]:
        """Numbers of the first segments of memories that speak of a time in [since, until)."""
        ...

    def owed_in(self, space: int, task: str, *, most: int | None = None) -> int:
        """How many tasks of a name are owed in a space, counted up to `most`."""
        ...


class BlobReading(Protocol):
    """What is known of payloads that lie in files."""

    def blob(self, place: Place, kind: str, *, now: int) -> StoredBlob | None:
        """The payload of a kind that was kept for exactly this place, unless a memory it was made from is gone."""
        ...

    def any_gone(self, rows: Iterable[int], *, now: int) -> bool:
        """Whether one of these versions of memories is no longer current, or has expired."""
        ...


class AuditReading(Protocol):
    """What `check()` compares."""

    def audit(self) -> Iterator[AuditRow]:
        """Every version that is not deleted, as it lies in the files."""
        ...

    def indexed_words(self) -> dict[int, int]:
        """The sum of CRC-32 over the words that the text index holds of each segment, by its id."""
        ...

    def audit_counts(self) -> list[Difference]:
        """Where the counts of spaces and changes are not what the rows add up to."""
        ...


class Reading(RowReading, IndexReading, VectorReading, FactReading, BlobReading, AuditReading, Protocol):
    """One moment of the store."""

    def position(self) -> int:
        """The number of the last change."""
        ...

    def statistics(self, places: Sequence[Place], *, now: int) -> Statistics:
        """Counts over the places, sizes over the whole store."""
        ...

    def owed(self) -> Mapping[str, int]:
        """How many tasks of each name are owed."""
        ...

    def meta(self, name: str) -> Any:  # Any: text, number or nothing, as it was put there
        """A setting that the store itself carries."""
        ...


class RowWriting(Protocol):
    """Changes to rows; each keeps the text index and the list of changes in step."""

    def space(self, tenant: str, app: str, user: str) -> int:
        """The space of this name, made when it is new."""
        ...

    def insert(
        self, space: int, memories: Sequence[NewMemory], *, operation: Operation = "add"
    ) -> tuple[list[bytes], int]:
        """Write new memories; those whose key came before are left and their first id returned.

        Returns the ids in order and how many had come before.

        Raises:
            KeyConflict: a key came before with other content.
        """
        ...

    def supersede(self, current: Stored, new: NewMemory) -> Stored:
        """Write a new version of a memory; the old one stays in its history."""
        ...

    def renew(self, current: Stored, expires_at: int) -> None:
        """Move when a memory expires, in microseconds; its content stays, and so does its version."""
        ...

    def retire(self, row: int, state: State, *, operation: Operation) -> None:
        """Take a memory out of the current ones, keeping its row."""
        ...

    def bury(self, ids: Iterable[bytes]) -> int:
        """Delete memories whole, all versions, from rows and indexes; a tombstone without content stays."""
        ...

    def expire(self, *, now: int, limit: int) -> int:
        """Delete memories whose time has run out."""
        ...

    def restore(self, space: int, versions: Sequence[Restored]) -> bool:
        """Write all versions of one memory under its own id; False when the id was ever used here."""
        ...


class OwedWriting(Protocol):
    """Work that is owed, claimed by lease."""

    def owe(self, task: str, rows: Iterable[int]) -> None:
        """Note that a task is owed for each row."""
        ...

    def claim(self, task: str, *, holder: str, limit: int, lease_s: float, space: int | None = None) -> list[OwedTask]:
        """Take tasks nobody else holds, or whose holder's lease ran out, of one space or of any; what failed may be
        taken again."""
        ...

    def settle(self, tasks: Iterable[int]) -> None:
        """Strike tasks off."""
        ...


class FactWriting(Protocol):
    """Changes to what memories are known to state."""

    def note(self, resolved: Resolved) -> None:
        """Keep what a memory speaks of in place of what was kept before."""
        ...

    def resolved(self, spaces: Iterable[int]) -> None:
        """Tell readers of these spaces that more is known of what their memories state."""
        ...

    def relink(self, made: Sequence[Succession], ended: Sequence[Succession], *, undone: bool = False) -> None:
        """Make links between statements and end others; what a caller undid stays undone."""
        ...


class BlobWriting(Protocol):
    """Changes to payloads that lie in files. A file gets its name before the row commits, and goes after its last."""

    def keep_blob(self, new: NewBlob) -> None:
        """Keep a payload for its place, instead of the one of its kind that was there."""
        ...

    def forget_blobs(self, places: Iterable[Place]) -> None:
        """Forget all payloads that were kept for some places, and for what lies within them."""
        ...


class IndexWriting(Protocol):
    """Changes to what is derived from the rows."""

    def set_vectors(self, vectors: Mapping[int, bytes]) -> None:
        """Set vectors of segments by id."""
        ...

    def forget_vectors(self, embedder: str) -> int:
        """Drop every vector, name another embedder, and owe it all embeddings; returns how many."""
        ...

    def reindex(self, row: int, segments: Sequence[NewSegment]) -> None:
        """Write a memory's segments and words anew."""
        ...

    def drop_words(self, ids: Iterable[int]) -> None:
        """Take segments that are not there out of the text index."""
        ...

    def set_words(self, words: Mapping[int, Sequence[str]]) -> None:
        """Set what segments are found by, by id; one that is there no more is left out."""
        ...

    def recount(self) -> None:
        """Set the counts of all spaces to what their rows add up to."""
        ...

    def note_feedback(self, row: int, *, useful: bool, evidence: bytes, keep: int) -> None:
        """Keep what was said of a memory, and of its space no more than the newest `keep`."""
        ...

    def prune_changes(self, *, before: int, keep: int) -> None:
        """Forget changes older than a moment, or beyond the newest `keep`."""
        ...

    def set_meta(self, name: str, value: str | int) -> None:
        """Keep a setting in the store itself."""
        ...


class Writing(Reading, RowWriting, OwedWriting, FactWriting, BlobWriting, IndexWriting, Protocol):
    """The only writer; sees its own changes."""


class Store(Protocol):
    """Where memories live."""

    @property
    def directory(self) -> Path:
        """The folder that holds everything."""
        ...

    @property
    def blobs(self) -> Blobs:
        """The payloads that lie in files of their own."""
        ...

    def reading(self) -> AbstractContextManager[Reading]:
        """One moment of the store, for as long as the block lasts."""
        ...

    def writing(self, *, wait: bool = True) -> AbstractContextManager[Writing]:
        """The right to write, committed when the block ends well and rolled back when it does not.

        Raises:
            StoreLocked: others held it for too long; at once where one does not wait.
        """
        ...

    def wait(self, after: int, *, seconds: float) -> bool:
        """Wait until the last change lies after a position; False when the time ran out first."""
        ...

    def close(self) -> None:
        """Let go of every file."""
        ...


class Maintenance(Protocol):
    """What a store that lives in files can do for itself."""

    def purge(self) -> int:
        """Rewrite what still holds deleted words; returns how many deletions it cleared."""
        ...

    def inspect(self) -> list[Difference]:
        """Damage that the database engine itself can see."""
        ...

    def sweep(self) -> list[str]:
        """Remove files of payloads that no row names; returns their names."""
        ...

    def audit_blobs(self, *, repair: bool) -> list[Difference]:
        """Where the files of payloads are not what rows name; all that can be made anew is forgotten when told to."""
        ...

    def backup(self, target: Path) -> None:
        """A copy of one moment, taken while others write."""
        ...

    def files(self) -> tuple[str, ...]:
        """Names of the files it writes to."""
        ...


class FileStore(Store, Maintenance, Protocol):
    """A store that lives in files of its own."""
