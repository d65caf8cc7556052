"""Prove that payloads lie in whole files, belong to one scope, and go with the memories they were made from."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

import memstrata
from memstrata import ANY, Memstrata
from memstrata.clock import id_bytes
from memstrata.faces.cli import app
from memstrata.store import NewBlob, Place, StoredBlob
from memstrata.store.blobs import STALE_US, Blobs
from memstrata.testing import FakeEmbedder, SteppingClock

KIND = "kv"


def rows_of(memory: Memstrata, *ids: str) -> tuple[int, ...]:
    with memory._parts.store.reading() as reading:
        found = [reading.current(id_bytes(id) or b"") for id in ids]
    return tuple(one.row for one in found if one is not None)


def place_of(memory: Memstrata, user: str, session: str | None = None) -> Place:
    with memory._parts.store.writing() as writing:
        return Place(writing.space("", "", user), session=session)


def keep(
    memory: Memstrata,
    content: bytes,
    *ids: str,
    user: str = "ana",
    session: str | None = None,
    rows: tuple[int, ...] = (),
) -> Path:
    """Keep a payload made from some memories; returns its file."""
    store = memory._parts.store
    place = place_of(memory, user, session)
    written = store.blobs.write(lambda sink: sink.write(content) and None)
    with store.writing() as writing:
        made_from = rows or rows_of(memory, *ids)
        writing.keep_blob(NewBlob(place, KIND, written, b"model", b"tokens", made_from))
    return store.blobs.path(written.digest)


def kept(memory: Memstrata, *, user: str = "ana", session: str | None = None) -> StoredBlob | None:
    place = place_of(memory, user, session)
    with memory._parts.store.reading() as reading:
        return reading.blob(place, KIND, now=memory._parts.clock.now())


def files(home: Path) -> list[Path]:
    return sorted((home / "blobs").glob("*")) if (home / "blobs").is_dir() else []


def test_a_payload_is_read_back_by_another_process(memory: Memstrata, opened: Callable[..., Memstrata]) -> None:
    id = memory.add("green tea", user_id="ana").id
    path = keep(memory, b"what was computed" * 1000, id)
    found = kept(opened())
    assert found is not None
    assert (found.size, found.fingerprint, found.tokens) == (17_000, b"model", b"tokens")
    assert found.rows == rows_of(memory, id)
    assert path.read_bytes() == b"what was computed" * 1000
    assert opened()._parts.store.blobs.path(found.digest) == path
    assert memory.check().ok


def test_the_next_payload_of_a_place_takes_the_place_of_the_last(memory: Memstrata, home: Path) -> None:
    first = keep(memory, b"first")
    second = keep(memory, b"second")
    assert files(home) == [second]
    assert first != second
    assert keep(memory, b"second") == second, "the same again is the same file"
    assert files(home) == [second]


FORGETTING: dict[str, Callable[[Memstrata, str], object]] = {
    "delete": lambda memory, tea: memory.delete(tea),
    "delete_all": lambda memory, tea: memory.delete_all(user_id="ana"),
    "delete_all of everybody": lambda memory, tea: memory.delete_all(user_id=ANY),
    "delete_all by a filter": lambda memory, tea: memory.delete_all(user_id="ana", filters={"text": "green tea"}),
    "update of the text": lambda memory, tea: memory.update(tea, text="white tea"),
    "update of another property": lambda memory, tea: memory.update(tea, speaker="Bo"),
    "merge": lambda memory, tea: memory.merge([tea, memory.add("black tea", user_id="ana").id]),
}


@pytest.mark.parametrize("how", FORGETTING)
def test_forgetting_a_memory_forgets_what_was_made_from_it(memory: Memstrata, home: Path, how: str) -> None:
    id = memory.add("green tea", user_id="ana").id
    other = memory.add("a bicycle", user_id="bo").id
    path = keep(memory, b"of both", id, memory.add("rain", user_id="ana").id)
    bystander = keep(memory, b"of bo", other, user="bo")
    assert kept(memory) is not None
    FORGETTING[how](memory, id)
    assert kept(memory) is None
    assert not path.exists()
    assert bystander.exists() == (how != "delete_all of everybody")
    assert memory.check().ok


def test_an_expired_memory_hides_what_was_made_from_it_at_once_and_upkeep_removes_it(
    memory: Memstrata, clock: SteppingClock, home: Path
) -> None:
    id = memory.add("green tea", user_id="ana", expires_at=clock.now() / 1e6 + 60).id
    keep(memory, b"payload", id)
    assert kept(memory) is not None
    clock.advance(61)
    assert kept(memory) is None
    assert len(files(home)) == 1
    memory.upkeep()
    assert files(home) == []


def test_deleting_all_of_a_scope_forgets_what_was_made_from_nothing(memory: Memstrata, home: Path) -> None:
    keep(memory, b"no memory in it", session="s1")
    other = keep(memory, b"nor in this one", session="s2")
    memory.add("tea", user_id="ana", session_id="s1")
    memory.delete_all(user_id="ana", session_id="s1")
    assert files(home) == [other]
    memory.delete_all(user_id="ana")
    assert files(home) == []


def test_a_user_of_whom_nothing_is_left_leaves_no_payload(memory: Memstrata, home: Path) -> None:
    other = keep(memory, b"of somebody without memories", user="bo")
    id = memory.add("tea", user_id="ana").id
    keep(memory, b"made from nothing", user="ana")
    memory.delete(id)
    memory.purge()
    assert files(home) == [other]
    assert memory.check().ok


def test_a_scope_sees_its_own_payload_and_no_other(memory: Memstrata) -> None:
    keep(memory, b"of ana", user="ana")
    keep(memory, b"of ana in s1", user="ana", session="s1")
    assert kept(memory, user="bo") is None
    assert kept(memory, user="") is None
    assert kept(memory, user="ana", session="s2") is None
    one, other = kept(memory, user="ana"), kept(memory, user="ana", session="s1")
    assert one is not None
    assert other is not None
    assert one.digest != other.digest


def test_two_scopes_with_the_same_payload_share_a_file_until_the_last_forgets_it(memory: Memstrata, home: Path) -> None:
    ana, bo = memory.add("tea", user_id="ana").id, memory.add("tea", user_id="bo").id
    path = keep(memory, b"the same", ana, user="ana")
    assert keep(memory, b"the same", bo, user="bo") == path
    memory.delete(ana)
    assert path.exists()
    assert kept(memory, user="bo") is not None
    memory.delete(bo)
    assert not path.exists()


def test_a_change_that_is_rolled_back_leaves_file_and_row_as_they_were(memory: Memstrata, home: Path) -> None:
    path = keep(memory, b"first")
    store = memory._parts.store
    written = store.blobs.write(lambda sink: sink.write(b"second") and None)
    with pytest.raises(ZeroDivisionError), store.writing() as writing:
        writing.keep_blob(NewBlob(place_of_row(writing), KIND, written, b"", b"", ()))
        raise ZeroDivisionError
    assert files(home) == [path]
    assert kept(memory) is not None
    assert memory.check().ok


def place_of_row(writing: object) -> Place:
    return Place(writing.space("", "", "ana"))  # type: ignore[attr-defined]


def test_one_that_is_written_and_not_yet_named_is_left_alone(
    memory: Memstrata, opened: Callable[..., Memstrata]
) -> None:
    store = memory._parts.store
    written = store.blobs.write(lambda sink: sink.write(b"in the making") and None)
    other = opened(clock=None)
    assert other.check(repair=True).ok
    other.purge()
    other.upkeep()
    with store.writing() as writing:
        writing.keep_blob(NewBlob(place_of_row(writing), KIND, written, b"", b"", ()))
    assert other.check().differences == ()
    assert kept(other) is not None


def test_check_finds_what_is_missing_damaged_abandoned_or_late_and_puts_it_right(
    memory: Memstrata, home: Path, opened: Callable[..., Memstrata]
) -> None:
    keep(memory, b"in order", user="ana")
    keep(memory, b"missing", user="bo").unlink()
    damaged = keep(memory, b"damaged", user="cy")
    damaged.write_bytes(b"damagec")
    orphan = memory._parts.store.blobs.path(b"\7" * 32)
    orphan.write_bytes(b"of a process that was killed")
    stale = home / "blobs" / "tmpx.partial"
    stale.write_bytes(b"half")
    (home / "blobs" / "notes.txt").write_text("of somebody else")
    id = memory.add("tea", user_id="dee").id
    (row,) = rows_of(memory, id)
    memory.delete(id)
    late = keep(memory, b"late", user="dee", rows=(row,))
    hour_later = datetime.fromtimestamp(stale.stat().st_mtime + STALE_US / 1e6 + 1, UTC)
    later = opened(clock=SteppingClock(hour_later))
    report = later.check()
    assert {difference.part for difference in report.differences} == {"blobs"}
    assert len(report.differences) == 5
    assert not report.ok
    repaired = later.check(repair=True)
    assert repaired.ok, repaired.differences
    assert later.check().differences == ()
    assert [path.name for path in files(home) if path.suffix != ".blob"] == ["notes.txt"]
    assert [kept(later, user=user) is not None for user in ("ana", "bo", "cy", "dee")] == [True, False, False, False]
    assert not late.exists()
    assert not orphan.exists()


@pytest.mark.parametrize("place", [0, 5_000, 9_999])
def test_one_flipped_bit_is_found(memory: Memstrata, place: int) -> None:
    path = keep(memory, b"x" * 10_000)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    assert not memory.check().ok


def test_a_backup_carries_what_is_whole_and_names_nothing_else(
    memory: Memstrata, opened: Callable[..., Memstrata], tmp_path: Path
) -> None:
    path = keep(memory, b"in order", memory.add("tea", user_id="ana").id, user="ana")
    keep(memory, b"damaged", user="bo").write_bytes(b"damagec")
    copy = opened(path=memory.backup(tmp_path / "copy"))
    assert (tmp_path / "copy" / "blobs" / path.name).read_bytes() == b"in order"
    assert kept(copy, user="ana") is not None
    assert kept(copy, user="bo") is None
    assert copy.check().ok
    assert len(list((tmp_path / "copy" / "blobs").iterdir())) == 1


def test_stats_count_the_payloads_of_a_scope(memory: Memstrata) -> None:
    keep(memory, b"12345", user="ana")
    keep(memory, b"123", user="bo")
    assert (memory.stats().blobs, memory.stats().blob_bytes) == (2, 8)
    assert (memory.stats(user_id="bo").blobs, memory.stats(user_id="bo").blob_bytes) == (1, 3)


def test_stats_and_doctor_say_what_there_is(home: Path) -> None:
    with memstrata.open(home) as memory:
        keep(memory, b"x" * 2_000, user="ana")
    for command in ("stats", "doctor"):
        said = CliRunner().invoke(app, [command, "--home", str(home)]).stdout
        assert re.search(r"blobs\W+(ok\W+)?1, 2", said), said


def test_a_payload_that_cannot_be_written_to_its_end_leaves_nothing(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")

    def half(sink: object) -> None:
        sink.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blobs.write(half)
    assert list((tmp_path / "blobs").iterdir()) == []


NO_ROOM = """
import resource, signal, sys, memstrata
from memstrata.errors import StoreFull
from memstrata.testing import FakeEmbedder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder())
blobs = memory._parts.store.blobs
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
try:
    blobs.write(lambda sink: [sink.write(bytes(100_000)) for _ in range(10)])
except StoreFull as exc:
    print(exc)
print(sorted(blobs.directory.iterdir()), memory.check().ok)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_a_full_disk_is_named_and_leaves_nothing(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", NO_ROOM, str(home)], capture_output=True, text=True, check=True)
    said, left = done.stdout.splitlines()
    assert "blobs" in said
    assert left == "[] True"


KEEPER = """
import os, sys, memstrata
from memstrata.store import NewBlob, Place
from memstrata.testing import FakeEmbedder
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder(dimensions=16))
store = memory._parts.store
number = 0
while True:
    number += 1
    id = memory.add(f"memory {number}", user_id=sys.argv[2]).id
    content = f"{sys.argv[2]} {number} ".encode() * 5_000
    written = store.blobs.write(lambda sink: sink.write(content))
    with store.writing() as writing:
        row = writing.current(bytes.fromhex(id.replace("-", ""))).row
        writing.keep_blob(NewBlob(Place(writing.space("", "", sys.argv[2])), "kv", written, b"", b"", (row,)))
    os.write(1, b"kept\\n")
    if number % 3 == 0:
        memory.delete(id)
    if number % 5 == 0:
        memory.check(repair=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="kill -9 is needed")
def test_processes_killed_at_any_moment_leave_nothing_half_kept(home: Path) -> None:
    home.mkdir()
    for wait in (1, 4, 7):
        keepers = [
            subprocess.Popen([sys.executable, "-c", KEEPER, str(home), user], stdout=subprocess.PIPE)
            for user in ("ana", "bo")
        ]
        for keeper in keepers:
            assert keeper.stdout is not None
            for _ in range(wait):
                assert keeper.stdout.readline() == b"kept\n"
            os.kill(keeper.pid, signal.SIGKILL)
            keeper.communicate()
    with memstrata.open(home, embedder=FakeEmbedder(dimensions=16)) as memory:
        report = memory.check()
        assert {one.problem for one in report.differences} <= {"belongs to no row; whoever wrote it was stopped"}
        assert memory.check(repair=True).ok
        for user in ("ana", "bo"):
            found = kept(memory, user=user)
            assert found is None or memory._parts.store.blobs.intact(found.digest)
        named = len([path for path in files(home) if path.suffix == ".blob"])
        assert named == memory.stats().blobs
