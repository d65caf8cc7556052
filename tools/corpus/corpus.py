"""Turn a training history, written by hand as plain text, into turns and questions.

    == 2024-03-04T18:05+01:00            a session begins; its offset counts for its turns
    Mira #boat: I finally bought the boat.
    ? single | What did Mira buy? | a boat | #boat

A label is unique in its file and names a turn; a question names every turn that is needed to answer it. `\\n` in a
turn stands for a line break. A turn's time is its session's, a minute later for each turn before it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

ASSISTANT = "Assistant"
TURN = re.compile(r"(?P<speaker>[^#:|?=][^#:|]*?)(?P<labels>(?:\s+#[a-z0-9_]+)*)\s*:\s+(?P<text>\S.*)")
LABEL = re.compile(r"#[a-z0-9_]+")


@dataclass(frozen=True, slots=True)
class Turn:
    """One thing said; `key` is unique in its history, `session` counts from 1."""

    key: str
    session: int
    speaker: str
    at: datetime
    text: str

    @property
    def role(self) -> str:
        """What the speaker is to a memory: `assistant` or `user`."""
        return "assistant" if self.speaker == ASSISTANT else "user"


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked after the whole history; `evidence` holds the keys of all turns that are needed."""

    category: str
    text: str
    answer: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class History:
    """A conversation over many sessions with the questions about it."""

    name: str
    turns: tuple[Turn, ...]
    questions: tuple[Question, ...]


class CorpusError(ValueError):
    """A line that is not what the format says; the message names the file and the line."""


def load(path: Path) -> History:
    """Read one file; raises CorpusError at the first line that is wrong."""
    turns: list[Turn] = []
    labelled: dict[str, str] = {}
    asked: list[tuple[str, str]] = []  # where, line
    started: datetime | None = None
    session = place = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        where = f"{path.name}:{number}"
        if not line.strip():
            continue
        if line.startswith("=="):
            started = _time(line[2:].strip(), where, after=started)
            session, place = session + 1, 0
        elif line.startswith("?"):
            asked.append((where, line[1:]))
        else:
            turn, labels = _turn(line, where, session=session, place=place, started=started)
            for label in labels:
                if label in labelled:
                    raise CorpusError(f"{where}: the label {label} already names {labelled[label]}")
                labelled[label] = turn.key
            turns.append(turn)
            place += 1
    return History(path.stem, tuple(turns), tuple(_question(line, where, labelled) for where, line in asked))


def _time(text: str, where: str, *, after: datetime | None) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise CorpusError(f"{where}: {text!r} is no time; write 2024-03-04T18:05+01:00") from None
    if found.tzinfo is None:
        raise CorpusError(f"{where}: {text!r} has no offset; write 2024-03-04T18:05+01:00")
    if after is not None and found <= after:
        raise CorpusError(f"{where}: the session at {text} is not later than the one before, at {after.isoformat()}")
    return found


def _turn(line: str, where: str, *, session: int, place: int, started: datetime | None) -> tuple[Turn, list[str]]:
    match = TURN.fullmatch(line.strip())
    if match is None:
        raise CorpusError(f"{where}: expected 'Speaker #label: text', or == or ? in front, found {line!r:.80}")
    if started is None:
        raise CorpusError(f"{where}: a turn stands before the first session; begin with '== 2024-03-04T18:05+01:00'")
    text = match["text"].replace("\\n", "\n").strip()
    at = started + timedelta(minutes=place)
    turn = Turn(f"s{session:02}:t{place + 1:02}", session, match["speaker"].strip(), at, text)
    return turn, LABEL.findall(match["labels"])


def _question(line: str, where: str, labelled: dict[str, str]) -> Question:
    fields = [field.strip() for field in line.split("|")]
    if len(fields) != 4 or not all(fields):
        raise CorpusError(f"{where}: expected '? category | question | answer | #label …', found {line!r:.80}")
    category, text, answer, names = fields
    labels = names.split()
    unknown = [label for label in labels if label not in labelled]
    if unknown:
        raise CorpusError(f"{where}: no turn has the label {unknown[0]}; known are {len(labelled)} labels")
    return Question(category, text, answer, tuple(dict.fromkeys(labelled[label] for label in labels)))
