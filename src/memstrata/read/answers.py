"""Put first what states the answer to a question that asks for one thing: "Where do I live?".

Many memories share its words, wishes and guesses among them; one states it. What holds of the attribute that is asked
for comes first, the newest before the others, and behind it what it was before; nothing is left out for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from memstrata.access import SpaceView
from memstrata.read.given import brought
from memstrata.read.query import Query
from memstrata.read.rank import Ranked
from memstrata.store import Reading, StoredStatement, When
from memstrata.store.chains import chain, taken_back
from memstrata.text.facts.questions import asked_for
from memstrata.text.facts.statements import key_of

MOST: Final = 3  # of several that hold: "what do I drink"


def first(
    query: Query, best: Sequence[Ranked], views: Sequence[SpaceView], reading: Reading, when: When
) -> list[Ranked]:
    """The same hits, with the memories first that state what is asked for.

    Those that hold are brought in where they were not found.
    """
    asked = asked_for(query.text)
    if asked is None:
        return list(best)
    subject, attribute = key_of(asked.subject) if asked.subject else "", key_of(asked.attribute)
    holding: list[int] = []
    past: list[int] = []
    for view in views:
        stated = [one for one in reading.statements_about(view.space, subject, attribute) if view.allows(one.row)]
        holding += [one.row for one in _holding(stated, reading, when)]
        past += [one.row for one in reversed(stated)]
    found = {one.row: one for one in best}
    rows = dict.fromkeys([*dict.fromkeys(holding[:MOST]), *(row for row in past if row in found)])
    score = best[0].score if best else 1.0
    top = [replace(found.get(row) or brought(row), score=score) for row in rows]
    return [*top, *(one for one in best if one.row not in rows)]


def _holding(stated: Sequence[StoredStatement], reading: Reading, when: When) -> list[StoredStatement]:
    """Those statements that hold at a reader's moment: without a condition first, then the newest."""
    if not stated:
        return []
    undone = taken_back(reading.successions({one.row for one in stated}))
    holding = chain(stated, at=when.moment, known=when.known, undone=undone).holding
    return sorted(holding, key=lambda one: (bool(one.condition), -one.since, -one.row))
