"""Prove that the measuring of time and change counts what it says, on sets of a few lines."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from memstrata.bench import change
from memstrata.bench.datasets import precisionmembench
from memstrata.bench.datasets.vehiclemembench import NEAR, _rivals
from memstrata.errors import InvalidInput

DATA = os.environ.get("MEMSTRATA_DATA")


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def facts(data: Path) -> None:
    lines = ("The capital of Malta is Mdina.", "The capital of Malta is Valletta.", "Ana Sil speaks Maltese.")
    told = "Here is a list of facts:\n" + "".join(f"{number}. {line}\n" for number, line in enumerate(lines))
    asked = {"sh": "What is the capital of Malta?", "mh": "What is the capital of Malta, asked in two steps?"}
    records = [
        {
            "context": told,
            "questions": [question],
            "answers": [["valletta"]],
            "metadata": {"source": f"factconsolidation_{hops}_1k"},
        }
        for hops, question in asked.items()
    ]
    write(data / "factconsolidation.json", records)


def belief(id: str, content: str, **more: Any) -> dict[str, Any]:
    plain: dict[str, Any] = {
        "_id": id, "user_id": "test-user", "type": "preference", "canonical_name": id, "aliases": [],
        "content": content, "scope": ["domain:code"], "pinned": False, "superseded_by": None, "resolved_at": None,
        "created_at": "2023-01-01T00:00:00Z",
    }  # fmt: skip
    return {**plain, **more}


def beliefs(data: Path) -> None:
    kept = [
        belief("brief", "Wants brief answers.", scope=["user:universal"], pinned=True),
        belief("kubernetes", "Deploys containers in Frankfurt.", aliases=["k8s"], type="entity"),
        belief("jest", "Uses Jest.", superseded_by="vitest"),
        belief("vitest", "Uses Vitest.", pinned=True),
        belief("hosting", "Was looking for a host.", resolved_at="2023-02-01T00:00:00Z", type="open_question"),
        belief("narrator", "Tells it in the present tense.", scope=["domain:writing"]),
    ]
    cases = [
        {
            "caseId": "alias", "scope": ["domain:code"], "query": "k8s?",
            "expect": {
                "relevantBeliefs": {"shouldOnlyInclude": ["kubernetes"]},
                "pinnedFacts": {"mustInclude": ["vitest"], "mustExclude": ["narrator"]},
                "personaPrelude": {"nonEmpty": True, "contains": ["brief"]},
            },
        },
        {
            "caseId": "superseded", "scope": ["domain:code"], "query": "is jest set up, and the hosting?",
            "expect": {"relevantBeliefs": {"shouldOnlyInclude": []}, "openQuestions": {"mustExclude": ["hosting"]}},
        },
        {
            "caseId": "empty", "scope": ["domain:code"], "query": " ",
            "expect": {"pinnedFacts": {"mustInclude": ["vitest"]}},
        },
        {
            "caseId": "none", "scope": ["domain:code"], "query": "k8s?", "budget": {"maxBeliefs": 0},
            "expect": {"relevantBeliefs": {"shouldOnlyInclude": []}},
        },
        {
            "caseId": "stranger", "scope": ["domain:code"], "query": "k8s?", "userId": "nobody",
            "expect": {"personaPrelude": {"isNull": True}, "relevantBeliefs": {"shouldOnlyInclude": []}},
        },
    ]  # fmt: skip
    write(data / "precisionmembench" / precisionmembench.BELIEFS, kept)
    write(data / "precisionmembench" / precisionmembench.CASES, cases)


def figures(rows: list[change.Row], metric: str) -> dict[str, float]:
    return {row["method"]: row["value"] for row in rows if row["metric"] == metric}


def test_exact_answers_need_what_replaces_what(tmp_path: Path) -> None:
    facts(tmp_path)
    rows = change.run(data=tmp_path, sets=["factconsolidation"], json_path=tmp_path / "out.json")
    assert {row["set"] for row in rows} == {"factconsolidation-1k"}
    exact = figures(rows, "exact single-hop")
    assert exact[change.OURS] == 1
    assert exact["-statements"] == exact[change.OFF] == 0
    assert set(figures(rows, "gold-in-10 multi-hop")) == {*change.METHODS, "-hops", change.WORDS}
    assert figures(rows, "as-of state equals a replay") == {change.OURS: 1}
    assert figures(rows, "as-of search equals a replay") == {change.OURS: 1}
    assert json.loads((tmp_path / "out.json").read_text())["rows"] == rows


def test_cases_pass_when_each_drawer_holds_what_it_should(tmp_path: Path) -> None:
    beliefs(tmp_path)
    rows = change.run(data=tmp_path, sets=["precisionmembench"])
    assert figures(rows, "active cases passed")[change.OURS] == 1
    assert figures(rows, "trivial cases passed")[change.OURS] == 1
    assert figures(rows, "active cases passed")[change.OFF] == 0
    assert {row["n"] for row in rows} == {1, 4}


def test_a_case_fails_when_something_comes_that_should_not(tmp_path: Path) -> None:
    beliefs(tmp_path)
    kept, cases = precisionmembench.load(tmp_path)
    by_key = {belief.event.key: belief.event for belief in kept}
    case = cases[0]
    right = [by_key[key] for key in ("kubernetes", "vitest", "brief")]
    assert precisionmembench.passed(case, right)
    assert not precisionmembench.passed(case, [*right, by_key["jest"]])
    for missing in right:
        assert not precisionmembench.passed(case, [one for one in right if one is not missing])


def test_damaged_beliefs_are_refused_with_their_folder(tmp_path: Path) -> None:
    beliefs(tmp_path)
    write(tmp_path / "precisionmembench" / precisionmembench.CASES, [{"caseId": "x"}])
    with pytest.raises(InvalidInput, match="precisionmembench"):
        precisionmembench.load(tmp_path)


def test_sets_that_are_not_there_are_named_and_skipped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert change.run(data=tmp_path, sets=["locomo", "babi"], json_path=tmp_path / "out.json") == []
    assert json.loads((tmp_path / "out.json").read_text())["skipped"] == ["locomo", "babi"]
    assert "locomo: no files" in capsys.readouterr().err
    with pytest.raises(InvalidInput, match="no set is named"):
        change.run(data=tmp_path, sets=["nothing"])


def test_stories_are_asked_with_as_many_hops_as_their_task_needs(tmp_path: Path) -> None:
    story = "1 Finn got the lamp.\n2 Finn went to the barn.\n3 Where is the lamp?\tbarn\t1 2\n"
    write(tmp_path / "babi/qa2_test.txt", story)
    rows = change.run(data=tmp_path, sets=["babi"])
    assert {row["set"] for row in rows} == {"babi-qa2"}
    found = figures(rows, "supporting-fact recall")
    assert set(found) == {change.OURS, "-succession", "-statements", "-hops", change.OFF, change.WORDS}
    assert found[change.WORDS] == 0.5, "one of the two sentences shares no word with the question"
    assert found[change.OURS] >= found[change.OFF] >= 0.5


EVENTS = [(1, "Ida set the seat heating to level 1."), (5, "'Too weak', she said. It was set to level 3.")]


@pytest.mark.parametrize(
    ("events", "calls", "rivals"),
    [
        (EVENTS, 'seat_heating(level=3, seat="driver")', (5, 1)),
        (EVENTS, "seat_heating(level=1)", (1, 5)),
        ([*EVENTS, (9, "She set it back to level 1.")], "seat_heating(level=3)", (5, 9)),
        (EVENTS, "seat_heating(level=2)", None),
        ([*EVENTS, (9, "It went to level 3 again.")], "seat_heating(level=3)", None),
        (EVENTS[:1], "seat_heating(level=1)", None),
        ([(1, "It was level_1."), (5, "No: level 3!")], 'set(mode="level 1")', (1, 5)),
        ([], "seat_heating(level=1)", None),
    ],
)
def test_the_preference_that_is_followed_is_the_one_event_that_names_what_is_set(
    events: list[tuple[int, str]], calls: str, rivals: tuple[int, int] | None
) -> None:
    day = 48 * NEAR
    found = _rivals([(at * day, told) for at, told in events], calls)
    assert found == (None if rivals is None else tuple(at * day for at in rivals))


def test_two_preferences_within_an_hour_are_no_rivals() -> None:
    assert _rivals([(0, "level 1"), (2 * NEAR, "level 3")], "seat_heating(level=3)") is None


def test_events_and_their_order_are_read_from_the_gold(tmp_path: Path) -> None:
    folder = tmp_path / "vehiclemembench" / "benchmark"
    lines = [
        "[2025-03-03 08:30] Ida: Set the seat heating to one.",
        "[2025-03-09 09:00] Ida: Make the seat heating two.",
    ]
    gold = "[March 9, 2025] At 9:00 AM, Ida set two.\n[March 3, 2025] At 8:30 AM, Ida set one."
    write(folder / "history" / "history_1.txt", "\n".join(lines))
    task = {
        "gold_memory": gold, "reasoning_type": "state_shift", "query": "Which seat heating does Ida want?",
        "new_answer": ['seat_heating(level="two")'],
    }  # fmt: skip
    write(folder / "qa_data" / "qa_1.json", {"related_to_vehicle_preference": [task]})
    rows = change.run(data=tmp_path, sets=["vehiclemembench"])
    assert figures(rows, "event-recall") == dict.fromkeys((*change.METHODS, change.WORDS), 1.0)
    assert {row["n"] for row in rows if row["metric"] == change.CURRENT} == {1}
    assert {row["n"] for row in rows if row["metric"] == change.USUAL} == {0}


def test_the_report_has_a_table_for_each_set() -> None:
    console = Console(width=160)
    row = change.Row(set="sample", method="memstrata", metric="as-of state equals a replay", k=None, value=1.0, n=7)
    with console.capture() as captured:
        change.show([row], console)
    assert "sample" in captured.get()
    assert "1.000" in captured.get()


@pytest.mark.skipif(not DATA, reason="MEMSTRATA_DATA names no directory of published sets")
def test_most_active_cases_pass_and_no_trivial_one_is_lost() -> None:
    data = Path(DATA or "")
    if not precisionmembench.found(data):
        pytest.skip("MEMSTRATA_DATA holds no precisionmembench")
    rows = change.run(data=data, sets=["precisionmembench"])
    assert figures(rows, "trivial cases passed")[change.OURS] == 1
    assert figures(rows, "active cases passed")[change.OURS] * 43 >= 20
