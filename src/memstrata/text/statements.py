"""Read from a sentence what it states: that an attribute of a subject has a value.

A few sentence patterns and word lists, no model: "The capital of Malta is Valletta", "my sister's name is Ines",
"Jon works for the ferry line", "set the seat heating to 2 when it snows", "we no longer use msgpack". What fits none of
them states nothing here. Statements compare by their keys: subject, attribute, object and condition as stemmed words.

English only. The idea of closing an earlier value by a later one of the same (subject, attribute) is that of temporal
databases (Snodgrass, "Developing Time-Oriented Database Applications in SQL", 2000).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from memstrata.text.terms import terms

LONGEST: Final = 400  # characters of a sentence that is looked at; longer ones tell stories
LONGEST_VALUE: Final = 12  # words
MOST: Final = 12  # statements of one text


@dataclass(frozen=True, slots=True)
class Statement:
    """That `attribute` of `subject` is `value`; `text[start:stop]` says so.

    An empty subject is the speaker. `single`: the attribute has one value at a time; `ends`: it says that this no
    longer holds; `correction`: it says of itself that it replaces something.
    """

    subject: str
    attribute: str
    value: str
    start: int
    stop: int
    condition: str = ""
    single: bool = True
    ends: bool = False
    correction: bool = False
    confidence: float = 0.8


def key_of(phrase: str) -> str:
    """A phrase as statements compare: its stemmed words, without stop words.

    >>> key_of("the Running shoes") == key_of("running shoe")
    True
    """
    return " ".join(terms(phrase)) or " ".join(phrase.casefold().split())


# ── sentences ──

SENTENCE: Final = re.compile(r"(?<=[\w)\]”\"'’]{2})(?<!\bMrs)(?<!\bProf)[.!?;]+[\"”’)]*\s+(?=[\"“(]?[A-Z0-9])|\n+")
OPENING: Final = re.compile(
    r"^(?:(?:oh|well|so|ok|okay|yes|yeah|yep|no|nope|and|but|also|hey|hi|hmm|right|sure|great|thanks|please|sorry|"
    r"by the way|btw|fyi|just so you know|to be honest|honestly|anyway|good news|remember|note|"
    r"(?P<correction>actually|correction|wait|scratch that|rather|i meant|i mean|instead|from now on|"
    r"on second thought|change of plans?|update))\b[\s,:;.!–—-]*)+",
    re.I,
)
CORRECTING: Final = re.compile(
    r"\b(?:actually|instead|from now on|not anymore|any ?more|no longer|changed my mind|now|these days|"
    r"switched|correction|i meant|rather than)\b",
    re.I,
)
CONDITION_FIRST: Final = re.compile(
    r"^(?P<condition>(?:when(?:ever)?|if|while|during|on|after|before|in|at)\b[^,]{2,80}),\s+(?P<rest>.+)$", re.I | re.S
)
CONDITION_LAST: Final = re.compile(
    r"^(?P<rest>.+?)[\s,]+(?P<condition>(?:when(?:ever)?|if|unless|while|during|on (?:week|sun|mon|tues|wednes|thurs|fri|"
    r"satur)\w+|in the (?:morning|evening|afternoon|winter|summer|rain|dark)s?|at night)\b.{0,80})$",
    re.I | re.S,
)
ASKS: Final = re.compile(
    r"^(?:who|what|when|where|why|how|which|whose|do|does|did|is|are|was|were|can|could|would|will|should|shall|have|"
    r"has|had|may|might)\b.*\?|\?\s*$",
    re.I | re.S,
)
HYPOTHETICAL: Final = re.compile(r"\b(?:would|might|could|maybe|perhaps|wonder|imagine|wish|hope)\b", re.I)

# ── words ──

BE: Final = r"(?:is|are|was|were|am|'s|'re|'m|remains|became|becomes|equals)"
TYPE: Final = (
    r"(?:city|country|continent|state|town|village|language|position|sport|field|religion|genre|county|region|"
    r"province|island|district|role|title|rank|level|temperature|value|colou?r|name|company|university|area)"
)
NAME: Final = r"[A-Z0-9À-ÖØ-Þ\"“'’(][^,;:]*?"
TAIL: Final = re.compile(
    rf"^(?:(?:now|currently|still|also|always|usually|really|officially|called|named)\s+)*"
    rf"(?:(?P<how>(?:located|based|situated|found|set|held|known|headquartered)\s+(?:in|at|on|as|by|to)?)\s+)?"
    rf"(?:(?P<by>in|at|on|by|to|with|from|for|as)\s+)?(?:the\s+(?P<type>{TYPE})\s+of\s+)?",
    re.I,
)
ARTICLE: Final = re.compile(r"^(?:the|a|an|my|our|his|her|their|your|some)\s+", re.I)
AFTER_VALUE: Final = re.compile(
    r"(?:\s*[,;–—(].*|\s+(?:because|since|as|so|but|and then|which|who|that|there|now|instead|any ?more|again|"
    r"these days|at the moment|right now|from now on|please|too|though|though|already)\b.*|[.!?…]+)$",
    re.I | re.S,
)
VERBS: Final = {
    # verb phrase: (attribute, whether it has one value at a time)
    r"(?:live|lives|living|lived|reside|resides) (?:in|at|on|near)": ("home", True),
    r"(?:moved|moving|move|relocated) (?:back )?(?:to|into)(?= (?:[A-Z]|a new|our new|my new))": ("home", True),
    r"(?:went|gone|go|travell?ed|journeyed|walked|ran|drove|flew|moved|came|returned|headed|went back)"
    r" (?:back |over |down |up )*(?:to|into)": ("location", True),
    r"(?:am|is|are) (?:in|at) (?=the |[A-Z])": ("location", True),
    r"(?:got|grabbed|picked up|took|received|bought|own|owns|have|has|'ve got|carry|carries)(?: (?:up|there))?": (
        "has", False,
    ),
    r"(?:work|works|working|worked) (?:for|at)": ("employer", True),
    r"(?:am|is|'m) employed by": ("employer", True),
    r"(?:work|works|working|worked) as": ("job", True),
    r"(?:am|is|'m|are) (?:married|engaged) to": ("spouse", True),
    r"(?:married)": ("spouse", True),
    r"(?:prefer|prefers|preferred|'d rather have|would rather have)": ("prefers", False),
    r"(?:really |absolutely )?(?:like|likes|love|loves|enjoy|enjoys|adore|adores)": ("likes", False),
    r"(?:really |absolutely )?(?:hate|hates|dislike|dislikes|can't stand|cannot stand)": ("dislikes", False),
    r"(?:use|uses|using|'re using|am using|are using|is using|switched to|moved to using|migrated to)": ("uses", False),
    r"(?:am|is|'m|are) allergic to": ("allergic to", False),
    r"(?:drive|drives)": ("drives", True),
    r"(?:study|studies|studying|am studying)": ("studies", True),
    r"(?:speak|speaks)(?: the language of)?": ("speaks", True),
    r"(?:play|plays)(?: the (?:position|sport|role) of)?": ("plays", True),
}  # fmt: skip
ENDING: Final = {
    r"(?:no longer|don't|doesn't|do not|does not|stopped|quit|gave up|am not|is not|isn't|aren't|not)": None,
    r"(?:dropped|left|put down|discarded|sold|lost|threw away|gave away)(?: (?:there))?": "has",
}
SPEAKER: Final = frozenset({"i", "we", "me", "us", "i've", "we've"})
PRONOUNS: Final = frozenset({"he", "she", "it", "they", "you", "this", "that", "these", "those", "there", "who", "which"})


# ── reading ──


def statements(text: str) -> list[Statement]:
    """What a text states, in order.

    >>> [(one.subject, one.attribute, one.value) for one in statements("The capital of Malta is Valletta.")]
    [('Malta', 'capital', 'Valletta')]
    """
    found: list[Statement] = []
    for start, stop in _sentences(text):
        sentence = text[start:stop]
        if len(sentence) <= LONGEST and not ASKS.search(sentence) and not HYPOTHETICAL.search(sentence):
            found += [replace(one, start=start, stop=stop) for one in _of_sentence(sentence)]
        if len(found) >= MOST:
            return found[:MOST]
    return found


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in SENTENCE.finditer(text):
        yield start, match.end()
        start = match.end()
    yield start, len(text)


def _of_sentence(sentence: str) -> Iterator[Statement]:
    plain = sentence.strip()
    opening = OPENING.match(plain)
    correction = bool(opening and opening["correction"]) or bool(CORRECTING.search(plain))
    rest = plain[opening.end() :] if opening else plain
    condition = ""
    for pattern in (CONDITION_FIRST, CONDITION_LAST):
        if match := pattern.match(rest):
            condition, rest = match["condition"].strip(" ,.!"), match["rest"]
            break
    for reader in (_of_definition, _of_possession, _of_clause):
        if one := reader(rest):
            yield replace(one, condition=condition, correction=correction)
            return


DEFINITION: Final = re.compile(
    rf"^the\s+(?P<attribute>[\w\s'-]{{2,60}}?)\s+(?:(?P<link>that|where|which|who|whom)|of|for|in|at)\s+"
    rf"(?P<subject>(?:the\s+)?{NAME})(?P<verb>\s+(?:[a-z]+\s+)*?)?\s+{BE}\s+(?P<value>[^.].*)$",
    re.S | re.I,
)
POSSESSION: Final = re.compile(
    rf"^(?P<subject>my|our|[A-Z][^,;:]*?['’]s?)\s+(?P<attribute>[a-z][\w\s-]{{1,50}}?)\s+{BE}\s+(?P<value>[^.].*)$", re.S
)
CLAUSE: Final = re.compile(
    rf"^(?P<subject>I|We|we|[A-Z0-9a-z\"“'’(][^,;:]{{0,80}}?)\s+(?P<verb>{BE}|[a-z]+(?:s|ed)|has|have)\s+(?P<value>.+)$", re.S
)


def _of_definition(sentence: str) -> Statement | None:
    match = DEFINITION.match(sentence)
    if not match:
        return None
    attribute, subject = match["attribute"], match["subject"].strip()
    value, tail = _value(match["value"])
    return _stated(subject, f"{attribute} {match['verb'] or ''} {tail}", value)


def _of_possession(sentence: str) -> Statement | None:
    match = POSSESSION.match(sentence)
    if not match:
        return None
    subject = re.sub(r"['’]s?$", "", match["subject"])
    value, tail = _value(match["value"])
    return _stated("" if subject in ("my", "our", "My", "Our") else subject, f"{match['attribute']} {tail}", value)


def _of_clause(sentence: str) -> Statement | None:
    match = CLAUSE.match(sentence)
    if not match or match["subject"].casefold() in PRONOUNS:
        return None
    subject = match["subject"]
    value, tail = _value(match["value"])
    speaking = subject.casefold() in SPEAKER
    return _stated("" if speaking else subject, f"{match['verb']} {tail}", value)


def _value(rest: str) -> tuple[str, str]:
    """The value at the end of a sentence, and the words between verb and value that belong to the attribute."""
    tail = ""
    participle = re.match(r"^(?:[a-z]+(?:ed|en|wn|t|d)|a citizen|responsible|famous)\s+(?:in|by|of|to|with|at|for|as|from)\s+", rest)
    if participle:
        tail, rest = participle[0], rest[participle.end() :]
    if (match := TAIL.match(rest)) and match.end():
        tail, rest = f"{tail} {match[0]}", rest[match.end() :]
    return ARTICLE.sub("", AFTER_VALUE.sub("", rest.strip())).strip(" \"“”'’"), tail


def _stated(subject: str, attribute: str, value: str) -> Statement | None:
    if not value or len(value.split()) > LONGEST_VALUE:
        return None
    return Statement(subject.strip(" \"“”'’"), " ".join(attribute.split()), value, 0, 0)
