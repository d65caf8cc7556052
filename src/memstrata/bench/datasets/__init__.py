"""Turn the files of a published set into what is remembered, what is asked, and what should be found.

A set is a folder or file below one data directory that you name; none of them ships with the package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Final, Literal, Protocol

from memstrata.errors import InvalidInput
from memstrata.types import Event

Metric = Literal["recall", "event-recall", "any", "all", "ndcg", "map"]

LOADERS: Final[Mapping[str, str]] = {
    "locomo": "memstrata.bench.datasets.locomo:LoCoMo",
    "realmem": "memstrata.bench.datasets.realmem:RealMem",
    "vehiclemembench": "memstrata.bench.datasets.vehiclemembench:VehicleMemBench",
    "beam-100k": "memstrata.bench.datasets.beam:Beam100K",
    "cranfield": "memstrata.bench.datasets.cranfield:Cranfield",
    "factconsolidation": "memstrata.bench.datasets.factconsolidation:FactConsolidation",
    "babi": "memstrata.bench.datasets.babi:Babi",
}


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that is remembered and ranked; where `group` is named, a hit counts as a hit on its group."""

    key: str
    event: Event
    group: str | None = None

    @property
    def counts_as(self) -> str:
        """What the ranking is made of: the group, or the unit itself."""
        return self.group or self.key

    @property
    def keyed(self) -> Event:
        """What is added to a memory: the event, under the unit's key."""
        return replace(self.event, key=self.key)


@dataclass(frozen=True, slots=True)
class Gold:
    """One thing that should be found: any of these units (or groups) finds it, and it is worth `gain`."""

    found_by: frozenset[str]
    gain: float = 1.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked when the first `visible` units are known; `skipped` says why it is not scored.

    `answers` are the texts that answer it, where the set has them; none is scored, but whether their words came into a
    context. `rivals` are two times, in microseconds since 1970 UTC: when that was said which answers it, and when what
    it might be taken for.
    """

    text: str
    gold: tuple[Gold, ...]
    visible: int
    category: str = ""
    skipped: str | None = None
    answers: tuple[str, ...] = ()
    rivals: tuple[int, int] | None = None

    @property
    def evidence(self) -> frozenset[str]:
        """All units (or groups) that find anything of what should be found."""
        return frozenset(key for gold in self.gold for key in gold.found_by)


@dataclass(frozen=True, slots=True)
class Corpus:
    """One conversation, user or history, in the order in which it happened, with the questions about it."""

    name: str
    units: tuple[Unit, ...]
    questions: tuple[Question, ...]

    @property
    def asked(self) -> list[Question]:
        """The questions that are scored, in the order in which what they need becomes known."""
        return sorted((one for one in self.questions if one.skipped is None), key=lambda one: one.visible)

    @property
    def counts_as(self) -> dict[str, str]:
        """What each unit counts as, by its key."""
        return {unit.key: unit.counts_as for unit in self.units}


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set ready to be asked.

    `ranked` names what k counts. `metrics` are what is reported, the first of them at k = 10 as the set's figure
    where `headline` says so. `deep` is how many units a method is asked for. `resampled` says what the intervals
    are drawn over: whole corpora, or questions where there are too few corpora. `history` marks sets with
    a conversation that a model could be given in part; `seen` those that the built-in embedder (by their texts)
    or the ranker (by their questions) was fitted on, so that figures with them are not of unseen data.
    """

    name: str
    ranked: Literal["turn", "session", "line", "message", "abstract", "fact"]
    metrics: tuple[Metric, ...]
    corpora: tuple[Corpus, ...]
    headline: bool = True
    deep: int = 50
    cutoffs: tuple[int, ...] = ()
    resampled: Literal["corpus", "question"] = "corpus"
    history: bool = False
    seen: bool = False


class Loader(Protocol):
    """Reads one set."""

    name: str

    def found(self, data: Path) -> bool:
        """Whether its files lie below this directory."""
        ...

    def load(self, data: Path) -> Dataset:
        """The whole set; raises InvalidInput for a file that has not the set's form."""
        ...


def loaders() -> list[Loader]:
    """One for each set we know, in the order they are reported."""
    made: list[Loader] = []
    for path in LOADERS.values():
        module, _, name = path.partition(":")
        made.append(getattr(import_module(module), name)())
    return made


def found(data: Path) -> list[Loader]:
    """Those whose files lie below a directory."""
    return [loader for loader in loaders() if loader.found(data)]


def chosen(data: Path, names: list[str] | None) -> list[Loader]:
    """Those that are named, or all that are there.

    Raises:
        InvalidInput: a name is unknown, its files are missing, or nothing at all is there.
    """
    there = {loader.name: loader for loader in found(data)}
    for name in names or ():
        if name not in LOADERS:
            raise InvalidInput(f"no set is named {name!r:.80}; known are {', '.join(LOADERS)}")
        if name not in there:
            raise InvalidInput(f"no files of {name} lie in {data}; there are {', '.join(there) or 'none of any set'}")
    if not there:
        raise InvalidInput(f"{data} holds none of the sets we know: {', '.join(LOADERS)}")
    return [there[name] for name in names] if names else list(there.values())
