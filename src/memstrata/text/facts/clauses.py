"""Cut a text into sentences, a sentence into clauses, and a clause into what it says and under which condition."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from memstrata.text.facts import grammar
from memstrata.text.facts.grammar import ABBREVIATIONS, PRONOUNS

LONGEST_OPENING: Final = 6  # words such as "Oh, well, actually" before a clause

SENTENCE: Final = re.compile(r"[.!?;…]+[\"”’')*]*\s+(?=[\"“'(*]*[A-Z0-9])|\s*\n\s*|[!?]+\s+")
BREAK: Final = re.compile(
    r"\s*(?:—|\s[–-]\s|;)\s*"
    r"|,?\s+(?:but|and|so|because|though|although|then)\s+(?=(?:then |now |also |so |please )?"
    r"(?:I|I['’](?:m|ve|ll|d)|we|we['’](?:re|ve)|my|our|set|turn|switch|keep)\s)"
    r"|,\s+(?=(?:I|I['’](?:m|ve|ll|d)|we|my|let me|let['’]s|switching|setting|turning|set|turn|"
    r"switch|change|keep|lower|raise)\s)"
    r"|,?\s+(?:but)\s+"
)
OPENING: Final = re.compile(
    r"[\"“'*(•-]*(?:(?P<correction>actually|correction|wait|scratch that|rather|i meant|i mean|"
    r"instead|from now on|on second thoughts?|"
    r"change of plans?|update|no)|oh|well|so|ok|okay|yes|yeah|yep|nope|and|but|also|hey|hi|hmm|right|sure|great|"
    r"good|thanks|thank you|please|sorry|by the way|btw|fyi|just so you know|to be honest|honestly|"
    r"anyway|anyways|good news|remember|"
    r"note|ah|ha|haha|alright|all right|absolutely|definitely|exactly|true|same|in fact|fine|perfect|"
    r"now|then|there|there we go|"
    r"as you know|for the record|you know|basically|and yes|personally|for me|today|currently|"
    r"recently|these days|nowadays)"
    r"(?:[\s,:;.!–—-]+|$)",
    re.IGNORECASE,
)
VOCATIVE: Final = re.compile(r"(?:hey |hi |ok |okay )?[A-Z][a-zé]+, (?=[a-z]|I\b|I['’])")
POLITE: Final = re.compile(
    r"(?:can|could|would|will) you (?:please |just )?|please (?:also )?|let['’]s |let me (?:just )?|go ahead and ",
    re.IGNORECASE,
)
CORRECTING: Final = re.compile(
    r"\b(?:actually|instead|from now on|any ?more|no longer|changed my mind|switched|correction|i meant|rather than|"
    r"after all|not any ?more|scratch that|is now|are now|am now|now)\b",
    re.IGNORECASE,
)
CONDITION_FIRST: Final = re.compile(
    r"(?P<condition>(?:(?:when(?:ever)?|if|while|during|unless|once|every time|after|before)\b[^,]{2,90}|"
    r"(?:on|in|at) (?:(?:the )?(?:morning|evening|afternoon|night|winter|summer|spring|autumn|rain|dark)s?|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days|weekdays|weekends|rainy days|long trips|the highway|the motorway)))"
    r"(?:,\s*|\s+(?=(?:I|we|my)\s))(?P<rest>.+)",
    re.IGNORECASE | re.DOTALL,
)
CONDITION_LAST: Final = re.compile(
    r"[\s,]+(?P<condition>(?:(?:when(?:ever)?|if|unless|while|during|every time|as long as)\s.+|"
    r"(?:only )?(?:(?:on|in|at|for) )"
    r"(?:(?:the )?(?:morning|evening|afternoon|night|winter|summer|spring|autumn|rain|dark)s?|"
    r"(?:mon|tues|wednes|thurs|fri|satur|sun)days|weekdays|weekends|rainy days)(?!\w).*"
    r"|for (?:\w+ ){0,2}(?:driving|drives|trips|rides|reading|work|sleeping|writing|calls)\b.*))$",
    re.IGNORECASE | re.DOTALL,
)
IDLE: Final = re.compile(
    r"(?:while (?:we|i|you)['’]|after all|if (?:possible|you|that|it['’]s ok)|once (?:again|more))", re.IGNORECASE
)
ONCE: Final = re.compile(r"\b(?:was|were|had|did|got|came|went)\b", re.IGNORECASE)  # of a condition that is past
QUESTION: Final = re.compile(
    r"(?:who|what|when|where|why|how|which|whose|do|does|did|is|are|am|was|were|shall|should|have|"
    r"has|had|may|might|am i)\b",
    re.IGNORECASE,
)
ENDING: Final = re.compile(
    r"(?:[\s,]+(?:now|there|then|today|tonight|already|again|instead|any ?more|any longer|please|too|"
    r"though|as well|either|here|"
    r"currently|at the moment|right now|these days|nowadays|for now|from now on|since (?:then|\w+)|"
    r"for (?:\w+ ){1,2}(?:years|months|weeks|days)|"
    r"in general|after all|always|actually|anyway|yesterday|recently|lately|"
    r"(?:last|this|next) (?:week|month|year|night|morning|evening|summer|winter|spring|autumn|"
    r"weekend)|(?:\w+ ){1,2}(?:years?|months?|weeks?|days?) ago"
    rf"|(?:in|since|last|early in|late in) (?:{'|'.join(sorted(grammar.MONTHS))})(?: \d{{4}})?"
    rf"|(?:on|since|last) (?:{'|'.join(sorted(grammar.WEEKDAYS))})|(?:in|since) (?:1[89]|20)\d\d"
    r"|in (?:the )?(?:spring|summer|autumn|winter)"
    r"|so much|a lot|very much|the most|the best|best|more|thanks|ok|okay|right|you know|to be "
    r"honest|honestly|for sure))+$",
    re.IGNORECASE,
)
STOP: Final = re.compile(
    r"\s*(?:[;(\[—…]|:(?!\d)|\s[–-]\s|[.!?]+\s)|\s+(?:because|since|but|which|who|whom|whose|although|"
        r"though|if|when|whenever|while|unless|"
    r"until|as of|as (?:it|i|we|they|he|she|long|soon|you)|so (?:that|i|we|it|the|they|please|"
        r"don['’]t)|that (?:i|we|it|is|was|are|he|she|they)|after (?:i|we|the)|before (?:i|we|the)|"
    r"and (?:i|we|it|it['’]s|he|she|they|my|our|the|then|now|not|also|that|this|you|so|have|has|is|"
        r"was|am|never|want|need|can|will|just|see|maybe|always|work|works|live|lives|study|studies|like|likes|"
    r"love|loves|hate|hates|use|uses|drive|drives|play|plays|speak|speaks|own|owns|prefer|prefers)|"
    r"with (?:my|our|his|her|their|a)|as an?|"
    r"rather than|instead of|even|to (?:\w+ )?(?:me|us|help|make|keep|get|see|avoid|be|see))\b",
    re.IGNORECASE,
)  # fmt: skip
NAME: Final = re.compile(
    r"(?:the )?[A-Z0-9À-ÖØ-Þ][^\s,]*(?:[\s,]+(?:[\"“(]?[A-Z0-9À-ÖØ-Þ&][^\s,]*|of|the|de|del|la|le|"
    r"von|van|der|den|di|da|du|and|&|y|in|on|for|a|an|as|to|"
    r"at|with))*"
)
NAME_TAIL: Final = re.compile(r"(?:[\s,]+(?:[A-Z0-9À-ÖØ-Þ&][^\s,]*|of|the|de|la|von|van|and|&))+")
ARTICLE: Final = re.compile(r"(?:the|a|an|my|our|his|her|their|your|some|The(?=\s[a-z]))\s+")
QUOTES: Final = " \t\n\"“”'’*`"


@dataclass(frozen=True, slots=True)
class Clause:
    """What a clause says, without its opening words; `text[start:stop]` of the whole is where its sentence stands."""

    said: str
    condition: str
    correction: bool
    start: int
    stop: int


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """Where each sentence of a text starts and stops.

    >>> [("Dr. Low left. It rained.")[start:stop] for start, stop in sentences("Dr. Low left. It rained.")]
    ['Dr. Low left. ', 'It rained.']
    """
    start = 0
    for match in SENTENCE.finditer(text):
        if match[0][0] == "." and _abbreviated(text, start, match.start()):
            continue
        yield start, match.end()
        start = match.end()
    if start < len(text):
        yield start, len(text)


def _abbreviated(text: str, start: int, dot: int) -> bool:
    """Whether the dot at a place ends a word and no sentence."""
    word = text[max(start, text.rfind(" ", start, dot) + 1) : dot + 1].lower().lstrip("(\"“'")
    return (word in ABBREVIATIONS and word not in ("no.", "inc.", "co.", "ltd.", "corp.")) or (
        len(word) >= 2 and word[-2].isalpha() and (len(word) == 2 or word[-3] == ".") and word != "i."
    )


def opened(sentence: str) -> tuple[str, bool]:
    """A sentence without the words that only open it, and whether these announce a correction."""
    rest, correction = sentence, False
    for _ in range(LONGEST_OPENING):
        match = OPENING.match(rest)
        if match is None or (match.end() == len(rest) and match.lastgroup is None):
            match = VOCATIVE.match(rest)
            if match is None:
                break
        elif match["correction"]:
            correction = True
        rest = rest[match.end() :]
    return rest, correction


def condition_first(said: str) -> tuple[str, str]:
    """What is said behind the condition that a sentence begins with, and that condition."""
    if (match := CONDITION_FIRST.match(said)) and not IDLE.match(said):
        return match["rest"], match["condition"].strip(" ,.!?")
    return said, ""


def conditioned(said: str) -> tuple[str, str]:
    """What is said, and the condition under which it is; an empty one when there is none.

    >>> conditioned("set the seat heating to 2 when it snows.")
    ('set the seat heating to 2', 'when it snows')
    """
    rest, condition = condition_first(said)
    if condition or CONDITIONAL.isdisjoint(said.lower().replace(",", " ").split()):
        return rest, condition
    if match := CONDITION_LAST.search(said):
        return said[: match.start()], "" if IDLE.match(match["condition"]) else match["condition"].strip(" ,.!?")
    return said, ""


CONDITIONAL: Final = grammar.words_of("""
when whenever if unless while during every as on in at for
""")


def clauses(sentence: str) -> list[str]:
    """The parts of a sentence that say something each."""
    return [part for part in BREAK.split(sentence) if part and part.strip()]


def value(rest: str, *, whole: bool = False) -> str:
    """The value at the head of what is left of a clause: without article, adverbs and what follows it.

    `whole`: a name that reaches to the end is taken as it stands, with the commas and prepositions in it.

    >>> value("the University of California, Berkeley."), value("rooibos these days, because of the caffeine")
    ('University of California, Berkeley', 'rooibos')
    """
    text = rest.strip(" \n\t*")
    if not (whole and NAME.fullmatch(text)):
        text = _cut(text)
    text = _undotted(text).strip(QUOTES + ",")
    if match := ARTICLE.match(text):
        text = text[match.end() :].strip(QUOTES)
    return "" if text.lower() in PRONOUNS else text


def _cut(text: str) -> str:
    """Up to where something else begins."""
    if found := STOP.search(text):
        text = text[: found.start()]
    comma = text.find(",")
    if comma >= 0 and not (_capital(text) and NAME_TAIL.fullmatch(text, comma)) and not _digits_around(text, comma):
        text = text[:comma]
    text = _undotted(text)
    found = ENDING.search(text)
    return text[: found.start()] if found else text


def _capital(text: str) -> bool:
    first = text.lstrip(QUOTES)
    return first[:1].isupper() or (first.startswith("the ") and first[4:5].isupper())


def _digits_around(text: str, comma: int) -> bool:
    return text[comma - 1 : comma].isdigit() and text[comma + 1 : comma + 2].isdigit()


def _undotted(text: str) -> str:
    """Without the dot that ends the sentence, but with that of an abbreviation."""
    plain = text.rstrip(" \"”’')!?…")
    if plain.endswith(".."):
        return plain[:-1]
    if plain.endswith("."):
        last = plain[plain.rfind(" ") + 1 :]
        abbreviated = last.lower() in ABBREVIATIONS or (last.count(".") > 1 and last[-2:-1].isalpha())
        return plain if abbreviated else plain[:-1]
    return plain
