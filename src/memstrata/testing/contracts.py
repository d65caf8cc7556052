"""Say what every swappable part must do, as tests that its makers run.

Each class is a contract: inherit, fill in `make`, and every `test_*` method holds or fails with a sentence.
"""

from __future__ import annotations

import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from memstrata import access
from memstrata.engine import Memstrata
from memstrata.errors import InvalidInput, KeyConflict, StoreClosed
from memstrata.plan.counters import Counter
from memstrata.providers.embedders import Embedder
from memstrata.providers.rerankers import Reranker
from memstrata.read.features import NAMES
from memstrata.read.query import analysed
from memstrata.read.rankers import Ranker
from memstrata.read.retrieve import Candidates, Retriever, retrieved
from memstrata.store import FileStore, NewMemory, Place, When, space_of
from memstrata.store.filters import parse
from memstrata.store.vectors import VectorCache
from memstrata.testing.fakes import FakeEmbedder, temporary_memory
from memstrata.types import Event, Scope
from memstrata.write.index import rows_of

TEXTS: Final = (
    "Ana drinks green tea in the morning.",
    "Bo repaired the blue bicycle.",
    "雨が降っています。",
    "…",
    "👍🏽",
    "x" * 5_000,
    "line one\nline two\r\n\ttabbed",
    "<|endoftext|> [CLS] ignore",
)
NOBODY: Final = ("", "", "")
LATER: Final = 4_000_000_000_000_000  # microseconds since 1970: after every test's memories


class EmbedderContract(ABC):
    """What turns texts into vectors."""

    @abstractmethod
    def make(self) -> Embedder:
        """The embedder under test."""

    def test_each_text_gets_one_row(self) -> None:
        embedder = self.make()
        for count in (1, 2, len(TEXTS)):
            assert embedder.embed(TEXTS[:count]).shape == (count, embedder.dimensions)

    def test_no_texts_give_no_rows(self) -> None:
        embedder = self.make()
        assert embedder.embed([]).shape == (0, embedder.dimensions)

    def test_vectors_have_unit_length(self) -> None:
        lengths = np.linalg.norm(self.make().embed(TEXTS), axis=1)
        assert bool(np.all((np.abs(lengths - 1) < 1e-3) | (lengths == 0))), f"the lengths are {lengths.tolist()}"

    def test_vectors_are_finite_numbers_of_single_precision(self) -> None:
        vectors = self.make().embed(TEXTS)
        assert vectors.dtype == np.float32
        assert bool(np.isfinite(vectors).all())

    def test_the_same_text_gives_the_same_vector_in_any_company(self) -> None:
        embedder = self.make()
        together = embedder.embed(TEXTS)
        for place, text in enumerate(TEXTS):
            alone = embedder.embed([text])[0]
            assert np.allclose(alone, together[place], atol=1e-3), f"differs alone: {text[:40]!r}"

    def test_both_roles_are_understood(self) -> None:
        embedder = self.make()
        assert embedder.embed(["green tea"], role="query").shape == embedder.embed(["green tea"], role="passage").shape

    def test_identity_stays_the_same(self) -> None:
        first, second = self.make(), self.make()
        assert first.identity, "an embedder has a name"
        assert first.identity == second.identity

    def test_a_single_string_is_refused(self) -> None:
        try:
            self.make().embed("not a sequence")
        except InvalidInput:
            return
        raise AssertionError("a string in place of a sequence was embedded sign by sign")

    def test_inline_says_whether_adding_waits_for_it(self) -> None:
        assert self.make().inline in (True, False)


class CounterContract(ABC):
    """What counts tokens."""

    @abstractmethod
    def make(self) -> Counter:
        """The counter under test."""

    def test_the_empty_text_costs_nothing(self) -> None:
        assert self.make().count("") == 0

    def test_words_cost_something(self) -> None:
        assert self.make().count("green tea") > 0

    def test_counts_are_whole_numbers_and_always_the_same(self) -> None:
        counter = self.make()
        for text in TEXTS:
            first = counter.count(text)
            assert isinstance(first, int)
            assert first >= 0
            assert counter.count(text) == first

    def test_repeating_a_text_costs_more(self) -> None:
        counter = self.make()
        assert counter.count("green tea " * 100) > counter.count("green tea ")

    def test_it_has_a_name_for_the_ledger(self) -> None:
        assert self.make().name


class VectorCacheContract(ABC):
    """What finds the nearest vectors of one space."""

    dimensions = 32

    @abstractmethod
    def make(self, dimensions: int) -> VectorCache:
        """An empty cache."""

    def test_an_empty_cache_finds_nothing(self) -> None:
        numbers, scores = self.make(self.dimensions).nearest(self._vectors(1)[0], k=5, allowed=None)
        assert len(numbers) == len(scores) == 0

    def test_a_vector_is_nearest_to_itself(self) -> None:
        cache, vectors = self._filled(200)
        for number in (1, 57, 200):
            found, scores = cache.nearest(vectors[number - 1], k=1, allowed=None)
            assert found.tolist() == [number]
            assert abs(float(scores[0]) - 1) < 0.1

    def test_results_are_best_first_and_at_most_k(self) -> None:
        cache, vectors = self._filled(200)
        found, scores = cache.nearest(vectors[3], k=20, allowed=None)
        assert len(found) == len(set(found.tolist())) == 20
        assert bool(np.all(np.diff(scores) <= 0))
        assert len(cache.nearest(vectors[3], k=5_000, allowed=None)[0]) <= 200

    def test_most_of_the_truly_nearest_are_found(self) -> None:
        cache, vectors = self._filled(500)
        hits = 0
        for query in vectors[:20]:
            best = np.argsort(-(vectors @ query))[:10] + 1
            found, _ = cache.nearest(query, k=20, allowed=None)
            hits += len(set(best.tolist()) & set(found.tolist()))
        assert hits >= 170, f"{hits} of 200 true neighbours were among twice as many candidates"

    def test_only_what_is_allowed_is_found(self) -> None:
        cache, vectors = self._filled(200)
        for few in ([7], [3, 8, 150], list(range(1, 201, 2)), []):
            allowed = np.zeros(201, np.bool_)
            allowed[few] = True
            found, _ = cache.nearest(vectors[7], k=10, allowed=allowed)
            assert set(found.tolist()) <= set(few)
            assert len(found) == min(10, len(few)) or len(few) > 10, f"{len(found)} of {len(few)} allowed were found"

    def test_numbers_beyond_the_mask_are_not_allowed(self) -> None:
        cache, vectors = self._filled(50)
        found, _ = cache.nearest(vectors[40], k=50, allowed=np.ones(11, np.bool_))
        assert set(found.tolist()) <= set(range(11))

    def test_a_dropped_vector_is_gone_and_an_unknown_one_is_passed_over(self) -> None:
        cache, vectors = self._filled(50)
        cache.drop(np.array([9, 4_000, 10_000], np.int64))
        found, _ = cache.nearest(vectors[8], k=50, allowed=None)
        assert 9 not in found.tolist()
        assert len(found) >= 45  # one at a right angle may be passed over

    def test_a_vector_put_again_replaces_the_old_one(self) -> None:
        cache, vectors = self._filled(50)
        cache.put(np.array([9], np.int64), -vectors[8:9].astype(np.float16))
        found, scores = cache.nearest(-vectors[8], k=1, allowed=None)
        assert found.tolist() == [9]
        assert float(scores[0]) > 0.9

    def test_a_row_of_zeros_is_no_vector(self) -> None:
        cache, vectors = self._filled(10)
        cache.put(np.array([3], np.int64), np.zeros((1, self.dimensions), np.float16))
        assert 3 not in cache.nearest(vectors[2], k=50, allowed=None)[0].tolist()

    def test_similarities_are_near_the_true_cosines(self) -> None:
        cache, vectors = self._filled(50)
        numbers = np.array([7, 1, 50, 7], np.int64)
        found = cache.similarities(vectors[3], numbers)
        assert found.shape == (4,)
        assert float(np.abs(found - vectors[numbers - 1] @ vectors[3]).max()) < 0.15

    def test_numbers_may_have_gaps(self) -> None:
        vectors = self._vectors(3)
        cache = self.make(self.dimensions)
        cache.put(np.array([5, 70_000, 300], np.int64), vectors.astype(np.float16))
        assert cache.nearest(vectors[1], k=1, allowed=None)[0].tolist() == [70_000]

    def test_putting_nothing_changes_nothing(self) -> None:
        cache, vectors = self._filled(5)
        cache.put(np.empty(0, np.int64), np.empty((0, self.dimensions), np.float16))
        cache.drop(np.empty(0, np.int64))
        assert len(cache.nearest(vectors[0], k=9, allowed=None)[0]) == 5

    def test_it_says_how_much_memory_it_holds(self) -> None:
        cache, _ = self._filled(500)
        assert cache.nbytes >= 500 * self.dimensions // 8

    def _filled(self, count: int) -> tuple[VectorCache, NDArray[np.float32]]:
        """A cache of `count` vectors numbered from 1, put in two runs."""
        vectors = self._vectors(count)
        numbers = np.arange(1, count + 1)
        cache = self.make(self.dimensions)
        half = count // 2
        cache.put(numbers[:half], vectors[:half].astype(np.float16))
        cache.put(numbers[half:], vectors[half:].astype(np.float16))
        return cache, vectors

    def _vectors(self, count: int) -> NDArray[np.float32]:
        drawn = np.random.default_rng(7).standard_normal((count, self.dimensions)).astype(np.float32)
        found: NDArray[np.float32] = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
        return found


class RankerContract(ABC):
    """What orders the candidates."""

    @abstractmethod
    def make(self) -> Ranker:
        """The ranker under test."""

    def test_each_candidate_gets_one_finite_score(self) -> None:
        for count in (0, 1, 300):
            scores = self.make().scores(self._features(count))
            assert scores.shape == (count,)
            assert bool(np.isfinite(scores).all())

    def test_the_same_candidates_get_the_same_scores(self) -> None:
        assert np.array_equal(self.make().scores(self._features(50)), self.make().scores(self._features(50)))

    def test_candidates_with_nothing_to_say_for_them_are_scored_too(self) -> None:
        scores = self.make().scores(np.zeros((3, len(NAMES)), np.float32))
        assert bool(np.isfinite(scores).all())
        assert len(set(scores.tolist())) == 1

    def test_it_has_a_name(self) -> None:
        assert self.make().name

    def _features(self, count: int) -> NDArray[np.float32]:
        found: NDArray[np.float32] = np.random.default_rng(7).random((count, len(NAMES)), np.float32)
        return found


class RerankerContract(ABC):
    """What reads the best hits once more next to the query."""

    query = "what does Ana drink in the morning"

    @abstractmethod
    def make(self) -> Reranker:
        """The reranker under test."""

    def test_it_has_a_name(self) -> None:
        assert self.make().name

    def test_each_passage_gets_one_finite_score(self) -> None:
        reranker = self.make()
        for count in (1, 2, len(TEXTS)):
            scores = reranker.scores(self.query, TEXTS[:count])
            assert scores.shape == (count,)
            assert bool(np.isfinite(scores).all())

    def test_no_passages_give_no_scores(self) -> None:
        assert self.make().scores(self.query, []).shape == (0,)

    def test_an_empty_passage_and_a_long_query_are_scored_too(self) -> None:
        scores = self.make().scores("which tea " * 2_000, ["", "green tea"])
        assert scores.shape == (2,)
        assert bool(np.isfinite(scores).all())

    def test_a_passage_gets_the_same_score_in_any_company_and_order(self) -> None:
        reranker = self.make()
        together = reranker.scores(self.query, TEXTS)
        assert np.allclose(reranker.scores(self.query, TEXTS[::-1])[::-1], together, atol=1e-3)
        for place, text in enumerate(TEXTS):
            assert np.allclose(reranker.scores(self.query, [text]), together[place], atol=1e-3), f"alone: {text[:40]!r}"

    def test_two_made_alike_score_alike(self) -> None:
        assert np.allclose(self.make().scores(self.query, TEXTS), self.make().scores(self.query, TEXTS), atol=1e-3)

    def test_a_search_is_reranked_and_explained_by_it(self) -> None:
        reranker = self.make()
        with temporary_memory(embedder=FakeEmbedder(dimensions=64), reranker=reranker) as memory:
            memory.add_many([f"turn {n} about green tea" for n in range(12)], user_id="ana")
            found = memory.explain("green tea", user_id="ana", limit=12)
            assert found.reranking is not None
            assert found.reranking.stopped is None, f"it stopped for {found.reranking.stopped}"
            assert found.reranking.scored == 12
            ranks = sorted(hit.signals[reranker.name].rank for hit in found.hits)
            assert ranks == list(range(1, 13))


class RetrieverContract(ABC):
    """One way of finding candidates.

    Where yours finds nothing for `query` among the memories that `_memory` keeps, set another query.
    """

    query = "which green tea does she drink today"

    @abstractmethod
    def make(self) -> Retriever:
        """The retriever under test."""

    def test_it_has_a_name(self) -> None:
        assert self.make().name

    def test_an_empty_scope_gives_nothing(self) -> None:
        with self._memory() as memory:
            assert self._found(memory, Scope(user_id="nobody")) == []

    def test_what_is_found_lies_in_the_view(self) -> None:
        with self._memory() as memory:
            texts = self._texts(memory, Scope(user_id="ana"))
            assert texts
            assert all("Bo" not in text for text in texts)

    def test_what_the_filter_hides_is_not_found(self) -> None:
        with self._memory() as memory:
            texts = self._texts(memory, Scope(user_id="ana"), filters={"kind": "fact"})
            assert texts
            assert all(text.startswith("Fact") for text in texts)

    def test_another_session_is_not_found(self) -> None:
        with self._memory() as memory:
            texts = self._texts(memory, Scope(user_id="ana", session_id="s1"))
            assert texts
            assert all("session" in text for text in texts)

    def test_deleted_and_changed_memories_are_not_found(self) -> None:
        with self._memory() as memory:
            first, second = list(memory.list(user_id="ana", filters={"kind": "fact"}, limit=2))
            self._found(memory, Scope(user_id="ana"))
            memory.delete(first.id)
            memory.update(second.id, text="Now she takes white tea, green no more.")
            texts = self._texts(memory, Scope(user_id="ana"))
            assert first.text not in texts
            assert second.text not in texts

    def test_results_are_best_first_within_the_limit_and_each_once(self) -> None:
        with self._memory() as memory:
            for limit in (1, 3, 100):
                found = self._candidates(memory, Scope(user_id="ana"), limit=limit)
                assert len(found.numbers) == len(found.scores) <= limit
                assert bool(np.all(np.diff(found.scores) <= 0))
                assert len(set(found.numbers.tolist())) == len(found.numbers)

    def test_the_same_moment_gives_the_same_answer(self) -> None:
        with self._memory() as memory:
            assert self._found(memory, Scope(user_id="ana")) == self._found(memory, Scope(user_id="ana"))

    def test_what_others_write_changes_nothing(self) -> None:
        with self._memory() as memory:
            before = self._found(memory, Scope(user_id="ana"))
            memory.add_many([f"green tea {n}" for n in range(50)], user_id="eve")
            memory.add_many([f"green tea {n}" for n in range(50)], user_id="ana", tenant_id="other")
            assert self._found(memory, Scope(user_id="ana")) == before

    @contextmanager
    def _memory(self) -> Iterator[Memstrata]:
        with temporary_memory(embedder=FakeEmbedder(dimensions=64)) as memory:
            memory.add_many([Event(f"Fact {n}: green tea, cup {n}", kind="fact") for n in range(5)], user_id="ana")
            memory.add_many([f"turn {n} about green tea" for n in range(5)], user_id="ana")
            memory.add_many([f"green tea in this session, {n}" for n in range(3)], user_id="ana", session_id="s1")
            memory.add("Bo drinks green tea too.", user_id="bo")
            yield memory

    def _texts(self, memory: Memstrata, scope: Scope, filters: dict[str, Any] | None = None) -> list[str]:
        """Texts of what is found; Any: the filter grammar's JSON."""
        found = [number for number, _ in self._found(memory, scope, filters=filters)]
        with memory._parts.store.reading() as reading:  # what a retriever is handed has no public door
            return [segment.text for segment in reading.segment_texts(found).values()]

    def _found(
        self,
        memory: Memstrata,
        scope: Scope,
        *,
        filters: dict[str, Any] | None = None,  # Any: the filter grammar's JSON
    ) -> list[tuple[int, float]]:
        """(segment id, score) of what is found, best first."""
        found = self._candidates(memory, scope, filters=filters)
        with memory._parts.store.reading() as reading:
            places = access.one_space(reading, scope, shared=False)
        base = places[0].space << 36 if places else 0
        return [
            (base | number, score) for number, score in zip(found.numbers.tolist(), found.scores.tolist(), strict=True)
        ]

    def _candidates(
        self,
        memory: Memstrata,
        scope: Scope,
        *,
        limit: int = 100,
        filters: dict[str, Any] | None = None,  # Any: the filter grammar's JSON
    ) -> Candidates:
        parts = memory._parts
        query = analysed(self.query, parts.embedder, at=parts.clock.now())
        with parts.store.reading() as reading:
            places = access.one_space(reading, scope, shared=False)
            views = access.view(reading, parts.spaces, places, parse(filters), when=When(parts.clock.now()))
            for view in views:
                retriever = self.make()
                return retrieved(retriever, query, view, reading, name=retriever.name, limit=limit)
        return Candidates(np.empty(0, np.int64), np.empty(0, np.float32))


class StoreContract(ABC):
    """Where memories live."""

    @abstractmethod
    def make(self, directory: Path) -> FileStore:
        """The store of a directory, made when it is not there; called again, it opens the same one."""

    def test_what_was_committed_is_there_after_opening_again(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            store = self.make(Path(folder))
            id = self._added(store, "Ana drinks tea")[0]
            store.close()
            store = self.make(Path(folder))
            with store.reading() as reading:
                stored = reading.current(id)
            assert stored is not None
            assert stored.memory.text == "Ana drinks tea"
            store.close()

    def test_a_failed_change_leaves_nothing(self) -> None:
        with self._store() as store:
            self._added(store, "kept")
            with store.reading() as reading:
                before = reading.position()
            with suppress(ZeroDivisionError), store.writing() as writing:
                writing.insert(writing.space("t", "a", "u"), rows("lost"))
                raise ZeroDivisionError
            with store.reading() as reading:
                assert reading.position() == before
                assert reading.spaces("t", "a", "u") == []
                assert self._texts(reading.select(self._places(reading), None, limit=9, now=0)) == ["kept"]

    def test_a_reader_sees_one_moment(self) -> None:
        with self._store() as store:
            self._added(store, "first")
            with store.reading() as reading:
                before = self._texts(reading.select(self._places(reading), None, limit=9, now=0))
                self._added(store, "second")
                assert self._texts(reading.select(self._places(reading), None, limit=9, now=0)) == before
            with store.reading() as reading:
                assert len(reading.select(self._places(reading), None, limit=9, now=0)) == 2

    def test_positions_only_grow(self) -> None:
        with self._store() as store:
            seen = []
            for n in range(5):
                self._added(store, f"note {n}")
                with store.reading() as reading:
                    seen.append(reading.position())
            assert seen == sorted(set(seen))

    def test_a_key_makes_adding_twice_adding_once(self) -> None:
        with self._store() as store:
            first = self._added(store, "once", key="k")
            assert self._added(store, "once", key="k") == first
            try:
                self._added(store, "other", key="k")
            except KeyConflict:
                pass
            else:
                raise AssertionError("a key came back with other content and was taken")
            assert self._added(store, "other", key="k", user="bo") != first

    def test_a_new_version_takes_the_place_of_the_old_one(self) -> None:
        with self._store() as store:
            (id,) = self._added(store, "green")
            with store.writing() as writing:
                current = writing.current(id)
                assert current is not None
                newer = writing.supersede(current, rows("blue")[0])
            assert newer.memory.version == 2
            with store.reading() as reading:
                assert self._texts(reading.select(self._places(reading), None, limit=9, now=0)) == ["blue"]
                assert [version.state for _, version in reading.history(id)] == ["superseded", "active"]

    def test_a_renewed_memory_expires_later_and_stays_the_version_it_was(self) -> None:
        with self._store() as store:
            (id,) = self._added(store, "green")
            with store.writing() as writing:
                current = writing.current(id)
                assert current is not None
                before = writing.position()
                writing.renew(current, LATER)
            with store.reading() as reading:
                assert self._texts(reading.select(self._places(reading), None, limit=9, now=LATER - 1)) == ["green"]
                assert not reading.select(self._places(reading), None, limit=9, now=LATER)
                assert [version.number for _, version in reading.history(id)] == [1]
                assert reading.position() > before
                assert all(row.intact for row in reading.audit())

    def test_what_was_buried_leaves_a_tombstone_without_content(self) -> None:
        with self._store() as store:
            (id,) = self._added(store, "secret", key="k")
            with store.writing() as writing:
                assert writing.bury([id]) == 1
                assert writing.bury([id]) == 0
            with store.reading() as reading:
                assert reading.current(id) is None
                assert [version.memory for _, version in reading.history(id)] == [None]
                (space,) = reading.spaces(*NOBODY)
                assert len(reading.postings(space, "secret", limit=9)) == 0
                assert reading.state(space).segments == reading.state(space).words == 0

    def test_spaces_share_nothing(self) -> None:
        with self._store() as store:
            self._added(store, "green tea", user="ana")
            self._added(store, "green tea", user="bo")
            with store.reading() as reading:
                (ana,), (bo,) = reading.spaces("", "", "ana"), reading.spaces("", "", "bo")
                assert ana != bo
                for space in (ana, bo):
                    assert len(reading.postings(space, "green", limit=9)) == 1
                    assert reading.state(space).segments == 1
                    found = reading.select([Place(space)], None, limit=9, now=0)
                    assert [space_of(stored.row) for stored in found] == [space]
                assert sorted(reading.spaces("", "", None)) == sorted([ana, bo])

    def test_pages_follow_the_order_of_time(self) -> None:
        with self._store() as store:
            for minute in (30, 10, 20, 10):
                self._added(store, f"at {minute}", at=minute)
            with store.reading() as reading:
                places = self._places(reading)
                whole = reading.select(places, None, limit=9, now=0)
                assert [stored.memory.text for stored in whole] == ["at 10", "at 10", "at 20", "at 30"]
                paged, after = [], None
                while page := reading.select(places, None, after=after, limit=1, now=0):
                    paged += page
                    after = (int(page[0].memory.at.timestamp() * 1_000_000), page[0].row)
                assert [stored.row for stored in paged] == [stored.row for stored in whole]
                newest = reading.select(places, None, newest_first=True, limit=9, now=0)
                assert [stored.row for stored in newest] == [stored.row for stored in reversed(whole)]

    def test_filters_and_expiry_are_obeyed(self) -> None:
        with self._store() as store:
            self._added(store, "a fact", kind="fact")
            self._added(store, "a turn")
            self._added(store, "gone soon", expires_at=100)
            with store.reading() as reading:
                places, tree = self._places(reading), parse({"kind": "fact"})
                assert self._texts(reading.select(places, tree, limit=9, now=0)) == ["a fact"]
                assert len(reading.allowed_rows(places[0], tree, when=When(0))) == 1
                assert len(reading.select(places, None, limit=9, now=LATER)) == 2
                assert len(reading.lapsed(places[0].space, now=LATER)) == 1

    def test_vectors_come_back_bit_for_bit(self) -> None:
        with self._store() as store:
            self._added(store, "green tea")
            expected = np.frombuffer(rows("green tea")[0].segments[0].vector or b"", "<f2")
            with store.reading() as reading:
                (space,) = reading.spaces(*NOBODY)
                (run,) = reading.columns(space, after=0, dimensions=16)
                assert np.array_equal(run.vectors, expected[None, :])
                assert run.live.tolist() == [True]

    def test_changes_can_be_followed(self) -> None:
        with self._store() as store:
            (id,) = self._added(store, "green tea")
            with store.reading() as reading:
                (space,) = reading.spaces(*NOBODY)
                before = reading.position()
                assert reading.changed(space, after=before) == []
            with store.writing() as writing:
                writing.bury([id])
            with store.reading() as reading:
                assert reading.changed(space, after=before) == [1]
                assert reading.state(space).position == reading.position() > before

    def test_owed_work_is_claimed_once(self) -> None:
        with self._store() as store:
            with store.writing() as writing:
                writing.owe("wash", [1, 2, 3])
                writing.owe("wash", [3])
            with store.writing() as writing:
                mine = writing.claim("wash", holder="me", limit=2, lease_s=60)
                yours = writing.claim("wash", holder="you", limit=9, lease_s=60)
                writing.settle(task.id for task in mine)
            assert len(mine) == 2
            assert len(yours) == 1
            with store.reading() as reading:
                assert dict(reading.owed()) == {"wash": 1}

    def test_settings_are_kept(self) -> None:
        with self._store() as store:
            with store.writing() as writing:
                writing.set_meta("colour", "blue")
            with store.reading() as reading:
                assert reading.meta("colour") == "blue"
                assert reading.meta("nothing") is None

    def test_a_copy_opens_like_the_original(self) -> None:
        with self._store() as store, tempfile.TemporaryDirectory() as folder:
            (id,) = self._added(store, "copied")
            store.backup(Path(folder) / "copy")
            copy = self.make(Path(folder) / "copy")
            with copy.reading() as reading:
                assert reading.current(id) is not None
            assert copy.inspect() == []
            copy.close()

    def test_a_closed_store_says_so(self) -> None:
        with self._store() as store:
            store.close()
            store.close()
            try:
                with store.reading():
                    pass
            except StoreClosed:
                return
            raise AssertionError("a closed store could be read")

    @contextmanager
    def _store(self) -> Iterator[FileStore]:
        with tempfile.TemporaryDirectory() as folder:
            store = self.make(Path(folder) / "store")
            try:
                yield store
            finally:
                store.close()

    def _added(
        self,
        store: FileStore,
        text: str,
        *,
        user: str = "",
        **changes: Any,  # Any: properties of NewMemory
    ) -> list[bytes]:
        with store.writing() as writing:
            new = [replace(row, **changes) for row in rows(text)]
            return writing.insert(writing.space("", "", user), new)[0]

    def _places(self, reading: Any) -> list[Place]:  # Any: a Reading
        return [Place(space) for space in reading.spaces(*NOBODY)]

    def _texts(self, stored: Sequence[Any]) -> list[str]:  # Any: Stored
        return [one.memory.text for one in stored]


def rows(*texts: str) -> list[NewMemory]:
    """Texts as rows with vectors of 16 dimensions."""
    events = [Event(text) for text in texts]
    return rows_of(events, Scope(), FakeEmbedder(dimensions=16), now=0)
