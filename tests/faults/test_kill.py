"""Prove that what was acknowledged survives a kill at any moment, and that nothing is half there."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from memstrata import Memstrata
from memstrata.errors import NotFound
from memstrata.testing import FakeEmbedder

KILLS = int(os.environ.get("MEMSTRATA_KILLS", "200"))
ROUNDS = 5
CHILDREN = Path(__file__).with_name("children.py")


class Nursery:
    """A process that forks one child at a time, and this end's list of what its children acknowledged."""

    def __init__(self, home: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(CHILDREN), "nursery", str(home)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

        self._child = 0

    def kill_one(self, verb: str, name: str, *, after: int) -> list[str]:
        """Start a child, and kill it after so many acknowledgements, at whatever it is then doing."""
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{verb} {name}\n")
        process.stdin.flush()
        child = self._child = int(self._line().split()[1])
        said: list[str] = []
        killed = False
        while True:
            line = self._line()
            if line == "gone":
                self._child = 0
                return said
            said.append(line)
            if len(said) >= after and not killed:
                killed = True
                os.kill(child, signal.SIGKILL)

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, "the nursery has ended"
        return line

    def close(self) -> None:
        if self._child:  # the test has failed in the middle
            os.kill(self._child, signal.SIGKILL)
        self._process.communicate()


@contextmanager
def nurseries(home: Path, count: int) -> Iterator[list[Nursery]]:
    made = [Nursery(home) for _ in range(count)]
    try:
        yield made
    finally:
        for one in made:
            one.close()


def kill_many(home: Path, verbs: list[str], *, kills: int, round: int) -> list[str]:
    """Kill children of two nurseries at once, over and over; what they all had acknowledged."""
    said: list[str] = []

    def work(nursery: Nursery, verb: str, place: int) -> None:
        chance = random.Random(round * 10 + place)
        for number in range(kills // len(verbs)):
            said.extend(nursery.kill_one(verb, f"r{round}p{place}n{number}", after=chance.randrange(1, 6)))

    with nurseries(home, len(verbs)) as made, ThreadPoolExecutor(len(verbs)) as pool:
        for job in [pool.submit(work, *one) for one in zip(made, verbs, range(len(verbs)), strict=True)]:
            job.result()
    return said


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 and fork are needed")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("round", range(ROUNDS))
def test_nothing_acknowledged_is_lost_and_no_batch_is_half_there(
    home: Path, opened: Callable[..., Memstrata], round: int
) -> None:
    home.mkdir()
    said = kill_many(home, ["add", "add"], kills=KILLS // ROUNDS, round=round)
    memory = opened(embedder=FakeEmbedder(dimensions=16), clock=None)
    held: dict[str, int] = {}
    for kept in memory.list(user_id="ana"):
        held[str(kept.scope.session_id)] = held.get(str(kept.scope.session_id), 0) + 1
    assert len(said) >= KILLS // ROUNDS
    for line in said:
        kind, word = line.split()
        assert held.get(word) == (1 if kind == "single" else 20), f"{line} was acknowledged"
    assert set(held.values()) <= {1, 20}, "a batch is there whole or not at all"
    report = memory.check()
    assert report.ok, report.differences
    word = said[-1].split()[1]
    assert memory.search(word, user_id="ana", session_id=word)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 and fork are needed")
@pytest.mark.timeout(600)
def test_changes_deletions_and_purges_survive_a_kill(home: Path, opened: Callable[..., Memstrata]) -> None:
    home.mkdir()
    said = kill_many(home, ["settle", "settle"], kills=max(10, KILLS // 10), round=99)
    memory = opened(embedder=FakeEmbedder(dimensions=16), clock=None)
    held = {kept.scope.session_id: kept for kept in memory.list(user_id="bo")}
    deleted = {line.split()[1] for line in said if line.startswith("deleted")}
    for line in said:
        kind, word = line.split()
        if kind == "changed" and word in held:
            assert held[word].text == f"second {word}"
        elif kind == "changed" and int(word.split("x")[1]) % 2 == 0:
            raise AssertionError(f"{word} was never deleted and is gone")
    assert deleted.isdisjoint(held)
    report = memory.check()
    assert report.ok, report.differences
    memory.upkeep()
    for path in home.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert not [word for word in deleted if f"_{word} ".encode() in content or f" {word}".encode() in content]
    with pytest.raises(NotFound):
        memory.get("never")
