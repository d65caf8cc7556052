"""Share what most tests need: a memory in a folder of its own, with an embedder that costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

import memstrata
from memstrata import Memstrata
from memstrata.plan.counters import CharacterCounter
from memstrata.testing import FakeEmbedder, SteppingClock

settings.register_profile(
    "memstrata",
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
settings.load_profile("memstrata")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A directory in which no store is yet."""
    return tmp_path / "home"


@pytest.fixture
def clock() -> SteppingClock:
    """Time that stands still."""
    return SteppingClock()


@pytest.fixture
def opened(home: Path, clock: SteppingClock) -> Iterator[Callable[..., Memstrata]]:
    """Open the memory at `home`, any number of times; all are closed in the end."""
    memories: list[Memstrata] = []

    def one(**options: object) -> Memstrata:
        chosen = {"embedder": FakeEmbedder(), "counter": CharacterCounter(), "clock": clock, **options}
        memory = memstrata.open(chosen.pop("path", home), **chosen)
        memories.append(memory)
        return memory

    yield one
    for memory in memories:
        memory.close()


@pytest.fixture
def memory(opened: Callable[..., Memstrata]) -> Memstrata:
    """An empty memory."""
    return opened()
