"""Name everything that can go wrong.

MemstrataError
├── InvalidInput          what the caller handed in cannot be used
│   └── InvalidFilter     a filter uses an unknown operator, or a value that does not fit it
├── InvalidConfig         a setting cannot be used
├── NotFound              no memory with this id is visible in this scope
├── Conflict              what is stored speaks against the change
│   ├── KeyConflict       an idempotency key came back with other content
│   └── VersionConflict   somebody else changed the memory first
├── StoreError            the directory that holds the memories
│   ├── StoreUnavailable  cannot be opened, created, read or written
│   ├── StoreLocked       another process held the writer's lock for too long
│   ├── StoreFull         the disk, or the database's limit, is full
│   ├── StoreCorrupt      the files are damaged
│   ├── StoreTooNew       a newer Memstrata wrote it
│   └── StoreClosed       used after `close()`
├── PositionExpired       the change list no longer reaches back this far
├── EmbedderError         what turns text into vectors
│   ├── EmbedderMismatch  not the embedder, or not the dimension, that the store holds
│   └── EmbedderUnavailable   the endpoint or model did not answer usefully
├── SearchError           a part of the search did not do its work
│   ├── RetrieverFailed   it raised, or found what it must not find
│   ├── RankerFailed      it raised, or gave no score for each candidate
│   └── RerankerUnavailable   the model cannot be had, or did not answer usefully
├── KVError               what a model has read, kept as activations
│   ├── KVUnsupported     this model, or its attention, cannot be used with a bounded cache
│   ├── KVFull            what has to stay does not fit the budget
│   ├── KVGone            a passage was let go before it was pinned
│   ├── KVTorn            a call broke off halfway and left its tokens in some layers only
│   ├── KVPolicyFailed    a policy raised, or gave no score for each entry
│   └── KVRefused         a saved cache cannot be used here
│       ├── KVDamaged     it is damaged, cut short, or no container of a cache
│       ├── KVMismatch    it was made with something else; says what differs
│       └── KVProbeFailed     it does not hold what this model computes
├── AccessDenied          whoever asks a server may not
│   ├── Unauthenticated   no key or token, or none that is known here
│   └── Forbidden         the key or token does not allow this
├── LimitExceeded         more was asked of a server than it gives
│   ├── TooLarge          a body has more bytes than are taken
│   ├── TooSlow           a body or an answer took longer than is waited
│   └── TooMany           too many requests, subscriptions or imports at once
└── MissingExtra          an optional dependency is not installed
"""

from __future__ import annotations


class MemstrataError(Exception):
    """Everything this package raises on purpose."""


class InvalidInput(MemstrataError, ValueError):
    """What the caller handed in cannot be used; nothing was stored."""


class InvalidFilter(InvalidInput):
    """A filter uses an unknown operator, or a value that does not fit its operator."""


class InvalidConfig(MemstrataError, ValueError):
    """A setting, from the environment or from code, cannot be used."""


class NotFound(MemstrataError, LookupError):
    """No memory with this id is visible in this scope; says nothing about other scopes."""


class Conflict(MemstrataError):
    """What is stored speaks against the change; nothing was changed."""


class KeyConflict(Conflict):
    """The same idempotency key came before with other content."""


class VersionConflict(Conflict):
    """The memory has another version than the one the caller expected to change."""


class StoreError(MemstrataError):
    """Something about the directory that holds the memories."""


class StoreUnavailable(StoreError):
    """The directory or its database cannot be opened, created, read or written."""


class StoreLocked(StoreError):
    """Another process held the writer's lock longer than the time allowed."""


class StoreFull(StoreError):
    """There is no room left; the change was rolled back whole."""


class StoreCorrupt(StoreError):
    """The files are damaged; nothing more was written."""


class StoreTooNew(StoreError):
    """A newer Memstrata wrote this store; this one would not understand it."""


class PositionExpired(StoreError):
    """The list of changes no longer reaches back to the position asked for: read everything, and go on from now."""


class StoreClosed(StoreError):
    """The memory was used after `close()`."""


class EmbedderError(MemstrataError):
    """Something about what turns text into vectors."""


class EmbedderMismatch(EmbedderError):
    """Not the embedder, or not the dimension, that the store's vectors were made with."""


class EmbedderUnavailable(EmbedderError):
    """The embedding endpoint or model did not answer, or answered with something unusable."""


class SearchError(MemstrataError):
    """Something about a part that a search is made of."""


class RetrieverFailed(SearchError):
    """A retriever raised, or returned something else than candidates that the reader may see."""


class RankerFailed(SearchError):
    """A ranker raised, or did not give one finite score for each candidate."""


class RerankerUnavailable(SearchError):
    """A reranker's model cannot be loaded, or did not answer with one finite score for each passage."""


class KVError(MemstrataError):
    """Something about what a model has read and keeps as activations."""


class KVUnsupported(KVError):
    """This model, or the way its attention is computed, cannot be used with a bounded cache."""


class KVFull(KVError):
    """What has to stay, or what comes at once, does not fit the cache's budget."""


class KVGone(KVError):
    """A passage is to be pinned that the cache has let go of in part; nothing was pinned."""


class KVTorn(KVError):
    """A call broke off halfway: some layers have read its tokens, others have not."""


class KVPolicyFailed(KVError):
    """A policy raised, or did not give one finite score for each entry."""


class KVRefused(KVError):
    """A saved cache cannot be used here; nothing of it was."""


class KVDamaged(KVRefused):
    """The file is damaged, cut short, or no container of a cache."""


class KVMismatch(KVRefused):
    """A saved cache was made with something else than what it is to be used with; `field` says what differs."""

    def __init__(self, field: str, *, asked: str, found: str) -> None:
        super().__init__(f"the cache does not fit: its {field} is {found}, and {asked} was asked for; compute it anew")
        self.field = field
        self.asked = asked
        self.found = found


class KVProbeFailed(KVRefused):
    """A saved cache holds something else than what this model computes for its tokens."""


class AccessDenied(MemstrataError):
    """Whoever asks a server may not have this; says nothing about what exists."""


class Unauthenticated(AccessDenied):
    """The request carries no key or token, or none that is known here."""


class Forbidden(AccessDenied):
    """The key or token is known and does not allow this."""


class LimitExceeded(MemstrataError):
    """More was asked of a server than it gives to one caller; nothing was changed."""


class TooLarge(LimitExceeded):
    """A body has more bytes than are taken."""


class TooSlow(LimitExceeded):
    """A body or an answer took longer than is waited."""


class TooMany(LimitExceeded):
    """Too many requests, subscriptions or imports at once; `seconds` says when to try again."""

    def __init__(self, message: str, *, seconds: float = 1.0) -> None:
        super().__init__(message)
        self.seconds = seconds


class MissingExtra(MemstrataError, ImportError):
    """An optional dependency is not installed.

    >>> print(MissingExtra("plots", "bench"))
    plots need an optional dependency: pip install "memstrata[bench]"
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f'{what} need an optional dependency: pip install "memstrata[{extra}]"')
