"""Rankings are scored as each set defines it, and the simple methods reach the figures they are known for."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

import memstrata
from memstrata import Event
from memstrata.bench import recall
from memstrata.bench.baselines import Bm25, Fused, Lines, Product, Remembering, Vectors, described, reached, words
from memstrata.bench.datasets import LOADERS, Corpus, Dataset, Gold, Question, Unit, chosen, found, loaders
from memstrata.bench.datasets import scoring as score
from memstrata.errors import InvalidInput
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder

DATA = os.environ.get("MEMSTRATA_DATA")
needs_data = pytest.mark.skipif(
    not DATA or not Path(DATA).is_dir(), reason="MEMSTRATA_DATA names no directory with the published sets"
)


def gold(*keys: str) -> list[Gold]:
    return [Gold(frozenset([key])) for key in keys]


# ── scores ──


def test_recall_is_the_share_found_in_the_first_k() -> None:
    ranking = ["x", "a", "y", "b"]
    assert score.recall(ranking, gold("a", "b"), 1) == 0
    assert score.recall(ranking, gold("a", "b"), 2) == 0.5
    assert score.recall(ranking, gold("a", "b"), 4) == 1
    assert score.recall([], gold("a"), 10) == 0


def test_any_needs_one_and_all_needs_every_one() -> None:
    ranking = ["a", "x", "b"]
    assert [score.any_found(ranking, gold("a", "b"), k) for k in (1, 2, 3)] == [1, 1, 1]
    assert [score.all_found(ranking, gold("a", "b"), k) for k in (1, 2, 3)] == [0, 0, 1]
    assert score.any_found(ranking, gold("c"), 3) == 0


def test_ndcg_discounts_by_rank_and_compares_with_the_best_order() -> None:
    graded = [Gold(frozenset("a"), 3.0), Gold(frozenset("b"), 1.0)]
    assert score.ndcg(["a", "b"], graded, 10) == 1
    worse = (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))
    assert score.ndcg(["b", "a"], graded, 10) == pytest.approx(worse)
    assert score.ndcg(["x", "y"], graded, 10) == 0
    assert score.ndcg(["a"], graded, 1) == 1, "the best there is room for"


def test_average_precision_is_the_mean_over_all_that_is_relevant() -> None:
    assert score.average_precision(["a", "x", "b"], gold("a", "b"), 10) == pytest.approx((1 + 2 / 3) / 2)
    assert score.average_precision(["a", "x", "b"], gold("a", "b", "c"), 10) == pytest.approx((1 + 2 / 3) / 3)
    assert score.average_precision(["x"], gold("a"), 10) == 0


def test_an_event_is_found_by_any_of_its_lines_and_one_line_may_find_two() -> None:
    events = [Gold(frozenset(["L1", "L2"])), Gold(frozenset(["L2", "L3"])), Gold(frozenset())]
    assert score.recall(["L2"], events, 10) == pytest.approx(2 / 3)
    assert score.recall(["L9", "L3"], events, 10) == pytest.approx(1 / 3)


def test_sessions_rank_by_their_first_turn() -> None:
    sessions = {"a1": "a", "a2": "a", "b1": "b", "c1": "c"}
    assert score.collapsed(["a2", "a1", "c1", "b1"], sessions) == ["a", "c", "b"]


def test_interval_is_the_same_each_time_and_holds_the_mean() -> None:
    values = np.random.default_rng(5).random(200)
    clusters = np.repeat(np.arange(20), 10)
    low, high = recall.interval(values, clusters)
    assert recall.interval(values, clusters) == [low, high]
    assert low < values.mean() < high


def test_interval_over_conversations_is_wider_when_they_differ() -> None:
    values = np.repeat([0.0, 1.0, 0.0, 1.0], 50)
    by_conversation = recall.interval(values, np.repeat(np.arange(4), 50))
    by_question = recall.interval(values, np.arange(200))
    assert np.diff(by_conversation)[0] > 2 * np.diff(by_question)[0]
    assert recall.interval(np.ones(6), np.zeros(6, dtype=np.int64)) == [1.0, 1.0]


# ── sets ──


def write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def locomo(data: Path) -> None:
    talk = {
        "speaker_a": "Uli",
        "speaker_b": "Wren",
        "session_10_date_time": "9:05 am on 3 July, 2023",
        "session_10": [{"speaker": "Wren", "dia_id": "D10:1", "text": "The kiln cracked.", "blip_caption": "a kiln"}],
        "session_2_date_time": "12:30 pm on 1 July, 2023",
        "session_2": [
            {"speaker": "Uli", "dia_id": "D2:1", "text": "I bought a canoe."},
            {"speaker": "Wren", "dia_id": "D2:2", "text": "Where will you paddle?"},
        ],
    }
    asked = [
        {
            "question": "What broke?",
            "evidence": ["D2:1"],
            "evidence_clean": ["D10:1", "D10:1"],
            "category": 4,
            "answer": "the kiln",
        },
        {"question": "Who flew?", "evidence": [], "evidence_clean": [], "category": 3},
    ]
    write(data / "locomo.json", [{"sample_id": "c1", "conversation": talk, "qa": asked}])


def realmem(data: Path) -> None:
    def turn(speaker: str, content: str, **more: object) -> dict[str, object]:
        return {"speaker": speaker, "content": content, "is_query": False, **more}

    answers = {"memory_session_uuids": ["s1", "s2"]}
    sessions = [
        ("s1", "2025-01-02 (Thursday)", [turn("User", "My parrot is called Otis."), turn("Assistant", "")]),
        (
            "s2",
            "2025-01-02 (Thursday)",
            [
                turn("User", "What is my parrot called?", is_query=True, category_name="Recall"),
                turn("Assistant", "Otis.", **answers),
            ],
        ),
        ("s3", "2025-01-05 (Sunday)", [turn("User", "The parrot flew off.")]),
    ]
    dialogues = [{"session_uuid": uuid, "current_time": at, "dialogue_turns": said} for uuid, at, said in sessions]
    write(data / "realmem" / "Nia_dialogues_1k.json", {"dialogues": dialogues})


def vehiclemembench(data: Path) -> None:
    folder = data / "vehiclemembench" / "benchmark"
    lines = [
        "[2025-03-03 08:30] Ida Berg: Cold seats again.",
        "[2025-03-03 09:00] [2025-03-03 09:00] Ole Vik: I like them at level: two.",
        "[2025-03-03 09:01] Ida Berg: Noted.",
    ]
    remembered = "[March 3, 2025] At 8:30 AM, Ida shivered.\n[March 9, 2025] 'At 2:00 PM, Ole slept.\nNo date here."
    task = {"gold_memory": remembered, "reasoning_type": "state_shift", "query": "Ida got in."}
    write(folder / "history" / "history_1.txt", "\n".join(lines))
    write(folder / "qa_data" / "qa_1.json", {"related_to_vehicle_preference": [task]})


def beam(data: Path) -> None:
    def message(id: int, role: str, content: str, **more: object) -> dict[str, object]:
        return {"id": id, "role": role, "content": content, **more}

    turns = [
        [
            message(0, "user", "I grow leeks. ->-> 1,1", time_anchor="March-05-2024"),
            message(1, "assistant", "Leeks like sun."),
        ],
        [message(2, "user", "Now onions as well ->->  1,N/A"), message(3, "assistant", "Good.")],
    ]
    probes = {
        "knowledge_update": [{"question": "What grows?", "source_chat_ids": {"old": [0], "new": [[2, 1]]}}],
        "abstention": [{"question": "Who called?"}],
        "information_extraction": [{"question": "What do leeks like?", "source_chat_ids": [1]}],
    }
    write(data / "beam/100K/7/chat.json", [{"batch_number": 1, "time_anchor": "March-05-2024", "turns": turns}])
    write(data / "beam/100K/7/probing_questions/probing_questions.json", probes)


def cranfield(data: Path) -> None:
    abstracts = ".I 1\n.T\nwings\n.A\nnobody\n.B\nnowhere\n.W\nwings lift\nin a stream .\n.I 2\n.T\n.A\n.B\n.W\n"
    write(data / "cranfield/cran.all.1400", abstracts)
    write(data / "cranfield/cran.qry", ".I 001\n.W\nwhat lifts\nwings .\n.I 004\n.W\nwhat sinks .\n")
    write(data / "cranfield/QRelsCorrectedforTRECeval", "1 0 1 3\n1 0 2 5\n")


def factconsolidation(data: Path) -> None:
    facts = "Here is a list of facts:\n0. Ada Hill plays the lute.\n1. Ada Hill plays the oboe.\n"
    record = {
        "context": facts,
        "questions": ["What does Ada Hill play?", "Who sings?"],
        "answers": [["oboe"], ["Boe"]],
        "metadata": {"source": "factconsolidation_sh_6k"},
    }
    write(data / "factconsolidation.json", [record])


def babi(data: Path) -> None:
    tabs = "1 Finn took the lamp.\n2 Finn went to the barn.\n3 Where is the lamp?\tbarn\t1 2\n1 Lea left.\n"
    write(data / "babi/qa2_test.txt", tabs + "2 Did Lea leave? \tyes\t1\n")
    write(data / "babi/qa1_test.txt", "1 Lea went to the mill.\n2 Where is Lea? |mill|1\n3 Lea sat down.\n")


WRITERS = {
    "locomo": locomo,
    "realmem": realmem,
    "vehiclemembench": vehiclemembench,
    "beam-100k": beam,
    "cranfield": cranfield,
    "factconsolidation": factconsolidation,
    "babi": babi,
}


@pytest.fixture
def sets(tmp_path: Path) -> Mapping[str, Dataset]:
    """Every set, tiny, as its loader reads it."""
    for writer in WRITERS.values():
        writer(tmp_path)
    return {loader.name: loader.load(tmp_path) for loader in found(tmp_path)}


def keys(question: Question) -> list[set[str]]:
    return [set(one.found_by) for one in question.gold]


def test_every_loader_finds_its_own_files_and_no_others(tmp_path: Path) -> None:
    assert found(tmp_path) == []
    assert [loader.name for loader in loaders()] == list(LOADERS)
    for name, writer in WRITERS.items():
        directory = tmp_path / name
        writer(directory)
        assert [loader.name for loader in found(directory)] == [name]


def test_asking_for_a_set_that_is_not_there_says_what_is(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="none of the sets"):
        chosen(tmp_path, None)
    locomo(tmp_path)
    with pytest.raises(InvalidInput, match="there are locomo"):
        chosen(tmp_path, ["babi"])
    with pytest.raises(InvalidInput, match="known are locomo"):
        chosen(tmp_path, ["lokomo"])


def test_damaged_file_is_refused_with_its_name(tmp_path: Path) -> None:
    write(tmp_path / "locomo.json", [{"qa": []}])
    with pytest.raises(InvalidInput, match=r"locomo\.json"):
        chosen(tmp_path, None)[0].load(tmp_path)
    write(tmp_path / "vehiclemembench/benchmark/history/history_1.txt", "no time here")
    with pytest.raises(InvalidInput, match="line 1"):
        chosen(tmp_path, ["vehiclemembench"])[0].load(tmp_path)


def test_units_of_every_set_come_in_order_of_time_under_keys_of_their_own(sets: Mapping[str, Dataset]) -> None:
    for dataset in sets.values():
        for corpus in dataset.corpora:
            assert len({unit.key for unit in corpus.units}) == len(corpus.units)
            times = [unit.event.at for unit in corpus.units]
            assert all(a <= b for a, b in pairwise(times))  # type: ignore[operator]  # all datetimes
            assert all(question.gold for question in corpus.asked)


def test_locomo_takes_the_corrected_evidence_and_appends_captions(sets: Mapping[str, Dataset]) -> None:
    (corpus,) = sets["locomo"].corpora
    assert [unit.key for unit in corpus.units] == ["D2:1", "D2:2", "D10:1"]
    assert corpus.units[2].event.text == "The kiln cracked. [photo: a kiln]"
    assert str(corpus.units[1].event.at) == "2023-07-01 12:30:01+00:00"
    assert [(one.text, one.category, keys(one)) for one in corpus.asked] == [("What broke?", "single-hop", [{"D10:1"}])]
    assert corpus.questions[1].skipped == "no evidence named"


def test_realmem_searches_and_counts_earlier_sessions_only(sets: Mapping[str, Dataset]) -> None:
    (corpus,) = sets["realmem"].corpora
    assert [(unit.key, unit.counts_as) for unit in corpus.units] == [
        ("s1:0", "s1"),
        ("s2:0", "s2"),
        ("s2:1", "s2"),
        ("s3:0", "s3"),
    ]
    (asked,) = corpus.asked
    assert asked.visible == 1
    assert keys(asked) == [{"s1"}]
    assert asked.category == "Recall"


def test_vehiclemembench_counts_lines_within_half_an_hour(sets: Mapping[str, Dataset]) -> None:
    (corpus,) = sets["vehiclemembench"].corpora
    assert [(unit.event.speaker, unit.event.text) for unit in corpus.units][1] == (
        "Ole Vik",
        "I like them at level: two.",
    )
    (asked,) = corpus.asked
    assert keys(asked) == [{"L1", "L2"}, set()], "09:00 is within half an hour of 08:30 and 09:01 is not"


def test_beam_keeps_what_the_user_said_and_flattens_sources(sets: Mapping[str, Dataset]) -> None:
    (corpus,) = sets["beam-100k"].corpora
    assert [(unit.key, unit.event.text) for unit in corpus.units] == [
        ("0", "I grow leeks."),
        ("2", "Now onions as well"),
    ]
    assert [keys(one) for one in corpus.asked] == [[{"0"}, {"2"}]]
    skipped = [one.skipped for one in corpus.questions if one.skipped]
    assert skipped == ["no sources named", "its sources are all the assistant's"]


def test_cranfield_numbers_questions_by_order_and_drops_what_is_of_no_interest(sets: Mapping[str, Dataset]) -> None:
    (corpus,) = sets["cranfield"].corpora
    assert [(unit.key, unit.event.text) for unit in corpus.units] == [("1", "wings lift in a stream .")]
    first, second = corpus.questions
    assert (first.text, first.gold) == ("what lifts wings .", (Gold(frozenset("1"), 3.0),))
    assert second.skipped == "nothing judged relevant"


def test_factconsolidation_wants_a_fact_that_holds_the_answer_as_a_word(sets: Mapping[str, Dataset]) -> None:
    (corpus,) = sets["factconsolidation"].corpora
    assert [(one.category, keys(one)) for one in corpus.asked] == [("single-hop 6k", [{"1"}])]
    assert corpus.questions[1].skipped == "no fact holds the answer", "oboe is not Boe"


def test_babi_asks_when_the_line_is_reached(sets: Mapping[str, Dataset]) -> None:
    first, second, third = sets["babi"].corpora
    assert [(one.visible, keys(one), one.category) for one in first.asked] == [(1, [{"1"}], "qa1")]
    assert [(one.visible, keys(one)) for one in second.asked] == [(2, [{"1"}, {"2"}])]
    assert third.asked[0].text == "Did Lea leave?"


# ── methods ──


def corpus_of(*texts: str, questions: tuple[Question, ...]) -> Corpus:
    events = [Event(text, at=f"2024-06-{number:02}") for number, text in enumerate(texts, start=1)]
    return Corpus("one", tuple(Unit(f"u{number}", event) for number, event in enumerate(events)), questions)


def asking(text: str, *keys: str, visible: int) -> Question:
    return Question(text, tuple(gold(*keys)), visible)


def test_bm25_agrees_with_the_formula() -> None:
    """The fast index against one unit at a time."""
    rng = np.random.default_rng(3)
    vocabulary = ["tea", "cake", "rain", "boat", "lamp", "fern", "drum"]
    texts = [" ".join(rng.choice(vocabulary, rng.integers(1, 9))) for _ in range(30)]
    corpus = corpus_of(*texts, questions=tuple(asking("tea boat tea", "u0", visible=seen) for seen in (1, 7, 30)))
    rankings = Bm25().rankings(corpus, deep=50, earlier={})["bm25"]
    for question, ranking in zip(corpus.asked, rankings, strict=True):
        bags = [words(described(unit.event)) for unit in corpus.units[: question.visible]]
        mean = sum(map(len, bags)) / len(bags)
        plain = {}
        for unit, bag in zip(corpus.units, bags, strict=False):
            parts = [weight(term, bags) * gain(bag.count(term), len(bag), mean) for term in words(question.text)]
            plain[unit.key] = sum(parts)
        assert set(ranking) == {key for key, value in plain.items() if value > 0}
        assert [plain[key] for key in ranking] == pytest.approx(sorted((plain[key] for key in ranking), reverse=True))


def weight(term: str, bags: list[list[str]]) -> float:
    df = sum(term in bag for bag in bags)
    return float(np.log(1 + (len(bags) - df + 0.5) / (df + 0.5)))


def gain(count: int, length: int, mean: float) -> float:
    return count * 2.5 / (count + 1.5 * (0.25 + 0.75 * length / mean))


def test_words_lose_endings_and_the_commonest() -> None:
    assert words("She was painting the neighbours' fences") == ["paint", "neighbour", "fenc"]


def test_no_method_sees_what_a_question_may_not(tmp_path: Path) -> None:
    questions = (
        asking("parrot food", "u1", visible=4),
        asking("parrot food", "u0", visible=1),
        asking("parrot food", "u0", visible=2),
    )
    corpus = corpus_of("parrot seed", "parrot food shop", "the parrot", "food", questions=questions)
    embedder = Remembering(FakeEmbedder())
    with memstrata.open(tmp_path, embedder=embedder) as memory:
        ranked = recall.ranked(corpus, [Product(memory), Bm25(), Vectors(embedder), Fused()], deep=10)
    known = [unit.key for unit in corpus.units]
    for rankings in ranked.values():
        assert [set(ranking) <= set(known[:visible]) for ranking, visible in zip(rankings, (1, 2, 4), strict=True)] == [
            True
        ] * 3
        assert rankings[0] == ["u0"]
    assert ranked["memstrata"][1][0] == ranked["bm25"][1][0] == "u1"


def test_fusing_adds_reciprocal_ranks() -> None:
    corpus = corpus_of("a", "b", "c", questions=(asking("?", "u0", visible=3),))
    earlier = {"bm25": [["u0", "u1"]], "vectors": [["u1", "u2", "u0"]]}
    assert Fused().rankings(corpus, deep=10, earlier=earlier) == {"rrf": [["u1", "u0", "u2"]]}


def test_whole_turns_are_packed_by_rank_while_they_fit() -> None:
    corpus = corpus_of("x" * 20, "y" * 200, "z" * 20, questions=())
    lines = Lines(corpus.units, CharacterCounter())
    assert lines.packed(["u1", "u0", "u2"], 25) == ["u0", "u2"]
    assert lines.packed(["u1", "u0", "u2"], lines.total(3)) == ["u1", "u0", "u2"]
    assert lines.packed(["u0"], 0) == []


# ── the run ──


@pytest.fixture
def measured(tmp_path: Path) -> tuple[list[recall.Row], Path]:
    for writer in WRITERS.values():
        writer(tmp_path / "data")
    path = tmp_path / "rows.json"
    return recall.run(
        data=tmp_path / "data", json_path=path, plots=tmp_path / "plots", ks=(2, 5), wanted=recall.Wanted(context=True)
    ), path


def test_run_yields_every_method_with_intervals_and_one_headline_a_set(
    measured: tuple[list[recall.Row], Path], tmp_path: Path
) -> None:
    rows, path = measured
    assert {row["method"] for row in rows if row["k"] is not None} == {"memstrata", "bm25", "vectors", "rrf"}
    headlines = {(row["set"], row["metric"], row["k"]) for row in rows if row["headline"]}
    assert headlines == {
        ("locomo", "recall", 10),
        ("realmem", "any", 10),
        ("vehiclemembench", "event-recall", 10),
        ("beam-100k", "recall", 10),
        ("cranfield", "ndcg", 10),
    }
    assert all(row["ci"][0] <= row["value"] <= row["ci"][1] and row["n"] > 0 for row in rows)
    written = json.loads(path.read_text())
    assert written["rows"] == rows
    assert {one["set"] for one in written["sets"]} == set(LOADERS)
    assert (tmp_path / "plots" / "locomo.svg").is_file()
    assert (tmp_path / "plots" / "realmem-context.svg").is_file()


def test_contexts_hold_all_evidence_where_everything_fits(measured: tuple[list[recall.Row], Path]) -> None:
    whole = [row for row in measured[0] if row["metric"] == "evidence" and row["tokens"] == 4_000]
    assert {row["method"] for row in whole} == {"memstrata", "memstrata-turns", "bm25", "vectors", "rrf"}
    assert all(row["value"] == 1 for row in whole if row["method"] == "memstrata" and row["set"] == "locomo")


def test_misspelt_questions_are_asked_of_the_product_alone(tmp_path: Path) -> None:
    locomo(tmp_path)
    rows = recall.run(data=tmp_path, wanted=recall.Wanted(slips=True))
    slips = [row for row in rows if row["set"] == "locomo+slips"]
    assert {(row["method"], row["metric"], row["headline"]) for row in slips} == {("memstrata", "recall", False)}
    assert {row["n"] for row in slips} == {row["n"] for row in rows if row["set"] == "locomo"}


def test_contexts_say_how_much_of_the_answer_they_have_and_what_others_need(
    measured: tuple[list[recall.Row], Path],
) -> None:
    answers = [row for row in measured[0] if row["metric"] == "answer-in-context"]
    assert {row["set"] for row in answers} == {"locomo"}, "the others have no answers here"
    whole = [row for row in answers if row["tokens"] == 4_000 and row["method"] == "memstrata"]
    assert [(row["value"], row["n"]) for row in whole] == [(1, 1)]
    ratios = [row for row in measured[0] if row["metric"] == "tokens-ratio"]
    assert {row["method"] for row in ratios} == {"memstrata-turns", "bm25", "vectors", "rrf"}
    assert {row["tokens"] for row in ratios} == set(recall.BUDGETS)
    assert all(row["value"] > 0 for row in ratios)


def test_the_tokens_for_a_share_lie_between_two_budgets() -> None:
    held = np.linspace(0, 0.9, len(recall.WIDER))
    assert [recall.tokens_for(share, held) for share in held] == pytest.approx(recall.WIDER)
    between = recall.tokens_for((held[2] + held[3]) / 2, held)
    assert between == pytest.approx(np.sqrt(recall.WIDER[2] * recall.WIDER[3]))
    assert recall.tokens_for(0.95, held) == recall.WIDER[-1], "never reached"
    assert recall.tokens_for(0.5, np.ones(len(recall.WIDER))) == recall.WIDER[0], "reached at once"
    falling = np.array([0.5, 0.4, *[0.6] * (len(recall.WIDER) - 2)])
    assert recall.tokens_for(0.5, falling) == recall.WIDER[0], "the fewest"


def test_words_of_the_answer_are_those_that_only_the_evidence_brings() -> None:
    corpus = corpus_of("The oboe is Ada's.", "A flute.", questions=())
    question = Question("What does Ada play?", (Gold(frozenset(["u0"])),), 2, answers=("Ada's oboe, and no flute",))
    assert recall.answer_words(question, corpus.units) == {"obo"}
    assert recall.answer_words(replace(question, answers=()), corpus.units) == frozenset()


def test_rows_say_where_the_embedder_had_seen_the_texts(measured: tuple[list[recall.Row], Path]) -> None:
    seen = {(row["set"], row["method"]) for row in measured[0] if "seen" in row and row["k"] == 10}
    assert seen == {
        (name, method) for name in ("realmem", "vehiclemembench", "babi") for method in ("memstrata", "vectors", "rrf")
    }


def test_report_shows_sets_categories_and_contexts(measured: tuple[list[recall.Row], Path]) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        recall.show(measured[0], console)
    shown = captured.get()
    for piece in (
        "Found",
        "Ahead of bm25",
        "By category",
        "Evidence in a context",
        "Words of the answer",
        "Tokens, of those",
        "event-recall@10",
        "4,000 tokens",
    ):
        assert piece in shown


def test_k_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="from 1 to"):
        recall.run(data=tmp_path, ks=(0,))


def test_questions_are_asked_as_they_are_reached(tmp_path: Path) -> None:
    corpus = corpus_of("one", "two", "three", questions=(asking("b", "u0", visible=3), asking("a", "u0", visible=1)))
    with memstrata.open(tmp_path, embedder=FakeEmbedder()) as memory:
        held = [
            (question.text, memory.stats(user_id="u").memories) for question in reached(memory, corpus, user_id="u")
        ]
    assert held == [("a", 1), ("b", 3)]


# ── the published sets, where they are ──


@needs_data
@pytest.mark.parametrize(
    ("name", "figure"),
    # of a similar BM25 (k1 1.2) on the development halves; Cranfield whole
    [("locomo", 0.641), ("beam-100k", 0.602), ("vehiclemembench", 0.527), ("cranfield", 0.364)],
)
def test_bm25_reaches_the_figure_it_is_known_for(name: str, figure: float) -> None:
    data = Path(DATA or "")
    if name not in {loader.name for loader in found(data)}:
        pytest.skip(f"MEMSTRATA_DATA holds no {name}")
    dataset = chosen(data, [name])[0].load(data)
    ranked = [recall.ranked(corpus, [Bm25()], deep=50) for corpus in dataset.corpora]
    (headline,) = [row for row in recall.scored(dataset, ranked, [10]) if row["headline"]]
    # a better stemmer and the month of May, which is no stop word here, are worth up to .022 on LoCoMo; what must not
    # happen is that the product is held against a weaker method than the known one
    assert figure - 0.02 <= headline["value"] <= figure + 0.03
