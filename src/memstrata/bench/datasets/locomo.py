"""Read LoCoMo: long dialogues of two people over some thirty sessions, and the turns that answer each question.

Maharana et al., ACL 2024. What should be found are the turns of `evidence_clean` (of `evidence`, in a file without
corrections). A turn that shares a photo has the photo's caption at the end of its text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.errors import InvalidInput
from memstrata.types import Event

FILE: Final = "locomo.json"
DATE: Final = "%I:%M %p on %d %B, %Y"
CATEGORIES: Final = {1: "multi-hop", 2: "temporal", 3: "open", 4: "single-hop", 5: "adversarial"}

Record = dict[str, Any]  # Any: a JSON object of the set


class LoCoMo:
    """Turns found, of those that hold the evidence."""

    name = "locomo"

    def found(self, data: Path) -> bool:
        """Whether the file is there."""
        return (data / FILE).is_file()

    def load(self, data: Path) -> Dataset:
        """One corpus a conversation."""
        try:
            samples: list[Record] = json.loads((data / FILE).read_text(encoding="utf-8"))
            corpora = tuple(_corpus(sample) for sample in samples)
        except (KeyError, TypeError, ValueError) as exc:
            raise InvalidInput(f"{data / FILE} has not the form of LoCoMo: {exc!r:.200}") from exc
        return Dataset(self.name, "turn", ("recall", "all", "ndcg"), corpora, history=True)


def _corpus(sample: Record) -> Corpus:
    units = tuple(_turns(sample["conversation"]))
    known = {unit.key for unit in units}
    questions = tuple(_question(one, known) for one in sample["qa"])
    return Corpus(str(sample["sample_id"]), units, questions)


def _turns(conversation: Record) -> Iterator[Unit]:
    numbers = [name.removeprefix("session_") for name, value in conversation.items() if isinstance(value, list)]
    for number in sorted(map(int, numbers)):
        started = datetime.strptime(conversation[f"session_{number}_date_time"], DATE).replace(tzinfo=UTC)
        for place, turn in enumerate(conversation[f"session_{number}"]):
            caption = turn.get("blip_caption")
            text = f"{turn['text']} [photo: {caption}]" if caption else turn["text"]
            at = started + timedelta(seconds=place)  # keeps the turns of a session in order
            event = Event(text, speaker=turn["speaker"], at=at, session_id=f"session-{number}")
            yield Unit(turn["dia_id"], event)


def _question(record: Record, known: set[str]) -> Question:
    evidence = dict.fromkeys(record.get("evidence_clean", record.get("evidence")) or ())
    gold = tuple(Gold(frozenset([turn])) for turn in evidence if turn in known)
    category = CATEGORIES.get(record["category"], str(record["category"]))
    skipped = None if gold else "no evidence named"
    answers = (str(record["answer"]),) if record.get("answer") else ()
    return Question(record["question"], gold, len(known), category, skipped, answers)
