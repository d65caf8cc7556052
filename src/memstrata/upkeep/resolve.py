"""Settle owed resolutions: read what a memory states and the times it speaks of, and link what replaced what.

Claimed by lease, worked out outside of any transaction, committed whole. Killed at any point, the work is owed again
when its lease runs out; done twice, it gives the same rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from memstrata.clock import micros
from memstrata.store import (
    OwedTask,
    Place,
    Reading,
    Resolved,
    Store,
    Stored,
    StoredStatement,
    Succession,
    Writing,
    space_of,
)
from memstrata.store.chains import chain, changes, taken_back
from memstrata.text.facts.corrections import corrections
from memstrata.text.facts.statements import Statement, key_of, statements
from memstrata.text.when.times import spoken
from memstrata.types import Memory

TASK = "resolve"
BATCH = 64
LEASE_S = 60.0
SURE = 1.0  # of what a caller states by attributes
STATED = ("subject", "attribute", "value")  # attributes by which a caller states it without any reading of text


MOST_BEFORE = 6  # turns of a conversation in which what a correction means is looked for
LONG_AGO_US = 30 * 60 * 1_000_000  # where no session says what belongs together

Before = Callable[[], Sequence[Stored]]  # what was said before in the same conversation, oldest first
Reads = Callable[[Stored, Before], Resolved]


def settle(
    store: Store, reads: Reads, *, holder: str, space: int | None = None, limit: int = BATCH, wait: bool = True
) -> int:
    """Resolve one batch of what is owed, of one space or of any; returns how many memories, 0 when none was left.

    `reads` tells what a memory speaks of, as `resolved` does.

    Raises:
        StoreLocked: others write; at once when not told to wait.
    """
    with store.writing(wait=wait) as writing:
        tasks = writing.claim(TASK, holder=holder, limit=limit, lease_s=LEASE_S, space=space)
    if not tasks:
        return 0
    found = _resolved(tasks, store, reads)
    with store.writing(wait=wait) as writing:
        changed = {space_of(one.row) for one in found if _kept(one, writing)}
        writing.settle(task.id for task in tasks)
        writing.resolved(changed)
    return len(tasks)


def _resolved(tasks: list[OwedTask], store: Store, reads: Reads) -> list[Resolved]:
    with store.reading() as reading:
        found = reading.memories(task.row for task in tasks)
        living = [stored for stored in found.values() if stored.memory.state != "deleted"]
        return [reads(stored, partial(_before, stored, reading)) for stored in living]


def _before(stored: Stored, reading: Reading) -> list[Stored]:
    """The last turns before one in its conversation: of its session, or else of the last half hour."""
    memory, at = stored.memory, micros(stored.memory.at)
    scope = memory.scope
    place = Place(space_of(stored.row), scope.agent_id, scope.session_id)
    found = reading.select([place], None, newest_first=True, after=(at, stored.row), limit=MOST_BEFORE, now=at)
    return [
        one
        for one in reversed(found)
        if one.memory.scope == scope and (scope.session_id is not None or at - micros(one.memory.at) <= LONG_AGO_US)
    ]


def resolved(stored: Stored, before: Before) -> Resolved:
    """What a memory speaks of, from its text, its attributes and its event time; of what was said before, when it
    corrects that."""
    memory = stored.memory
    offset = memory.at.utcoffset()
    minutes = 0 if offset is None else int(offset.total_seconds() // 60)
    times = spoken(memory.text, at=micros(memory.at), at_offset=minutes)
    since = micros(memory.valid_from or memory.at)
    said = [(one, stored.row) for one in _given(memory)] or _said(stored, before)
    facts = [_stored(place, one, stored.row, named, memory.speaker, since) for place, (one, named) in enumerate(said)]
    return Resolved(stored.row, tuple((one.start, one.stop, one.since, one.until) for one in times), tuple(facts))


def _given(memory: Memory) -> list[Statement]:
    """What a caller states outright, with the attributes `subject`, `attribute` and `value`."""
    subject, attribute, value = (memory.attributes.get(name) for name in STATED)
    if not all(isinstance(one, str) and one for one in (subject, attribute, value)):
        return []
    return [Statement(str(subject), str(attribute), str(value), 0, len(memory.text), confidence=SURE)]


Named = tuple[Statement, int]  # with the row of the memory whose words name its subject and attribute


def _said(stored: Stored, before: Before) -> list[Named]:
    """What a turn states by itself, and what it puts right of what its speaker said before."""
    memory = stored.memory
    known: list[Named] = []
    if corrections(memory.text):
        for turn in before():
            if (turn.memory.speaker, turn.memory.role) == (memory.speaker, memory.role):
                known += _put_right(turn, known)
    return _put_right(stored, known)


def _put_right(turn: Stored, known: Sequence[Named]) -> list[Named]:
    """What a turn states after the corrections in it; what it corrects of itself was never meant, and does not stay."""
    memory = turn.memory
    found = [(one, turn.row) for one in statements(memory.text, role=memory.role, speaker=memory.speaker)]
    for correction in corrections(memory.text):
        if any(one.start < correction.stop and correction.start < one.stop for one, _ in found):
            continue  # it names what it corrects
        before = [*known, *(each for each in found if each[0].stop <= correction.start)]
        meant = next((each for each in reversed(before) if correction.means(each[0])), None)
        if meant is not None:
            found = [each for each in found if each is not meant] + [(correction.instead_of(meant[0]), meant[1])]
    return sorted(found, key=lambda each: each[0].start)


def _stored(place: int, one: Statement, row: int, named: int, speaker: str | None, since: int) -> StoredStatement:
    subject = one.subject or speaker or ""
    return StoredStatement(
        row=row, place=place, subject=key_of(subject), attribute=key_of(one.attribute), object=key_of(one.value),
        condition=key_of(one.condition), said=(subject, one.attribute, one.value, one.condition), start=one.start,
        stop=one.stop, single=one.single, ends=one.ends, confidence=one.confidence, since=since,
        until=None, known=0, retired=None, leans=None if named == row else named,
    )  # fmt: skip


def _kept(one: Resolved, writing: Writing) -> bool:
    """Note what a memory speaks of, and link every chain that this changes anew; whether it stated or states anything.

    The times it speaks of are looked up in each search that asks for one, so nobody needs to be told of them.
    """
    space = space_of(one.row)
    before = writing.statements_of([one.row])
    writing.note(one)
    for subject, attribute in sorted({(each.subject, each.attribute) for each in (*before, *one.statements)}):
        made, ended = _relinked(writing, space, subject, attribute)
        writing.relink(made, ended)
    return bool(before or one.statements)


def _relinked(writing: Writing, space: int, subject: str, attribute: str) -> tuple[list[Succession], list[Succession]]:
    stated = writing.statements_about(space, subject, attribute)
    keys = {each.key for each in stated}
    kept = [one for one in writing.successions(each.row for each in stated) if one.old in keys and one.new in keys]
    return changes(chain(stated, undone=taken_back(kept)).successions, kept)  # it passes over what is retired
