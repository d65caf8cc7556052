"""Read from a sentence what it states: that an attribute of a subject has a value.

A few sentence patterns over the words of `grammar.py`, no model: "The capital of Malta is Valletta", "my sister's
name is Ines", "Jon works for the ferry line", "set the seat heating to 2 when it snows", "we no longer use msgpack".
What fits none of them, asks, plans, guesses or imagines states nothing here: a statement missed is found by search all
the same, while a wrong one claims that something was replaced. English only; decision 0008 says how well it does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from memstrata.text.facts import grammar
from memstrata.text.facts.clauses import (
    CORRECTING,
    ONCE,
    POLITE,
    QUESTION,
    clauses,
    condition_first,
    conditioned,
    opened,
    sentences,
)
from memstrata.text.facts.definitions import definition
from memstrata.text.facts.speech import of_clause
from memstrata.text.facts.stated import Context, Statement, key_of

__all__ = ["Statement", "key_of", "statements"]

LONGEST: Final = 400  # characters of a sentence that is looked at; longer ones tell stories
MOST: Final = 12  # statements of one text


def statements(text: str, *, role: str | None = None, speaker: str | None = None) -> list[Statement]:
    """What a text states, in order.

    What an assistant, a system or a tool says is read for plain facts only, never for its own wishes and habits.

    Args:
        role: Who speaks, as in chats.
        speaker: The speaker's name; "my sister" is then "Ana's sister".

    >>> [(one.subject, one.attribute, one.value) for one in statements("The capital of Malta is Valletta.")]
    [('Malta', 'capital', 'Valletta')]
    """
    found: list[Statement] = []
    person = (role or speaker or "").casefold() not in MACHINES
    for start, stop in sentences(text):
        if stop - start <= LONGEST:
            found += [
                replace(one, start=start, stop=stop)
                for one in _of_sentence(text[start:stop], person, Context(speaker, found, text[:stop]))
            ]
        if len(found) >= MOST:
            return found[:MOST]
    return found


MACHINES: Final = frozenset({"assistant", "system", "tool", "ai"})


def _of_sentence(sentence: str, person: bool, context: Context) -> Iterator[Statement]:
    plain = sentence.strip().replace("\u2019", "'")
    if grammar.SIGNS.isdisjoint(plain.lower().split()) or ("?" in plain and not POLITE.match(plain)):
        return
    said, correction = opened(plain)
    said, condition = condition_first(said)
    if QUESTION.match(said):
        return
    if not condition and (defined := definition(said)):
        if not grammar.UNSURE.search(said):
            yield replace(defined, correction=correction or bool(CORRECTING.search(said)))
        return
    if not person:
        return
    for clause in [] if ONCE.search(condition) else clauses(said):
        rest, again = opened(clause)
        rest, own = conditioned(rest)
        if QUESTION.match(rest) or ONCE.search(own):
            continue
        correction = correction or again
        for one in of_clause(rest, context, correction):
            known = one.condition or own or condition
            yield replace(one, condition=known, correction=correction or bool(CORRECTING.search(clause)))
