"""Read PrecisionMemBench: beliefs that a product keeps of a user, and what may and must come for a question.

A belief becomes one memory: its content is the text, its id the key, and what it is called, whether it is pinned, what
it applies to and what superseded it are the attributes `aliases`, `pinned`, `scope` and `superseded_by`; one that was
resolved is `valid_until` then. A case's question is one precise search among what applies to its scope or to
everything, and what comes is laid in the drawers the set names by what it is: what applies to everything, what is an
open question, what is pinned, and the rest.

A case is active when some belief of the rest must come; the others pass where nothing comes that should not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from memstrata.errors import InvalidInput
from memstrata.types import Event

FOLDER: Final = "precisionmembench"
BELIEFS: Final = "beliefs.seed.json"
CASES: Final = "retrieval.cases.json"
EVERYTHING: Final = "user:universal"
USER: Final = "test-user"
PRELUDE, QUESTIONS, PINNED, REST = "personaPrelude", "openQuestions", "pinnedFacts", "relevantBeliefs"

Record = dict[str, Any]  # Any: a JSON object of the set


@dataclass(frozen=True, slots=True)
class Belief:
    """A belief of a user as an event."""

    user: str
    event: Event


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked of a user's beliefs, in which scope, for how many at most, and what each drawer should hold."""

    name: str
    user: str
    scope: tuple[str, ...]
    query: str
    limit: int | None
    expect: Mapping[str, Mapping[str, Any]]  # Any: lists of ids, texts and marks

    @property
    def active(self) -> bool:
        """Whether something must be found."""
        return bool(self.expect.get(REST, {}).get("shouldOnlyInclude"))


def found(data: Path) -> bool:
    """Whether its files lie below this directory."""
    return (data / FOLDER / BELIEFS).is_file() and (data / FOLDER / CASES).is_file()


def load(data: Path) -> tuple[list[Belief], list[Case]]:
    """The beliefs and the cases.

    Raises:
        InvalidInput: a file has not the form of the set.
    """
    try:
        beliefs = [_belief(one) for one in _records(data / FOLDER / BELIEFS)]
        return beliefs, [_case(one) for one in _records(data / FOLDER / CASES)]
    except (KeyError, TypeError, ValueError) as exc:
        raise InvalidInput(f"{data / FOLDER} has not the form of PrecisionMemBench: {exc!r:.200}") from exc


def _records(path: Path) -> list[Record]:
    found: list[Record] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _belief(record: Record) -> Belief:
    attributes: Record = {
        "type": record["type"],
        "pinned": bool(record["pinned"]),
        "scope": list(record["scope"]),
        "aliases": [record["canonical_name"].replace("_", " "), *record["aliases"]],
    }
    if record["superseded_by"]:
        attributes["superseded_by"] = record["superseded_by"]
    event = Event(
        record["content"], kind="fact", at=record["created_at"], key=record["_id"], attributes=attributes,
        valid_until=record["resolved_at"],
    )  # fmt: skip
    return Belief(record["user_id"], event)


def _case(record: Record) -> Case:
    limit = record.get("budget", {}).get("maxBeliefs")
    scope = tuple(record["scope"])
    return Case(record["caseId"], record.get("userId", USER), scope, record["query"], limit, record["expect"])


def passed(case: Case, came: Sequence[Event]) -> bool:
    """Whether the beliefs that came are those the case expects, drawer by drawer."""
    drawers = _drawers(came)
    keys = {name: {str(event.key) for event in some} for name, some in drawers.items()}
    for name, wanted in case.expect.items():
        only = wanted.get("shouldOnlyInclude")
        if only is not None and set(only) != keys[name]:
            return False
        if not set(wanted.get("mustInclude", ())) <= keys[name] or set(wanted.get("mustExclude", ())) & keys[name]:
            return False
        if not _reads(wanted, " ".join(event.text for event in drawers[name])):
            return False
    return True


def _drawers(came: Sequence[Event]) -> dict[str, list[Event]]:
    drawers: dict[str, list[Event]] = {PRELUDE: [], QUESTIONS: [], PINNED: [], REST: []}
    for event in came:
        said = event.attributes
        if EVERYTHING in said["scope"]:
            drawers[PRELUDE].append(event)
        elif said["type"] == "open_question":
            drawers[QUESTIONS].append(event)
        else:
            drawers[PINNED if said["pinned"] else REST].append(event)
    return drawers


def _reads(wanted: Mapping[str, Any], text: str) -> bool:  # Any: as above
    """Whether a drawer's text is there, or not, and says what it should."""
    if (wanted.get("nonEmpty") and not text) or (wanted.get("isNull") and text):
        return False
    return all(one in text for one in wanted.get("contains", ())) and not any(
        one in text for one in wanted.get("mustNotContain", ())
    )
