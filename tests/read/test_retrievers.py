"""Retrievers that somebody brought along: asked when chosen, and held to what the reader may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from memstrata import Memstrata
from memstrata.errors import InvalidConfig, InvalidInput, MemstrataError, RankerFailed, RetrieverFailed, StoreClosed
from memstrata.read.features import NAMES
from memstrata.read.retrieve import Candidates

Opened = Callable[..., Memstrata]
Found = Callable[..., Candidates]  # of a query, a view and a limit


class Brought:
    """Finds what a test wants found."""

    def __init__(self, found: Found, *, name: str = "brought") -> None:
        self.found = found
        self.name = name

    def retrieve(self, query, view, reading, *, limit):  # type: ignore[no-untyped-def]  # as short as a user's may be
        return self.found(query, view, limit)


class Heavy(Brought):
    """Counts more than anything else."""

    weight = 100.0


def numbered(*numbers: int, scores: Sequence[float] | None = None) -> Found:
    """Always these segments, the first one best."""
    given = np.array(numbers, np.int64)
    return lambda query, view, limit: Candidates(
        given,
        np.array(scores if scores is not None else [1 / (1 + place) for place in range(len(numbers))], np.float32),
    )


def filled(memory: Memstrata) -> Memstrata:
    memory.add_many([f"turn {number} about green tea" for number in range(1, 13)], user_id="ana")
    memory.add("the lighthouse burns at night", user_id="ana", session_id="s")
    memory.add("a secret of bo, about green tea", user_id="bo")
    return memory


def test_a_retriever_that_was_passed_in_is_asked_and_explained(opened: Opened) -> None:
    memory = filled(opened(retrievers=[Brought(numbered(13, 2))]))
    found = memory.explain("green tea", user_id="ana", limit=20)
    lighthouse = next(hit for hit in found.hits if "lighthouse" in hit.memory.text)
    assert list(lighthouse.signals) == ["brought"], "neither its words nor its meaning have anything to do with tea"
    assert (lighthouse.signals["brought"].rank, lighthouse.signals["brought"].score) == (1, 1.0)
    assert found.retrievers == {"lexical": 1.0, "vector": 1.0, "brought": 3.0}
    assert "brought put it 1st" in str(memory.explain("green tea", id=lighthouse.memory.id, user_id="ana").verdict)


def test_what_it_finds_comes_higher_the_more_it_counts(opened: Opened) -> None:
    plain = [hit.memory.text for hit in filled(opened()).search("turn 5 green tea", user_id="ana")]
    assert "turn 5" in plain[0]
    heavy = opened(retrievers=[Heavy(numbered(13))])
    assert "lighthouse" in heavy.search("turn 5 green tea", user_id="ana")[0].memory.text
    light = opened(retrievers=[Brought(numbered(12))])
    assert "turn 12" in light.search("about green tea", user_id="ana")[0].memory.text


def test_one_that_finds_nothing_changes_nothing(opened: Opened) -> None:
    plain = filled(opened()).search("green tea", user_id="ana")
    nothing = Brought(lambda query, view, limit: Candidates(np.array([]), np.array([])))
    assert opened(retrievers=[nothing]).search("green tea", user_id="ana") == plain


def test_it_is_asked_in_every_space_and_for_queries_without_words(opened: Opened) -> None:
    seen = []

    def all_of_it(query, view, limit):  # type: ignore[no-untyped-def]  # as above
        seen.append(view.space)
        numbers = np.flatnonzero(view.allowed)[:limit]
        return Candidates(numbers, np.ones(len(numbers)))

    memory = filled(opened(retrievers=[Brought(all_of_it)]))
    memory.add("what all share", user_id=None)
    memory.search("green tea", user_id="ana", shared=True)
    assert len(set(seen)) == 2
    memory.search("and then?", user_id="bo")
    assert len(set(seen)) == 3


def test_one_that_ships_may_be_asked_for_every_query(opened: Opened) -> None:
    memory = filled(opened(retrievers=["recent"]))
    hits = memory.search("green tea", user_id="ana", limit=20)
    assert {"recent"} < set().union(*(hit.signals for hit in hits))
    assert memory.explain("and then?", user_id="ana").retrievers["recent"] == 20, "the route's own weight stands"


def test_without_time_it_is_left_out_and_the_account_says_so(opened: Opened) -> None:
    memory = filled(opened(retrievers=[Brought(numbered(13))]))
    assert "brought" not in memory.explain("green tea", user_id="ana", latency_ms=1e-6).retrievers
    hurried = memory.search("green tea", user_id="ana", latency_ms=1e-6)
    assert not any("brought" in hit.signals for hit in hurried)
    assert any("brought" in hit.signals for hit in memory.search("green tea", user_id="ana", limit=20))


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (lambda *asked: 1 / 0, "failed: ZeroDivisionError"),
        (lambda *asked: [1, 2], "returned list; it should return Candidates"),
        (numbered(1, scores=[float("nan")]), "NaN or infinite"),
        (numbered(1, scores=[float("inf")]), "NaN or infinite"),
        (numbered(1, 2, scores=[1]), r"shapes \(2,\) and \(1,\)"),
        (numbered(99), "the segment 99, and the space has those from 1 to 13"),
        (numbered(-1), "the segment -1,"),
        (numbered(0), "1 segments that this reader may not see"),
        (numbered(3, 3), "some segment more than once"),
        (lambda *asked: Candidates(np.array([1.5]), np.array([1.0])), "numbers of type float64"),
        (lambda *asked: Candidates(np.array([1]), np.array(["high"])), "scores of type <U4"),
        (lambda *asked: Candidates(np.arange(1, 300), np.ones(299)), "299 candidates, and was asked for 200"),
        (lambda *asked: Candidates(np.array([[1]]), np.array([[1.0]])), r"both are \(n,\)"),
    ],
)
def test_rubbish_is_an_error_that_names_the_retriever(opened: Opened, found: Found, said: str) -> None:
    memory = filled(opened(retrievers=[Brought(found)]))
    with pytest.raises(RetrieverFailed, match=f"the retriever 'brought' .*{said}") as caught:
        memory.search("green tea", user_id="ana")
    assert "green" not in str(caught.value)
    assert isinstance(caught.value, MemstrataError)


@pytest.mark.parametrize("scope", [{"session_id": "s"}, {"filters": {"kind": "fact"}}], ids=str)
def test_it_cannot_bring_what_the_scope_or_the_filter_hides(opened: Opened, scope: dict[str, object]) -> None:
    memory = filled(opened(retrievers=[Brought(numbered(1))]))
    with pytest.raises(RetrieverFailed, match="1 segments that this reader may not see"):
        memory.search("green tea", user_id="ana", **scope)  # type: ignore[arg-type]  # as the cases have them
    with pytest.raises(RetrieverFailed, match="may not see"):
        memory.explain("green tea", user_id="ana", **scope)  # type: ignore[arg-type]  # as above


@settings(max_examples=150)
@given(
    numbers=st.lists(st.integers(-3, 20), max_size=20),
    session=st.sampled_from([None, "s"]),
    user=st.sampled_from(["ana", "bo"]),
)
def test_whatever_it_returns_nobody_sees_what_is_not_theirs(
    hidden: tuple[Memstrata, Brought], numbers: list[int], session: str | None, user: str
) -> None:
    memory, retriever = hidden
    retriever.found = numbered(*numbers)
    memory.add("so that nothing is answered from before", user_id=user, session_id=session)
    with suppress(RetrieverFailed):
        for hit in memory.search("green tea", user_id=user, session_id=session, limit=50):
            assert hit.memory.scope.user_id == user
            assert session is None or hit.memory.scope.session_id == session


@pytest.fixture
def hidden(opened: Opened) -> tuple[Memstrata, Brought]:
    """A memory of two users, and a retriever that it asks."""
    retriever = Brought(numbered())
    return filled(opened(retrievers=[retriever])), retriever


def test_it_cannot_bring_what_was_deleted_or_has_expired(opened: Opened, clock) -> None:  # type: ignore[no-untyped-def]  # the fixture
    memory = opened(retrievers=[Brought(numbered(1))])
    first = memory.add("green tea", user_id="ana").id
    memory.add("more green tea", user_id="ana", expires_at="2024-01-02")
    memory.add("still more green tea", user_id="ana")
    assert memory.search("tea", user_id="ana")
    memory.delete(first)
    with pytest.raises(RetrieverFailed, match="may not see"):
        memory.search("tea", user_id="ana")
    expired = opened(retrievers=[Brought(numbered(2))])
    assert expired.search("tea", user_id="ana")
    clock.advance(200_000)
    with pytest.raises(RetrieverFailed, match="may not see"):
        expired.search("tea", user_id="ana")


def test_its_own_errors_name_it_and_those_of_the_store_stay_what_they_are(opened: Opened) -> None:
    def raising(error: Exception) -> Found:
        def found(*asked: object) -> Candidates:
            raise error

        return found

    memory = filled(opened(retrievers=[Brought(raising(InvalidInput("green tea")))]))
    with pytest.raises(RetrieverFailed, match="the retriever 'brought' failed: InvalidInput"):
        memory.search("green tea", user_id="ana")
    with pytest.raises(StoreClosed, match="closed"):
        opened(retrievers=[Brought(raising(StoreClosed("is closed")))]).search("green tea", user_id="ana")


def test_it_cannot_widen_the_view_it_is_given(opened: Opened) -> None:
    def widening(query, view, limit):  # type: ignore[no-untyped-def]  # as above
        view.allowed[:] = True
        return Candidates(np.array([1]), np.array([1.0]))

    memory = filled(opened(retrievers=[Brought(widening)]))
    with pytest.raises(RetrieverFailed, match="failed: ValueError"):
        memory.search("green tea", user_id="ana", session_id="s")


# ── chosen ──


def test_a_choice_that_cannot_be_used_says_why(opened: Opened) -> None:
    with pytest.raises(InvalidConfig, match="no retriever is named 'graph'; known are lexical, recent, time, vector"):
        opened(retrievers=["graph"])
    with pytest.raises(InvalidConfig, match="is no list"):
        opened(retrievers="recent")
    with pytest.raises(InvalidConfig, match="two retrievers are named 'lexical'"):
        opened(retrievers=[Brought(numbered(1), name="lexical")])
    with pytest.raises(InvalidConfig, match="two retrievers are named 'brought'"):
        opened(retrievers=[Brought(numbered(1)), Brought(numbered(2))])
    with pytest.raises(InvalidConfig, match="has no name"):
        opened(retrievers=[Brought(numbered(1), name="")])
    with pytest.raises(InvalidConfig, match="has no name, retrieve"):
        opened(retrievers=[object()])
    heavy = Heavy(numbered(1))
    heavy.weight = float("nan")
    with pytest.raises(InvalidConfig, match="has the weight nan; it takes a number above 0"):
        opened(retrievers=[heavy])


class Longest:
    """Puts the longest first."""

    name = "longest"

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return features[:, NAMES.index("length")]


def test_a_ranker_that_was_passed_in_orders_the_hits(opened: Opened) -> None:
    memory = opened(ranker=Longest())
    long = memory.add("tea and a great many other things that were said that day", user_id="ana").id
    memory.add("tea", user_id="ana")
    hits = memory.search("tea", user_id="ana")
    assert hits[0].memory.id == long
    memory.feedback(hits[1], useful=True)
    assert memory.search("tea", user_id="ana"), "what is learnt from feedback stands on any ranker"


@pytest.mark.parametrize(
    "answer", [lambda features: features.sum(), lambda features: features[:, 0] * np.nan, lambda features: 1 / 0]
)
def test_a_ranker_that_gives_no_scores_is_an_error_that_names_it(
    opened: Opened, answer: Callable[[NDArray[np.float32]], NDArray[np.float32]]
) -> None:
    class Odd:
        name = "odd"

        def scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
            return answer(features)

    memory = filled(opened(ranker=Odd()))
    with pytest.raises(RankerFailed, match="the ranker 'odd'"):
        memory.search("green tea", user_id="ana")


def test_an_unknown_ranker_says_which_are_known(opened: Opened) -> None:
    with pytest.raises(InvalidConfig, match="no ranker is named 'liner'; did you mean 'linear'"):
        opened(ranker="liner")
