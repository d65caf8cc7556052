"""Prove that a backup is one moment of the store, taken while others write."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from memstrata import Memstrata
from memstrata.errors import MemstrataError, StoreUnavailable


def test_a_backup_opens_like_any_store(memory: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path) -> None:
    id = memory.add("green tea", user_id="ana", key="k").id
    memory.update(id, text="white tea")
    target = memory.backup(tmp_path / "deep" / "copy")
    copy = opened(path=target)
    assert copy.get(id) == memory.get(id)
    assert len(copy.history(id)) == 2
    assert copy.search("white", user_id="ana")[0].memory.id == id
    assert copy.add("green tea", user_id="ana", key="k").repeated == 1
    copy.add("only in the copy", user_id="ana")
    assert memory.stats().memories == 1
    assert copy.check().ok


def test_a_backup_during_writes_is_one_moment(
    memory: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path
) -> None:
    memory.add_many([f"early {n} " + "filler " * 100 for n in range(1_500)], user_id="ana")
    stop = threading.Event()
    acknowledged: list[int] = []

    def write() -> None:
        other = opened()
        while not stop.is_set():
            acknowledged.append(len(other.add(["one", "two", "three"], user_id="bo").ids))

    writers = [threading.Thread(target=write) for _ in range(2)]
    for writer in writers:
        writer.start()
    copies = []
    try:
        for number in range(3):
            before = len(acknowledged)
            copies.append((before, memory.backup(tmp_path / f"copy{number}")))
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    for before, path in copies:
        copy = opened(path=path)
        kept = copy.stats(user_id="bo").memories
        assert kept % 3 == 0, "a commit is in it whole or not at all"
        assert kept >= before * 3
        assert copy.stats(user_id="ana").memories == 1_500
        assert copy.check().ok


def test_a_backup_into_a_place_that_is_taken_is_refused(memory: Memstrata, tmp_path: Path) -> None:
    memory.add("tea", user_id="ana")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "precious").write_text("x")
    with pytest.raises(StoreUnavailable, match="not empty"):
        memory.backup(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["precious"]
    (tmp_path / "file").write_text("x")
    for target in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(MemstrataError):
            memory.backup(target)


def test_a_backup_is_as_private_as_the_store(memory: Memstrata, home: Path, tmp_path: Path) -> None:
    memory.add("secret", user_id="ana")
    target = memory.backup(tmp_path / "copy")
    for folder in (home, target):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert stat.S_IMODE((folder / "memory.db").stat().st_mode) == 0o600


def test_a_backup_holds_nothing_that_was_purged(memory: Memstrata, tmp_path: Path) -> None:
    memory.delete(memory.add("zanzibarword", user_id="ana").id)
    memory.purge()
    target = memory.backup(tmp_path / "copy")
    assert all(b"zanzibarword" not in path.read_bytes() for path in target.iterdir())
