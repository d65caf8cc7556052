"""Read from a sentence what it states: that an attribute of a subject has a value.

A few sentence patterns over the words of `text/grammar.py`, no model: "The capital of Malta is Valletta", "my sister's
name is Ines", "Jon works for the ferry line", "set the seat heating to 2 when it snows", "we no longer use msgpack".
What fits none of them, asks, plans, guesses or imagines states nothing here: a statement missed is found by search all
the same, while a wrong one claims that something was replaced. English only; decision 0010 says how well it does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from memstrata.text import grammar
from memstrata.text.clauses import NAME, ONCE, POLITE, QUESTION, CORRECTING, clauses, condition_first, conditioned, opened, sentences, value
from memstrata.text.grammar import Relation, canonical
from memstrata.text.terms import terms

LONGEST: Final = 400  # characters of a sentence that is looked at; longer ones tell stories
LONGEST_VALUE: Final = 12  # words
LONGEST_LOOSE: Final = 8  # words of a value that no fixed pattern bounds
LONGEST_SUBJECT: Final = 12  # words
MOST: Final = 12  # statements of one text

DEFINED: Final = 0.9  # "The capital of Malta is Valletta"
SAID: Final = 0.8  # "I live in Porto"
LOOSE: Final = 0.6


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
    confidence: float = SAID


@dataclass(frozen=True, slots=True)
class Context:
    """What a clause is read in: who speaks, what was stated in the same text before, and the text up to its end."""

    speaker: str | None = None
    stated: Sequence[Statement] = ()
    text: str = ""


def key_of(phrase: str) -> str:
    """A phrase as statements compare: its stemmed words, without stop words, numbers as digits.

    >>> key_of("the Running shoes") == key_of("running shoe")
    True
    """
    words = terms(phrase)
    return " ".join([NUMERALS.get(word, word) for word in words]) or " ".join(phrase.casefold().split())


NUMERALS: Final = {stem: digits for word, digits in grammar.NUMBERS.items() for stem in terms(word)}


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
    if grammar.SIGNS.isdisjoint(plain.lower().split()) or "?" in plain and not POLITE.match(plain):
        return
    said, correction = opened(plain)
    said, condition = condition_first(said)
    if QUESTION.match(said):
        return
    if not condition and (defined := _definition(said)):
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
        for one in _of_clause(rest, context, correction):
            known = one.condition or own or condition
            yield replace(one, condition=known, correction=correction or bool(CORRECTING.search(clause)))


# ── facts about the world, in sentences of a fixed form ──

BE: Final = r"(?:is|are|was|were|remains|became)"
NOW: Final = r"(?:(?:now|currently|still|also|actually|officially|really)\s+)?"
OF_NAMED: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w' -]*?) (?:of|in|at|for|on|by) (?P<subject>(?:the )?[A-Z0-9À-ÖØ-Þ\"“].*?) {BE} {NOW}(?P<value>.+)",
    re.DOTALL,
)
OF_PLAIN: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w-]*(?: [a-z][\w-]*){{0,2}}) (?:of|for) (?P<subject>(?:the |our |my )?[a-z][\w'-]*(?: [\w'-]+){{0,3}}) {BE} {NOW}(?P<value>.+)",
    re.DOTALL,
)
WHERE: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w -]*?) (?:that|where|which|who|whom|in which) (?P<subject>.+?) "
    rf"(?P<verb>(?:(?:is|are|was|were|has) )?[a-z]+(?: (?:in|at|by|for|with|on|from|to))?) {BE} (?P<value>.+)",
    re.DOTALL,
)
THAT: Final = re.compile(
    rf"[Tt]he (?P<attribute>[a-z][\w -]*?) (?:that|which|who) (?P<verb>[a-z]+(?:s|ed|t|d|n)(?: (?:in|at|by|for|with))?) "
    rf"(?P<subject>(?:the )?[A-Z0-9À-ÖØ-Þ\"“].*?) {BE} (?P<value>.+)",
    re.DOTALL,
)
OWNED: Final = re.compile(rf"(?P<subject>[A-Z0-9À-ÖØ-Þ].*?)(?:'s|(?<=s)') (?P<attribute>[a-z][\w-]*(?: [\w-]+){{0,3}}?) {BE} {NOW}(?P<value>.+)", re.DOTALL)
MADE: Final = re.compile(
    rf"(?P<subject>.+?) {BE} {NOW}(?P<verb>(?:a |an )?[a-z]+) (?P<link>by|in|at|on|to|with|for|from|as|of) (?P<value>.+)", re.DOTALL
)
TYPED: Final = re.compile(
    rf"(?P<subject>.+?) (?P<verb>[a-z]+(?:s|ed|t))(?: (?P<link>in|at|for|by|on|with))? the (?P<type>{'|'.join(sorted(grammar.TYPES))}) of (?P<value>.+)",
    re.DOTALL,
)
DIED: Final = re.compile(r"(?P<subject>.+?) (?P<verb>died|originated|graduated) (?P<link>in|at|from|on) (?P<value>.+)", re.DOTALL)
INVERTED: Final = re.compile(
    rf"(?P<value>[A-Z0-9À-ÖØ-Þ].*?) {BE} {NOW}the (?P<attribute>[a-z][a-z-]*(?: [a-z-]+){{0,3}}) of (?P<subject>(?:the )?[A-Z0-9].*)", re.DOTALL
)
TYPE_OF: Final = re.compile(rf"(?:the|a) (?P<type>{'|'.join(sorted(grammar.TYPES))}) (?:of|called|named) ")
PART_OF: Final = re.compile(r"(?:[Tt]he )?(?P<attribute>[a-z][a-z-]*(?: [a-z-]+){0,2}) of (?P<subject>(?:the )?[A-Z].*)")
RELATIONAL: Final = frozenset({"a citizen", "a native", "a resident"})
BY_HAND: Final = re.compile(r"(?:the|a|an|my|our|his|her|their|this|that|your)\b", re.IGNORECASE)
FIRST: Final = re.compile(r"(?:I|let|lets|we|my|our|mine|ours|your|you|he|she|it|they|this|that|there|these|those|his|her|their|its|here|someone|everyone|both|all|some|what|one)\b", re.IGNORECASE)


def _definition(said: str) -> Statement | None:
    """What a sentence that defines something states: a name's attribute, and who made it where."""
    if not said[:1].isalnum() and said[:1] not in "\"“" or FIRST.match(said):
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
RELATING: Final = frozenset("that where which who whom".split())
DYING: Final = frozenset("died originated graduated".split())


def _of(said: str) -> Statement | None:
    match = OF_NAMED.match(said)
    if match is None or not _noun(match["attribute"]):
        match = OF_PLAIN.match(said)
    if match is None or not _noun(match["attribute"]):
        return None
    named = match.re is OF_NAMED
    if not named and not _telling(match["value"]):
        return None
    return _defined(match["subject"], match["attribute"], match["value"], DEFINED if named else LOOSE)


def _where(said: str) -> Statement | None:
    match = WHERE.match(said)
    if match is None or not _name(match["subject"]) or not _noun(match["attribute"]):
        return None
    verb = match["verb"].rpartition(" ")[2] if " " not in match["verb"] else re.sub(rf"^{BE} ", "", match["verb"])
    return _defined(match["subject"], f"{match['attribute']} {verb}", match["value"], DEFINED)


def _that(said: str) -> Statement | None:
    match = THAT.match(said)
    if match is None or not _name(match["subject"]) or not _noun(match["attribute"]):
        return None
    return _defined(match["subject"], f"{match['attribute']} {match['verb']}", match["value"], DEFINED)


def _owned(said: str) -> Statement | None:
    match = OWNED.match(said)
    if match is None or not _noun(match["attribute"]) or not _name(match["subject"]):
        return None
    if match["attribute"] in grammar.PERSONS and not _capital(match["value"]):
        return None  # "Ana's sister is a nurse" says something of the sister
    if not _capital(match["value"]) and not _telling(match["value"]):
        return None
    return _defined(match["subject"], match["attribute"], match["value"], DEFINED)


def _inverted(said: str) -> Statement | None:
    match = INVERTED.match(said)
    if match is None or not _name(match["value"]) or not _noun(match["attribute"]):
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
    if verb not in grammar.MADE and verb not in RELATIONAL or not _links(verb, match["link"]):
        return None
    subject, link, rest = match["subject"], match["link"], match["value"]
    owner = PART_OF.fullmatch(subject)
    if owner is None and not _makes(verb, subject):
        return None
    verb = verb.removeprefix("a ")
    attribute, rest = _typed_value(f"{verb} {link}", rest)
    if link in ("in", "on") and attribute.startswith("born") and re.search(r"\d{4}|\b(?:" + "|".join(grammar.MONTHS) + r")\b", rest, re.I):
        attribute = "born on"
    if owner:
        return _defined(owner["subject"], f"{owner['attribute']} {attribute}", rest, DEFINED)
    if not _capital(subject) and not _capital(rest) and not TYPE_OF.match(match["value"]):
        return None
    return _defined(subject, attribute, rest, DEFINED if _capital(subject) else SAID)


def _makes(verb: str, subject: str) -> bool:
    """Whether a thing of this name can be what was made, or is known for something."""
    if _name(subject):
        return True
    if verb in NAMES_ONLY or FIRST.match(subject):
        return False
    return len(subject.split()) <= 4 and subject.lower() not in grammar.VAGUE


LINKS: Final = {
    "on": "born founded released published signed", "for": "famous known responsible", "with": "associated affiliated signed",
    "to": "married", "of": "citizen native resident", "as": "known employed", "from": "",
}  # fmt: skip


def _links(verb: str, link: str) -> bool:
    """Whether a participle and its preposition say who made a thing, where, and what it is known for."""
    return link in ("by", "in", "at") or verb.removeprefix("a ") in LINKS[link].split()


NAMES_ONLY: Final = frozenset("known famous responsible situated raised based married".split())


def _typed(said: str) -> Statement | None:
    match = TYPED.match(said)
    if match is None or not _name(match["subject"]):
        return None
    link = f" {match['link']}" if match["link"] else ""
    attribute = f"{match['verb']}{link}" if match["type"] in grammar.PLACES else f"{match['verb']}{link} {match['type']}"
    return _defined(match["subject"], attribute, match["value"], DEFINED)


def _died(said: str) -> Statement | None:
    match = DIED.match(said)
    if match is None or not _name(match["subject"]):
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
    found = value(rest, whole=True)
    subject = subject.strip(" \"“”'*,")
    if not found or not subject or len(found.split()) > LONGEST_VALUE or len(subject.split()) > LONGEST_SUBJECT:
        return None
    if not _thinglike(found) or not _namable(subject):
        return None
    return Statement(subject, canonical(" ".join(attribute.split())), found, 0, 0, confidence=confidence)


def _noun(attribute: str) -> bool:
    """Whether words can be the name of an attribute: not too many, no vague noun, no verb among them."""
    words = attribute.split()
    if not 0 < len(words) <= 8 or words[0] in grammar.VAGUE or words[-1] in grammar.VAGUE:
        return False
    return NO_NOUN.isdisjoint(words) and not words[-1].endswith(("ly", "ing"))


NO_NOUN: Final = grammar.BE | frozenset("that which who whom and or a an i we you he she they your my our if when while because has have had can".split())


def _thinglike(found: str) -> bool:
    """Whether a value of a definition is a thing: a name, a number, or one or two words that are no judgement."""
    if _name(found):
        return True
    words = found.split()
    if _capital(found) or found[0].isdigit() or found[0] in "\"`$€£":
        return len(words) <= LONGEST_LOOSE
    if _judging(found) or len(words) > 3 or words[0].endswith("ly"):
        return False
    return not (grammar.PARTICIPLE.fullmatch(words[0]) or words[-1].endswith(("ed", "ing")))


def _namable(subject: str) -> bool:
    """Whether a subject is a thing one speaks of, and no date, amount or half a sentence."""
    words = subject.split()
    first = words[0].strip("\"'“").lower()
    if first in grammar.MONTHS or first in grammar.WEEKDAYS or ":" in subject and not subject[0].isdigit():
        return False
    if not _name(subject) and ("," in subject or (len(words) > 3 and not _capital(subject))):
        return False
    return not (first[:1].isdigit() and len(words) > 1 and words[1][:1].islower())


def _name(phrase: str) -> bool:
    """Whether a phrase is a proper name."""
    return NAME.fullmatch(phrase.strip(" \"“”'*.")) is not None and not FIRST.match(phrase)


def _capital(phrase: str) -> bool:
    plain = phrase.lstrip(" \"“”'*").removeprefix("the ")
    return plain[:1].isupper() or plain[:1].isdigit()


TELLING: Final = re.compile(r"\d|[A-Z]|[`\"“/_]")


def _telling(phrase: str) -> bool:
    """Whether a value is more than an adjective: a name, a number, a quoted or coded word, a colour, a level."""
    if TELLING.search(phrase):
        return True
    words = phrase.lower().strip(" .!").split()
    known = grammar.COLOURS | grammar.LEVELS | frozenset(grammar.NUMBERS)
    return bool(words) and (words[-1] in known or words[0] in known)


def _judging(phrase: str) -> bool:
    """Whether a value is no thing but what somebody thinks of one: "beautiful", "very far away"."""
    words = phrase.lower().split()
    if _telling(phrase):
        return False
    return words[0] in grammar.JUDGING or len(words) == 1 and grammar.ADJECTIVE.fullmatch(words[0]) is not None


# ── what people say ──

MY: Final = re.compile(
    rf"(?:[Mm]y|[Oo]ur) (?P<attribute>[\w][\w' -]*?)(?: (?:is|are|was|were)|'s(?= (?:name|{'|'.join(sorted(grammar.BE))})\b)|'s) "
    rf"{NOW}(?P<value>.+)",
    re.DOTALL,
)


def _of_clause(rest: str, context: Context, correction: bool) -> list[Statement]:
    """What one clause of a person states."""
    if asked := POLITE.match(rest):
        rest = rest[asked.end() :]
    words = rest.split()
    if len(words) < 2:
        return []
    head = words[0].lower().strip("\"“*")
    if head in FIRST_PERSON:
        return _of_speaker(FIRST_PERSON[head], words[1:], context)
    if head in ("my", "our"):
        return _certain(_of_own(rest, context.speaker), rest)
    if head in grammar.SETTING or head in grammar.DONE_TO:
        return _setting(words, context)
    if not grammar.ADJUSTED.isdisjoint(rest.lower().rstrip(".!").split()) and (found := _standing_at(rest)):
        return found
    if head in ("call", "it", "it's", "not"):
        return _short(head, words[1:], context, correction)
    return _certain(_of_named(rest, words), rest)


def _certain(found: list[Statement], said: str) -> list[Statement]:
    """What was found, unless it is only planned, guessed or imagined."""
    return [] if found and grammar.UNSURE.search(said) else found


# what one announces to set is set by saying so
ACTING: Final = re.compile(
    rf"(?:(?:will|just|really|only|need to|needed to|have to|had to|want to|am going to|going to|might as well|should) )+(?=(?:{'|'.join(sorted(set(grammar.SETTING) | set(grammar.DONE_TO)))})\b)",
    re.IGNORECASE,
)
FIRST_PERSON: Final = {
    "i": (), "we": (), "i'll": ("will",), "we'll": ("will",), "might": ("might",), "better": ("should",), "i'm": ("am",), "we're": ("are",), "i've": ("have",), "we've": ("have",), "i'd": ("would",),
}  # fmt: skip


def _of_speaker(contracted: tuple[str, ...], words: Sequence[str], context: Context) -> list[Statement]:
    tokens = [*contracted, *words]
    if acting := ACTING.match(" ".join(tokens)):
        return _setting(tokens[len(acting[0].split()) :], context)
    if contracted == ("would",):
        tokens = _wished(tokens)
    return _certain(_predicate("", tokens, context), " ".join(tokens)) if tokens else []


def _wished(tokens: Sequence[str]) -> list[str]:
    """ "would like …", "would rather have …" as "want …"; nothing of what else one would do."""
    plain = [token.lower() for token in tokens]
    if plain[1:3] == ["rather", "have"]:
        return ["want", *tokens[3:]]
    return ["want", *tokens[2:]] if plain[1:2] in (["like"], ["prefer"], ["love"]) else []


def _predicate(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """What a verb and what follows it state of a subject."""
    tokens, denied = _verb_first(tokens)
    if not tokens or tokens[0].lower().strip(".,!") not in VERBS:
        return []
    no_more = grammar.NO_MORE.search(" ".join(tokens)) is not None
    for reader in (_wish, _state_of_being, _setting_by, _replacing, _giving, _going, _related):
        if found := reader(subject, tokens, context):
            return _denied(found, no_more) if denied else found
    return []


VERBS: Final = (
    frozenset(grammar.RELATIONS) | grammar.WANTING | grammar.BE | grammar.MOVED | grammar.GIVING | frozenset(grammar.SETTING)
    | frozenset(grammar.DONE_TO) | {verb.split()[0] for verb in grammar.TAKING | grammar.LETTING_GO | grammar.STOPPING}
    | frozenset("turned became replaced swapped swapping replacing moving".split())
)  # fmt: skip


def _verb_first(tokens: Sequence[str]) -> tuple[list[str], bool]:
    """The words from the verb on, and whether it is denied."""
    rest, denied = list(tokens), False
    for _ in range(6):
        low = [token.lower().strip(",") for token in rest[:2]]
        if not low:
            break
        if tuple(low) in grammar.NEGATIONS:
            rest, denied = rest[2:], True
        elif tuple(low[:1]) in grammar.NEGATIONS:
            rest, denied = rest[1:], True
        elif low[0] in grammar.ADVERBS or (low[0] in ("have", "has", "am", "are", "is", "been", "was", "were") and len(low) > 1 and _helped(low[1])):
            rest = rest[1:]
        else:
            break
    return rest, denied


def _helped(word: str) -> bool:
    """Whether a word behind "have" or "am" is the verb itself, or stands before it."""
    return word in HELPED or (word,) in grammar.NEGATIONS or word in grammar.ADVERBS


HELPED: Final = (
    frozenset(grammar.SETTING) | frozenset(grammar.DONE_TO) | frozenset(grammar.RELATIONS) | grammar.MOVED | grammar.STOPPING | grammar.LETTING_GO
    | grammar.GIVING | grammar.TAKING | {"been", "replaced", "no", "given", "gotten", "preferring", "wearing"}
) - {"like", "set", "open", "close", "closed", "home", "left", "lost", "moved off", "low", "down"} | {"set", "left", "lost"}


def _denied(found: Sequence[Statement], no_more: bool) -> list[Statement]:
    """What a denial says: that something ended, and often that its contrary holds."""
    ended = [replace(one, ends=True) for one in found]
    if no_more:
        return ended
    contrary = [
        replace(one, attribute=grammar.OPPOSITE[one.attribute], confidence=SAID) for one in found if one.attribute in grammar.OPPOSITE
    ]
    return [*contrary, *ended]


def _wish(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "prefer the ambient light blue", "want the volume at 15", "like it warmer, 24 degrees"."""
    if tokens[0].lower() not in grammar.WANTING or len(tokens) < 3:
        return []
    if tokens[1].lower() == "it":
        return _liking(subject, tokens[2:], context)
    if tokens[1].lower() not in ("the", "my", "our", "all"):
        return []
    return _set(subject, tokens[1:], SAID, loose=tokens[0].lower() not in ("have", "has", "having", "leave"))


def _liking(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    plain = " ".join(tokens).strip(" .!")
    if amount := UNIT.search(plain):
        return [Statement(subject, _unit(amount), amount[0], 0, 0)]
    found = value(re.sub(r"^(?:to be|at|on|a bit|a little|a touch|slightly) ", "", plain))
    if found and _telling(found) and len(found.split()) <= 3:
        return [Statement(subject, "prefers", found, 0, 0, single=False, confidence=LOOSE)]
    return []


UNIT: Final = re.compile(
    r"(?:minus |-)?(?:\d+(?:[.,]\d+)?|" + "|".join(sorted(grammar.NUMBERS)) + r")(?:[ -](?:\w+ )?)?(?P<unit>degrees?(?: celsius| fahrenheit)?|celsius|fahrenheit|kelvin|°\s?[CF]?)", re.I
)


def _unit(amount: re.Match[str]) -> str:
    return grammar.UNITS[amount["unit"].lower().split()[0].replace(" ", "")]


NUMBER_OR_NAME: Final = re.compile(r"(?P<age>\d{1,3})(?: years? old)?[.!]?$")
NAMING: Final = re.compile(r"[A-Z][a-zé]+(?: [A-Z][a-zé]+)?[.!]?$")
STATE: Final = re.compile(r"(?P<how>in|at) (?P<place>(?:the )?[\w' -]+)")


def _state_of_being(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "am a nurse", "am 34", "is in Lisbon", "am vegan"."""
    head = tokens[0].lower()
    if head == "turned" and len(tokens) > 1 and (old := NUMBER_OR_NAME.match(" ".join(tokens[1:2]))):
        return [Statement(subject, "age", old["age"], 0, 0)]
    if head not in ("am", "is", "are", "became", "remains", "be") or len(tokens) < 2:
        return []
    rest, denied = _verb_first(tokens[1:])
    if not rest:
        return []
    found = _being(subject, rest)
    return _denied(found, grammar.NO_MORE.search(" ".join(tokens)) is not None) if denied else found


def _being(subject: str, rest: Sequence[str]) -> list[Statement]:
    plain = " ".join(rest)
    head = rest[0].lower().strip(".,!")
    if head in grammar.DIETS:
        return [Statement(subject, "diet", head, 0, 0)]
    if head in grammar.STANDINGS and len(rest) <= 2:
        return [Statement(subject, "status", head, 0, 0, confidence=LOOSE)]
    if old := NUMBER_OR_NAME.match(plain):
        return [Statement(subject, "age", old["age"], 0, 0)] if "year" in plain or not subject else []
    if not subject and NAMING.match(plain):
        return [Statement(subject, "name", value(plain), 0, 0, confidence=LOOSE)]
    if head in ("a", "an") and len(rest) >= 2:
        return _role(subject, value(plain))
    if head in ("in", "at") and len(rest) >= 2:
        where = value(" ".join(rest[1:]))
        certain = where and len(where.split()) <= 4 and (rest[1][:1].isupper() or rest[1].lower() == "the") and where.split()[0] not in grammar.VAGUE
        return [Statement(subject, "location", where, 0, 0, confidence=LOOSE)] if certain else []
    return []


def _role(subject: str, found: str) -> list[Statement]:
    words = found.lower().split()
    if not words or len(words) > 4:
        return []
    if words[0] in grammar.DIETS:
        return [Statement(subject, "diet", found, 0, 0)]
    last = words[next((place for place, word in enumerate(words) if word in ("at", "in", "for", "of", "on")), len(words)) - 1]
    if grammar.OCCUPATION.fullmatch(last) and last not in grammar.NO_OCCUPATION:
        return [Statement(subject, "job", found, 0, 0, confidence=SAID)]
    return []


# ── settings ──

TARGET: Final = re.compile(
    r"(?P<what>[\w'/-]+(?: [\w'/-]+){0,4}?)(?: (?:back|up|down|over|all the way|only))*? (?:(?:to be |set )?(?:to|at|on|in)|to be) (?:be )?(?:the |a |an |that |my |about |around )?(?P<value>.+)",
    re.DOTALL,
)
FROM_TO: Final = re.compile(r"(?P<what>[\w'/-]+(?: [\w'/-]+){0,4}?)(?: up| down)? from (?P<old>\S+(?: \S+){0,2}?) to (?P<value>.+)", re.DOTALL)
MODIFYING: Final = frozenset("usual current new old default normal whole overall same whole own".split())
MEASURES: Final = frozenset("level setting settings mode number position speed".split())


def _setting(words: Sequence[str], context: Context) -> list[Statement]:
    return _setting_by("", words, context)


def _setting_by(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
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
        return _set(subject, rest, SAID, loose=verb == "keep", sure=head in SURELY)
    if CODED.match(rest[0]) or verb == "set":
        return _set(subject, ["the", *rest], SAID if CODED.match(rest[0]) else LOOSE, loose=False)
    return []


CODED: Final = re.compile(r"`?(?:[A-Z][A-Z0-9]*_[A-Z0-9_]+|[a-z]+(?:_[a-z0-9]+)+)`?")


SURELY: Final = frozenset("set setting switch switched switching change changed changing".split())


def _done_to(subject: str, how: str, rest: Sequence[str]) -> list[Statement]:
    if not rest or rest[0].lower() not in ("the", "my", "all", "our") or len(rest) < 2:
        return []
    what = _thing(value(" ".join(rest)))
    return [Statement(subject, what, how, 0, 0, confidence=LOOSE)] if what and len(what.split()) <= 4 else []


def _set_it(subject: str, rest: Sequence[str], context: Context) -> list[Statement]:
    """A value of what was spoken of before in the same text, or of what its unit measures."""
    plain = re.sub(r"^(?:(?:back|up|down) )*(?:(?:to|at|on|in|be)\b)?\s*", "", " ".join(rest)).strip(" .!")
    if plain.lower().split(" ")[0] in ("on", "off"):
        plain = plain.split(" ")[0]
    if re.fullmatch(r"(?:on|off)\b.*", " ".join(rest), re.IGNORECASE | re.DOTALL):
        plain = rest[0].strip(".,!")
    found = _amount(plain)
    if not found:
        return []
    attribute = _meant(subject, context)
    if amount := UNIT.search(plain):
        attribute = attribute if attribute and HEATED.search(attribute) is None else _unit(amount)
    if attribute and (_level(found) or _telling(found)):
        return [Statement(subject, attribute, found, 0, 0, confidence=LOOSE if not UNIT.search(plain) else SAID)]
    return []


SETTABLE: Final = "|".join(sorted(grammar.ADJUSTED | {"seat", "seats"}))
MENTIONED: Final = re.compile(rf"\b(?:the|my|this) (?:[a-z][\w-]+ ){{0,2}}?(?:{SETTABLE})(?: (?:{SETTABLE}))*\b", re.IGNORECASE)
HEATED: Final = re.compile(r"\b(?:ac|air|cabin|heat|heater|heating|thermostat|temperature|room)\b", re.IGNORECASE)


def _meant(subject: str, context: Context) -> str:
    """What "it" is: the thing set last in the same text, or else the last thing spoken of that can be set."""
    for one in reversed(context.stated):
        if one.single and not one.ends and one.subject == subject:
            return one.attribute
    mentions = MENTIONED.findall(context.text)
    return _thing(mentions[-1].removeprefix("this ")) if mentions else ""


def _set(
    subject: str, tokens: Sequence[str], confidence: float, *, loose: bool, sure: bool = False
) -> list[Statement]:
    """What is set, and to what.

    `loose`: the value may follow without a preposition; `sure`: it may be any word, since the verb means setting.
    """
    plain = " ".join(tokens[1:])
    match = FROM_TO.match(plain) or TARGET.match(plain)
    if match and (what := _thing(match["what"])) and (found := _amount(match["value"])):
        if CODED.fullmatch(match["what"]):
            return [Statement(match["what"].strip("`"), "value", found, 0, 0, confidence=confidence)]
        if not (sure or _level(found) or TELLING.search(found)):
            return []
        if UNIT.search(found) and HEATED.search(what):
            what = "temperature"
        return [Statement(subject, what, found, 0, 0, confidence=confidence)]
    if not loose and tokens[-1].lower().strip(".,!") not in ("on", "off", "up", "down", "open", "closed"):
        return []
    words = value(plain).split()
    for place in range(1, min(len(words), 6)):
        what, found = _thing(" ".join(words[:place])), " ".join(words[place:])
        if what and _level(found) and found not in ("up", "down") and not (place < len(words) - 1 and words[place].lower() in ("light", "heat")):
            return [Statement(subject, what, found, 0, 0, confidence=confidence)]
    return []


def _level(phrase: str) -> bool:
    """Whether a phrase is nothing but a setting's value."""
    words = [word for word in phrase.lower().split() if word not in ("a", "bit", "little", "at", "level", "percent", "degrees", "and", "to", "be", "very", "slightly")]
    known = grammar.COLOURS | grammar.LEVELS | frozenset(grammar.NUMBERS)
    return bool(words) and all(word in known or word.rstrip("%").replace(".", "").isdigit() for word in words)


STANDS_AT: Final = re.compile(
    rf"(?:(?:the|my|our) )?(?P<what>(?:[\w-]+ ){{0,2}}(?:{'|'.join(sorted(grammar.ADJUSTED))}))(?:'s| is| are| needs to be| should be| has to be| must be| stays| goes)?"
    r"(?: now| back| all the way| up| down)*(?: set)?(?: to| at| on| in)? (?P<value>(?:level )?[\w%°.]+(?: [\w%°]+)?)[.!]*$",
    re.IGNORECASE,
)


def _standing_at(rest: str) -> list[Statement]:
    """ "HUD brightness at 4", "the ambient light needs to be white", "lyrics display on"."""
    match = STANDS_AT.match(rest)
    if match is None or not _level(match["value"]) and not re.search(r" (?:to|at) (?:level )?\S+$", rest.rstrip(".!")):
        return []
    what, found = _thing(match["what"]), _amount(match["value"]) or match["value"]
    return [Statement("", what, found, 0, 0, confidence=LOOSE)] if what and _level(found) else []


def _amount(phrase: str) -> str:
    """The value that a setting is set to; nothing for places, pronouns and whole clauses."""
    if phrase.lower().startswith(("the ", "my ", "your ", "his ", "her ", "their ", "our ")):
        return ""
    found = re.split(r"\s(?:to|for|so|helps?|with|as|higher|from)\b", value(phrase), maxsplit=1)[0]
    words = found.split()
    if len(words) > 1 and words[-1].lower() in ("mode", "view"):
        words = words[:-1]
    if not words or len(words) > 5 or words[0].lower() in grammar.PRONOUNS:
        return ""
    known = _telling(found) or len(words) <= 2
    if not known or words[0].lower().endswith("ing") or words[0].lower() in UNFIT:
        return ""
    if words[0].lower() in ("level", "number", "position") and len(words) > 1:
        words = words[1:]
    return " ".join(words)


UNFIT: Final = frozenset(
    "me us see get go do have help make let keep take use sure bed work time least most fun good bad great nice place side hand front mind order check track bay hold case be know try say talk meet".split()
)


def _thing(phrase: str) -> str:
    """What is set, by its own name: no article, no "usual", no "level"."""
    words = [word for word in phrase.strip(" ,.`").split() if word.lower() not in MODIFYING and word.lower() not in ("the", "my", "our", "all")]
    while len(words) > 1 and words[-1].lower() in ("up", "down", "back", "setting", "settings", "level"):
        words.pop()
    if not words or words[0].lower() in grammar.VAGUE | grammar.PRONOUNS or len(words) > 5:
        return ""
    if words[-1].lower() in grammar.BODY:
        return ""
    if words[-1].lower() in grammar.VAGUE or any(word.lower() in STRUCTURE for word in words):
        return ""
    return " ".join(words)


STRUCTURE: Final = frozenset("to of that which who and or is are was for with about from than as but if when because not".split())


# ── what is replaced, given, gone to ──

REPLACED: Final = re.compile(r"(?:replaced|swapped|swapping|replacing) (?P<old>.+?) (?:with|by|for) (?P<value>.+)", re.DOTALL)
SWITCHED: Final = re.compile(r"(?:switched|switching|migrated|migrating|moved|changed|moving) (?:over )?from (?P<old>.+?) to (?P<value>.+)", re.DOTALL)
TRANSFERRED: Final = re.compile(r"(?:the |a |an |my )?(?P<what>[\w' -]+?)(?: over)? to (?P<to>[A-Z][\w'-]+(?: [A-Z][\w'-]+)?)\.?$")
GIVEN: Final = re.compile(r"(?P<to>[A-Z][\w'-]+) (?:the|a|an|my|his|her) (?P<what>[\w' -]+?)\.?$")


def _replacing(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "switched from msgpack to JSON", "stopped using X", "quit smoking", "left Bosch"."""
    plain = " ".join(tokens)
    if match := REPLACED.match(plain) or SWITCHED.match(plain):
        old, new = value(match["old"]), value(match["value"])
        if not old or not new or len(old.split()) > 4 or len(new.split()) > 5:
            return []
        if tokens[0].lower() in ("moved", "moving") and old[0].isupper() and new[0].isupper():
            return [Statement(subject, "home", new, 0, 0)]
        return [
            Statement(subject, "uses", old, 0, 0, single=False, ends=True),
            Statement(subject, "uses", new, 0, 0, single=False),
        ]
    head = 2 if " ".join(tokens[:2]).lower() in grammar.STOPPING else 1
    if " ".join(tokens[:head]).lower() not in grammar.STOPPING or len(tokens) <= head:
        return []
    doing = grammar.DOING.get(tokens[head].lower().strip(".,!"))
    if doing is None:
        return []
    ended = value(" ".join(tokens[head + 1 :])) or tokens[head].lower().strip(".,!")
    return [Statement(subject, doing, ended, 0, 0, single=False, ends=True)]


def _giving(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "got the milk", "put down the apple there", "gave the milk to Bill"."""
    for head in (2, 1):
        verb, rest = " ".join(tokens[:head]).lower(), list(tokens[head:])
        if verb in grammar.GIVING and (given := _given(subject, " ".join(rest))):
            return given
        if verb in grammar.TAKING or verb in grammar.LETTING_GO:
            return _held(subject, rest, ends=verb in grammar.LETTING_GO)
    return []


def _given(subject: str, plain: str) -> list[Statement]:
    match = TRANSFERRED.match(plain) or GIVEN.match(plain)
    if match is None or match["what"].lower() in grammar.PRONOUNS:
        return []
    what = value(match["what"])
    if not what or what.split()[-1] in grammar.PASSING:
        return []
    return [
        Statement(match["to"], "has", what, 0, 0, single=False),
        Statement(subject, "has", what, 0, 0, single=False, ends=True),
    ]


def _held(subject: str, rest: Sequence[str], *, ends: bool) -> list[Statement]:
    if rest and rest[0].lower() in ("up", "down"):
        rest = rest[1:]
    if not rest:
        return []
    what = value(re.sub(r"\s+(?:down|up|away|off|behind|from|for|with|on|in|at|by)\b.*$", "", " ".join(rest), flags=re.DOTALL))
    if ends and rest[0][:1].isupper() and len(rest) <= 3 and not subject:
        return [Statement(subject, "employer", what, 0, 0, ends=True, confidence=LOOSE)]
    if not BY_HAND.match(rest[0]) and rest[0].lower() not in grammar.NUMBERS:
        return []
    words = what.lower().split()
    if not words or len(words) > 5 or words[0] in grammar.PASSING or words[-1] in grammar.PASSING | grammar.VAGUE:
        return []
    sure = rest[0].lower() in ("the", "my", "his", "her") and len(words) < 4
    return [Statement(subject, "has", what, 0, 0, single=False, ends=ends, confidence=SAID if sure else 0.5)]


def _going(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "went back to the kitchen"; a speaker's own ways are told too often to say where he is."""
    if tokens[0].lower() not in grammar.MOVED or not subject:
        return []
    for place in range(1, min(len(tokens), 5)):
        if not grammar.TOWARDS.fullmatch(" ".join(tokens[1 : place + 1]).lower()):
            continue
        rest = tokens[place + 1 :]
        where = value(" ".join(rest))
        if not where or len(where.split()) > 3 or (rest[0].lower() != "the" and not rest[0][:1].isupper()):
            return []
        home = tokens[0].lower() in ("moved",) and rest[0][:1].isupper()
        return [Statement(subject, "home" if home else "location", where, 0, 0)]
    return []


# ── what a verb says of its subject ──

PARTED: Final = re.compile(r",? and |, ")


def _related(subject: str, tokens: Sequence[str], context: Context) -> list[Statement]:
    """ "live in Porto", "am allergic to nuts", "prefer tea to coffee", "work for the ferry line"."""
    if tokens[0].lower() in ("am", "is", "are", "'m", "been") and len(tokens) > 1:
        tokens = tokens[1:]
    verb = tokens[0].lower().strip(".,!")
    by_particle = grammar.RELATIONS.get(verb)
    if by_particle is None:
        return []
    if len(tokens) == 1:
        return [Statement(subject, "smokes", "smoking", 0, 0, single=False)] if verb in ("smoke", "smokes") else []
    particle = tokens[1].lower()
    relation = by_particle.get(particle)
    rest = tokens[2:] if relation else tokens[1:]
    relation = relation or by_particle.get("-")
    if relation is None or not rest or not _fits(relation, rest, verb):
        return []
    if verb in ("have", "has") and (counted := _counted(subject, " ".join(rest))):
        return counted
    if relation.attribute == "home" and VERSIONED.match(rest[0]):
        relation = Relation("uses", False)
    if relation.attribute == "prefers":
        return _preferred(subject, " ".join(rest))
    found = value(" ".join(rest))
    if relation.attribute in ("home", "employer") and " in " in found:
        found = found[: found.index(" in ")] if relation.attribute == "employer" else found
    values = [found] if relation.single else _each(found)
    sure = PASSING_VERBS.get(verb, relation.confidence)
    kept = [each for each in values if each and len(each.split()) <= (LONGEST_LOOSE if relation.single else 5)]
    return [Statement(subject, relation.attribute, each, 0, 0, single=relation.single, confidence=sure) for each in kept]


VERSIONED: Final = re.compile(r"[A-Za-z]+[A-Z][A-Za-z]*|[\w.-]*[a-z]\d[\w.]*")  # what is spelt like a program
COUNTED: Final = re.compile(
    rf"(?:now |only |about |around |over )*(?P<number>\d[\d,.]*|{'|'.join(sorted(set(grammar.NUMBERS) - {'zero', 'one'}))}) (?P<what>(?:[a-z][\w-]*s|children|people|mice|fish)|(?:[a-z][\w-]+ )(?:[a-z][\w-]*s|children|people))\b"
)
PASSING_COUNTS: Final = frozenset(
    "days hours minutes weeks months years seconds times things options ideas questions points reasons meetings more cents euros dollars pounds steps ways sides parts kinds types copies percent degrees".split()
)


def _counted(subject: str, rest: str) -> list[Statement]:
    """How many of something somebody has: "have two cats", "has 84 members"."""
    match = COUNTED.match(rest)
    if match is None or not PASSING_COUNTS.isdisjoint(match["what"].split()):
        return []
    return [Statement(subject, f"number of {match['what']}", match["number"].rstrip(".,"), 0, 0, confidence=LOOSE)]


# what one has for a moment is said with the same words as what one owns
PASSING_VERBS: Final = {"have": 0.5, "has": 0.5, "got": 0.5, "received": 0.5}


def _fits(relation: Relation, rest: Sequence[str], verb: str) -> bool:
    """Whether what follows a verb can be its value: no clause, no pronoun, no passing thing."""
    first = rest[0].lower().strip(".,!?")
    if first in grammar.PRONOUNS | NO_VALUE or first in grammar.ADVERBS or first.endswith("ly"):
        return False
    found = value(" ".join(rest))
    words = found.lower().split()
    if words and words[0].endswith("ing") and len(words) > 4:
        return False
    if not words or words[0] in grammar.VAGUE | NO_VALUE or words[:2] == ["sound", "of"] or (len(words) < 3 and words[-1] in grammar.VAGUE):
        return False
    if relation.attribute == "home":
        return rest[0][:1].isupper() or first in ("a", "an", "the", "my", "our") and _dwelling(words) or first.isdigit()
    if verb == "joined":
        return rest[0][:1].isupper() or words[-1] in ("team", "company", "firm")
    if relation.attribute == "employer":
        return rest[0][:1].isupper() or first in ("a", "an", "the") and words[-1] not in grammar.VAGUE
    if relation.attribute == "spouse":
        return rest[0][:1].isupper()
    if relation.attribute == "has":
        return _ownable(first, words)
    if relation.attribute == "visited":
        return rest[0][:1].isupper() or first in ("the", "my", "our")
    if relation.attribute == "from":
        return rest[0][:1].isupper()
    if relation.attribute == "takes":
        return bool(re.search(r"\d", found)) and "mg" in found
    if relation.attribute == "plays":
        return first != "a" and words[0] not in ("role", "part", "around", "along", "with")
    return True


NO_VALUE: Final = frozenset(
    "your his her their this that these those whatever whoever whatever's to how when where what that if why for in on at as from with by about into like so very too not seeing going being".split()
)
DWELLINGS: Final = frozenset(
    "flat apartment house city town village place room studio suburb suburbs countryside country area neighbourhood neighborhood street coast island farm cottage condo building centre center houseboat".split()
)


def _dwelling(words: Sequence[str]) -> bool:
    return not DWELLINGS.isdisjoint(words) or any(word[:1].isupper() for word in words)


def _ownable(first: str, words: Sequence[str]) -> bool:
    if first not in ("a", "an", "two", "three", "four", "five", "six", "one", "my"):
        return False
    return grammar.PASSING.isdisjoint(words[:3]) and words[-1] not in grammar.VAGUE and len(words) <= 3


def _each(found: str) -> list[str]:
    """Each of several values: "nuts, shellfish and pollen" are three."""
    parts = [value(part) for part in PARTED.split(found)]
    return parts if len(parts) > 1 and all(part and len(part.split()) <= 3 for part in parts) else [found]


OVER: Final = re.compile(r"(?P<value>.+?) (?:over|to|rather than|instead of|more than) (?P<old>(?:the |a )?[\w'-]+(?: [\w'-]+){0,2}?)[.!]?$")


def _preferred(subject: str, rest: str) -> list[Statement]:
    if rest.lower().startswith(("to ", "not ", "it ", "if ", "when ", "that ")):
        return []
    match = OVER.match(rest)
    found = value(match["value"] if match else rest)
    if not found or len(found.split()) > 5:
        return []
    return [Statement(subject, "prefers", found, 0, 0, single=False)]


# ── what is one's own ──


def _of_own(rest: str, speaker: str | None) -> list[Statement]:
    """ "my favourite tea is rooibos", "my sister's name is Ines", "my wife works at Bosch"."""
    words = rest.split()
    owner = _owner(words)
    if owner:
        whose = f"{speaker}'s" if speaker else "my"
        subject = f"{whose} {' '.join(word.strip(',') for word in words[1 : owner + 1])}"
        if subject.endswith("'s"):
            return _of_relative(subject[:-2], rest, owner, words)
        if found := _predicate(subject, words[owner + 1 :], Context()):
            return found
    match = MY.match(rest)
    return [] if match is None else _own(match["attribute"], match["value"])


def _owner(words: Sequence[str]) -> int:
    """Up to which word a person or an animal of the speaker's is named; 0 when none is."""
    for place in range(1, min(len(words), 4)):
        plain = words[place].lower().rstrip(",")
        if plain.removesuffix("'s") in grammar.PERSONS or plain.removesuffix("'s") in grammar.ANIMALS:
            return place
    return 0


def _of_relative(subject: str, rest: str, owner: int, words: Sequence[str]) -> list[Statement]:
    match = re.match(r"(?P<attribute>[a-z][a-z -]*?) (?:is|are|was) (?:now )?(?P<value>.+)", " ".join(words[owner + 1 :]), re.DOTALL)
    if match is None:
        plain = words[owner + 1 :]  # "my sister's a nurse"
        return _being(subject, plain) if plain and plain[0].lower() in ("a", "an", "in") else []
    return [replace(one, subject=subject) for one in _own(match["attribute"], match["value"])]


def _own(attribute: str, rest: str) -> list[Statement]:
    """An attribute of the speaker's and its value, where the value is a thing and no judgement."""
    words = attribute.lower().split()
    if not _noun_of_own(words):
        return []
    rest = re.sub(r"^(?:now|currently|still|also|always|usually|definitely|probably|actually|called|named) ", "", rest)
    denied = re.match(r"(?:not|no longer) ", rest)
    if denied:
        return []
    found = value(rest)
    favourite = words[0] in ("favourite", "favorite")
    if not found or len(found.split()) > (6 if favourite else 5) or rest.split()[0].lower() in NO_VALUE | grammar.PRONOUNS:
        return []
    if not favourite and not (_telling(found) or words[-1] in VALUED) or _judging(found) and not favourite:
        return []
    if words[-1] in grammar.BODY or words[-1] in grammar.PERSONS | grammar.ANIMALS and not found[:1].isupper():
        return []
    if found.split()[0].lower().endswith("ing") and not favourite:
        return []
    name = " ".join(words).replace("favorite", "favourite")
    single = words[-1] not in grammar.SEVERAL and not words[-1].endswith("s")
    return [Statement("", canonical(name), found, 0, 0, single=single, confidence=SAID)]


VALUED: Final = frozenset("job name diet pronouns profession occupation hobby religion nationality birthday car".split())


def _noun_of_own(words: Sequence[str]) -> bool:
    if not words or len(words) > 4 or not NO_NOUN.isdisjoint(words) or not STRUCTURE.isdisjoint(words) or "says" in words:
        return False
    if words[0] in ("favourite", "favorite"):
        return len(words) > 1
    return words[-1] not in grammar.VAGUE and words[0] not in grammar.VAGUE and words[-1] not in ("i", "we", "he", "she")


# ── others, and short answers ──

SUBJECT_END: Final = frozenset(["is", "are", "was", "has", "have", "no", "doesn't", "isn't", "don't"])
LOWER_SUBJECT: Final = re.compile(r"(?:[Tt]he|[Oo]ur) (?P<what>[a-z][\w-]*(?: [a-z][\w-]*){0,3}) (?:is|are) (?:now |currently |still )?(?P<value>.+)", re.DOTALL)
HAS_COUNT: Final = re.compile(r"(?:[Tt]he|[Oo]ur) (?P<what>[a-z][\w-]*(?: [a-z][\w-]*){0,2}) (?:has|have) (?:now )?(?P<value>.+)", re.DOTALL)
CHANGED: Final = re.compile(
    r"(?:[Tt]he|[Oo]ur) (?P<what>[a-z][\w-]*(?: [a-z][\w-]*){0,3}?) (?:(?:was|is|has been|got|has|is being) )?(?:now )?(?:moved|changed|pushed(?: back)?|raised|lowered|reduced|"
    r"increased|set|postponed|rescheduled|went up|dropped|rose) (?:back )?(?:from \S+(?: \S+)? )?to (?P<value>.+)",
    re.DOTALL,
)
CODE_VALUE: Final = re.compile(r"`?(?P<what>[A-Za-z]\w*_\w+)`?(?: (?:is|equals)(?: now)?(?: set to)? |\s?=\s?)(?P<value>\S.*)", re.DOTALL)


def _of_named(rest: str, words: Sequence[str]) -> list[Statement]:
    """What is stated of somebody or something else."""
    if match := CODE_VALUE.match(rest):
        found = value(match["value"]).strip("`")
        return [Statement(match["what"], "value", found, 0, 0)] if found and len(found.split()) <= 3 else []
    if words[0][:1].isupper() and not FIRST.match(rest) and words[0] not in ("The", "Our", "A", "An", "No"):
        return _of_person(words)
    return _of_thing(rest, words)


def _of_person(words: Sequence[str]) -> list[Statement]:
    """ "Justin likes it warmer", "Mary got the milk there", "Ana works for the ferry line"."""
    place = 1
    while place < min(len(words), 4) and words[place][:1].isupper() and not words[place - 1].endswith((",", ".")):
        place += 1
    subject = " ".join(words[:place])
    if place >= len(words) or subject.endswith((",", ":", ".")) or not subject.replace(" ", "").replace("-", "").replace("'", "").replace(".", "").isalpha():
        return []
    if subject.endswith("'s"):
        subject, tokens = subject[:-2], ["is", *words[place:]]
        if tokens[1] not in ("a", "an", "in", "allergic", "at"):
            return []
    else:
        tokens = list(words[place:])
    if subject.lower() in grammar.PRONOUNS | grammar.VAGUE or subject.lower() in NOT_NAMES:
        return []
    if tokens[0].lower() in FINITE_ONLY:
        return []
    return _predicate(subject, tokens, Context())


FINITE_ONLY: Final = frozenset("like love live work use prefer hate enjoy eat drink play study speak want need have keep living working using based own take smoke".split())
NOT_NAMES: Final = frozenset(
    "kids users people like editor guess everyone just never always please maybe if when while since because after before during not no yes what who how why where then now "
    "today tomorrow yesterday tonight having being looking sounds thanks".split()
) | grammar.WEEKDAYS | grammar.MONTHS | grammar.ADVERBS


def _of_thing(rest: str, words: Sequence[str]) -> list[Statement]:
    """ "the deadline is now Friday", "the budget was raised to 18 euros", "the football is in the garden"."""
    if match := CHANGED.match(rest):
        what, found = _thing(match["what"]), value(match["value"])
        return [Statement(what, "value", found, 0, 0)] if what and found and _telling(found) and len(found.split()) <= 5 else []
    if (match := HAS_COUNT.match(rest)) and (what := _thing(match["what"])):
        return _counted(what, match["value"])
    match = LOWER_SUBJECT.match(rest)
    if match is None or not (what := _thing(match["what"])):
        return []
    if match["value"].startswith(("in the ", "at the ", "on the ", "under the ", "behind the ")):
        where = value(match["value"].split(" ", 1)[1])
        if not grammar.MONTHS.isdisjoint(where.lower().split()):
            return []
        return [Statement(what, "location", where, 0, 0, confidence=LOOSE)] if where and len(where.split()) <= 3 else []
    found = value(match["value"])
    if not found or len(found.split()) > 4 or not _measured(found) or match["value"].split()[0].lower() in NO_VALUE:
        return []
    return [Statement(what, "value", found, 0, 0, confidence=LOOSE)]


def _measured(found: str) -> bool:
    words = [word.lower().strip(",") for word in found.split()]
    return bool(re.match(r"[\d`$€£]", found)) or words[0] in grammar.WEEKDAYS or words[0] in grammar.MONTHS or words[0] in grammar.COLOURS or words[0] in grammar.NUMBERS and len(words) > 1


def _short(head: str, words: Sequence[str], context: Context, correction: bool) -> list[Statement]:
    """ "call me Max", "not 21, 20.5"."""
    if head == "call" and words[:1] == ["me"] and len(words) > 1 and words[1][:1].isupper():
        return [Statement("", "name", value(" ".join(words[1:])), 0, 0)]
    if head != "not" or not correction or not context.stated:
        return []
    match = re.match(r"(?P<old>[^,]+?),? (?:but |it's )?(?P<value>\S+.*)", " ".join(words))
    last = next((one for one in reversed(context.stated) if one.single and not one.ends), None)
    found = match and _amount(match["value"])
    return [replace(last, value=found)] if last and found else []
