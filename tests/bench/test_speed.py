"""The harness measures what it says, in the form it says; nothing here depends on how fast the machine is."""

from __future__ import annotations

import json
from itertools import islice, pairwise
from pathlib import Path

import pytest
from rich.console import Console

from memstrata.bench import report, speed
from memstrata.bench.generate import conversation, questions
from memstrata.bench.measure import Row

NAMES = {
    "reference",
    "bulk_add",
    "open",
    "search",
    "search_again",
    "context",
    "search_small_space",
    "add",
    "add_then_search",
    "growth",
    "upkeep_of_one",
}
FIELDS = {
    "name", "engine", "size", "n", "cpu_ms_p50", "wall_ms_p50", "wall_ms_p95", "per_second", "per_cpu_second", "rss_mb",
    "bytes_per_memory",
}  # fmt: skip


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Row], Path]:
    path = tmp_path_factory.mktemp("bench") / "rows.json"
    return speed.run(sizes=[200, 400], peers=False, json_path=path, plots=None), path


def test_same_seed_gives_the_same_conversation_and_questions() -> None:
    first, again, other = (list(islice(conversation(seed=seed), 300)) for seed in (3, 3, 4))
    assert first == again
    assert first != other
    texts = [event.text for event in first]
    assert questions(texts, 20, seed=1) == questions(texts, 20, seed=1)


def test_conversation_has_the_shape_it_promises() -> None:
    turns = list(islice(conversation(seed=1), 4_000))
    sessions: dict[str | None, int] = {}
    for turn in turns:
        sessions[turn.session_id] = sessions.get(turn.session_id, 0) + 1
    assert all(10 <= count <= 40 for count in list(sessions.values())[:-1])
    assert 150 <= sum(len(turn.text) for turn in turns) / len(turns) <= 300
    assert len({turn.speaker for turn in turns}) > 3
    assert all(a.at < b.at for a, b in pairwise(turns))  # type: ignore[operator]  # all datetimes


def test_questions_hold_words_of_one_stored_text() -> None:
    texts = [event.text for event in islice(conversation(seed=1), 200)]
    words = [set(text.lower().replace(".", "").replace("?", "").split()) for text in texts]
    for question in questions(texts, 50, seed=1):
        asked = set(question.rstrip("?").split())
        assert max(len(asked & one) for one in words) >= 3


def test_run_yields_every_row_for_every_size(measured: tuple[list[Row], Path]) -> None:
    rows, _ = measured
    assert {row["name"] for row in rows} == NAMES
    for name in NAMES - {"reference", "growth"}:
        assert [row["size"] for row in rows if row["name"] == name] == [200, 400]
    assert {row["of"] for row in rows if row["name"] == "growth"} == set(speed.GROWING)


def test_every_row_has_every_field(measured: tuple[list[Row], Path]) -> None:
    for row in measured[0]:
        assert set(row) >= FIELDS
        if row["name"] != "growth":
            assert row["n"] > 0
            assert row["cpu_ms_p50"] is not None
            assert row["wall_ms_p95"] is not None
    opened = next(row for row in measured[0] if row["name"] == "open")
    assert opened["first_search_wall_ms_p50"] > 0
    assert opened["import_ms_p50"] > 0


def test_json_file_holds_the_rows(measured: tuple[list[Row], Path]) -> None:
    rows, path = measured
    assert json.loads(path.read_text())["rows"] == rows


def test_report_shows_every_operation(measured: tuple[list[Row], Path]) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        report.show(measured[0], console)
    shown = captured.get()
    assert all(name in shown for name in NAMES - {"growth"})
    assert "durable add at 400" in shown


def test_plots_are_drawn(measured: tuple[list[Row], Path], tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    assert all(path.stat().st_size > 0 for path in report.plot(measured[0], tmp_path))


def test_peer_that_is_not_installed_is_said_to_be_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(directory: Path) -> speed.Peer:
        raise ImportError(directory)

    monkeypatch.setattr(speed, "PEERS", {"elsewhere": ("elsewhere-store", missing)})
    rows = speed._peers(100, tmp_path, speed._progress())
    assert [(row["engine"], row["n"], row.get("note")) for row in rows] == [
        ("elsewhere", 0, "not installed: pip install elsewhere-store")
    ]
