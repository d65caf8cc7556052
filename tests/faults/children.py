"""Be the other process: what the fault tests start, kill and listen to.

Run as `python children.py VERB HOME …`; what was acknowledged goes to standard output, a line each.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable

import memstrata
from memstrata import Memstrata
from memstrata.errors import VersionConflict
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder


def opened(home: str) -> Memstrata:
    return memstrata.open(home, embedder=FakeEmbedder(dimensions=16), counter=CharacterCounter())


def say(line: str) -> None:
    """Tell the parent, past every buffer of this process."""
    os.write(1, f"{line}\n".encode())


def add(memory: Memstrata, name: str) -> None:
    """Add for ever, one at a time and in batches, and say what was acknowledged."""
    number = 0
    while True:
        number += 1
        word = f"{name}x{number}"
        if number % 3:
            memory.add(f"single {word}", user_id="ana", session_id=word)
            say(f"single {word}")
        else:
            memory.add_many((f"bulk {word} {n}" for n in range(20)), user_id="ana", session_id=word, batch=20)
            say(f"bulk {word}")


def settle(memory: Memstrata, name: str) -> None:
    """Add, change, delete and purge for ever, and say what was acknowledged."""
    number = 0
    while True:
        number += 1
        word = f"{name}x{number}"
        id = memory.add(f"first {word}", user_id="bo", session_id=word).id
        memory.update(id, text=f"second {word}")
        say(f"changed {word}")
        if number % 2:
            memory.delete(id)
            say(f"deleted {word}")
        if number % 7 == 0:
            memory.purge()


def count(memory: Memstrata, name: str) -> None:
    """Count up a shared number by compare and set, fifty times in all, and add a token each time."""
    id = name
    for turn in range(10):
        while True:
            now = memory.get(id)
            try:
                memory.update(id, text=str(int(now.text) + 1), expected_version=now.version)
                break
            except VersionConflict:
                continue
        token = f"token{os.getpid()}x{turn}"
        memory.add(f"here is {token}", user_id="ana")
        found = [hit.memory.text for hit in memory.search(token, user_id="ana", filters={"text": f"here is {token}"})]
        assert found == [f"here is {token}"], found
        say(token)


def answer(memory: Memstrata, name: str) -> None:
    """Search for each word that comes in, and say how many memories hold it."""
    del name
    say("ready")
    for line in sys.stdin:
        word = line.strip()
        say(str(len(memory.search(word, user_id="ana", filters={"text": {"contains": word}}))))


def tell(memory: Memstrata, name: str) -> None:
    """Add each line that comes in, and say so."""
    del name
    say("ready")
    for line in sys.stdin:
        memory.add(line.strip(), user_id="ana")
        say("added")


VERBS: dict[str, Callable[[Memstrata, str], None]] = {
    "add": add, "settle": settle, "count": count, "answer": answer, "tell": tell,
}  # fmt: skip


def nursery(home: str) -> None:
    """Fork a child for each line `VERB NAME`, say its process id; a child costs no import and holds nothing open."""
    with opened(home):  # everything is loaded once
        pass
    for line in sys.stdin:
        verb, name = line.split()
        child = os.fork()
        if child == 0:
            assert threading.active_count() == 1
            memory = opened(home)
            VERBS[verb](memory, name)
            os._exit(0)
        say(f"child {child}")
        os.waitpid(child, 0)
        say("gone")


if __name__ == "__main__":
    verb, home, *rest = sys.argv[1:]
    if verb == "nursery":
        nursery(home)
    else:
        with opened(home) as memory:
            VERBS[verb](memory, rest[0] if rest else "")
