"""Turn every conversation that may teach into lines as the embedder is given them, and questions about them.

VehicleMemBench's tasks and RealMem's answers are dropped here: what is asked there is asked of the whole product.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from memstrata import sample
from memstrata.bench.datasets import Corpus
from memstrata.bench.datasets.realmem import RealMem
from memstrata.bench.datasets.vehiclemembench import VehicleMemBench
from memstrata.clock import moment
from memstrata.text.terms import Told, described
from memstrata.types import Event

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "corpus"))
import corpus  # noqa: E402  # the format's only reader lies beside the histories


@dataclass(frozen=True, slots=True)
class Line:
    """One thing said: its words alone, with day and speaker in front, and which session it belongs to."""

    text: str
    described: str
    speaker: str
    session: str


@dataclass(frozen=True, slots=True)
class Asked:
    """A question, and for each thing it needs the places of the lines of which any one has it."""

    question: str
    needs: tuple[tuple[int, ...], ...]
    visible: int  # how many lines had been said


@dataclass(frozen=True, slots=True)
class Conversation:
    """What was said in order, and what is asked about it."""

    source: str
    lines: tuple[Line, ...]
    asked: tuple[Asked, ...]


def conversations(data: Path) -> list[Conversation]:
    """RealMem, VehicleMemBench without its tasks, the shipped sample and the histories of `tools/corpus`."""
    realmem = [_of_corpus(one, "realmem", asked=True) for one in RealMem().load(data).corpora]
    vehicle = [_of_corpus(one, "vehiclemembench", asked=False) for one in VehicleMemBench().load(data).corpora]
    return [*realmem, *vehicle, *own()]


def own() -> list[Conversation]:
    """The conversations that were written for this project."""
    histories = [corpus.load(path) for path in sorted((HERE.parent / "corpus").glob("*.txt"))]
    return [_of_sample(), *map(_of_history, histories)]


def _of_corpus(one: Corpus, name: str, *, asked: bool) -> Conversation:
    lines = tuple(_line(unit.event) for unit in one.units)
    places: dict[str, list[int]] = {}
    for place, unit in enumerate(one.units):
        places.setdefault(unit.counts_as, []).append(place)
    questions = tuple(
        Asked(question.text, tuple(tuple(at for key in gold.found_by for at in places[key]) for gold in question.gold),
              question.visible)
        for question in one.asked
    ) if asked else ()  # fmt: skip
    return Conversation(f"{name}/{one.name}", lines, questions)


def _of_sample() -> Conversation:
    turns = list(sample.conversation())
    places = {str(turn["key"]): place for place, turn in enumerate(turns)}
    lines = tuple(_line(Event(**{name: value for name, value in turn.items() if name != "key"})) for turn in turns)  # type: ignore[arg-type]  # the sample's own fields
    asked = [
        Asked(one.question, tuple((places[key],) for key in one.evidence), len(turns)) for one in sample.questions()
    ]
    return Conversation("sample", lines, tuple(asked))


def _of_history(history: corpus.History) -> Conversation:
    places = {turn.key: place for place, turn in enumerate(history.turns)}
    lines = tuple(
        _line(Event(turn.text, speaker=turn.speaker, role=turn.role, at=turn.at, session_id=str(turn.session)))
        for turn in history.turns
    )
    asked = [
        Asked(one.text, tuple((places[key],) for key in one.evidence), len(lines))
        for one in history.questions if one.evidence
    ]  # fmt: skip
    return Conversation(f"corpus/{history.name}", lines, tuple(asked))


def _line(event: Event) -> Line:
    when = moment(event.at)
    assert when is not None, "all of these conversations have times"
    caption = (event.attributes or {}).get("caption")
    told = Told(event.speaker, *when, str(caption) if caption else None)
    session = event.session_id or described("", Told(None, *when))  # by day, where sessions have no names
    return Line(event.text, described(event.text, told), event.speaker or "", session)
