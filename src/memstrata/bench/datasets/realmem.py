"""Read RealMem: one user's sessions with an assistant, and the earlier sessions that an answer draws on.

A question is a turn marked `is_query`, asked when its session is reached; only the sessions before its own may be
searched. What should be found are the sessions that the answering turn names in `memory_session_uuids`. These were
assigned by the set's own generator, so the figures are a lower bound with noise.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from memstrata.bench.datasets import Corpus, Dataset, Gold, Question, Unit
from memstrata.errors import InvalidInput
from memstrata.types import Event

FILES: Final = "realmem/*_dialogues_*.json"
DATE_LENGTH: Final = len("2025-12-25")
DEEP: Final = 500  # turns asked for, so that some fifty sessions are among them

Record = dict[str, Any]  # Any: a JSON object of the set


class RealMem:
    """Sessions found, in the order of their first hit."""

    name = "realmem"

    def found(self, data: Path) -> bool:
        """Whether a user's file is there."""
        return any(data.glob(FILES))

    def load(self, data: Path) -> Dataset:
        """One corpus a user."""
        corpora = tuple(_corpus(path) for path in sorted(data.glob(FILES)))
        return Dataset(self.name, "session", ("any", "all", "ndcg"), corpora, deep=DEEP, history=True, seen=True)


def _corpus(path: Path) -> Corpus:
    try:
        sessions: list[Record] = json.loads(path.read_text(encoding="utf-8"))["dialogues"]
        return Corpus(path.name.partition("_dialogues")[0], tuple(_turns(sessions)), tuple(_questions(sessions)))
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInput(f"{path} has not the form of RealMem: {exc!r:.200}") from exc


def _turns(sessions: Sequence[Record]) -> Iterator[Unit]:
    said: dict[str, int] = {}  # turns so far, by day: only days are known, and a second a turn keeps the order
    for session in sessions:
        day, uuid = session["current_time"][:DATE_LENGTH], session["session_uuid"]
        for place, turn in enumerate(_spoken(session)):
            at = datetime.fromisoformat(day).replace(tzinfo=UTC) + timedelta(seconds=said.get(day, 0))
            said[day] = said.get(day, 0) + 1
            speaker = turn["speaker"]
            event = Event(turn["content"], speaker=speaker, role=speaker.lower(), at=at, session_id=uuid)
            yield Unit(f"{uuid}:{place}", event, uuid)


def _spoken(session: Record) -> list[Record]:
    """The turns that say something; a few are empty."""
    return [turn for turn in session["dialogue_turns"] if turn["content"].strip()]


def _questions(sessions: Sequence[Record]) -> Iterator[Question]:
    earlier: set[str] = set()
    visible = 0
    for session in sessions:
        turns = session["dialogue_turns"]
        for place, turn in enumerate(turns):
            if turn.get("is_query"):
                yield _question(turn, _answer(turns[place + 1 :]), earlier, visible)
        earlier.add(session["session_uuid"])
        visible += len(_spoken(session))


def _answer(following: Sequence[Record]) -> Record:
    return next((turn for turn in following if turn["speaker"] != "User"), {})


def _question(turn: Record, answer: Record, earlier: set[str], visible: int) -> Question:
    named = dict.fromkeys(answer.get("memory_session_uuids") or ())
    gold = tuple(Gold(frozenset([uuid])) for uuid in named if uuid in earlier)
    skipped = None if gold else "names no earlier session"
    return Question(turn["content"], gold, visible, turn.get("category_name") or "", skipped)
