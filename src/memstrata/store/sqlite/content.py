"""Turn a memory's content into a digest, so that a changed bit or a reused key shows."""

from __future__ import annotations

import json
from hashlib import blake2b

from memstrata.clock import micros
from memstrata.store import NewMemory
from memstrata.types import Memory


def digest_of(memory: NewMemory, *, at: int | None) -> bytes:
    """Sixteen bytes that change whenever the content of a memory would."""
    content = [
        memory.text, memory.kind, dict(memory.attributes), memory.speaker, memory.role, at,
        memory.agent, memory.session, memory.namespace, memory.valid_from, memory.valid_until, memory.expires_at,
        memory.sources, memory.contributor, memory.resource,
    ]  # fmt: skip
    plain = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def content_of(memory: Memory, at: int) -> NewMemory:
    """A stored memory in the form it was written in, without its segments."""
    times = [
        None if time is None else micros(time) for time in (memory.valid_from, memory.valid_until, memory.expires_at)
    ]
    offset = memory.at.utcoffset()
    assert not isinstance(memory.scope.namespace, tuple)  # stores keep it as a path
    return NewMemory(
        text=memory.text, kind=memory.kind, attributes=memory.attributes, speaker=memory.speaker, role=memory.role,
        at=at, at_offset=0 if offset is None else int(offset.total_seconds() // 60), at_given=True,
        agent=memory.scope.agent_id, session=memory.scope.session_id, namespace=memory.scope.namespace,
        valid_from=times[0], valid_until=times[1], expires_at=times[2], sources=memory.sources,
        contributor=memory.contributor, resource=memory.resource, key=memory.key, segments=(),
    )  # fmt: skip
