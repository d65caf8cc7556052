"""What callers say of hits helps the space it was said in, and no other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from memstrata import Hit, Memstrata
from memstrata.errors import InvalidInput, NotFound
from memstrata.read import lessons
from memstrata.read.features import NAMES
from memstrata.read.rankers.linear import Linear
from memstrata.store import Feedback


def filled(memory: Memstrata, user_id: str) -> None:
    memory.add_many((f"tea number {n}, {'a question?' if n % 2 else 'an answer.'}" for n in range(60)), user_id=user_id)


def seen(memory: Memstrata, user_id: str) -> list[tuple[str, float]]:
    return [(hit.memory.text, hit.score) for hit in memory.search("tea number", user_id=user_id, limit=20)]


def test_feedback_moves_its_own_space_and_no_other(memory: Memstrata, opened: Callable[..., Memstrata]) -> None:
    for user in ("ana", "bo"):
        filled(memory, user)
    before = seen(memory, "bo")
    plain = seen(memory, "ana")
    for _ in range(20):
        for hit in memory.search("tea number", user_id="ana", limit=20):
            memory.feedback(hit, useful="answer" in hit.memory.text, user_id="ana")
    after = seen(memory, "ana")
    assert after != plain
    assert sum("answer" in text for text, _ in after) > sum("answer" in text for text, _ in plain) - 1
    assert seen(memory, "bo") == before
    assert seen(opened(), "ana") == after


def test_feedback_keeps_no_query_and_goes_with_its_memory(memory: Memstrata) -> None:
    memory.add("green tea", user_id="ana")
    hit = memory.search("tea", user_id="ana")[0]
    memory.feedback(hit, useful=True, user_id="ana")
    memory.delete(hit.memory.id)
    with memory._parts.store.reading() as reading:
        assert reading.last_feedback(1) == 0
    assert memory.check().ok


def test_feedback_is_refused_for_what_no_search_returned(memory: Memstrata) -> None:
    memory.add("green tea", user_id="ana")
    hit = memory.search("tea", user_id="ana")[0]
    with pytest.raises(InvalidInput, match="as search"):
        memory.feedback(Hit(hit.memory, 1.0, 0, 1, {}), useful=True)
    with pytest.raises(NotFound):
        memory.feedback(hit, useful=True, user_id="bo")


def test_feedback_of_one_kind_teaches_what_the_useful_have_in_common() -> None:
    chance = np.random.default_rng(0)
    evidence = chance.normal(size=(400, len(NAMES))).astype(np.float32)
    wanted = NAMES.index("time")
    useful = evidence[:, wanted] > 0
    lesson = lessons.learnt(Feedback(np.arange(400), useful, evidence), Linear(np.zeros(len(NAMES), np.float32)))
    assert lesson is not None
    assert int(np.argmax(np.abs(lesson.weights))) == wanted
    assert lesson.weights[wanted] > 0
