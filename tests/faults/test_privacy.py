"""Prove that nothing leaks: no content in logs, no network, nothing done by the import alone."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from memstrata import Budget, Memstrata
from memstrata.errors import EmbedderUnavailable, MemstrataError
from memstrata.testing import FakeEmbedder, SteppingClock

CANARY = "canaryword"


class Talkative(FakeEmbedder):
    """An embedder whose errors repeat what it was given."""

    def __init__(self) -> None:
        super().__init__(inline=False)
        self.fails = False

    def embed(self, texts: object, *, role: object = "passage") -> object:  # type: ignore[override]
        if self.fails:
            raise EmbedderUnavailable(f"cannot embed {texts}")
        return super().embed(texts, role=role)  # type: ignore[arg-type]


def everything(memory: Memstrata, embedder: Talkative, clock: SteppingClock, folder: Path) -> None:
    """Every verb, those that fail included, with the canary in every place that takes content."""
    word = CANARY
    scope = {"user_id": f"user {word}", "session_id": f"session {word}"}
    first = memory.add(
        f"text {word}", speaker=f"speaker {word}", role=f"role {word}", attributes={f"name {word}": f"value {word}"},
        key=f"key {word}", sources=[f"source {word}"], contributor=f"who {word}", resource=f"where {word}", **scope,
    ).id  # fmt: skip
    second = memory.add([f"one {word}", f"two {word}"], **scope).ids[0]
    memory.add_many([f"many {word}"], **scope)
    memory.update(second, text=f"changed {word}")
    memory.merge([first, second])
    memory.search(f"query {word}", filters={f"name {word}": f"value {word}"}, **scope)
    memory.context(f"query {word}", budget=Budget(50), **scope)
    memory.explain(f"query {word}", id=second, **scope)
    list(memory.list(**scope))
    memory.stats(**scope)
    memory.export(folder / "export.jsonl")
    memory.import_(folder / "export.jsonl")
    memory.backup(folder / "backup")
    memory.check(repair=True)
    memory.upkeep()
    memory.reembed()
    embedder.fails = True
    memory.add(f"later {word}", **scope)
    memory.search(f"query {word}", **scope)
    for ask in (
        lambda: memory.upkeep(),
        lambda: memory.add(f"{word}\0", **scope),
        lambda: memory.add(f"other {word}", key=f"key {word}", **scope),
        lambda: memory.add("x", kind=word),  # type: ignore[arg-type]
        lambda: memory.add("x", attributes={"a": {word}}),
        lambda: memory.get(word),
        lambda: memory.update(first, text=f"again {word}"),
        lambda: memory.search("", **scope),
        lambda: memory.search(word, filters={word: {"like": word}}, **scope),
        lambda: memory.import_(folder / word),
    ):
        with pytest.raises(MemstrataError):
            ask()
    embedder.fails = False
    memory.delete_all(**scope)
    memory.purge()


def test_no_log_holds_what_anybody_said_or_asked(
    opened: Callable[..., Memstrata], clock: SteppingClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = Talkative()
    with caplog.at_level(logging.DEBUG):
        memory = opened(embedder=embedder)
        everything(memory, embedder, clock, tmp_path)
        memory.close()
    formatter = logging.Formatter("%(name)s %(message)s %(args)s %(exc_info)s")
    assert any(record.name.startswith("memstrata") for record in caplog.records), (
        "the canary sings where logs are written"
    )
    for record in caplog.records:
        assert CANARY not in formatter.format(record), record.name
        assert CANARY not in repr(record.__dict__), record.name


def test_no_verb_opens_a_socket(
    opened: Callable[..., Memstrata], clock: SteppingClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refused)
    monkeypatch.setattr(socket, "create_connection", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)
    embedder = Talkative()
    everything(opened(embedder=embedder), embedder, clock, tmp_path)


AUDIT = """
import json, os, sys, threading
seen = []
def hook(event, arguments):
    if event.startswith("socket.") or event in ("subprocess.Popen", "os.system", "os.mkdir", "os.rename", "os.remove"):
        seen.append([event, repr(arguments)])
    if event == "open":
        path, mode, flags = arguments
        if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            seen.append(["write", repr(path)])
        elif isinstance(path, str) and not path.endswith((".py", ".pyc", ".so", ".pyi", ".pth")):
            seen.append([event, repr(path)])
sys.addaudithook(hook)
CODE
print(json.dumps({"seen": seen, "threads": threading.active_count(), "modules": sorted(sys.modules)}))
"""


def audited(code: str, *arguments: str) -> dict[str, list[object]]:
    script = AUDIT.replace("CODE", code)
    found = subprocess.run(
        [sys.executable, "-B", "-c", script, *arguments], capture_output=True, text=True, check=True
    )  # fmt: skip
    return json.loads(found.stdout.splitlines()[-1])  # type: ignore[no-any-return]


def test_importing_opens_no_file_starts_no_thread_and_loads_nothing_heavy() -> None:
    found = audited("import memstrata; memstrata.Event, memstrata.Scope, memstrata.MemstrataError")
    assert found["seen"] == []
    assert found["threads"] == 1
    heavy = {"torch", "transformers", "numpy", "httpx", "apsw", "typer", "rich", "sentence_transformers", "logging"}
    heavy |= {"onnxruntime", "tokenizers"}
    assert heavy.isdisjoint(found["modules"]), heavy & set(map(str, found["modules"]))


def test_the_engine_can_be_imported_without_touching_a_file() -> None:
    found = audited("import memstrata; memstrata.open, memstrata.Memstrata")
    assert [one for one in found["seen"] if "/sys/" not in str(one) and "/proc/" not in str(one)] == []
    assert found["threads"] == 1


def test_a_whole_session_stays_in_its_directory_and_off_the_network(tmp_path: Path) -> None:
    code = (
        "import memstrata; memory = memstrata.open(sys.argv[1]); memory.add('green tea', user_id='ana'); "
        "memory.search('tea', user_id='ana'); memory.context('tea', user_id='ana'); memory.purge(); memory.close()"
    )
    found = audited(code, str(tmp_path / "home"))
    reads = [one for one in found["seen"] if one[0] == "open"]  # type: ignore[index]
    probe = tempfile.gettempdir()  # Python itself tries whether it may write there
    outside = [one for one in found["seen"] if one not in reads and probe not in str(one)]
    assert outside == [], "it writes nowhere else, asks no network and starts no program"
    assert {path.name for path in tmp_path.iterdir()} == {"home"}


def test_importing_costs_next_to_nothing() -> None:
    code = "import resource, memstrata; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
    bare = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"

    def seconds(script: str) -> float:
        return min(float(subprocess.check_output([sys.executable, "-c", script])) for _ in range(3))

    assert seconds(code) - seconds(bare) < 0.25
