"""Read from a clause what is set to which value: "set the seat heating to 2", "turn off the radio"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from memstrata.text.facts import grammar
from memstrata.text.facts.clauses import value
from memstrata.text.facts.stated import LOOSE, SAID, TELLING, Context, Statement, telling

UNIT: Final = re.compile(
    r"(?:minus |-)?(?:\d+(?:[.,]\d+)?|"
    + "|".join(sorted(grammar.NUMBERS))
    + r")(?:[ -](?:\w+ )?)?(?P<unit>degrees?(?: celsius| fahrenheit)?|celsius|fahrenheit|kelvin|°\s?[CF]?)",
    re.I,
)


def measured_by(amount: re.Match[str]) -> str:
    return grammar.UNITS[amount["unit"].lower().split()[0].replace(" ", "")]


TARGET: Final = re.compile(
    r"(?P<what>[\w'/-]+(?: [\w'/-]+){0,4}?)(?: (?:back|up|down|over|all the way|only))*? (?:(?:to be "
    r"|set )?(?:to|at|on|in)|to be) (?:be )?(?:the |a |an |that |my |about |around )?(?P<value>.+)",
    re.DOTALL,
)
FROM_TO: Final = re.compile(
    r"(?P<what>[\w'/-]+(?: [\w'/-]+){0,4}?)(?: up| down)? from (?P<old>\S+(?: \S+){0,2}?) to (?P<value>.+)", re.DOTALL
)
MODIFYING: Final = grammar.words_of("""
usual current new old default normal whole overall same whole own
""")
MEASURES: Final = grammar.words_of("""
level setting settings mode number position speed
""")


def setting(words: Sequence[str], context: Context) -> list[Statement]:
    return setting_by("", words, context)


def setting_by(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "set the seat heating to 2", "turn off the radio", "close the sunroof", "raise ALERT_COOLDOWN to 240"."""
    head = tokens[0].lower()
    rest = list(tokens[1:])
    if head in grammar.DONE_TO:
        return _done_to(subject, grammar.DONE_TO[head], rest)
    verb = grammar.SETTING.get(head)
    if verb is None or not rest:
        return []
    if rest[0].lower() in ("on", "off") and verb in ("turn", "switch"):
        return _done_to(subject, rest[0].lower(), rest[1:])
    if rest[0].lower() in ("up", "down", "back"):
        rest = rest[1:]
    if not rest:
        return []
    if rest[0].lower() == "it":
        return _set_it(subject, rest[1:], context)
    if rest[0].lower() in ("the", "my", "our", "all"):
        return set_to(subject, rest, SAID, loose=verb == "keep", sure=head in SURELY)
    if CODED.match(rest[0]) or verb == "set":
        return set_to(subject, ["the", *rest], SAID if CODED.match(rest[0]) else LOOSE, loose=False)
    return []


CODED: Final = re.compile(r"`?(?:[A-Z][A-Z0-9]*_[A-Z0-9_]+|[a-z]+(?:_[a-z0-9]+)+)`?")


SURELY: Final = grammar.words_of("""
set setting switch switched switching change changed changing
""")


def _done_to(subject: str, how: str, rest: Sequence[str]) -> list[Statement]:
    if not rest or rest[0].lower() not in ("the", "my", "all", "our") or len(rest) < 2:
        return []
    what = thing(value(" ".join(rest)))
    return [Statement(subject, what, how, 0, 0, confidence=LOOSE)] if what and len(what.split()) <= 4 else []


def _set_it(subject: str, rest: Sequence[str], context: Context) -> list[Statement]:
    """A value of what was spoken of before in the same text, or of what its unit measures."""
    plain = re.sub(r"^(?:(?:back|up|down) )*(?:(?:to|at|on|in|be)\b)?\s*", "", " ".join(rest)).strip(" .!")
    if plain.lower().split(" ")[0] in ("on", "off"):
        plain = plain.split(" ")[0]
    if re.fullmatch(r"(?:on|off)\b.*", " ".join(rest), re.IGNORECASE | re.DOTALL):
        plain = rest[0].strip(".,!")
    found = amount_of(plain)
    if not found:
        return []
    attribute = _meant(subject, context)
    if amount := UNIT.search(plain):
        attribute = attribute if attribute and HEATED.search(attribute) is None else measured_by(amount)
    if attribute and (is_level(found) or telling(found)):
        return [Statement(subject, attribute, found, 0, 0, confidence=LOOSE if not UNIT.search(plain) else SAID)]
    return []


SETTABLE: Final = "|".join(sorted(grammar.ADJUSTED | {"seat", "seats"}))
MENTIONED: Final = re.compile(
    rf"\b(?:the|my|this) (?:[a-z][\w-]+ ){{0,2}}?(?:{SETTABLE})(?: (?:{SETTABLE}))*\b", re.IGNORECASE
)
HEATED: Final = re.compile(r"\b(?:ac|air|cabin|heat|heater|heating|thermostat|temperature|room)\b", re.IGNORECASE)


RELATED: Final = {
    relation.attribute for by_particle in grammar.RELATIONS.values() for relation in by_particle.values()
} | {"location", "name", "age", "diet", "status"}


def _meant(subject: str, context: Context) -> str:
    """What "it" is: the thing set last in the same text, or else the last thing spoken of that can be set."""
    for one in reversed(context.stated):
        if one.single and not one.ends and one.subject == subject and one.attribute not in RELATED:
            return one.attribute
    mentions = MENTIONED.findall(context.text)
    return thing(mentions[-1].removeprefix("this ")) if mentions else ""


def set_to(
    subject: str, tokens: Sequence[str], confidence: float, *, loose: bool, sure: bool = False
) -> list[Statement]:
    """What is set, and to what.

    `loose`: the value may follow without a preposition; `sure`: it may be any word, since the verb means setting.
    """
    plain = " ".join(tokens[1:])
    match = FROM_TO.match(plain) or TARGET.match(plain)
    if match and (what := thing(match["what"])) and (found := amount_of(match["value"])):
        if CODED.fullmatch(match["what"]):
            return [Statement(match["what"].strip("`"), "value", found, 0, 0, confidence=confidence)]
        if not (sure or is_level(found) or TELLING.search(found)):
            return []
        if UNIT.search(found) and HEATED.search(what):
            what = "temperature"
        return [Statement(subject, what, found, 0, 0, confidence=confidence)]
    if not loose and tokens[-1].lower().strip(".,!") not in ("on", "off", "up", "down", "open", "closed"):
        return []
    words = value(plain).split()
    for place in range(1, min(len(words), 6)):
        what, found = thing(" ".join(words[:place])), " ".join(words[place:])
        if (
            what
            and is_level(found)
            and found not in ("up", "down")
            and not (place < len(words) - 1 and words[place].lower() in ("light", "heat"))
        ):
            return [Statement(subject, what, found, 0, 0, confidence=confidence)]
    return []


def is_level(phrase: str) -> bool:
    """Whether a phrase is nothing but a setting's value."""
    words = [
        word
        for word in phrase.lower().split()
        if word
        not in ("a", "bit", "little", "at", "level", "percent", "degrees", "and", "to", "be", "very", "slightly")
    ]
    known = grammar.COLOURS | grammar.LEVELS | frozenset(grammar.NUMBERS)
    return bool(words) and all(word in known or word.rstrip("%").replace(".", "").isdigit() for word in words)


STANDS_AT: Final = re.compile(
    rf"(?:(?:the|my|our) )?(?P<what>(?:[\w-]+ ){{0,2}}(?:{'|'.join(sorted(grammar.ADJUSTED))}))(?:'s| "
    rf"is| are| needs to be| should be| has to be| must be| stays| goes)?"
    r"(?: now| back| all the way| up| down)*(?: set)?(?: to| at| on| in)? (?P<value>(?:level "
    r")?[\w%°.]+(?: [\w%°]+)?)[.!]*$",
    re.IGNORECASE,
)


def standing_at(rest: str) -> list[Statement]:
    """ "HUD brightness at 4", "the ambient light needs to be white", "lyrics display on"."""
    match = STANDS_AT.match(rest.rstrip(" .!"))
    if match is None:
        return []
    what, found = thing(match["what"]), amount_of(match["value"]) or match["value"]
    return [Statement("", what, found, 0, 0, confidence=LOOSE)] if what and is_level(found) else []


def amount_of(phrase: str) -> str:
    """The value that a setting is set to; nothing for places, pronouns and whole clauses."""
    if phrase.lower().startswith(("the ", "my ", "your ", "his ", "her ", "their ", "our ")):
        return ""
    found = re.split(r"\s(?:to|for|so|helps?|with|as|higher|from)\b", value(phrase), maxsplit=1)[0]
    words = found.split()
    if len(words) > 1 and words[-1].lower() in ("mode", "view"):
        words = words[:-1]
    if not words or len(words) > 5 or words[0].lower() in grammar.PRONOUNS:
        return ""
    known = telling(found) or len(words) <= 2
    if not known or words[0].lower().endswith("ing") or words[0].lower() in UNFIT:
        return ""
    if words[0].lower() in ("level", "number", "position") and len(words) > 1:
        words = words[1:]
    return " ".join(words)


UNFIT: Final = grammar.words_of("""
me us see get go do have help make let keep take use sure bed work time least most fun good bad great nice place
side hand front mind order check track bay hold case be know try say talk meet
""")


def thing(phrase: str) -> str:
    """What is set, by its own name: no article, no "usual", no "level"."""
    words = [
        word
        for word in phrase.strip(" ,.`").split()
        if word.lower() not in MODIFYING and word.lower() not in ("the", "my", "our", "all")
    ]
    while len(words) > 1 and words[-1].lower() in ("up", "down", "back", "setting", "settings", "level"):
        words.pop()
    if not words or words[0].lower() in grammar.VAGUE | grammar.PRONOUNS or len(words) > 5:
        return ""
    if words[-1].lower() in grammar.BODY:
        return ""
    if words[-1].lower() in grammar.VAGUE or any(word.lower() in STRUCTURE for word in words):
        return ""
    return " ".join(words)


STRUCTURE: Final = grammar.words_of("""
to of that which who and or is are was for with about from than as but if when because not
""")
