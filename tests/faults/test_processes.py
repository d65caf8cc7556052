"""Prove that many processes on one directory lose nothing, wait politely and see each other at once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from memstrata import Memstrata
from memstrata.store.sqlite.store import LOCK
from memstrata.testing import FakeEmbedder

CHILDREN = Path(__file__).with_name("children.py")
PROCESSES = 8


def start(verb: str, home: Path, *rest: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(CHILDREN), verb, str(home), *rest],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def told(process: subprocess.Popen[str], line: str | None = None) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    if line is not None:
        process.stdin.write(line + "\n")
        process.stdin.flush()
    return process.stdout.readline().strip()


@pytest.fixture
def shared(opened: Callable[..., Memstrata]) -> Memstrata:
    return opened(embedder=FakeEmbedder(dimensions=16), clock=None)


def test_eight_processes_lose_no_update_and_meet_no_lock(shared: Memstrata, home: Path) -> None:
    counter = shared.add("0", user_id="counter").id
    children = [start("count", home, counter) for _ in range(PROCESSES)]
    with ThreadPoolExecutor(PROCESSES) as pool:
        answers = list(pool.map(lambda child: child.communicate(), children))
    for child, (_, errors) in zip(children, answers, strict=True):
        assert child.returncode == 0, errors
    assert shared.get(counter).text == str(PROCESSES * 10)
    assert len(shared.history(counter)) == PROCESSES * 10 + 1
    tokens = [token for out, _ in answers for token in out.split()]
    assert len(set(tokens)) == PROCESSES * 10
    assert {kept.text for kept in shared.list(user_id="ana")} == {f"here is {token}" for token in tokens}
    assert shared.check().ok


def test_what_one_process_has_committed_the_next_read_of_another_finds(shared: Memstrata, home: Path) -> None:
    writer, reader = start("tell", home), start("answer", home)
    assert (told(writer), told(reader)) == ("ready", "ready")
    for n in range(40):
        assert told(writer, f"token{n}word") == "added"
        assert told(reader, f"token{n}word") == "1"
        assert len(shared.search(f"token{n}word", user_id="ana", filters={"text": f"token{n}word"})) == 1
    shared.delete_all(user_id="ana")
    assert told(reader, "token7word") == "0"
    for process in (writer, reader):
        process.communicate()
        assert process.returncode == 0


def test_a_new_directory_opened_by_eight_at_once_is_made_once(home: Path, opened: Callable[..., Memstrata]) -> None:
    children = [start("tell", home) for _ in range(PROCESSES)]
    for number, child in enumerate(children):
        assert told(child) == "ready", child.communicate()[1]
        assert told(child, f"note {number}") == "added"
    for child in children:
        child.communicate()
    memory = opened(embedder=FakeEmbedder(dimensions=16), clock=None)
    assert memory.stats().memories == PROCESSES
    assert memory.check().ok


def test_writers_exclude_each_other_even_when_the_lock_file_is_removed(shared: Memstrata, home: Path) -> None:
    counter = shared.add("0", user_id="counter").id
    first = start("tell", home)
    assert told(first) == "ready"
    assert told(first, "holds the old lock file") == "added"
    (home / LOCK).unlink()
    children = [start("count", home, counter) for _ in range(3)]
    for n in range(20):
        assert told(first, f"meanwhile {n}") == "added"
        shared.add(f"and here {n}", user_id="ana")
    for child in children:
        _, errors = child.communicate()
        assert child.returncode == 0, errors
    first.communicate()
    assert shared.get(counter).text == "30"
    assert shared.stats(user_id="ana").memories == 1 + 20 + 20 + 30
    assert shared.check().ok


def in_child(work: Callable[[], None]) -> int:
    """Run in a forked child; 0 when it went well."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


@forks
def test_a_forked_child_can_go_on_with_what_its_parent_opened(shared: Memstrata) -> None:
    shared.add("before", user_id="ana")
    shared.search("before", user_id="ana")

    def work() -> None:
        shared.add("by the child", user_id="ana")
        assert len(shared.search("child", user_id="ana", filters={"text": "by the child"})) == 1
        shared.close()

    assert in_child(work) == 0
    shared.add("after", user_id="ana")
    assert [kept.text for kept in shared.list(user_id="ana")] == ["before", "by the child", "after"]
    assert shared.check().ok


@forks
def test_what_a_forked_child_adds_after_its_parent_closed_is_kept(
    shared: Memstrata, home: Path, opened: Callable[..., Memstrata]
) -> None:
    shared.add("before", user_id="ana")
    go, gone = os.pipe()
    done, finished = os.pipe()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            shared.add("first by the child", user_id="ana")
            os.write(finished, b"x")
            os.read(go, 1)
            shared.add("second by the child", user_id="ana")
            code = 0
        finally:
            os._exit(code)
    os.read(done, 1)
    shared.close()
    between = opened(embedder=FakeEmbedder(dimensions=16), clock=None)
    between.add("between", user_id="ana")
    between.close()
    os.write(gone, b"x")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    memory = opened(embedder=FakeEmbedder(dimensions=16), clock=None)
    texts = [kept.text for kept in memory.list(user_id="ana")]
    assert texts == ["before", "first by the child", "between", "second by the child"]
    assert memory.check().ok


@forks
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_fork_while_another_thread_writes_leaves_the_child_free_to_write(shared: Memstrata) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            shared.add("by the other thread", user_id="bo")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(10):
            assert in_child(lambda: shared.add("by a child", user_id="ana") and None) == 0
    finally:
        stop.set()
        writer.join()
    assert shared.stats(user_id="ana").memories == 10
    assert shared.check().ok
