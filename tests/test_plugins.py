"""A package that somebody installed: what it registers is found, chosen by name, asked and explained."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from memstrata import Memstrata, plugins
from memstrata.config import read
from memstrata.errors import InvalidConfig

Opened = Callable[..., Memstrata]

CODE = '''
import re

import numpy as np

from memstrata.read.retrieve import Candidates
from memstrata.store import row_of

MADE = []


class Quoted:
    """Passages that hold, word for word, what the query has in quotation marks."""

    name = "quoted"
    weight = 20.0

    def __init__(self, newest="5000"):
        MADE.append(self.name)
        self.newest = int(newest)

    def retrieve(self, query, view, reading, *, limit):
        wanted = re.findall('"([^"]+)"', query.text)
        numbers = np.flatnonzero(view.allowed)[::-1][: self.newest]
        texts = reading.segment_texts([row_of(view.space, number) for number in numbers.tolist()])
        held = [
            number for number in numbers.tolist()
            if wanted and all(phrase in texts[row_of(view.space, number)].text for phrase in wanted)
        ][:limit]
        return Candidates(np.array(held, np.int64), np.ones(len(held), np.float32))


class Flat:
    """All alike, so that the one added last comes first."""

    name = "flat"

    def scores(self, features):
        return np.zeros(len(features), np.float32)


class Shouting:
    """Prefers capital letters."""

    name = "shouting"

    def scores(self, query, passages):
        return np.array([sum(map(str.isupper, passage)) for passage in passages], np.float32)


class Lengths:
    """Two texts are near when they are about as long."""

    identity = "lengths/2"
    dimensions = 2
    inline = True

    def embed(self, texts, *, role="passage"):
        angles = np.array([len(text) / 100 for text in texts], np.float32)
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).reshape(len(texts), 2)
'''
ENTRY_POINTS = """
[memstrata.retrievers]
quoted = phrases_for_tests:Quoted
lost = phrases_for_tests.nowhere:Lost
lexical = phrases_for_tests:Quoted

[memstrata.rankers]
flat = phrases_for_tests:Flat

[memstrata.rerankers]
shouting = phrases_for_tests:Shouting

[memstrata.embedders]
lengths = phrases_for_tests:Lengths
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder on the path in which a package lies as pip would have put it."""
    site = tmp_path / "site"
    about = site / "phrases_for_tests-1.2.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: phrases-for-tests\nVersion: 1.2\n")
    (about / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "phrases_for_tests.py").write_text(CODE)
    monkeypatch.syspath_prepend(site)
    yield site
    sys.modules.pop("phrases_for_tests", None)


def filled(memory: Memstrata) -> Memstrata:
    memory.add("the sign on the gate said: beware of the dog", user_id="ana")
    memory.add_many([f"turn {number}: the gate, the sign and the dog" for number in range(30)], user_id="ana")
    return memory


QUERY = 'what sign about a dog was at the gate, "beware of"?'


def test_what_a_package_registers_is_listed_with_the_package(installed: Path) -> None:
    assert {"lexical", "quoted", "recent", "vector"} < set(plugins.names("retrievers"))
    assert plugins.brought("retrievers") == {"quoted": "phrases-for-tests 1.2", "lost": "phrases-for-tests 1.2"}
    assert plugins.find("retrievers", "lexical").__module__ == "memstrata.read.retrieve.lexical", "what ships stays"


def test_a_registered_retriever_is_made_asked_and_explained_only_when_chosen(installed: Path, opened: Opened) -> None:
    plain = filled(opened())
    assert "quoted" not in plain.explain(QUERY, user_id="ana").retrievers
    assert "phrases_for_tests" not in sys.modules
    memory = opened(retrievers=["quoted"])
    found = memory.explain(QUERY, user_id="ana")
    assert found.retrievers["quoted"] == 20
    assert found.hits[0].memory.text.endswith("beware of the dog")
    assert (found.hits[0].signals["quoted"].rank, found.hits[0].signals["quoted"].score) == (1, 1.0)
    assert sys.modules["phrases_for_tests"].MADE == ["quoted"]


def test_what_follows_a_colon_is_handed_to_it(installed: Path, opened: Opened) -> None:
    memory = filled(opened(retrievers=["quoted:3"]))
    assert not any("quoted" in hit.signals for hit in memory.search(QUERY, user_id="ana", limit=50))
    with pytest.raises(InvalidConfig, match=r"'quoted:many' cannot be made: ValueError"):
        opened(retrievers=["quoted:many"])


def test_rankers_rerankers_and_embedders_of_packages_are_chosen_by_name(installed: Path, opened: Opened) -> None:
    memory = opened(ranker="flat", reranker="shouting", embedder="lengths")
    memory.add("TEA!", user_id="ana")
    memory.add_many([f"some tea {number}" for number in range(9)], user_id="ana")
    assert memory.search("tea", user_id="ana")[0].memory.text == "TEA!"
    assert memory.explain("tea", user_id="ana").hits[0].signals["shouting"].rank == 1
    assert memory.stats().embedder == "lengths/2"
    assert opened(ranker="flat", embedder="lengths").search("tea", user_id="ana")[0].memory.text == "some tea 8"


def test_a_package_that_cannot_be_loaded_is_named_and_only_when_it_is_chosen(installed: Path, opened: Opened) -> None:
    with pytest.raises(InvalidConfig, match=r"the retriever 'lost' is registered as 'phrases_for_tests\.nowhere:Lost'"):
        opened(retrievers=["lost"])
    assert filled(opened()).search("gate", user_id="ana")


def test_settings_come_from_arguments_then_the_environment(tmp_path: Path) -> None:
    said = {
        "MEMSTRATA_RETRIEVERS": " quoted, recent ,", "MEMSTRATA_RANKER": "flat", "MEMSTRATA_RERANKER": "shouting",
        "MEMSTRATA_RERANK_BEST": "20",
    }  # fmt: skip
    found = read(tmp_path, environment=said)
    assert (found.retrievers, found.ranker, found.reranker) == (("quoted", "recent"), "flat", "shouting")
    assert found.rerank_best == 20
    given = read(tmp_path, environment=said, retrievers=[], ranker="linear", reranker="none", rerank_best=5)
    assert (given.retrievers, given.ranker, given.reranker, given.rerank_best) == ((), "linear", None, 5)
    plain = read(tmp_path, environment={})
    assert (plain.retrievers, plain.ranker, plain.reranker, plain.rerank_best) == ((), "linear", None, 50)
    for wrong in ("none", "0", "1001", "2.5"):
        with pytest.raises(InvalidConfig, match="rerank_best is"):
            read(tmp_path, environment={"MEMSTRATA_RERANK_BEST": wrong})


def test_the_package_in_the_docs_is_found_asked_and_explained(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parent.parent / "docs" / "bring-your-own.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```(toml|python)\n(.*?)```", page, re.S)
    project = tomllib.loads(next(block for kind, block in blocks if kind == "toml"))["project"]
    code = next(block for kind, block in blocks if kind == "python")
    about = tmp_path / "site" / "memstrata_quoted-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    points = [
        f"[{group}]\n" + "\n".join(f"{name} = {value}" for name, value in named.items())
        for group, named in project["entry-points"].items()
    ]
    (about / "entry_points.txt").write_text("\n".join(points))
    (about.parent / "memstrata_quoted.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(about.parent)
    memory = filled(opened(retrievers=["quoted"]))
    found = memory.explain(QUERY, user_id="ana")
    assert found.hits[0].memory.text.endswith("beware of the dog")
    assert found.hits[0].signals["quoted"].rank == 1
    assert plugins.brought("retrievers") == {"quoted": "memstrata-quoted 1.0"}
    sys.modules.pop("memstrata_quoted")


# ── on the command line ──


def command(site: Path, home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `memstrata` in a process of its own, where the package is installed."""
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    script = "from memstrata.faces.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", script, *arguments, "--home", str(home)],
        env={**os.environ, "PYTHONPATH": path, **environment}, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_line_takes_the_parts_of_a_search(installed: Path, home: Path, opened: Opened) -> None:
    filled(opened(embedder="builtin")).close()
    done = command(installed, home, "explain", QUERY, "-u", "ana", "--retriever", "quoted", "--reranker", "shouting")
    assert done.returncode == 0, done.stderr
    assert "quoted × 20" in done.stdout
    assert "reranked by shouting: " in done.stdout
    found = command(installed, home, "search", QUERY, "-u", "ana", "--json", MEMSTRATA_RETRIEVERS="quoted")
    assert "quoted" in json.loads(found.stdout)[0]["signals"]
    context = command(installed, home, "context", QUERY, "-u", "ana", "-b", "60", "--reranker", "shouting")
    assert "reranked by shouting: " in context.stdout
    wrong = command(installed, home, "search", QUERY, "--retriever", "quotes", "-u", "ana")
    assert wrong.returncode == 1
    assert "did you mean 'quoted'" in wrong.stderr


def test_a_command_that_does_not_search_waits_for_no_reranker(installed: Path, home: Path) -> None:
    added = command(installed, home, "add", "green tea", MEMSTRATA_RERANKER="onnx:/nowhere")
    assert added.returncode == 0, added.stderr
    assert command(installed, home, "search", "tea", MEMSTRATA_RERANKER="onnx:/nowhere").returncode == 1


def test_doctor_lists_what_is_registered_and_what_is_chosen(installed: Path, home: Path) -> None:
    done = command(installed, home, "doctor", "--json", "--ranker", "flat", MEMSTRATA_RETRIEVERS="quoted")
    found = json.loads(done.stdout)
    said = {finding["name"]: finding["found"] for finding in found["findings"]}
    assert found["ok"] is True
    assert said["retrievers"] == (
        "lexical, vector, recent, time, lost (from phrases-for-tests 1.2), quoted (from phrases-for-tests 1.2); "
        "chosen: lexical, vector, recent, time, quoted"
    )
    assert said["rankers"] == "linear, flat (from phrases-for-tests 1.2); chosen: flat"
    assert said["rerankers"] == "cross-encoder, onnx, shouting (from phrases-for-tests 1.2); chosen: none"
    assert said["embedders"].endswith("chosen: builtin")
    broken = json.loads(command(installed, home, "doctor", "--json", "--retriever", "lost").stdout)
    assert broken["ok"] is False
