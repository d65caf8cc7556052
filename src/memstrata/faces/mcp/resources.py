"""Turn memories and profiles into resources, and changes of them into what subscribers are told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Protocol
from urllib.parse import unquote

from mcp import types
from mcp.server.subscriptions import ResourcesListChanged, ResourceUpdated, ServerEvent
from pydantic import TypeAdapter

from memstrata import access
from memstrata.engine import Memstrata
from memstrata.errors import NotFound
from memstrata.faces.mcp.shapes import MEMORY, PROFILE, Memory, Profile, memory_uri, profile_uri
from memstrata.faces.mcp.whose import Whose
from memstrata.types import Change
from memstrata.types import Memory as Kept

RECENT: Final = 50  # memories in the list of resources
JSON: Final = "application/json"


class Shelf(Protocol):
    """What a server offers to be read, and to be subscribed to."""

    def listed(self) -> list[types.Resource]:
        """The resources that there are, or the latest of them."""
        ...

    def templates(self) -> list[types.ResourceTemplate]:
        """The addresses of those that are not listed."""
        ...

    def read(self, uri: str) -> str:
        """A resource as JSON; raises NotFound when it is not there for this server."""
        ...

    def told(self, changes: Sequence[Change]) -> list[ServerEvent]:
        """What subscribers should hear of changes, each once."""
        ...


class MemoryShelf:
    """Memories by id, the latest of them listed, and profiles by user."""

    def __init__(self, memory: Memstrata, whose: Whose) -> None:
        self._memory = memory
        self._whose = whose
        self._read_of: dict[str, None] = {}  # users whose profiles were read: a deletion does not say whose it was
        self._memories = TypeAdapter(Memory)
        self._profiles = TypeAdapter(Profile)

    def listed(self) -> list[types.Resource]:
        """The latest memories; what they say is in the resource, and not in the list."""
        user = self._whose.default.user_id
        profile = [_profile(user)] if isinstance(user, str) else []
        latest = self._memory.list(limit=RECENT, newest_first=True, scope=self._whose.scope())
        return profile + [_resource(memory) for memory in latest]

    def templates(self) -> list[types.ResourceTemplate]:
        """A memory by its id, and a profile by its user."""
        return [
            types.ResourceTemplate(
                uri_template=f"{MEMORY}{{id}}", name="memory", title="Memory", mime_type=JSON,
                description="One memory with its source.",
            ),
            types.ResourceTemplate(
                uri_template=f"{PROFILE}{{user_id}}", name="profile", title="Profile", mime_type=JSON,
                description="What currently holds of a user, every fact with the memory that says so.",
            ),
        ]  # fmt: skip

    def read(self, uri: str) -> str:
        """A memory or a profile, as JSON."""
        if uri.startswith(MEMORY):
            id, scope = unquote(uri.removeprefix(MEMORY)), self._whose.scope()
            self._whose.check(self._memory, id, scope)
            kept = self._memory.get(id, scope=scope)
            return self._memories.dump_json(Memory.of(kept)).decode()
        user = unquote(uri.removeprefix(PROFILE))
        if not uri.startswith(PROFILE) or not user:
            raise NotFound(f"there is no resource {uri!r:.200}; try {MEMORY}ID or {PROFILE}USER")
        scope = self._whose.scope(user_id=user)
        found = Profile.of(self._memory.profile(scope=scope), scope)
        self._remember(user)
        return self._profiles.dump_json(found).decode()

    def _remember(self, user: str) -> None:
        self._read_of.pop(user, None)
        self._read_of[user] = None
        if len(self._read_of) > RECENT:
            del self._read_of[next(iter(self._read_of))]

    def told(self, changes: Sequence[Change]) -> list[ServerEvent]:
        """The memories that changed, the profiles that may have, and whether the list is another."""
        return list(dict.fromkeys(event for change in changes for event in self._events(change)))

    def _events(self, change: Change) -> Iterator[ServerEvent]:
        if change.operation in ("vector", "feedback"):
            return
        if change.operation != "add":
            yield ResourceUpdated(memory_uri(change.memory_id))
        users = list(self._read_of) if change.memory is None else [change.memory.scope.user_id]
        for user in users:
            if isinstance(user, str):
                yield ResourceUpdated(profile_uri(user))
        if change.operation != "update" and (change.memory is None or self._lists(change.memory)):
            yield ResourcesListChanged()

    def _lists(self, memory: Kept) -> bool:
        """Whether a memory is one of those that `listed` chooses from."""
        own, scope = self._whose.default, memory.scope
        space = (scope.tenant_id, scope.app_id, scope.user_id) == (own.tenant_id, own.app_id, own.user_id)
        return space and access.visible(memory, self._whose.scope())


def _resource(memory: Kept) -> types.Resource:
    return types.Resource(
        uri=memory_uri(memory.id),
        name=memory.id,
        title=f"{memory.kind} of {memory.at:%Y-%m-%d %H:%M}",
        mime_type=JSON,
        annotations=types.Annotations(last_modified=memory.updated_at.isoformat()),
    )


def _profile(user: str) -> types.Resource:
    return types.Resource(uri=profile_uri(user), name="profile", title="Profile", mime_type=JSON)
