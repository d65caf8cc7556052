"""Prove that the engine keeps what a plain dictionary would, whatever the order of calls."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    multiple,
    rule,
)

import memstrata
from memstrata import Memstrata
from memstrata.clock import as_datetime
from memstrata.errors import InvalidInput, KeyConflict, NotFound, VersionConflict
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder, SteppingClock, temporary_memory

USERS = st.sampled_from([None, "ana", "bo"])
SESSIONS = st.sampled_from([None, "s1", "s2"])
WORDS = st.sampled_from(["tea", "rain", "bicycle", "Porto", "雨", "naïve", "the"])
KEYS = st.sampled_from(["k1", "k2", "k3"])
REWORDED = ["What is my {}?", "tell me what my {} is", "what's my {}, please"]


@dataclass
class Kept:
    """What the model knows of a memory."""

    id: str
    user: str | None
    session: str | None
    text: str
    word: str  # a word that no other text has
    order: int
    at: int
    version: int = 1
    expires: int | None = None
    texts: list[str] = field(default_factory=list)
    state: str = "active"
    parents: list[str] = field(default_factory=list)
    key: str | None = None


class Machine(RuleBasedStateMachine):
    """The engine beside a dictionary."""

    ids = Bundle("ids")

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="memstrata-machine-"))
        self.clock = SteppingClock()
        self.kept: dict[str, Kept] = {}
        self.buried: dict[str, Kept] = {}
        self.keys: dict[tuple[str | None, str], tuple[str, str]] = {}
        self.count = 0
        self.memory = self.open()

    def open(self, name: str = "home") -> Memstrata:
        return memstrata.open(
            self.folder / name, embedder=FakeEmbedder(dimensions=32), counter=CharacterCounter(), clock=self.clock
        )

    # ── the model ──

    def word(self) -> str:
        self.count += 1
        return "uniq" + "".join(chr(ord("a") + int(digit)) for digit in str(self.count)) + "zq"

    def live(self, user: object = ..., session: object = ...) -> list[Kept]:
        now = self.clock.now()
        return sorted(
            (
                kept
                for kept in self.kept.values()
                if kept.state == "active"
                and (kept.expires is None or kept.expires > now)
                and (user is ... or kept.user == user)
                and (session is ... or kept.session == session)
            ),
            key=lambda kept: (kept.at, kept.order),
        )

    def note(self, id: str, **properties: object) -> Kept:
        self.count += 1
        kept = Kept(id, order=self.count, at=self.clock.now(), **properties)  # type: ignore[arg-type]
        kept.texts = [kept.text]
        self.kept[id] = kept
        return kept

    def bury(self, id: str) -> None:
        gone = self.kept.pop(id)
        gone.state = "deleted"
        self.buried[id] = gone
        self.keys = {key: value for key, value in self.keys.items() if value[0] != id}
        for parent in gone.parents:
            if parent in self.kept:
                self.bury(parent)

    def alive(self, id: str) -> Kept | None:
        kept = self.kept.get(id)
        return kept if kept in self.live() else None

    # ── write ──

    @rule(target=ids, word=WORDS, user=USERS, session=SESSIONS)
    def add(self, word: str, user: str | None, session: str | None) -> str:
        own = self.word()
        text = f"{word} and {own}"
        id = self.memory.add(text, user_id=user, session_id=session).id
        self.note(id, user=user, session=session, text=text, word=own)
        return id

    @rule(target=ids, word=WORDS, user=USERS, seconds=st.integers(1, 500))
    def add_for_a_while(self, word: str, user: str | None, seconds: int) -> str:
        own = self.word()
        text = f"{word} for a while {own}"
        expires = self.clock.now() + seconds * 1_000_000
        moment = as_datetime(expires)
        id = self.memory.add(text, user_id=user, expires_at=moment).id
        self.note(id, user=user, session=None, text=text, word=own, expires=expires)
        return id

    @rule(target=ids, user=USERS, key=KEYS)
    def add_with_key(self, user: str | None, key: str) -> str:
        known = self.keys.get((user, key))
        if known is not None:
            receipt = self.memory.add(known[1], user_id=user, key=key)
            assert receipt.repeated == 1
            assert receipt.id == known[0]
            return receipt.id
        own = self.word()
        text = f"once {own}"
        id = self.memory.add(text, user_id=user, key=key).id
        self.note(id, user=user, session=None, text=text, word=own, key=key)
        self.keys[(user, key)] = (id, text)
        return id

    @rule(user=USERS, key=KEYS)
    def add_other_content_under_a_key(self, user: str | None, key: str) -> None:
        if (user, key) in self.keys:
            before = self.memory.stats().position
            with pytest.raises(KeyConflict):
                self.memory.add(["innocent", {"text": "x", "key": key}], user_id=user)
            assert self.memory.stats().position == before

    @rule(target=ids, count=st.integers(1, 4), user=USERS, session=SESSIONS)
    def add_many(self, count: int, user: str | None, session: str | None) -> object:
        words = [self.word() for _ in range(count)]
        seen: list[str] = []
        receipt = self.memory.add_many(
            [f"bulk {word}" for word in words], user_id=user, session_id=session, batch=2,
            on_batch=lambda batch: seen.extend(batch.ids),
        )  # fmt: skip
        assert receipt.added == count
        for id, word in zip(seen, words, strict=True):
            self.note(id, user=user, session=session, text=f"bulk {word}", word=word)
        return multiple(*seen)

    @rule(id=ids, word=WORDS, wrong=st.booleans(), expected=st.booleans())
    def update(self, id: str, word: str, wrong: bool, expected: bool) -> None:
        kept = self.alive(id)
        own = self.word()
        if kept is None:
            with pytest.raises(NotFound):
                self.memory.update(id, text=own)
            return
        if wrong:
            with pytest.raises(VersionConflict):
                self.memory.update(id, text=own, expected_version=kept.version + 1)
            return
        text = f"{word} changed to {own}"
        found = self.memory.update(id, text=text, expected_version=kept.version if expected else None)
        kept.version += 1
        kept.text, kept.word = text, own
        kept.texts.append(text)
        self.count += 1
        kept.order = self.count
        assert (found.version, found.text) == (kept.version, text)

    @rule(target=ids, first=ids, second=ids)
    def merge(self, first: str, second: str) -> object:
        parents = [self.alive(first), self.alive(second)]
        if first == second:
            with pytest.raises(InvalidInput):
                self.memory.merge([first, second])
            return multiple()
        if any(parent is None for parent in parents):
            with pytest.raises(NotFound):
                self.memory.merge([first, second])
            return multiple()
        one, two = parents
        assert one is not None
        assert two is not None
        if one.user != two.user:
            with pytest.raises(InvalidInput):
                self.memory.merge([first, second])
            return multiple()
        own = self.word()
        found = self.memory.merge([first, second], text=f"merged {own}")
        session = one.session if one.session == two.session else None
        ends = [parent.expires for parent in (one, two) if parent.expires is not None]
        kept = self.note(
            found.id, user=one.user, session=session, text=f"merged {own}", word=own,
            expires=min(ends) if ends else None,
        )  # fmt: skip
        kept.parents = [first, second]
        kept.at = max(one.at, two.at)
        one.state = two.state = "merged"
        return found.id

    @rule(id=consumes(ids))
    def delete(self, id: str) -> None:
        if id in self.kept:
            self.memory.delete(id)
            self.bury(id)
        else:
            with pytest.raises(NotFound):
                self.memory.delete(id)

    @rule(user=USERS, session=SESSIONS)
    def delete_all(self, user: str | None, session: str | None) -> None:
        if user is None and session is None:
            with pytest.raises(InvalidInput):
                self.memory.delete_all()
            return
        doomed = [
            kept.id for kept in self.kept.values() if kept.user == user and (session is None or kept.session == session)
        ]
        found = self.memory.delete_all(user_id=user, session_id=session)
        assert found.memories == len(doomed)
        for id in doomed:
            if id in self.kept:
                gone = self.kept.pop(id)
                self.buried[id] = gone
                self.keys = {key: value for key, value in self.keys.items() if value[0] != id}

    # ── time and keeping ──

    @rule(seconds=st.integers(1, 400))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule(seconds=st.integers(1, 5))
    def the_clock_goes_back(self, seconds: int) -> None:
        self.clock.back(seconds)

    @rule()
    def upkeep(self) -> None:
        self.memory.upkeep(seconds=60)
        now = self.clock.now()
        for kept in list(self.kept.values()):
            if kept.state == "active" and kept.expires is not None and kept.expires <= now:
                self.bury(kept.id)

    @rule()
    def purge(self) -> None:
        self.memory.purge()

    @rule()
    def reopen(self) -> None:
        self.memory.close()
        self.memory = self.open()

    @rule()
    def export_and_import(self) -> None:
        first, second = self.folder / "first.jsonl", self.folder / "second.jsonl"
        count = self.memory.export(first)
        assert count == len(self.kept)
        with self.open("copy") as copy:
            receipt = copy.import_(first)
            assert (receipt.added, receipt.repeated) == (count, 0)
            assert copy.import_(first).repeated == count
            copy.export(second)
            assert first.read_bytes() == second.read_bytes()
            assert copy.check().ok
        shutil.rmtree(self.folder / "copy")

    # ── what always holds ──

    @rule(user=USERS, session=SESSIONS)
    def lists_agree(self, user: str | None, session: str | None) -> None:
        expected = self.live(user, ... if session is None else session)
        found = list(self.memory.list(user_id=user, session_id=session))
        assert [one.text for one in found] == [kept.text for kept in expected]
        backwards = list(self.memory.list(user_id=user, session_id=session, newest_first=True))
        assert [one.id for one in backwards] == [kept.id for kept in reversed(expected)]

    @rule(word=WORDS, user=USERS)
    def searches_agree(self, word: str, user: str | None) -> None:
        alive = {kept.id for kept in self.live(user)}
        found = {hit.memory.id for hit in self.memory.search(word, user_id=user, limit=1_000)}
        assert found <= alive

    @rule(word=WORDS, user=USERS, words=st.permutations(REWORDED))
    def what_was_asked_before_is_found_as_if_it_was_not(self, word: str, user: str | None, words: list[str]) -> None:
        asked = [one.format(word) for one in words]
        fresh = [
            [hit.memory for hit in Memstrata(self.memory._parts).search(one, user_id=user, limit=5)] for one in asked
        ]
        for one in (*asked, *asked):
            assert [hit.memory for hit in self.memory.search(one, user_id=user, limit=5)] in fresh
        packed = [Memstrata(self.memory._parts).context(one, user_id=user, budget=60).passages for one in asked]
        for one in (*asked, *asked):
            assert self.memory.context(one, user_id=user, budget=60).passages in packed

    @rule(id=ids)
    def histories_agree(self, id: str) -> None:
        kept = self.kept.get(id)
        if kept is None:
            assert all(version.memory is None for version in self.memory.history(id))
            with pytest.raises(NotFound):
                self.memory.get(id)
            return
        versions = self.memory.history(id)
        assert [version.number for version in versions] == list(range(1, len(kept.texts) + 1))
        assert [version.memory and version.memory.text for version in versions] == kept.texts
        assert versions[-1].state == kept.state
        times = [version.recorded_at for version in versions]
        assert times == sorted(times)

    @invariant()
    def every_live_memory_is_found_by_its_word_and_no_other(self) -> None:
        for kept in self.live():
            found = self.memory.search(kept.word, user_id=kept.user, limit=1_000)
            assert kept.id in {hit.memory.id for hit in found}
            assert found[0].memory.id == kept.id or found[0].score == found[1].score
            assert self.memory.get(kept.id).text == kept.text
        for kept in list(self.buried.values())[-3:]:
            hits = self.memory.search(kept.word, user_id=kept.user, limit=1_000)
            assert kept.id not in {hit.memory.id for hit in hits}

    def teardown(self) -> None:
        try:
            report = self.memory.check()
            assert report.ok, report.differences
            assert self.memory.stats().memories == len(self.live())
        finally:
            self.memory.close()
            shutil.rmtree(self.folder)


# no shrinking: a failure shows its steps, and to shorten them takes minutes
Machine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, phases=[Phase.generate])
TestEngineAgainstADictionary = Machine.TestCase


def test_expiry_follows_the_clock_to_the_microsecond() -> None:
    clock = SteppingClock()
    with temporary_memory(clock=clock) as memory:
        end = as_datetime(clock.now()) + timedelta(seconds=1)
        id = memory.add("soon gone", user_id="ana", expires_at=end).id
        clock.advance(0.999999)
        assert memory.get(id).text == "soon gone"
        clock.advance(0.000001)
        with pytest.raises(NotFound):
            memory.get(id)
        assert memory.search("soon gone", user_id="ana") == []
        assert list(memory.list(user_id="ana")) == []
        assert memory.context("soon gone", user_id="ana").text == ""
