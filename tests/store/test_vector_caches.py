"""Prove that vectors are found through caches exactly as a plain scan would find them."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memstrata import Memstrata
from memstrata.errors import EmbedderMismatch
from memstrata.store import spaces
from memstrata.store.vectors.exact import ExactScan
from memstrata.testing import FakeEmbedder


def scanned(memory: Memstrata, query: str, *, k: int) -> list[str]:
    """What a scan of all float vectors of Ana's space finds."""
    embedder = memory._parts.embedder
    vector = embedder.embed([query], role="query")[0]
    with memory._parts.store.reading() as reading:
        (space,) = reading.spaces("", "", "ana")
        rows: dict[int, float] = {}
        for run in reading.columns(space, after=0, dimensions=embedder.dimensions):
            cosines = run.vectors.astype(np.float32) @ vector
            rows |= {
                (space << 36) | int(owner): float(cosine)
                for owner, cosine, live in zip(run.owners, cosines, run.live, strict=True)
                if live
            }
        best = sorted(rows, key=lambda row: (-rows[row], -row))[:k]
        found = reading.memories(best)
    return [found[row].memory.text for row in best]


def by_vector(memory: Memstrata, query: str, *, k: int) -> list[str]:
    hits = memory.search(query, user_id="ana", limit=1_000)
    ranked = sorted((hit for hit in hits if "vector" in hit.signals), key=lambda hit: hit.signals["vector"].rank)
    return [hit.memory.text for hit in ranked[:k]]


@settings(max_examples=15)
@given(st.integers(0, 2**32), st.integers(3, 40), st.sampled_from([8, 33, 64, 256]))
def test_the_8_bit_scan_ranks_as_floats_do(seed: int, count: int, dimensions: int) -> None:
    drawn = np.random.default_rng(seed).standard_normal((count * 10, dimensions)).astype(np.float32)
    vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    cache = ExactScan(dimensions)
    cache.put(np.arange(1, len(vectors) + 1), vectors.astype(np.float16))
    truth = np.argsort(-(vectors @ vectors[0]))[:5] + 1
    found, scores = cache.nearest(vectors[0], k=20, allowed=None)
    assert len(set(truth.tolist()) & set(found.tolist())) >= 4
    exact = vectors[found - 1] @ vectors[0]
    assert np.abs(scores - exact)[1:].max() < 0.1


def test_a_search_finds_the_nearest_by_exact_vectors(memory: Memstrata) -> None:
    memory.add_many([f"note {n} of {n * 7 % 13} and {n * 5 % 11} others" for n in range(300)], user_id="ana")
    query = "note of 4 and 7 others"
    assert by_vector(memory, query, k=10) == scanned(memory, query, k=10)


def test_changes_are_seen_in_every_cache(
    opened: Callable[..., Memstrata], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 200)
    monkeypatch.setattr(spaces, "REWRITE_TAIL", 50)
    embedder = FakeEmbedder(dimensions=32)
    memory, other = opened(embedder=embedder), opened(embedder=embedder)
    memory.add_many([f"note {n} red {n % 7} blue {n % 5}" for n in range(250)], user_id="ana")
    for reader in (memory, other):
        reader.search("red 3 blue 2", user_id="ana")
    assert len(list((home / "caches").glob("*.vectors"))) == 1
    ids = [kept.id for kept in memory.list(user_id="ana")]
    for place in range(0, 60, 3):
        memory.delete(ids[place])
        other.update(ids[place + 1], text=f"changed {place} green")
    other.add_many([f"late {n} red {n % 7}" for n in range(120)], user_id="ana")
    for query in ("red 3 blue 2", "changed green", "late red 6"):
        expected = scanned(memory, query, k=10)
        assert by_vector(memory, query, k=10) == expected
        assert by_vector(other, query, k=10) == expected
        assert by_vector(opened(embedder=embedder), query, k=10) == expected
    assert memory.check().ok


CHILD = """
import os, sys, memstrata
from pathlib import Path
from memstrata.store import spaces
from memstrata.testing import FakeEmbedder
memory = memstrata.open(sys.argv[1], embedder=FakeEmbedder(dimensions=16))
hits = memory.search("b123", user_id="ana")
held = memory._parts.spaces._held[1].vectors.nbytes
print(hits[0].memory.text, held, "vectors" in Path("/proc/self/maps").read_text(), flush=True)
input()
hits = memory.search("b20015", user_id="ana")
print(hits[0].memory.text, len(memory.search("b123", user_id="ana", filters={"text": "b123"})), flush=True)
"""


@pytest.mark.skipif(not Path("/proc/self/maps").exists(), reason="needs /proc to see what is mapped")
def test_processes_share_one_mapped_file_of_a_large_space(opened: Callable[..., Memstrata], home: Path) -> None:
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.add_many((f"b{n}" for n in range(spaces.MAPPED_FROM + 10)), user_id="ana", batch=5_000)
    (file,) = (home / "caches").glob("*.vectors")
    before = file.stat().st_mtime_ns
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CHILD, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "b123 0 True\n"
    assert file.stat().st_mtime_ns == before, "both mapped the file that was there"
    memory.add_many((f"b{n}" for n in range(20_010, 20_020)), user_id="ana")
    memory.delete(memory.search("b123", user_id="ana", filters={"text": "b123"})[0].memory.id)
    for child in children:
        out, _ = child.communicate("\n")
        assert out == "b20015 0\n"


def test_a_cache_folder_that_vanishes_is_made_again(
    opened: Callable[..., Memstrata], monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    monkeypatch.setattr(spaces, "MAPPED_FROM", 100)
    memory = opened(embedder=FakeEmbedder(dimensions=16))
    memory.add_many([f"b{n}" for n in range(150)], user_id="ana")
    (file,) = (home / "caches").glob("*.vectors")
    file.unlink()
    file.parent.rmdir()
    assert memory.search("b7", user_id="ana")[0].memory.text == "b7"
    assert opened(embedder=FakeEmbedder(dimensions=16)).search("b7", user_id="ana")[0].memory.text == "b7"
    assert len(list((home / "caches").glob("*.vectors"))) == 1


def test_reembedding_with_another_dimension_makes_every_vector_anew(opened: Callable[..., Memstrata]) -> None:
    memory = opened(embedder=FakeEmbedder(dimensions=32))
    memory.add_many([f"note {n} red {n % 7}" for n in range(100)], user_id="ana")
    id = next(iter(memory.list(user_id="ana"))).id
    memory.update(id, text="changed")
    memory.search("red 3", user_id="ana")
    with pytest.raises(EmbedderMismatch, match="fake/32"):
        opened(embedder=FakeEmbedder(dimensions=48))
    new = opened(embedder=FakeEmbedder(dimensions=48), reembed=True)
    assert new.search("red 3", user_id="ana"), "words are found before"
    seen: list[int] = []
    assert new.reembed(progress=seen.append) == sum(seen) == 101
    assert by_vector(new, "red 3 note", k=10) == scanned(new, "red 3 note", k=10)
    assert new.check().ok
    assert new.stats().embedder == "fake/48"
    assert new.stats().owed == {}
    assert "vector" not in memory.search("red 3", user_id="ana")[0].signals, "its vectors no longer compare"
    with pytest.raises(EmbedderMismatch):
        memory.add("by the old one", user_id="ana")
    assert memory.stats().memories == 100


def test_a_store_of_an_older_table_says_what_to_do_and_can_be_reembedded(opened: Callable[..., Memstrata]) -> None:
    memory = opened(embedder=FakeEmbedder(dimensions=256, name="memstrata-static-1"))
    memory.add("We adopted a puppy.", user_id="ana")
    with pytest.raises(EmbedderMismatch, match=r"memstrata-static-1/256.*memstrata reembed.*builtin"):
        opened(embedder="builtin")
    new = opened(embedder="builtin", reembed=True)
    assert new.reembed() == 1
    assert opened(embedder="builtin").search("a young dog", user_id="ana")[0].memory.text == "We adopted a puppy."
    assert new.check().ok


def test_work_that_failed_is_taken_up_again(opened: Callable[..., Memstrata]) -> None:
    embedder = Moody()
    memory = opened(embedder=embedder)
    embedder.sulks = True
    memory.add("green tea", user_id="ana")
    with pytest.raises(ConnectionError):
        memory.upkeep()
    embedder.sulks = False
    assert memory.upkeep().owed == {}
    assert by_vector(memory, "green tea", k=1) == ["green tea"]


class Moody(FakeEmbedder):
    """Owes its work, and at times does not do it."""

    def __init__(self) -> None:
        super().__init__(inline=False)
        self.sulks = False

    def embed(self, texts: object, *, role: object = "passage") -> object:  # type: ignore[override]
        if self.sulks and role == "passage":
            raise ConnectionError("no answer")
        return super().embed(texts, role=role)  # type: ignore[arg-type]


def test_memory_for_caches_stays_within_its_bound(opened: Callable[..., Memstrata]) -> None:
    memory = opened(embedder=FakeEmbedder(dimensions=64))
    held = memory._parts.spaces
    held._memory_bytes = 60_000
    for user in range(12):
        memory.add_many([f"note {n}" for n in range(100)], user_id=f"u{user}")
    for _ in range(2):
        for user in range(12):
            assert memory.search("note 7", user_id=f"u{user}")
            assert sum(cache.nbytes for cache in held._held.values()) <= 60_000
    assert 1 < len(held._held) < 12
    assert list(held._held)[-1] == 12, "the most recently used stays"


def test_threads_that_add_delete_and_search_one_space_do_not_disturb_each_other(memory: Memstrata) -> None:
    memory.add_many([f"green tea {n}" for n in range(60)], user_id="ana")

    def work(number: int) -> int:
        found = 0
        for n in range(12):
            id = memory.add(f"green tea {number} and {n}", user_id="ana").id
            found += any(hit.memory.id == id for hit in memory.search(f"green {number} {n}", user_id="ana", limit=999))
            if n % 3 == 0:
                memory.delete(id)
        return found

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(work, range(6))) == [12] * 6
    assert memory.check().ok
    assert memory.stats().memories == 60 + 6 * 8


@pytest.mark.skipif(importlib.util.find_spec("turbovec") is None, reason="needs the optional package turbovec")
def test_the_4_bit_cache_finds_what_the_scan_finds(opened: Callable[..., Memstrata]) -> None:
    embedder = FakeEmbedder(dimensions=64)
    scan, turbo = opened(embedder=embedder), opened(embedder=embedder, vector_cache="turbovec")
    scan.add_many([f"note {n} red {n % 7} blue {n % 5}" for n in range(300)], user_id="ana")
    ids = [kept.id for kept in scan.list(user_id="ana")]
    for query in ("red 3 blue 2", "note 77"):
        assert by_vector(turbo, query, k=5) == by_vector(scan, query, k=5)
    for place in range(0, 60, 3):
        scan.delete(ids[place])
        turbo.update(ids[place + 1], text=f"changed {place} green")
    for query in ("red 3 blue 2", "changed green", "note 77"):
        assert by_vector(turbo, query, k=5) == by_vector(scan, query, k=5)
        assert by_vector(opened(embedder=embedder, vector_cache="turbovec"), query, k=5) == by_vector(scan, query, k=5)
    narrow = turbo.search("red 3", user_id="ana", filters={"text": {"contains": "note 7"}}, limit=50)
    assert {hit.memory.text for hit in narrow} <= {
        one.text for one in turbo.list(user_id="ana") if "note 7" in one.text
    }
