"""Read BEAM with 100,000 tokens a chat: long chats with an assistant, and the messages that answer each question.

Only what the user says is searched and counted: messages of the assistant are neither units nor gold.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.errors import InvalidInput
from memstrata.types import Event

CHATS: Final = "beam/100K/*/chat*.json"
QUESTIONS: Final = "probing_questions/probing_questions.json"
MARKER: Final = re.compile(r"\s*->->[\s\d,)N/A]*$")  # where the message stood in the plan of the chat
ANCHOR: Final = "%B-%d-%Y"
ANSWERS: Final = ("answer", "ideal_answer", "ideal_response", "ideal_summary")  # each ability has its own

Record = dict[str, Any]  # Any: a JSON object of the set


class Beam100K:
    """User messages found, of those that hold what a question asks for."""

    name = "beam-100k"

    def found(self, data: Path) -> bool:
        """Whether a chat is there."""
        return any(data.glob(CHATS))

    def load(self, data: Path) -> Dataset:
        """One corpus a chat."""
        corpora = tuple(_corpus(path) for path in sorted(data.glob(CHATS)))
        return Dataset(self.name, "message", ("recall", "all", "ndcg"), corpora, history=True)


def _corpus(path: Path) -> Corpus:
    try:
        units = tuple(_messages(json.loads(path.read_text(encoding="utf-8"))))
        known = {unit.key for unit in units}
        probes: dict[str, list[Record]] = json.loads((path.parent / QUESTIONS).read_text(encoding="utf-8"))
        questions = [_question(one, ability, known) for ability, asked in probes.items() for one in asked]
        return Corpus(f"chat-{path.parent.name}", units, tuple(questions))
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInput(f"{path} or its questions have not the form of BEAM: {exc!r:.200}") from exc


def _messages(batches: list[Record]) -> Iterator[Unit]:
    at = datetime(2024, 1, 1, tzinfo=UTC)  # every chat names its days; this is for one that would not
    for batch in batches:
        for message in (message for turn in batch["turns"] for message in turn):
            anchor = message.get("time_anchor")
            at = datetime.strptime(anchor, ANCHOR).replace(tzinfo=UTC) if anchor else at + timedelta(seconds=1)
            if message["role"] == "user":
                text = MARKER.sub("", message["content"])
                session = f"batch-{batch['batch_number']}"
                yield Unit(str(message["id"]), Event(text, role="user", at=at, session_id=session))


def _question(record: Record, ability: str, known: set[str]) -> Question:
    named = dict.fromkeys(map(str, _flat(record.get("source_chat_ids"))))
    gold = tuple(Gold(frozenset([id])) for id in named if id in known)
    missing = "its sources are all the assistant's" if named else "no sources named"
    answers = tuple(str(record[name]) for name in ANSWERS if record.get(name))
    return Question(record["question"], gold, len(known), ability, None if gold else missing, answers)


def _flat(ids: Any) -> Iterator[int]:  # Any: numbers in lists and objects, nested in several ways
    if isinstance(ids, dict):
        yield from _flat(list(ids.values()))
    elif isinstance(ids, list):
        for one in ids:
            yield from _flat(one)
    elif ids is not None:
        yield int(ids)
