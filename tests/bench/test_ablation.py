"""Every part of the product can be switched off by itself, and what ranks first is what an answer needs most."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import memstrata
from memstrata import Memstrata
from memstrata.bench import ablation, recall
from memstrata.bench.baselines import Product, Remembering
from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.bench.datasets.shipped import shipped
from memstrata.read.features import FEATURES, GROUPS, NAMES
from memstrata.testing import FakeEmbedder
from memstrata.types import Event

PARTS = ["words", "meaning", "neighbours", "session", "speaker", "form", "time", "lexical", "vector"]


def conversation(*texts: str) -> Corpus:
    units = tuple(
        Unit(f"u{number}", Event(text, at=f"2024-01-0{number + 1}", session_id="s", speaker="Uli"))
        for number, text in enumerate(texts)
    )
    asked = (
        Question("What grows in the garden?", (Gold(frozenset({"u0"})),), len(units), "plain"),
        Question("When was the kiln sold?", (Gold(frozenset({"u1"})),), len(units), "plain"),
    )
    return Corpus("c", units, asked)


@pytest.fixture
def dataset() -> Dataset:
    corpus = conversation("Leeks grow in the garden.", "The kiln was sold in May.", "Who paints the fence?")
    return Dataset("made up", "turn", ("recall",), (corpus,), resampled="question", history=True)


def test_every_feature_is_in_one_group() -> None:
    columns = [column for group in GROUPS.values() for column in group]
    assert sorted(columns) == list(range(len(NAMES)))
    assert {NAMES[column]: group for group, those in GROUPS.items() for column in those} == dict(FEATURES)


def test_a_ranker_without_a_group_scores_by_the_others_alone() -> None:
    class Sum:
        name = "sum"

        def scores(self, features: np.ndarray) -> np.ndarray:
            return features.sum(axis=1)

    features = np.arange(2 * len(NAMES), dtype=np.float32).reshape(2, -1)
    kept = [column for group, columns in GROUPS.items() if group != "form" for column in columns]
    assert ablation.Blind(Sum(), GROUPS["form"]).scores(features).tolist() == features[:, kept].sum(axis=1).tolist()
    assert features.sum() == np.arange(2 * len(NAMES)).sum(), "what it was given is as before"


def test_without_a_retriever_nothing_is_found_by_it(memory: Memstrata) -> None:
    memory.add("green tea", user_id="ana")
    versions = ablation.versions(memory)
    assert list(versions) == [f"memstrata -{part}" for part in PARTS]
    (whole,) = memory.search("tea", user_id="ana")
    assert set(whole.signals) == {"lexical", "vector"}
    for part, left in (("lexical", {"vector"}), ("vector", {"lexical"})):
        (hit,) = versions[f"memstrata -{part}"].search("tea", user_id="ana")
        assert set(hit.signals) == left


def test_versions_see_what_is_added_later(memory: Memstrata) -> None:
    versions = ablation.versions(memory)
    for count in (1, 2):
        memory.add(f"green tea {count}", user_id="ana")
        assert {len(version.search("green tea", user_id="ana")) for version in versions.values()} == {count}


def test_rows_without_a_part_are_held_against_the_whole(dataset: Dataset, memory: Memstrata) -> None:
    found = [
        recall.ranked(dataset.corpora[0], recall.methods(memory, Remembering(FakeEmbedder()), features=True), deep=10)
    ]
    rows = recall.scored(dataset, found, [10])
    without = [row for row in rows if ablation.is_version(row["method"])]
    assert [row["method"] for row in without if row["k"] == 10] == [f"memstrata -{part}" for part in PARTS]
    (whole,) = [row for row in rows if row["headline"] and row["method"] == "memstrata"]
    for row in without:
        assert not row["headline"]
        assert "category" not in row
        assert row["lead"]["over"] == "memstrata"
        if row["k"] == 10:
            assert row["lead"]["value"] == pytest.approx(row["value"] - whole["value"], abs=1e-3)
    console = Console(width=200)
    with console.capture() as captured:
        recall.show(rows, console)
    shown = captured.get()
    assert "What the product loses without a part" in shown
    assert all(part in shown for part in PARTS)


def test_product_without_versions_is_itself_alone(dataset: Dataset, memory: Memstrata) -> None:
    assert list(Product(memory).rankings(dataset.corpora[0], deep=10, earlier={})) == ["memstrata"]


def test_memories_are_taken_by_rank_or_by_lot() -> None:
    ids = [str(number) for number in range(100)]
    chosen = dict(ablation.taken(ids, np.random.default_rng(1)))
    assert chosen["nothing"] == []
    assert chosen["1-10"] == ids[:10]
    assert chosen["11-20"] == ids[10:20]
    drawn = chosen["10 of 100"]
    assert len(set(drawn)) == 10
    assert set(drawn) <= set(ids)


def test_rows_of_contexts_without_hits_name_what_was_taken(dataset: Dataset, memory: Memstrata) -> None:
    rows = recall.evidence_left(dataset, memory)
    assert [row["without"] for row in rows] == ["nothing", "1-10", "11-20", "10 of 100"]
    assert all(row["tokens"] == recall.LESS_BUDGET for row in rows)
    assert [row["value"] for row in rows] == [1, 0, 1, 0], "three turns: the first ten are all there is"
    assert [row["lead"]["value"] for row in rows[1:]] == [-1, 0, -1]
    console = Console(width=200)
    with console.capture() as captured:
        recall.show(rows, console)
    assert "Evidence in a context without some of the hits" in captured.get()


def test_taking_away_the_first_hits_costs_most_evidence(tmp_path: Path) -> None:
    whole = shipped()
    (corpus,) = whole.corpora
    asked = replace(whole, corpora=(replace(corpus, questions=corpus.questions[::3]),))
    with memstrata.open(tmp_path / "sample", counter="wordpiece") as memory:
        left = {row["without"]: row["value"] for row in recall.evidence_left(asked, memory)}
    assert left["nothing"] > 0.5
    assert left["1-10"] < left["11-20"] - 0.2
    assert left["1-10"] < left["10 of 100"] - 0.2
    assert left["11-20"] > left["nothing"] - 0.15
