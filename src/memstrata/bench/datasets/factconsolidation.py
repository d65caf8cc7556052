"""Read FactConsolidation: numbered facts, of which later ones contradict earlier ones, and questions about them.

Hu et al., MemoryAgentBench, 2025. What should be found is a fact that holds the answer. A question of several hops
counts as found when the fact of its last hop is: that is where its answer stands.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.errors import InvalidInput
from memstrata.types import Event

FILE: Final = "factconsolidation.json"
FACT: Final = re.compile(r"^(\d+)\. (.+)$", re.M)
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)  # facts are only numbered; a second each keeps their order
HOPS: Final = {"sh": "single-hop", "mh": "multi-hop"}

Record = dict[str, Any]  # Any: a JSON object of the set


class FactConsolidation:
    """Answers found, among facts and those they replace."""

    name = "factconsolidation"

    def found(self, data: Path) -> bool:
        """Whether the file is there."""
        return (data / FILE).is_file()

    def load(self, data: Path) -> Dataset:
        """One corpus a list of facts and kind of question; intervals are drawn over the questions."""
        try:
            records: list[Record] = json.loads((data / FILE).read_text(encoding="utf-8"))
            corpora = tuple(_corpus(record) for record in records)
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"{data / FILE} has not the form of FactConsolidation: {exc!r:.200}") from exc
        return Dataset(
            self.name, "fact", ("recall",), corpora, headline=False, cutoffs=(2,), resampled="question"
        )  # fmt: skip


def _corpus(record: Record) -> Corpus:
    name = str(record["metadata"]["source"]).removeprefix("factconsolidation_")
    hops, _, size = name.partition("_")
    units = tuple(_facts(record["context"]))
    category = f"{HOPS.get(hops, hops)} {size}"
    pairs = zip(record["questions"], record["answers"], strict=True)
    return Corpus(name, units, tuple(_question(text, answers, units, category) for text, answers in pairs))


def _facts(context: str) -> Iterator[Unit]:
    for match in FACT.finditer(context):
        yield Unit(match[1], Event(match[2], kind="fact", at=FIRST + timedelta(seconds=int(match[1]))))


def _question(text: str, answers: Sequence[str] | str, units: Sequence[Unit], category: str) -> Question:
    wanted = [answers] if isinstance(answers, str) else answers
    holds = re.compile("|".join(rf"(?<!\w){re.escape(answer)}(?!\w)" for answer in wanted), re.I)
    holding = frozenset(unit.key for unit in units if holds.search(unit.event.text))
    skipped = None if holding else "no fact holds the answer"
    return Question(text, (Gold(holding),) if holding else (), len(units), category, skipped, tuple(wanted))
