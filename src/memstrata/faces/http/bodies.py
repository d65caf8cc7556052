"""Say what requests and answers of our own paths look like; FastAPI reads requests and writes the OpenAPI by it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from memstrata.faces.http.settings import MAX_OFFSET, MAX_PAGE
from memstrata.types import Kind, Scope

Moment = str | float
Query = Annotated[str, Field(min_length=1)]
Limit = Annotated[int, Field(ge=1, le=MAX_PAGE)]
Hops = Annotated[int, Field(ge=1, le=3)]
Attributes = dict[str, Any]  # Any: JSON, checked by the engine
Where = Attributes  # the filter grammar of docs/filters.md
Position = Annotated[int, Field(ge=0, lt=1 << 62)]

SCOPE = ("tenant_id", "app_id", "user_id", "agent_id", "session_id", "namespace")


class Whose(BaseModel):
    """Whose memory: tenant, app and user name it; agent, session and namespace narrow it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    tenant_id: str | None = None
    app_id: str | None = None
    user_id: str | None = None
    agent_id: str | None = None
    session_id: str | None = None
    namespace: str | None = None

    @property
    def scope(self) -> Scope:
        """The scope named."""
        return Scope(**{name: getattr(self, name) for name in SCOPE})


# ── requests ──


class Body(Whose):
    """What a request says in JSON, where a number is a number and true is true; an address has only texts."""

    model_config = ConfigDict(strict=True)


class Adding(Body):
    """One text, one message, or a list of messages to keep."""

    content: str | Attributes | list[str | Attributes]
    at: Moment | None = None
    speaker: str | None = None
    role: str | None = None
    kind: Kind = "turn"
    attributes: Attributes = {}
    key: str | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    expires_at: Moment | None = None
    sources: list[str] = []
    contributor: str | None = None
    resource: str | None = None


class AddingMany(Body):
    """Events to keep, each with its own fields."""

    events: Annotated[list[str | Attributes], Field(min_length=1, max_length=MAX_PAGE)]
    kind: Kind = "turn"
    contributor: str | None = None
    resource: str | None = None


class Changing(Body):
    """What to change of a memory: what is left out stays, null clears."""

    text: str | None = None
    kind: Kind | None = None
    attributes: Attributes | None = None
    speaker: str | None = None
    role: str | None = None
    at: Moment | None = None
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    expires_at: Moment | None = None
    expected_version: int | None = None


class Merging(Body):
    """Memories to make one of."""

    ids: Annotated[list[str], Field(min_length=2, max_length=MAX_PAGE)]
    text: str | None = None


class Asking(Body):
    """What both ways of asking take."""

    query: Query
    filters: Where | None = None
    as_of: Moment | None = None
    known_at: Moment | None = None
    hops: Hops = 1
    precise: bool = False
    shared: bool = False


class Searching(Asking):
    """A question to find memories for."""

    limit: Limit = 10
    latency_ms: Annotated[float, Field(gt=0)] | None = None


class Packing(Asking):
    """A question to pack a context for."""

    budget: Annotated[int, Field(ge=1, le=1_000_000)] = 2_000
    latency_ms: Annotated[float, Field(gt=0)] | None = None


class Explaining(Searching):
    """A question to explain the answer of, and a memory to say the fate of."""

    id: str | None = None


class Judging(Body):
    """Whether a memory that a question finds was of use."""

    query: Query
    id: str
    useful: bool


class Settling(BaseModel):
    """How long upkeep may take."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, strict=True)

    seconds: Annotated[float, Field(ge=0, le=60)] = 10.0


# ── requests in the address ──


class Many(Whose):
    """A scope that may be everyone's."""

    all_users: bool = False


class Sweeping(Many):
    """What is swept over, and a filter as JSON."""

    filters: str | None = None


class Listing(Sweeping):
    """A page of a list."""

    limit: Limit = 100
    offset: Annotated[int, Field(ge=0, le=MAX_OFFSET)] = 0
    newest_first: bool = False


class Following(Sweeping):
    """Changes after a position; with `seconds`, wait so long for one."""

    after: Position | None = None
    limit: Limit = 500
    seconds: Annotated[float, Field(ge=0, le=30)] = 0.0


class Subscribing(Sweeping):
    """Changes from a position on, as they come."""

    after: Position | None = None


class Stating(Whose):
    """Of whom or what, which attribute, and when."""

    subject: str
    attribute: str | None = None
    as_of: str | None = None
    known_at: str | None = None


class Importing(Whose):
    """A file to take in: what it is called, and its format if that is to be said."""

    name: str = "import.txt"
    format: str | None = None


# ── answers ──


class Kept(BaseModel):
    """Proof that a change is on disk."""

    ids: list[str]
    position: int
    repeated: int


class KeptMany(BaseModel):
    """Proof that a stream of events is on disk."""

    added: int
    repeated: int
    position: int


class Deleted(BaseModel):
    """Proof that memories are deleted."""

    memories: int
    position: int


class Remembered(BaseModel):
    """One version of a memory. `contributor`, `resource`, `speaker` and `role` say where its text comes from."""

    id: str
    text: str
    kind: Kind
    tenant_id: str | None
    app_id: str | None
    user_id: str | None
    agent_id: str | None
    session_id: str | None
    namespace: str | None
    at: str
    created_at: str
    updated_at: str
    version: int
    state: str
    speaker: str | None
    role: str | None
    attributes: Attributes
    valid_from: str | None
    valid_until: str | None
    expires_at: str | None
    sources: list[str]
    contributor: str | None
    resource: str | None
    key: str | None


class Page(BaseModel):
    """Some memories of a list, and where the next page begins."""

    memories: list[Remembered]
    next_offset: int | None


class Step(BaseModel):
    """A version in a history; of a deleted one only that it was."""

    number: int
    state: str
    recorded_at: str
    memory: Remembered | None


class Stated(BaseModel):
    """What a memory states."""

    subject: str
    attribute: str
    value: str
    memory_id: str
    start: int
    stop: int
    since: str
    until: str | None
    condition: str | None
    confidence: float
    replaced_by: str | None
    reason: str | None
    history: list[Any]  # Any: the same again


class Found(BaseModel):
    """A memory that answers, and the passage that matched."""

    memory: Remembered
    passage: str
    start: int
    stop: int
    score: float
    signals: dict[str, dict[str, float]]
    facts: list[Stated]
    replaced_by: str | None
    via: list[str]
    pinned: bool


class Packed(BaseModel):
    """A text for a model with the passages it cites, what was left out, and what it cost."""

    text: str
    whole: bool
    passages: list[Attributes]
    left_out: list[Attributes]
    ledger: Attributes


class Profiled(BaseModel):
    """What currently holds, by subject."""

    subjects: dict[str, list[Stated]]
    owed: int


class Undone(BaseModel):
    """How many statements hold again."""

    holding: int


class Event(BaseModel):
    """One change; `memory` is null where it is deleted, by this change or since."""

    position: int
    operation: str
    memory_id: str
    version: int
    at: str
    memory: Remembered | None


class Events(BaseModel):
    """Some changes in order, and the position to go on from."""

    changes: list[Event]
    position: int


class Counted(BaseModel):
    """How much a scope holds; what concerns the whole store only for those who reach all of it."""

    memories: int
    versions: int
    segments: int
    by_kind: dict[str, int]
    spaces: int
    embedder: str
    position: int
    blobs: int
    blob_bytes: int
    owed: dict[str, int] | None = None
    size_bytes: int | None = None


class Who(BaseModel):
    """Who has memories: a tenant, an app, a user."""

    tenant_id: str | None
    app_id: str | None
    user_id: str | None


class Health(BaseModel):
    """Whether the store answers."""

    status: Literal["ok"]


class Failure(BaseModel):
    """What went wrong: a sentence, and the class of the error."""

    detail: str
    error: str
