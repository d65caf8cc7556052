"""Read VehicleMemBench: what several people say in a car over months, and the events a request depends on.

An event carries a date and a time; it is found by any line of the history within half an hour of it. The request is
made at the end of the history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.clock import moment
from memstrata.errors import InvalidInput
from memstrata.types import Event, Moment

HISTORIES: Final = "vehiclemembench/benchmark/history"
TASKS: Final = "vehiclemembench/benchmark/qa_data"
NEAR: Final = 30 * 60 * 1_000_000  # microseconds
LINE: Final = re.compile(r"(?:\[(\d{4}-\d\d-\d\d \d\d:\d\d)\] )+([^:]+): (.*)")  # now and then the time stands twice
CALLED: Final = re.compile(r"""=(?:"([^"]*)"|'([^']*)'|([\d.]+))""")  # values in the calls that are right
PLACES: Final = frozenset({"driver", "passenger", "front", "rear", "all"})  # say where, not what was wanted
HAPPENED: Final = re.compile(r"\[(\w+ \d{1,2}, \d{4})\]\W+At (\d{1,2}:\d\d [AP]M)")

Record = dict[str, Any]  # Any: a JSON object of the set


class VehicleMemBench:
    """Events found, by a line close to them in time."""

    name = "vehiclemembench"

    def found(self, data: Path) -> bool:
        """Whether a history is there."""
        return any((data / HISTORIES).glob("history_*.txt"))

    def load(self, data: Path) -> Dataset:
        """One corpus a history."""
        paths = sorted((data / HISTORIES).glob("history_*.txt"), key=lambda path: int(path.stem.split("_")[1]))
        corpora = tuple(_corpus(path, data / TASKS / f"qa_{path.stem.split('_')[1]}.json") for path in paths)
        return Dataset(self.name, "line", ("event-recall", "any", "all"), corpora, history=True, seen=True)


def _corpus(history: Path, tasks: Path) -> Corpus:
    units = tuple(_lines(history.read_text(encoding="utf-8").splitlines(), history))
    try:
        records: list[Record] = json.loads(tasks.read_text(encoding="utf-8"))["related_to_vehicle_preference"]
        return Corpus(history.stem, units, tuple(_question(record, units) for record in records))
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInput(f"{tasks} has not the form of VehicleMemBench: {exc!r:.200}") from exc


def _lines(lines: Sequence[str], path: Path) -> Iterator[Unit]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        match = LINE.fullmatch(line.strip())
        if match is None:
            raise InvalidInput(f"line {number} of {path} has not the form '[2025-03-03 08:30] Name: words'")
        at = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
        yield Unit(f"L{number}", Event(match[3], speaker=match[2], at=at))


def _question(record: Record, units: Sequence[Unit]) -> Question:
    events = sorted(_events(record["gold_memory"]))
    times = [(_micros(unit.event.at), unit.key) for unit in units]
    gold = tuple(Gold(frozenset(key for said, key in times if abs(said - at) <= NEAR)) for at, _ in events)
    skipped = None if gold else "no event with a date and a time"
    rivals = _rivals(events, " ".join(record.get("new_answer", ())))
    return Question(record["query"], gold, len(units), record["reasoning_type"], skipped, rivals=rivals)


def _events(memory: str) -> Iterator[tuple[int, str]]:
    """When each event happened whose time is known, in microseconds, and what is told of it."""
    for line in memory.splitlines():
        match = HAPPENED.match(line.strip())
        if match is not None:
            at = datetime.strptime(f"{match[1]} {match[2]}", "%B %d, %Y %I:%M %p").replace(tzinfo=UTC)
            yield _micros(at), line


def _rivals(events: Sequence[tuple[int, str]], calls: str) -> tuple[int, int] | None:
    """When the preference was stated that the right calls follow, and when the last of the others; None where unsure.

    It is known where one event alone names a value that is set. Two within an hour cannot be told apart by their lines.
    """
    values = {next(filter(None, found)) for found in CALLED.findall(calls) if any(found)} - PLACES
    followed = [at for at, told in events if any(_names(told, value) for value in values)]
    others = [at for at, _ in events if at not in followed]
    if len(followed) != 1 or not others or abs(followed[0] - others[-1]) <= 2 * NEAR:
        return None
    return followed[0], others[-1]


def _names(told: str, value: str) -> bool:
    told, value = told.replace("_", " "), value.replace("_", " ")
    return re.search(rf"(?<![\w.]){re.escape(value)}(?!\w)", told, re.IGNORECASE) is not None


def _micros(at: Moment | None) -> int:
    found = moment(at)
    assert found is not None, "every line has a time"
    return found[0]
