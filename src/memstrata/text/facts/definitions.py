"""Read a fact about the world from a sentence of a fixed form: "The capital of Malta is Valletta"."""

from __future__ import annotations

import re
from typing import Final

from memstrata.text.facts import grammar
from memstrata.text.facts.clauses import value
from memstrata.text.facts.grammar import canonical
from memstrata.text.facts.stated import (
    DEFINED,
    FIRST,
    LONGEST_LOOSE,
    LONGEST_SUBJECT,
    LONGEST_VALUE,
    LOOSE,
    SAID,
    Statement,
    capital,
    is_name,
    judging,
    telling,
)

BE: Final = r"(?:is|are|was|were|remains|became)"
IS: Final = r"(?:is|are|remains|became)"  # what only was says nothing of now
NOW: Final = r"(?:(?:now|currently|still|also|actually|officially|really)\s+)?"
OF_NAMED: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w' -]*?) (?:of|in|at|for|on|by) (?P<subject>(?:the "
    rf")?[A-Z0-9À-ÖØ-Þ\"“].*?) {IS} {NOW}(?P<value>.+)",
    re.DOTALL,
)
OF_PLAIN: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w-]*(?: [a-z][\w-]*){{0,2}}) (?:of|for) (?P<subject>(?:the |our |"
    rf"my )?[a-z][\w'-]*(?: [\w'-]+){{0,3}}) {IS} {NOW}(?P<value>.+)",
    re.DOTALL,
)
WHERE: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w -]*?) (?:that|where|which|who|whom|in which) (?P<subject>.+?) "
    rf"(?P<verb>(?:(?:is|are|was|were|has) )?[a-z]+(?: (?:in|at|by|for|with|on|from|to))?) {BE} (?P<value>.+)",
    re.DOTALL,
)
THAT: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w -]*?) (?:that|which|who) (?P<verb>[a-z]+(?:s|ed|t|d|n)(?: (?:in|"
    rf"at|by|for|with))?) "
    rf"(?P<subject>(?:the )?[A-Z0-9À-ÖØ-Þ\"“].*?) {BE} (?P<value>.+)",
    re.DOTALL,
)
OWNED: Final = re.compile(
    rf"(?P<subject>[A-Z0-9À-ÖØ-Þ].*?)(?:'s|(?<=s)') (?P<attribute>[a-z][\w-]*(?: [\w-]+){{0,3}}?) "
    rf"{IS} {NOW}(?P<value>.+)",
    re.DOTALL,
)
MADE: Final = re.compile(
    rf"(?P<subject>.+?) {BE} {NOW}(?P<verb>(?:a |an )?[a-z]+) (?P<link>by|in|at|on|to|with|for|from|"
    rf"as|of) (?P<value>.+)",
    re.DOTALL,
)
TYPED: Final = re.compile(
    rf"(?P<subject>.+?) (?P<verb>[a-z]+(?:s|ed|t))(?: (?P<link>in|at|for|by|on|with))? the "
    rf"(?P<type>{'|'.join(sorted(grammar.TYPES))}) of (?P<value>.+)",
    re.DOTALL,
)
DIED: Final = re.compile(
    r"(?P<subject>.+?) (?P<verb>died|originated|graduated) (?P<link>in|at|from|on) (?P<value>.+)", re.DOTALL
)
INVERTED: Final = re.compile(
    rf"(?P<value>[A-Z0-9À-ÖØ-Þ].*?) {IS} {NOW}the (?P<attribute>[a-z][a-z-]*(?: [a-z-]+){{0,3}}) of "
    rf"(?P<subject>(?:the )?[A-Z0-9].*)",
    re.DOTALL,
)
TYPE_OF: Final = re.compile(rf"(?:the|a) (?P<type>{'|'.join(sorted(grammar.TYPES))}) (?:of|called|named) ")
PART_OF: Final = re.compile(
    r"(?:[Tt]he )?(?P<attribute>[a-z][a-z-]*(?: [a-z-]+){0,2}) of (?P<subject>(?:the )?[A-Z].*)"
)
RELATIONAL: Final = frozenset({"a citizen", "a native", "a resident"})
BY_HAND: Final = re.compile(r"(?:the|a|an|my|our|his|her|their|this|that|your)\b", re.IGNORECASE)


def definition(said: str) -> Statement | None:
    """What a sentence that defines something states: a name's attribute, and who made it where."""
    if (not said[:1].isalnum() and said[:1] not in '"“') or FIRST.match(said):
        return None
    words = frozenset(said.lower().split())
    made = not MAKING.isdisjoint(words)
    if said[:4].lower() == "the ":
        if grammar.BE.isdisjoint(words):
            return None
        related = None if RELATING.isdisjoint(words) else _that(said) or _where(said)
        return related or (_made(said) if made else None) or _of(said)
    owned = _owned(said) if "'s " in said or "s' " in said else None
    typed = "the" in words and "of" in words
    return (
        owned
        or (_inverted(said) if typed else None)
        or (_made(said) if made else None)
        or (_typed(said) if typed and not grammar.TYPES.isdisjoint(words) else None)
        or (None if DYING.isdisjoint(words) else _died(said))
    )


MAKING: Final = grammar.MADE | frozenset(["citizen", "native", "resident"])
RELATING: Final = frozenset(["that", "where", "which", "who", "whom"])
DYING: Final = frozenset(["died", "originated", "graduated"])


def _of(said: str) -> Statement | None:
    match = OF_NAMED.match(said)
    if match is None or not is_noun(match["attribute"]):
        match = OF_PLAIN.match(said)
    if match is None or not is_noun(match["attribute"]):
        return None
    named = match.re is OF_NAMED
    if not named and not telling(match["value"]):
        return None
    return _defined(match["subject"], match["attribute"], match["value"], DEFINED if named else LOOSE)


def _where(said: str) -> Statement | None:
    match = WHERE.match(said)
    if match is None or not is_name(match["subject"]) or not is_noun(match["attribute"]):
        return None
    verb = match["verb"].rpartition(" ")[2] if " " not in match["verb"] else re.sub(rf"^{BE} ", "", match["verb"])
    return _defined(match["subject"], f"{match['attribute']} {verb}", match["value"], DEFINED)


def _that(said: str) -> Statement | None:
    match = THAT.match(said)
    if match is None or not is_name(match["subject"]) or not is_noun(match["attribute"]):
        return None
    return _defined(match["subject"], f"{match['attribute']} {match['verb']}", match["value"], DEFINED)


def _owned(said: str) -> Statement | None:
    match = OWNED.match(said)
    if match is None or not is_noun(match["attribute"]) or not is_name(match["subject"]):
        return None
    if match["attribute"] in grammar.PERSONS and not capital(match["value"]):
        return None  # "Ana's sister is a nurse" says something of the sister
    if not capital(match["value"]) and not telling(match["value"]):
        return None
    return _defined(match["subject"], match["attribute"], match["value"], DEFINED)


def _inverted(said: str) -> Statement | None:
    match = INVERTED.match(said)
    if match is None or not is_name(match["value"]) or not is_noun(match["attribute"]):
        return None
    if match["attribute"].split()[-1] in grammar.TYPES | grammar.VAGUE:
        return None
    subject = value(match["subject"], whole=True)
    return _defined(subject, match["attribute"], match["value"], DEFINED)


def _made(said: str) -> Statement | None:
    match = MADE.match(said)
    if match is None:
        return None
    verb = match["verb"]
    if (verb not in grammar.MADE and verb not in RELATIONAL) or not _links(verb, match["link"]):
        return None
    subject, link, rest = match["subject"], match["link"], match["value"]
    owner = PART_OF.fullmatch(subject)
    if owner is None and not _makes(verb, subject):
        return None
    verb = verb.removeprefix("a ")
    attribute, rest = _typed_value(f"{verb} {link}", rest)
    if (
        link in ("in", "on")
        and attribute.startswith("born")
        and re.search(r"\d{4}|\b(?:" + "|".join(grammar.MONTHS) + r")\b", rest, re.I)
    ):
        attribute = "born on"
    if owner:
        return _defined(owner["subject"], f"{owner['attribute']} {attribute}", rest, DEFINED)
    if not capital(subject) and not capital(rest) and not TYPE_OF.match(match["value"]):
        return None
    return _defined(subject, attribute, rest, DEFINED if capital(subject) else SAID)


def _makes(verb: str, subject: str) -> bool:
    """Whether a thing of this name can be what was made, or is known for something."""
    if is_name(subject):
        return True
    if verb in NAMES_ONLY or FIRST.match(subject):
        return False
    return len(subject.split()) <= 4 and subject.lower() not in grammar.VAGUE


LINKS: Final = {
    "on": "born founded released published signed",
    "for": "famous known responsible",
    "with": "associated affiliated signed",
    "to": "married",
    "of": "citizen native resident",
    "as": "known employed",
    "from": "",
}


def _links(verb: str, link: str) -> bool:
    """Whether a participle and its preposition say who made a thing, where, and what it is known for."""
    return link in ("by", "in", "at") or verb.removeprefix("a ") in LINKS[link].split()


NAMES_ONLY: Final = grammar.words_of("""
known famous responsible situated raised based married
""")


def _typed(said: str) -> Statement | None:
    match = TYPED.match(said)
    if match is None or not is_name(match["subject"]):
        return None
    link = f" {match['link']}" if match["link"] else ""
    attribute = (
        f"{match['verb']}{link}" if match["type"] in grammar.PLACES else f"{match['verb']}{link} {match['type']}"
    )
    return _defined(match["subject"], attribute, match["value"], DEFINED)


def _died(said: str) -> Statement | None:
    match = DIED.match(said)
    if match is None or not is_name(match["subject"]):
        return None
    attribute, rest = _typed_value(f"{match['verb']} {match['link']}", match["value"])
    return _defined(match["subject"], attribute, rest, DEFINED)


def _typed_value(attribute: str, rest: str) -> tuple[str, str]:
    """The attribute and the value, when the value says of which type it is: "in the city of Rome"."""
    match = TYPE_OF.match(rest)
    if match is None:
        return attribute, rest
    rest = rest[match.end() :]
    return (attribute if match["type"] in grammar.PLACES else f"{attribute} {match['type']}"), rest


def _defined(subject: str, attribute: str, rest: str, confidence: float) -> Statement | None:
    if rest.startswith(("not ", "no longer ")):
        return None  # a denial names no value
    found = value(rest, whole=True)
    subject = subject.strip(" \"“”'*,")
    if not found or not subject or len(found.split()) > LONGEST_VALUE or len(subject.split()) > LONGEST_SUBJECT:
        return None
    if not _thinglike(found) or not _namable(subject):
        return None
    return Statement(subject, canonical(" ".join(attribute.split())), found, 0, 0, confidence=confidence)


def is_noun(attribute: str) -> bool:
    """Whether words can be the name of an attribute: not too many, no vague noun, no verb among them."""
    words = attribute.split()
    if not 0 < len(words) <= 8 or words[0] in grammar.VAGUE or words[-1] in grammar.VAGUE:
        return False
    return NO_NOUN.isdisjoint(words) and not words[-1].endswith(("ly", "ing"))


NO_NOUN: Final = grammar.BE | grammar.words_of("""
that which who whom and or a an i we you he she they your my our if when while because has have had can
""")


def _thinglike(found: str) -> bool:
    """Whether a value of a definition is a thing: a name, a number, or one or two words that are no judgement."""
    if is_name(found):
        return True
    words = found.split()
    if capital(found) or found[0].isdigit() or found[0] in '"`$€£':
        return len(words) <= LONGEST_LOOSE
    if judging(found) or len(words) > 3 or words[0].endswith("ly"):
        return False
    if words[0].endswith("ing"):
        return False
    return not (grammar.PARTICIPLE.fullmatch(words[0]) or words[-1].endswith(("ed", "ing")))


def _namable(subject: str) -> bool:
    """Whether a subject is a thing one speaks of, and no date, amount or half a sentence."""
    words = subject.split()
    first = words[0].strip("\"'“").lower()
    if first in grammar.MONTHS or first in grammar.WEEKDAYS or (":" in subject and not subject[0].isdigit()):
        return False
    if not is_name(subject) and ("," in subject or (len(words) > 3 and not capital(subject))):
        return False
    return not (first[:1].isdigit() and len(words) > 1 and words[1][:1].islower())
