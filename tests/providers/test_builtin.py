"""The built-in embedder: what it promises, and that the files beside it are the ones it names."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import as_file, files

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata.errors import InvalidInput
from memstrata.providers.embedders import Embedder
from memstrata.providers.embedders.builtin import Builtin

STATIC = files("memstrata.providers.embedders") / "static"
NAMES = ("table.npy", "scale.npy", "query_scale.npy", "vocab.txt")


@pytest.fixture
def embedder() -> Embedder:
    return Builtin()


def test_rows_are_unit_length_and_float32(embedder: Embedder) -> None:
    vectors = embedder.embed(["I moved to Lisbon in May.", "Where does my sister live?", "x"])
    assert vectors.shape == (3, embedder.dimensions) == (3, 256)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("text", ["", " \n", "\u200b", "\ud800", "\x00"])
def test_text_with_nothing_in_it_gives_a_zero_row(embedder: Embedder, text: str) -> None:
    tea, nothing, again = embedder.embed(["tea", text, "tea"])
    assert not nothing.any()
    assert (tea == again).all() and tea.any()


def test_unknown_symbols_are_not_taken_for_each_other(embedder: Embedder) -> None:
    assert not embedder.embed(["\U0001f375", "\U0001f697 \U0001f697"]).any()


def test_a_question_is_nearer_to_its_answer_when_it_is_embedded_as_one(embedder: Embedder) -> None:
    question = "What did Ana say about when they did go to the lake?"
    answer = embedder.embed(["3 February 2024 Ana: We drove up to the lake and swam."])[0]
    (as_query,), (as_passage,) = embedder.embed([question], role="query"), embedder.embed([question])
    assert as_query @ answer > as_passage @ answer


def test_a_batch_of_queries_gives_what_each_gives_alone(embedder: Embedder) -> None:
    texts = ["where is the key", "", "tea " * 5000, "who called?"]
    together = embedder.embed(texts, role="query")
    assert all(
        (embedder.embed([text], role="query")[0] == row).all() for text, row in zip(texts, together, strict=True)
    )


def test_no_texts_give_no_rows(embedder: Embedder) -> None:
    assert embedder.embed([]).shape == (0, 256)


def test_a_single_string_is_refused(embedder: Embedder) -> None:
    with pytest.raises(InvalidInput, match="sequence"):
        embedder.embed("tea")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(max_size=40) | st.sampled_from(["", "tea " * 700, "green tea", "tea " * 5000]), max_size=12))
def test_a_batch_gives_what_each_text_gives_alone(texts: list[str]) -> None:
    embedder = Builtin()
    together = embedder.embed(texts)
    for text, row in zip(texts, together, strict=True):
        assert (embedder.embed([text])[0] == row).all()


def test_threads_that_come_first_at_once_get_the_same_vectors() -> None:
    with ThreadPoolExecutor(8) as pool:
        first, *others = pool.map(lambda _: Builtin().embed(["green tea", "a long drive"]), range(8))
    assert all((first == other).all() for other in others)


@pytest.mark.parametrize(
    ("text", "near", "far"),
    [
        (
            "My sister is a nurse in Porto.",
            "Where does her sibling work at the hospital?",
            "The wheel needs new tyres.",
        ),
        ("I can't eat peanuts.", "a food allergy", "the train leaves at noon"),
        ("We adopted a puppy last week.", "When did they get a dog?", "How do I file my taxes?"),
        ("Please dim the lights at night.", "lower the brightness in the evening", "book a table for four"),
        ("The function raises a timeout error.", "why does the code fail", "grandmother's apple pie"),
        ("She paints landscapes in oil.", "an artist's hobby", "the interest rate of the loan"),
    ],
)
def test_a_paraphrase_is_nearer_than_something_else(embedder: Embedder, text: str, near: str, far: str) -> None:
    one, two, three = embedder.embed([text, near, far])
    assert one @ two > one @ three + 0.1


def test_identity_changes_with_any_of_the_files(embedder: Embedder) -> None:
    digests = [hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in NAMES]
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    assert embedder.identity == f"memstrata-static-2/256/{whole[:12]}"


def test_every_file_has_the_hash_written_down_for_it() -> None:
    written = json.loads((STATIC / "about.json").read_text(encoding="utf-8"))["sha256"]
    assert written == {name: hashlib.sha256((STATIC / name).read_bytes()).hexdigest() for name in NAMES}


def test_the_files_stay_small() -> None:
    with as_file(STATIC) as folder:
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 9_000_000


def test_the_files_fit_together() -> None:
    rows, *scales = (np.load(STATIC / name, allow_pickle=False) for name in NAMES[:3])  # type: ignore[arg-type]  # a Path here
    vocabulary = (STATIC / "vocab.txt").read_text(encoding="utf-8").splitlines()
    assert rows.dtype == np.int8 and rows.shape == (len(vocabulary), 256)
    for scale in scales:
        assert scale.dtype == np.float32 and scale.shape == (len(vocabulary),)
        assert np.isfinite(scale).all() and (scale >= 0).all()


def test_it_runs_inside_add(embedder: Embedder) -> None:
    assert embedder.inline
