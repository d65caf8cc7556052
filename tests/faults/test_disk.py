"""Prove that bad disks give clear errors, lose nothing acknowledged, and never anything else."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import memstrata
from memstrata import Memstrata
from memstrata.errors import (
    MemstrataError,
    StoreCorrupt,
    StoreError,
    StoreFull,
    StoreUnavailable,
)
from memstrata.plan.counters import CharacterCounter
from memstrata.store import spaces
from memstrata.store.sqlite.store import DATABASE, MARKER
from memstrata.testing import FakeEmbedder, SteppingClock

FLIPS = int(os.environ.get("MEMSTRATA_FLIPS", "150"))
root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root, to become another user")


def reopened(home: Path) -> Memstrata:
    return memstrata.open(
        home, embedder=FakeEmbedder(), counter=CharacterCounter(), clock=SteppingClock(), lock_timeout_s=5
    )


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="memstrata-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], capture_output=True, check=False
    )  # fmt: skip
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("a small disk cannot be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=False)
        folder.rmdir()


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_a_full_disk_loses_nothing_acknowledged_and_works_again_with_room() -> None:
    with small_disk(4) as disk:
        ballast = disk / "ballast"
        ballast.write_bytes(b"x" * 1_500_000)
        memory = reopened(disk / "home")
        acknowledged: list[str] = []
        refused: list[StoreError] = []
        for n in range(3_000):
            try:
                acknowledged.append(memory.add(f"note {n} " + "filler " * 200, user_id="ana", session_id=f"s{n}").id)
            except StoreError as exc:
                refused.append(exc)
                if len(refused) > 3:
                    break
        assert acknowledged
        assert all(isinstance(exc, StoreFull | StoreUnavailable) for exc in refused), refused
        assert any(isinstance(exc, StoreFull) for exc in refused)
        with pytest.raises(StoreError):
            memory.add_many([f"bulk {n} " + "filler " * 200 for n in range(2_000)], user_id="bo", batch=2_000)
        assert [kept.id for kept in memory.list(user_id="ana")] == acknowledged
        assert memory.search("note", user_id="ana", session_id="s3")
        assert memory.stats(user_id="bo").memories == 0
        ballast.unlink()
        acknowledged.append(memory.add("with room", user_id="ana").id)
        assert [kept.id for kept in memory.list(user_id="ana")] == acknowledged
        assert memory.check().ok
        memory.close()
        with reopened(disk / "home") as again:
            assert [kept.id for kept in again.list(user_id="ana")] == acknowledged


@pytest.mark.skipif(shutil.which("mount") is None, reason="needs mount")
def test_on_a_full_disk_nothing_can_be_opened_copied_or_written_out_by_halves() -> None:
    with small_disk(1) as disk:
        (disk / "ballast").write_bytes(b"x" * 1_040_000)
        with pytest.raises(StoreError):
            reopened(disk / "home")
        (disk / "ballast").unlink()
        with reopened(disk / "home") as memory:
            memory.add_many([f"note {n} " + "filler " * 50 for n in range(300)], user_id="ana")
            (disk / "ballast").write_bytes(b"x" * (shutil.disk_usage(disk).free - 8_192))
            for ask in (lambda: memory.backup(disk / "copy"), lambda: memory.export(disk / "out.jsonl")):
                with pytest.raises(StoreError):
                    ask()
            assert sorted(path.name for path in disk.rglob("*") if "copy" in str(path) or "out" in path.name) == [
                "copy"
            ]
            (disk / "ballast").unlink()
            assert memory.stats().memories == 300


LIMITED = """
import resource, signal, sys, memstrata
from memstrata.errors import StoreError
from memstrata.testing import FakeEmbedder
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder())
resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
kept = 0
try:
    for n in range(1_000):
        memory.add(f"note {n} " + "filler " * 100, user_id="ana")
        kept += 1
except StoreError as exc:
    print(kept, type(exc).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
memory.add("with room", user_id="ana")
print(memory.stats(user_id="ana").memories, memory.check().ok)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
def test_a_limit_on_file_sizes_is_a_full_disk(home: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(home)], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    kept, name = first.split()
    assert name in ("StoreFull", "StoreUnavailable")
    assert int(kept) > 0
    assert second == f"{int(kept) + 1} True"


AS_NOBODY = """
import os, sys
import memstrata
from memstrata.errors import MemstrataError
from memstrata.testing import FakeEmbedder, temporary_memory
with temporary_memory() as memory:
    memory.add("everything is imported before", user_id="ana")
os.setgid(65534); os.setuid(65534)
try:
    with memstrata.open(sys.argv[1], embedder=FakeEmbedder()) as memory:
        memory.add("x", user_id="ana")
except MemstrataError as exc:
    print(type(exc).__name__, exc)
"""


@root
@pytest.mark.parametrize(
    ("folder", "database"),
    [(0o555, None), (0o000, None), (0o555, 0o444), (0o777, 0o444), (0o777, 0o000), (0o000, 0o600)],
)
def test_a_directory_one_may_not_use_is_named(folder: int, database: int | None) -> None:
    place = Path(tempfile.mkdtemp(prefix="memstrata-rights-"))
    place.chmod(0o755)
    home = place / "home"
    try:
        if database is None:
            home.mkdir()
        else:
            with reopened(home) as memory:
                memory.add("before", user_id="ana")
            (home / DATABASE).chmod(database)
            (home / MARKER).chmod(0o644)
        home.chmod(folder)
        done = subprocess.run([sys.executable, "-c", AS_NOBODY, str(home)], capture_output=True, text=True, check=False)
        assert done.stdout.startswith("StoreUnavailable"), done.stdout + done.stderr
        assert str(home) in done.stdout
    finally:
        shutil.rmtree(place)


def test_a_path_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("precious")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreUnavailable, match="file"):
            reopened(path)
    assert (tmp_path / "file").read_text() == "precious"
    (tmp_path / "folder" / DATABASE).mkdir(parents=True)
    with pytest.raises(StoreError):
        reopened(tmp_path / "folder")


def test_a_database_deleted_while_open_is_noticed_and_not_written_past(memory: Memstrata, home: Path) -> None:
    memory.add("before", user_id="ana")
    (home / DATABASE).unlink()
    for ask in (
        lambda: memory.add("lost", user_id="ana"),
        lambda: memory.search("before", user_id="ana"),
        lambda: memory.check(),
    ):
        with pytest.raises(StoreUnavailable, match="removed or replaced"):
            ask()


def test_a_database_replaced_while_open_is_noticed(memory: Memstrata, home: Path, tmp_path: Path) -> None:
    memory.add("before", user_id="ana")
    copy = memory.backup(tmp_path / "copy")
    (copy / DATABASE).replace(home / DATABASE)
    with pytest.raises(StoreUnavailable, match="replaced"):
        memory.add("into the void", user_id="ana")


def test_a_directory_deleted_while_open_is_noticed_and_closes(memory: Memstrata, home: Path) -> None:
    memory.search("x", user_id="ana")
    shutil.rmtree(home)
    with pytest.raises(StoreUnavailable):
        memory.add("lost", user_id="ana")
    memory.close()
    assert not home.exists()


@pytest.mark.parametrize("damage", ["deleted", "empty"])
def test_a_store_without_its_database_is_not_begun_anew(memory: Memstrata, home: Path, damage: str) -> None:
    memory.add("before", user_id="ana")
    memory.close()
    if damage == "deleted":
        (home / DATABASE).unlink()
    else:
        (home / DATABASE).write_bytes(b"")
    for _ in range(2):
        with pytest.raises(StoreCorrupt, match="restore"):
            reopened(home)
    (home / MARKER).unlink()
    (home / DATABASE).unlink(missing_ok=True)
    with reopened(home) as fresh:
        assert fresh.stats().memories == 0


@pytest.fixture
def whole(tmp_path: Path) -> Path:
    """A closed store of some size."""
    with reopened(tmp_path / "whole") as memory:
        for n in range(4):
            memory.add_many(
                [{"text": f"green tea {m} " + "filler " * 30, "attributes": {"n": m, "room": "attic"}, "speaker": "Ana"}
                 for m in range(60)],
                user_id=f"u{n}",
            )  # fmt: skip
        id = memory.add("first", user_id="u0", key="k", expires_at="2030-01-01").id
        memory.update(id, text="second")
        memory.delete(memory.add("gone", user_id="u0").id)
    return tmp_path / "whole"


def walked(home: Path) -> list[str]:
    """Use everything; the names of the errors that came, and whether check() said that it is well."""
    said: list[str] = []
    try:
        with reopened(home) as memory:
            for ask in (
                lambda: memory.check().ok or said.append("reported"),
                lambda: memory.search("green tea", user_id="u1", filters={"room": "attic"}),
                lambda: list(memory.list(user_id="u0")),
                lambda: memory.context("green tea", user_id="u2", budget=200),
                lambda: memory.explain("green tea", user_id="u3"),
                lambda: memory.stats(),
                lambda: memory.add("green tea again", user_id="u1"),
                lambda: memory.export(home / "out.jsonl"),
                lambda: memory.delete_all(user_id="u2"),
                lambda: memory.check(repair=True),
                lambda: memory.purge(),
            ):
                try:
                    ask()
                except MemstrataError as exc:
                    said.append(type(exc).__name__)
    except MemstrataError as exc:
        said.append(type(exc).__name__)
    return said


@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_flipped_bits_give_reports_or_our_errors_and_nothing_else(whole: Path, tmp_path: Path) -> None:
    content = (whole / DATABASE).read_bytes()
    chance = random.Random(11)
    silent = 0
    for turn in range(FLIPS):
        damaged = bytearray(content)
        where = chance.randrange(100 if turn % 10 == 0 else len(damaged))
        for _ in range(1 if turn % 2 else 8):
            damaged[where] ^= 1 << chance.randrange(8)
            where = min(len(damaged) - 1, where + chance.randrange(1, 4))
        home = tmp_path / f"turn{turn}"
        shutil.copytree(whole, home)
        (home / DATABASE).write_bytes(bytes(damaged))
        try:
            silent += not walked(home)
        except Exception as exc:
            raise AssertionError(f"turn {turn} at {where} of {len(damaged)}") from exc
        shutil.rmtree(home)
    assert silent < FLIPS, "none of the damage was noticed"


@pytest.mark.parametrize("share", [0.0001, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_database_is_noticed(whole: Path, share: float) -> None:
    content = (whole / DATABASE).read_bytes()
    (whole / DATABASE).write_bytes(content[: int(len(content) * share)])
    assert walked(whole)


@pytest.mark.parametrize("content", [b"\0" * 8_192, b"garbage" * 2_000, b"SQLite format 3\0" + b"\xff" * 8_000, b"x"])
def test_a_database_that_is_none_is_refused(whole: Path, content: bytes) -> None:
    (whole / DATABASE).write_bytes(content)
    with pytest.raises(StoreError):
        reopened(whole)
    assert (whole / DATABASE).read_bytes() == content


@pytest.mark.parametrize("damage", ["deleted", "garbage", "truncated", "one bit"])
def test_a_damaged_log_costs_at_most_what_it_held(whole: Path, tmp_path: Path, damage: str) -> None:
    memory = reopened(whole)
    memory.add("in the log", user_id="ana")
    shutil.copytree(whole, tmp_path / "crashed")  # as a crash would leave it
    memory.close()
    log = tmp_path / "crashed" / f"{DATABASE}-wal"
    content = log.read_bytes()
    assert content
    if damage == "deleted":
        log.unlink()
    elif damage == "garbage":
        log.write_bytes(random.Random(5).randbytes(len(content)))
    elif damage == "truncated":
        log.write_bytes(content[: len(content) // 2])
    else:
        log.write_bytes(content[:-100] + bytes([content[-100] ^ 4]) + content[-99:])
    with reopened(tmp_path / "crashed") as crashed:
        assert crashed.stats(user_id="u1").memories == 60
        assert crashed.check().ok, crashed.check().differences


def test_without_its_caches_and_lock_a_store_opens(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 50)
    with reopened(whole) as memory:
        memory.search("green", user_id="u1")
        assert (whole / "caches").is_dir()
    for path in whole.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name not in (DATABASE, MARKER):
            path.unlink()
    with reopened(whole) as memory:
        assert len(memory.search("green", user_id="u1", limit=100)) == 60
        assert memory.check().ok


def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 50)
    (whole / "caches").write_text("a file where a folder should be")
    with reopened(whole) as memory:
        assert len(memory.search("green", user_id="u1", limit=100)) == 60
        memory.purge()
        assert memory.check().ok


def test_a_writer_that_waits_too_long_says_for_whom(opened: Callable[..., Memstrata], home: Path) -> None:
    first, second = opened(), opened(lock_timeout_s=0.1)
    with first._parts.store.writing(), pytest.raises(StoreError, match=r"writer\.lock for 0\.1 s"):
        second.add("too late", user_id="ana")
    second.add("in time", user_id="ana")
    assert first.stats().memories == 1
