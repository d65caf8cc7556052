"""Prove that an answer of another time is a plain replay, and that what replaced what can be seen and taken back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata import Memstrata
from memstrata.errors import InvalidInput, NotFound
from memstrata.store.sqlite.store import DATABASE
from memstrata.testing import SteppingClock, temporary_memory

FIRST = datetime(2023, 1, 1, tzinfo=UTC)
SUBJECTS = ("Malta", "Crete")
ATTRIBUTES = ("capital", "colour")
VALUES = ("red", "green", "blue")
DAYS = st.integers(min_value=0, max_value=6)


def day(number: int) -> datetime:
    return FIRST + timedelta(days=number)


def stated(subject: str, attribute: str, value: str) -> tuple[str, dict[str, str]]:
    """A text, and the attributes that say what it states whatever any reader makes of it."""
    return f"a note: {subject} {attribute} {value}", {"subject": subject, "attribute": attribute, "value": value}


# ── any history against a plain replay of it ──


@dataclass(frozen=True, slots=True)
class Add:
    key: str
    subject: str
    attribute: str
    value: str
    at: int
    valid_from: int | None = None
    valid_until: int | None = None

    @property
    def since(self) -> int:
        return self.at if self.valid_from is None else self.valid_from


@dataclass(frozen=True, slots=True)
class Update:
    key: str
    value: str


@dataclass(frozen=True, slots=True)
class Delete:
    key: str


Change = Add | Update | Delete


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Changes in the order of arrival, which is not that of the times they speak of."""
    told: list[Change] = []
    live: dict[str, Add] = {}
    for number in range(draw(st.integers(2, 12))):
        kind = draw(st.sampled_from(["add", "add", "add", "update", "delete"])) if live else "add"
        if kind == "add":
            since, until = draw(st.none() | DAYS), draw(st.none() | DAYS)
            if since is not None and until is not None:
                since, until = min(since, until), max(since, until)
            one = Add(
                f"k{number}", draw(st.sampled_from(SUBJECTS)), draw(st.sampled_from(ATTRIBUTES)),
                draw(st.sampled_from(VALUES)), draw(DAYS), since, until,
            )  # fmt: skip
            live[one.key] = one
            told.append(one)
        else:
            key = draw(st.sampled_from(sorted(live)))
            told.append(Update(key, draw(st.sampled_from(VALUES))) if kind == "update" else Delete(key))
            if kind == "delete":
                del live[key]
    return told


@dataclass(slots=True)
class Told:
    """A memory that was told a history, a second a change, and the moment after each change."""

    memory: Memstrata
    clock: SteppingClock
    moments: list[datetime] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)
    adds: dict[str, Add] = field(default_factory=dict)

    def tell(self, change: Change, *, settle: bool) -> None:
        self.clock.advance(1)
        match change:
            case Add():
                text, attributes = stated(change.subject, change.attribute, change.value)
                receipt = self.memory.add(
                    text, key=change.key, attributes=attributes, at=day(change.at), user_id="ana",
                    valid_from=None if change.valid_from is None else day(change.valid_from),
                    valid_until=None if change.valid_until is None else day(change.valid_until),
                )  # fmt: skip
                self.ids[change.key] = receipt.id
                self.adds[change.key] = change
            case Update():
                first = self.adds[change.key]
                text, attributes = stated(first.subject, first.attribute, change.value)
                self.memory.update(self.ids[change.key], text=text, attributes=attributes)
            case Delete():
                self.memory.delete(self.ids[change.key])
        self.clock.advance(1)
        self.moments.append(datetime.fromtimestamp(self.clock.now() / 1e6, UTC))
        if settle:
            self.memory.upkeep()

    def answers(self, *, as_of: datetime | None = None, known_at: datetime | None = None) -> list[object]:
        """All that searches and states say, in terms of what was told."""
        keys = {id: key for key, id in self.ids.items()}
        hits = self.memory.search("a note", limit=100, as_of=as_of, known_at=known_at, user_id="ana")
        found: list[object] = [
            sorted(
                (keys[hit.memory.id], hit.memory.text, hit.replaced_by is not None and keys[hit.replaced_by])
                for hit in hits
            )
        ]
        for subject in SUBJECTS:
            for attribute in ATTRIBUTES:
                facts = self.memory.state(subject, attribute, as_of=as_of, known_at=known_at, user_id="ana")
                found.append([(one.value, one.since, len(one.history)) for one in facts])
        return found


@contextmanager
def telling(now: int = 100) -> Iterator[Told]:
    clock = SteppingClock(start=day(now))
    with temporary_memory(clock=clock) as memory:
        yield Told(memory, clock)


@settings(max_examples=40)
@given(history=histories(), settle=st.booleans(), at=DAYS)
def test_what_was_true_then_is_what_a_memory_says_that_was_told_no_more(
    history: list[Change], settle: bool, at: int
) -> None:
    with telling() as whole, telling(at) as replay:
        for change in history:
            whole.tell(change, settle=settle)
        before = {one.key for one in history if isinstance(one, Add) and one.since <= at}
        for change in history:
            if change.key in before:
                replay.tell(change, settle=False)
        assert whole.answers(as_of=day(at)) == replay.answers()


@settings(max_examples=40)
@given(history=histories(), settle=st.booleans(), until=st.integers(0, 11))
def test_what_was_known_then_is_what_a_memory_said_then(history: list[Change], settle: bool, until: int) -> None:
    until = min(until, len(history) - 1)
    gone = {one.key for one in history if isinstance(one, Delete)}  # what is deleted is in no past either
    kept = [one for one in history if one.key not in gone]
    with telling() as whole, telling() as replay:
        for change in history:
            whole.tell(change, settle=settle)
        for change in history[: until + 1]:
            if change in kept:
                replay.tell(change, settle=False)
        assert whole.answers(known_at=whole.moments[until]) == replay.answers()


@settings(max_examples=30)
@given(history=histories(), until=st.integers(0, 11), at=DAYS)
def test_both_times_at_once_are_both_replays_at_once(history: list[Change], until: int, at: int) -> None:
    until = min(until, len(history) - 1)
    gone = {one.key for one in history if isinstance(one, Delete)}
    told = [one for one in history[: until + 1] if one.key not in gone]
    before = {one.key for one in told if isinstance(one, Add) and one.since <= at}
    with telling() as whole, telling(at) as replay:
        for change in history:
            whole.tell(change, settle=True)
        for change in told:
            if change.key in before:
                replay.tell(change, settle=False)
        assert whole.answers(as_of=day(at), known_at=whole.moments[until]) == replay.answers()


@settings(max_examples=40)
@given(history=histories())
def test_what_holds_is_the_value_of_the_latest_time_whatever_came_first(history: list[Change]) -> None:
    with telling() as told:
        held: dict[str, tuple[int, int, str, bool]] = {}  # since when, in which order told, what, whether it ended
        for place, change in enumerate(history):
            told.tell(change, settle=place % 2 == 0)
            match change:
                case Add():
                    held[change.key] = (change.since, place, change.value, change.valid_until is not None)
                case Update():
                    since, _, _, ended = held[change.key]
                    held[change.key] = (since, place, change.value, ended)
                case Delete():
                    del held[change.key]
        for subject in SUBJECTS:
            for attribute in ATTRIBUTES:
                own = sorted(
                    one for key, one in held.items()
                    if (told.adds[key].subject, told.adds[key].attribute) == (subject, attribute)
                )  # fmt: skip
                # the last value, unless every time that it was said since another one it was said to end by now
                last = list(takewhile(lambda one, own=own: one[2] == own[-1][2], reversed(own)))
                expected = [last[0][2]] if any(not ended for *_, ended in last) else []
                found = told.memory.state(subject, attribute, user_id="ana")
                assert [one.value for one in found] == expected


# ── taking back ──


def tell(memory: Memstrata, value: str, at: int, **scope: str) -> str:
    text, attributes = stated("Malta", "capital", value)
    return memory.add(text, attributes=attributes, at=day(at), **{"user_id": "ana", **scope}).id


def test_a_later_value_takes_the_place_of_an_earlier_one_which_stays_marked(memory: Memstrata) -> None:
    old, new = tell(memory, "Mdina", 1), tell(memory, "Valletta", 2)
    hits = memory.search("note Malta Mdina", user_id="ana")
    assert [(hit.memory.id, hit.replaced_by) for hit in hits] == [(new, None), (old, new)]
    (fact,) = hits[1].facts
    assert (fact.replaced_by, fact.until) == (new, day(2))
    assert fact.reason
    (held,) = memory.state("Malta", "capital", user_id="ana")
    assert (held.value, held.memory_id, [one.value for one in held.history]) == ("Valletta", new, ["Mdina"])
    assert memory.profile(user_id="ana").subjects["Malta"] == (held,)


def test_what_is_undone_holds_again_and_is_not_replaced_by_the_same_a_second_time(memory: Memstrata) -> None:
    old, _ = tell(memory, "Mdina", 1), tell(memory, "Valletta", 2)
    memory.search("note", user_id="ana")
    assert memory.undo(old, user_id="ana") == 1
    assert memory.undo(old, user_id="ana") == 0
    third = tell(memory, "Valletta", 1)
    memory.upkeep()
    assert {hit.replaced_by for hit in memory.search("note", user_id="ana") if hit.memory.id == old} <= {None, third}
    assert "Valletta" in {one.value for one in memory.state("Malta", user_id="ana")}


def test_undoing_is_seen_by_searches_and_states_at_once(memory: Memstrata) -> None:
    old, _ = tell(memory, "Mdina", 1), tell(memory, "Valletta", 2)
    assert memory.search("note Mdina", user_id="ana")[1].replaced_by is not None
    memory.undo(old)
    assert [hit.replaced_by for hit in memory.search("note Mdina", user_id="ana")] == [None, None]
    assert {one.value for one in memory.state("Malta", user_id="ana")} == {"Mdina", "Valletta"}


def test_undo_of_a_guessed_id_says_that_there_is_none(memory: Memstrata) -> None:
    theirs = tell(memory, "Mdina", 1, user_id="bo")
    with pytest.raises(NotFound):
        memory.undo(theirs, user_id="ana")


@pytest.mark.parametrize("wrong", [{"as_of": "soon"}, {"known_at": "soon"}, {"hops": 0}, {"hops": 4}, {"hops": True}])
def test_what_cannot_be_asked_is_refused(memory: Memstrata, wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        memory.search("note", user_id="ana", **wrong)  # type: ignore[arg-type]


def test_deleting_what_replaced_lets_the_earlier_value_hold_again(memory: Memstrata) -> None:
    old, new = tell(memory, "Mdina", 1), tell(memory, "Valletta", 2)
    memory.upkeep()
    memory.delete(new)
    assert [one.value for one in memory.state("Malta", user_id="ana")] == ["Mdina"]
    (hit,) = memory.search("note", user_id="ana")
    assert (hit.memory.id, hit.replaced_by) == (old, None)


def test_hops_follow_what_is_stated_to_the_memory_that_answers(memory: Memstrata) -> None:
    for subject, attribute, value in (("Ana", "employer", "Vitrine"), ("Vitrine", "city", "Porto")):
        text, attributes = stated(subject, attribute, value)
        memory.add(text, attributes=attributes, user_id="ana", at=day(1))
    for n in range(30):
        memory.add(f"employer and city of somebody else, number {n}", user_id="ana")
    hits = memory.search("the city of the employer of Ana", hops=2, limit=3, user_id="ana")
    answer = next(hit for hit in hits if "Porto" in hit.memory.text)
    assert len(answer.via) == 1
    assert "Vitrine" in memory.get(answer.via[0]).text


# ── work that is owed ──


def rows(home: Path, sql: str) -> list[tuple[object, ...]]:
    connection = apsw.Connection(str(home / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(sql))
    finally:
        connection.close()


TABLES = (
    'SELECT "row", place, subject, attribute, object, since FROM statement ORDER BY 1, 2',
    'SELECT "row", place, by_row, by_place, closed_at, undone FROM succession WHERE ended_at IS NULL ORDER BY 1, 3',
    'SELECT "row", place, since, until FROM spoken ORDER BY 1, 2',
)

KILLED = """
import os, sys
import memstrata
from memstrata.store.sqlite import facts
from memstrata.testing import FakeEmbedder
left = int(sys.argv[2])
relink = facts.relink
def killed(*arguments, **options):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), 9)
    relink(*arguments, **options)
facts.relink = killed
memstrata.open(sys.argv[1], embedder=FakeEmbedder()).upkeep()
"""
RESOLVING = """
import sys
import memstrata
from memstrata.testing import FakeEmbedder
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder())
print("ready", flush=True)
sys.stdin.readline()
print(memory.upkeep().settled.get("resolve", 0), flush=True)
"""


def told_much(memory: Memstrata, count: int = 90) -> None:
    for number in range(count):
        tell(memory, VALUES[number % 3] + str(number % 7), number % 11)


def of_a_quiet_run(opened: Callable[..., Memstrata], path: Path, count: int = 90) -> list[list[tuple[object, ...]]]:
    memory = opened(path=path, clock=None)
    told_much(memory, count)
    memory.upkeep()
    return [rows(path, sql) for sql in TABLES]


@pytest.mark.parametrize("after", [0, 1, 40, 70])
def test_a_resolution_killed_in_the_middle_is_done_again_whole(
    home: Path, tmp_path: Path, opened: Callable[..., Memstrata], after: int
) -> None:
    memory = opened(clock=None)
    told_much(memory)
    memory.close()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(home), str(after)], check=False)
    assert killed.returncode != 0
    held = len(rows(home, 'SELECT DISTINCT "row" FROM statement'))
    owed = len(rows(home, "SELECT 1 FROM owed WHERE task = 'resolve'"))
    assert held + owed == 90, "what is not resolved whole is owed still"
    later = SteppingClock(start=datetime.now(UTC) + timedelta(hours=1))  # leases have run out
    again = opened(clock=later)
    assert again.upkeep().owed == {}
    assert [rows(home, sql) for sql in TABLES] == of_a_quiet_run(opened, tmp_path / "quiet")
    assert again.check().ok


def test_two_processes_that_resolve_at_once_do_each_memory_once(
    home: Path, tmp_path: Path, opened: Callable[..., Memstrata]
) -> None:
    memory = opened(clock=None)
    told_much(memory, 200)
    children = [
        subprocess.Popen(
            [sys.executable, "-c", RESOLVING, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    counts = [int(child.communicate("go\n")[0]) for child in children]
    assert sum(counts) == 200
    assert memory.upkeep().owed == {}
    assert [rows(home, sql) for sql in TABLES] == of_a_quiet_run(opened, tmp_path / "quiet", 200)


# ── what a caller says ──


def test_pinned_memories_come_with_every_search_of_their_scope_within_the_limit(memory: Memstrata) -> None:
    pinned = memory.add("Answer briefly.", user_id="ana", attributes={"pinned": True}).id
    other = memory.add("Write long letters.", user_id="ana", session_id="s1", attributes={"pinned": True}).id
    for n in range(20):
        memory.add(f"note {n} on Malta", user_id="ana")
    hits = memory.search("Malta", limit=5, user_id="ana")
    assert [hit.memory.id for hit in hits if hit.pinned] == [other, pinned]
    assert [hit.pinned for hit in hits] == [False, False, False, True, True]
    assert [hit.pinned for hit in memory.search("Malta", limit=1, user_id="ana")] == [False]
    assert [hit.memory.id for hit in memory.search("Malta", limit=5, user_id="ana", session_id="s1")] == [other]
    assert "Answer briefly." in memory.context("Malta", budget=60, user_id="ana").text
    assert not any(hit.pinned for hit in memory.search("Malta", user_id="bo"))
    assert "pinned" in str(memory.explain("Malta", id=pinned, user_id="ana").verdict)
    memory.update(pinned, attributes={"pinned": False})
    memory.delete(other)
    assert not any(hit.pinned for hit in memory.search("Malta", limit=5, user_id="ana"))


def test_pinned_memories_leave_room_for_answers_and_take_what_these_leave_free(memory: Memstrata) -> None:
    for n in range(6):
        memory.add(f"Rule {n}: {'be brief and polite, ' * 8}always.", user_id="ana", attributes={"pinned": True})
    memory.add("Ana moved to Malta in May.", user_id="ana")
    for limit, pins in ((1, 0), (2, 1), (3, 2), (6, 5), (10, 6)):
        hits = memory.search("who moved to Malta?", limit=limit, user_id="ana")
        assert [hit.pinned for hit in hits] == [False] + [True] * pins, limit
    answers = [f"Ana met Bo in Malta, {n} times." for n in range(20)]
    memory.add(answers, user_id="ana")
    for limit, pins in ((3, 1), (4, 2), (10, 5), (40, 6)):
        hits = memory.search("who is in Malta?", limit=limit, user_id="ana")
        assert sum(hit.pinned for hit in hits) == pins, limit
        assert not hits[0].pinned
    assert all(hit.pinned for hit in memory.search("who is in Malta?", limit=3, precise=True, user_id="ana"))
    text = memory.context("who moved to Malta?", budget=150, user_id="ana").text
    assert "Malta" in text and "Rule" in text


@pytest.mark.parametrize("said", ["yes", "true", 1, [True], {}])
def test_what_is_pinned_in_a_way_that_nobody_honours_is_refused(memory: Memstrata, said: object) -> None:
    with pytest.raises(InvalidInput, match="true or false"):
        memory.add("Be brief.", user_id="ana", attributes={"pinned": said})
    id = memory.add("Be brief.", user_id="ana", attributes={"pinned": None}).id
    with pytest.raises(InvalidInput, match="true or false"):
        memory.update(id, attributes={"pinned": said})


def test_what_ends_before_it_begins_is_refused(memory: Memstrata) -> None:
    with pytest.raises(InvalidInput, match="comes before valid_from"):
        memory.add("Parking is free.", user_id="ana", valid_from="2024-05-02", valid_until="2024-05-01")
    id = memory.add("Parking is free.", user_id="ana", valid_from="2024-05-02").id
    with pytest.raises(InvalidInput, match="comes before valid_from"):
        memory.update(id, valid_until="2024-05-01")
    assert memory.update(id, valid_until="2024-05-02").version == 2


def test_an_alias_finds_a_memory_and_names_the_subject_of_what_it_states(memory: Memstrata) -> None:
    attributes = {"subject": "cluster", "attribute": "host", "value": "Frankfurt", "aliases": ["k8s", "the kube"]}
    id = memory.add("Containers run in Frankfurt.", user_id="ana", attributes=attributes).id
    memory.add("Boats run in Hamburg.", user_id="ana")
    assert memory.search("k8s?", user_id="ana")[0].memory.id == id
    assert [one.value for one in memory.state("k8s", user_id="ana")] == ["Frankfurt"]
    assert [one.value for one in memory.state("the kube", "host", user_id="ana")] == ["Frankfurt"]
    assert memory.state("k8s", user_id="bo") == []
    assert memory.state("k8s", user_id="ana", session_id="s1") == []
    assert memory.check().ok
    memory.update(id, attributes={**attributes, "aliases": ["pods"]})
    assert memory.state("k8s", user_id="ana") == []
    assert memory.check().ok


@pytest.mark.parametrize("query", ["which k8s host", "the kubernetse cluster", "Kubernetes"])
def test_a_precise_search_answers_with_what_is_named_and_nothing_else(memory: Memstrata, query: str) -> None:
    named = memory.add("Containers run in Frankfurt.", user_id="ana", attributes={"aliases": ["k8s", "Kubernetes"]}).id
    memory.add("The cluster host has a cold.", user_id="ana", attributes={"aliases": ["Ines"]})
    memory.add("Nothing to do with it.", user_id="ana")
    assert [hit.memory.id for hit in memory.search(query, precise=True, user_id="ana")] == [named]


def test_a_precise_search_may_answer_with_nothing_and_a_precise_context_is_not_everything(memory: Memstrata) -> None:
    memory.add("The spare key hangs behind the blue door.", user_id="ana")
    assert memory.search("the price of tea in China", precise=True, user_id="ana") == []
    assert memory.context("the price of tea in China", precise=True, user_id="ana").text == ""
    (hit,) = memory.search("behind which door hangs the spare key", precise=True, user_id="ana")
    assert "spare key" in hit.memory.text
    verdict = memory.explain("tea in China", id=hit.memory.id, precise=True, user_id="ana").verdict
    assert "precise" in str(verdict)


@pytest.mark.parametrize("by", ["key", "id"])
def test_what_a_caller_says_was_superseded_comes_behind_what_holds_and_not_in_a_precise_search(
    memory: Memstrata, by: str
) -> None:
    new = memory.add("Uses Biome for linting.", key="new", user_id="ana", attributes={"aliases": ["Biome"]}).id
    name = "new" if by == "key" else new
    old = memory.add(
        "Uses TSLint for linting.", user_id="ana", attributes={"aliases": ["TSLint"], "superseded_by": name}
    ).id
    hits = memory.search("TSLint for linting", user_id="ana")
    assert [(hit.memory.id, hit.replaced_by) for hit in hits] == [(new, None), (old, new)]
    assert [hit.memory.id for hit in memory.search("TSLint", precise=True, user_id="ana")] == [new]
    memory.delete(new)
    (hit,) = memory.search("TSLint", user_id="ana")
    assert (hit.memory.id, hit.replaced_by) == (old, None)


def test_it_does_not_matter_which_came_first_or_how_long_the_chain_is(memory: Memstrata) -> None:
    ids = {}
    for key, after in (("v1", "v2"), ("v0", "v1"), ("v2", None)):
        attributes = {} if after is None else {"superseded_by": after}
        ids[key] = memory.add(f"linting tool {key}", key=key, user_id="ana", attributes=attributes).id
    hits = memory.search("linting tool v0", user_id="ana")
    assert hits[0].memory.id == ids["v2"]
    assert {hit.memory.id: hit.replaced_by for hit in hits} == {
        ids["v0"]: ids["v1"],
        ids["v1"]: ids["v2"],
        ids["v2"]: None,
    }


def test_a_circle_of_superseded_memories_ends(memory: Memstrata) -> None:
    memory.add("linting one", key="a", user_id="ana", attributes={"superseded_by": "b"})
    memory.add("linting two", key="b", user_id="ana", attributes={"superseded_by": "a"})
    assert len(memory.search("linting", user_id="ana")) == 2


def test_what_a_caller_superseded_holds_no_more_in_state_and_profile(memory: Memstrata) -> None:
    memory.add("Biome it is.", key="new", user_id="ana", at=day(2))
    text, attributes = stated("linting", "tool", "TSLint")
    memory.add(text, user_id="ana", attributes={**attributes, "superseded_by": "new"}, at=day(1))
    assert memory.state("linting", user_id="ana") == []
    assert memory.profile(user_id="ana").subjects == {}
    assert [one.value for one in memory.state("linting", as_of=day(1), user_id="ana")] == ["TSLint"]


def test_overlapping_scopes_are_a_filter(memory: Memstrata) -> None:
    for scope in (["code"], ["writing"], ["code", "writing"], [], "code"):
        memory.add(f"Redis {scope}", user_id="ana", attributes={"scope": scope})
    memory.add("Redis of no scope", user_id="ana")

    def texts(*wanted: str) -> set[str]:
        hits = memory.search("Redis", filters={"scope": {"overlaps": [*wanted]}}, user_id="ana")
        return {hit.memory.text for hit in hits}

    assert texts("code") == {"Redis ['code']", "Redis ['code', 'writing']", "Redis code"}
    assert texts("writing", "hobby") == {"Redis ['writing']", "Redis ['code', 'writing']"}
    assert texts() == set()
    with pytest.raises(InvalidInput, match="list"):
        memory.search("Redis", filters={"scope": {"overlaps": "code"}}, user_id="ana")


def test_of_what_was_known_earlier_profiles_hops_and_times_are_those_of_then(
    memory: Memstrata, clock: SteppingClock
) -> None:
    home = memory.add("Ana lives in Malta.", user_id="u")
    memory.add("The capital of Malta is Valletta.", user_id="u")
    visit = memory.add("We met on 5 May 2024.", user_id="u", at="2024-01-01")

    def answers(known_at: datetime | None = None) -> list[object]:
        memory.upkeep(10)
        led = memory.search("the capital of where Ana lives", hops=2, user_id="u", known_at=known_at)
        timely = memory.search("what happened on 5 May 2024?", user_id="u", known_at=known_at)
        return [
            sorted(memory.profile(user_id="u", known_at=known_at).subjects),
            [(hit.memory.text, len(hit.via)) for hit in led],
            [hit.memory.text for hit in timely if "time" in hit.signals],
        ]

    before = answers()
    clock.advance(30)
    then = datetime.fromtimestamp(clock.now() / 1_000_000, UTC)
    clock.advance(30)
    memory.update(home.id, text="Ana is gone.", user_id="u")
    memory.update(visit.id, text="We never met.", user_id="u")
    assert answers() != before
    assert answers(then) == before
    assert before[0] == ["Ana", "Malta"]
    assert ("The capital of Malta is Valletta.", 1) in before[1]  # type: ignore[operator]  # a list of pairs
    assert before[2] == ["We met on 5 May 2024."]
