"""Prove that deletion is real: at once for readers, and in the files after purge() or upkeep()."""

from __future__ import annotations

import random
import string
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from memstrata import Event, Memstrata
from memstrata.errors import NotFound, StoreLocked
from memstrata.store import spaces
from memstrata.store.vectors.exact import quantised
from memstrata.testing import FakeEmbedder, SteppingClock

PARTS = ("text", "attribute", "attribute value", "speaker", "role", "key", "source", "contributor", "resource",
         "session", "agent", "namespace")  # fmt: skip


class Secrets:
    """Random words, and what they would look like in a file."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.words: list[str] = []

    def word(self) -> str:
        letters = "".join(self._random.choices(string.ascii_lowercase, k=18))
        self.words.append(f"q{letters}x")
        return self.words[-1]

    def left_in(self, folder: Path) -> list[tuple[str, str]]:
        """(file, word) for each part of a word that any file still holds; an index may share its beginning."""
        files = {path: path.read_bytes().lower() for path in folder.rglob("*") if path.is_file()}
        return [
            (path.name, word)
            for path, content in files.items()
            for word in self.words
            for part in (word[:12], word[6:])
            if part.encode() in content
        ]


def of_beliefs(secrets: Secrets) -> dict[str, object]:
    """What a caller says of a memory, each with a word of its own; it is kept once more as a statement."""
    stated: dict[str, object] = {name: secrets.word() for name in ("subject", "attribute", "value", "superseded_by")}
    return {**stated, "aliases": [secrets.word()], "pinned": True}


def add_secrets(memory: Memstrata, secrets: Secrets, *, user: str = "ana") -> str:
    own = {part: secrets.word() for part in PARTS}
    return memory.add(
        f"The word is {own['text']} and {secrets.word()}.", user_id=user, speaker=own["speaker"], role=own["role"],
        attributes={own["attribute"]: [own["attribute value"]], **of_beliefs(secrets)}, key=own["key"],
        sources=[own["source"]],
        contributor=own["contributor"], resource=own["resource"], session_id=own["session"], agent_id=own["agent"],
        namespace=own["namespace"],
    ).id  # fmt: skip


def vector_bytes(texts: list[str], dimensions: int) -> Iterator[bytes]:
    vectors = FakeEmbedder(dimensions=dimensions).embed(texts).astype(np.float16)
    for vector in vectors:
        yield vector.tobytes()
        yield quantised(vector[None, :])[0].tobytes()


def test_a_deleted_memory_is_found_by_nobody(memory: Memstrata, opened: Callable[..., Memstrata]) -> None:
    other = opened()
    id = memory.add("green tea in the attic", user_id="ana", key="k").id
    assert other.search("green tea", user_id="ana")
    receipt = memory.delete(id)
    assert receipt.memories == 1
    for reader in (memory, other):
        assert reader.search("green tea", user_id="ana") == []
        assert reader.context("green tea", user_id="ana").text == ""
        assert list(reader.list(user_id="ana")) == []
        assert reader.explain("green tea", user_id="ana").terms[0].found == 0
        assert reader.stats(user_id="ana").memories == 0
        with pytest.raises(NotFound):
            reader.get(id)
        with pytest.raises(NotFound):
            reader.update(id, text="x")
        (tombstone,) = reader.history(id)
        assert tombstone.memory is None
        assert tombstone.state == "deleted"
    assert memory.check().ok


@pytest.mark.parametrize("how", ["purge", "upkeep"])
@pytest.mark.parametrize("bystanders", [0, 400])
def test_no_file_holds_what_was_deleted(memory: Memstrata, home: Path, how: str, bystanders: int) -> None:
    secrets = Secrets(1)
    memory.add_many(
        [f"bystander {n} says something of some length, {n * 7919}" for n in range(bystanders)], user_id="ana"
    )
    ids = [add_secrets(memory, secrets) for _ in range(20)]
    memory.add_many([f"bystander {n} comes later, {n * 7919}" for n in range(bystanders)], user_id="ana")
    memory.update(ids[0], text=f"changed to {secrets.word()}")
    assert secrets.left_in(home)
    memory.search(secrets.words[0], user_id="ana")
    for id in ids:
        memory.delete(id)
    if how == "purge":
        receipt = memory.purge()
        assert receipt.memories >= 20
    else:
        memory.upkeep()
    assert secrets.left_in(home) == []
    assert memory.stats().memories == 2 * bystanders
    assert memory.check().ok


def test_nothing_is_left_where_pages_were_split_and_merged(memory: Memstrata, home: Path) -> None:
    secrets = Secrets(2)
    chance = random.Random(3)
    ids: list[str] = []
    for round in range(8):
        texts = [f"{secrets.word()} {'filler ' * chance.randrange(200)} {secrets.word()}" for _ in range(60)]
        memory.add_many(
            [Event(text, attributes={"a": secrets.word()}) for text in texts], user_id=f"user{round % 3}",
            on_batch=lambda batch: ids.extend(batch.ids),
        )  # fmt: skip
        chance.shuffle(ids)
        while len(ids) > 40:
            memory.delete(ids.pop())
    for id in ids:
        memory.delete(id)
    memory.purge()
    assert secrets.left_in(home) == []


def test_no_vector_of_a_deleted_memory_is_left(
    opened: Callable[..., Memstrata], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 300)
    monkeypatch.setattr(spaces, "REWRITE_TAIL", 100)
    memory = opened(embedder=FakeEmbedder(dimensions=48))
    memory.add_many([f"bystander {n}" for n in range(400)], user_id="ana", batch=200)
    secrets = Secrets(4)
    ids = [add_secrets(memory, secrets) for _ in range(5)]
    memory.add_many([f"later bystander {n}" for n in range(600)], user_id="ana")
    memory.search("bystander", user_id="ana")
    assert list((home / "caches").glob("*.vectors"))
    with memory._parts.store.reading() as reading:
        rows = [reading.current(bytes.fromhex(id.replace("-", ""))) for id in ids]
        vectors = reading.vectors([row.row for row in rows if row is not None], dimensions=48)
    forms = [form for vector in vectors for form in (vector.tobytes(), quantised(vector[None, :])[0].tobytes())]

    def held() -> int:
        contents = [path.read_bytes() for path in home.rglob("*") if path.is_file()]
        return sum(form in content for form in forms for content in contents)

    assert held() >= 10
    leftover = home / "caches" / "1-0123.vectors.99999.partial"  # of a process that was killed while writing
    leftover.write_bytes(forms[1])
    for id in ids:
        memory.delete(id)
    receipt = memory.purge()
    assert any(name.endswith(".vectors") for name in receipt.files)
    assert held() == 0
    assert secrets.left_in(home) == []
    assert memory.search("bystander 7", user_id="ana")
    assert memory.check().ok


def test_a_real_mapped_file_of_a_large_space_loses_what_was_deleted(
    opened: Callable[..., Memstrata], home: Path
) -> None:
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.add_many((f"b{n}" for n in range(spaces.MAPPED_FROM + 10)), user_id="ana", batch=5_000)
    (file,) = (home / "caches").glob("*.vectors")
    id = next(iter(memory.list(user_id="ana", limit=1))).id
    before = file.stat().st_ino
    memory.delete(id)
    memory.purge()
    (file,) = (home / "caches").glob("*.vectors")
    assert file.stat().st_ino != before
    memory.search("b7", user_id="ana")
    mapped = spaces.load(file)
    assert mapped is not None
    assert not mapped.arrays["live"][1]
    assert not mapped.codes[1].any()


READER = """
import sys, memstrata
from memstrata.testing import FakeEmbedder
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder())
word = sys.argv[2]
print(len(memory.search(word, user_id="ana", filters={"text": {"contains": word}})), flush=True)
input()
print(len(memory.search(word, user_id="ana", filters={"text": {"contains": word}})), flush=True)
input()
"""


def test_another_process_that_has_it_open_sees_it_gone_and_keeps_no_file_of_it(memory: Memstrata, home: Path) -> None:
    secrets = Secrets(5)
    id = add_secrets(memory, secrets)
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(home), secrets.words[0]],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as reader:  # fmt: skip
        assert reader.stdin is not None
        assert reader.stdout is not None
        assert reader.stdout.readline() == "1\n"
        memory.delete(id)
        memory.purge()
        assert secrets.left_in(home) == []
        reader.stdin.write("\n")
        reader.stdin.flush()
        assert reader.stdout.readline() == "0\n"
        assert secrets.left_in(home) == []
        reader.stdin.write("\n")
        reader.stdin.flush()


def test_a_purge_that_a_reader_held_up_stays_owed(opened: Callable[..., Memstrata], home: Path) -> None:
    memory = opened(lock_timeout_s=0.2)
    secrets = Secrets(6)
    memory.delete(add_secrets(memory, secrets))
    with memory._parts.store.reading() as reading:
        reading.position()
        memory.add("something new, so that the reader's moment is old", user_id="bo")
        with pytest.raises(StoreLocked):
            memory.purge()
    assert memory.stats().owed.get("purge")
    memory.upkeep()
    assert secrets.left_in(home) == []
    assert not memory.stats().owed.get("purge")


def test_expired_memories_leave_the_files_with_upkeep(memory: Memstrata, home: Path, clock: SteppingClock) -> None:
    secrets = Secrets(7)
    memory.add(f"short lived {secrets.word()}", user_id="ana", expires_at="2024-01-02")
    clock.advance(200_000)
    assert memory.search(secrets.words[0], user_id="ana") == []
    assert memory.upkeep().settled["expire"] == 1
    assert secrets.left_in(home) == []


@pytest.mark.parametrize("how", ["delete", "delete_all", "part"])
def test_what_was_merged_goes_with_what_it_was_merged_into(memory: Memstrata, home: Path, how: str) -> None:
    secrets = Secrets(8)
    parts = [memory.add(f"part {secrets.word()}", user_id="ana").id for _ in range(3)]
    first = memory.merge(parts[:2], text=f"both {secrets.word()}")
    second = memory.merge([first.id, parts[2]], text=f"all {secrets.word()}")
    if how == "part":
        memory.delete(parts[0])
        assert memory.get(second.id)
        memory.delete(second.id)
    elif how == "delete":
        memory.delete(second.id)
    else:
        memory.delete_all(user_id="ana")
    memory.purge()
    assert secrets.left_in(home) == []
    for part in parts:  # with the last memory of a user the tombstones went too
        with pytest.raises(NotFound):
            memory.history(part)


def test_a_user_of_whom_nothing_is_left_is_not_even_a_name(memory: Memstrata, home: Path) -> None:
    secrets = Secrets(10)
    gone, stays = secrets.word(), "bystander"
    for user in (gone, stays):
        memory.add("tea", user_id=user, app_id="app")
    memory.delete_all(user_id=gone, app_id="app")
    memory.purge()
    assert secrets.left_in(home) == []
    assert memory.check().ok
    assert memory.search("tea", user_id=stays, app_id="app")
    memory.add("tea again", user_id=gone, app_id="app")
    assert [hit.memory.text for hit in memory.search("tea", user_id=gone, app_id="app")] == ["tea again"]


def test_delete_all_takes_the_expired_too(memory: Memstrata, home: Path, clock: SteppingClock) -> None:
    secrets = Secrets(9)
    memory.add(f"short lived {secrets.word()}", user_id="ana", expires_at="2024-01-02")
    clock.advance(200_000)
    memory.delete_all(user_id="ana")
    memory.purge()
    assert secrets.left_in(home) == []


def test_a_deletion_that_is_refused_deletes_nothing(memory: Memstrata) -> None:
    id = memory.add("tea", user_id="ana").id
    for ask in (lambda: memory.delete(id, user_id="bo"), lambda: memory.delete("nonsense"), lambda: memory.delete("")):
        with pytest.raises(NotFound):
            ask()
    assert memory.get(id).text == "tea"


def test_nothing_that_was_stated_or_replaced_is_left_in_a_file(memory: Memstrata, home: Path) -> None:
    secrets = Secrets(11)
    attribute = secrets.word()
    old, new = (
        memory.add(
            f"{attribute} of the barn is {value}", user_id="ana", at=at, speaker="Ana",
            attributes={"subject": "barn", "attribute": attribute, "value": value},
        ).id
        for value, at in ((secrets.word(), "2023-01-01"), (secrets.word(), "2023-01-02"))
    )  # fmt: skip
    memory.add("The barn stands.", user_id="ana")
    memory.upkeep()
    assert memory.search("barn", user_id="ana")
    assert [one.value for one in memory.state("barn", attribute, user_id="ana")] == [secrets.words[2]]
    assert secrets.left_in(home)
    for id in (old, new):
        memory.delete(id)
        assert memory.state("barn", attribute, known_at="2030-01-01", user_id="ana") == [] or id == old
    memory.purge()
    assert secrets.left_in(home) == []
    assert memory.profile(user_id="ana").subjects == {} or "barn" not in memory.profile(user_id="ana").subjects
