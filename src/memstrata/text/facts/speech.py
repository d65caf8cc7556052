"""Read from a clause what somebody says of herself and of others: "I live in Porto", "my sister's name is Ines"."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from memstrata.text.facts import grammar
from memstrata.text.facts.adjustments import (
    STRUCTURE,
    UNIT,
    amount_of,
    is_level,
    measured_by,
    set_to,
    setting,
    setting_by,
    standing_at,
    thing,
)
from memstrata.text.facts.clauses import POLITE, value
from memstrata.text.facts.definitions import BY_HAND, NO_NOUN, NOW
from memstrata.text.facts.grammar import Relation, canonical
from memstrata.text.facts.stated import (
    FIRST,
    LONGEST_LOOSE,
    LOOSE,
    PASSING,
    SAID,
    Context,
    Statement,
    judging,
    kind,
    telling,
)

MY: Final = re.compile(
    rf"(?:[Mm]y|[Oo]ur) (?P<attribute>[\w][\w' -]*?)(?: (?:is|are)|'s(?= (?:name|"
    rf"{'|'.join(sorted(grammar.BE))})\b)|'s) "
    rf"{NOW}(?P<value>.+)",
    re.DOTALL,
)


def of_clause(rest: str, context: Context, correction: bool) -> list[Statement]:
    """What one clause of a person states."""
    if asked := POLITE.match(rest):
        rest = rest[asked.end() :]
    words = rest.split()
    if len(words) < 2:
        return []
    head = words[0].lower().strip('"“*')
    if head in FIRST_PERSON:
        return _of_speaker(FIRST_PERSON[head], words[1:], context)
    if head in ("my", "our"):
        return _certain(_of_own(rest, context.speaker), rest)
    if head in grammar.SETTING or head in grammar.DONE_TO:
        return setting(words, context)
    if not grammar.ADJUSTED.isdisjoint(rest.lower().rstrip(".!").split()) and (found := standing_at(rest)):
        return found
    if head in ("call", "it", "it's", "not"):
        return _short(head, words[1:], context, correction)
    return _certain(_of_named(rest, words), rest)


def _certain(found: list[Statement], said: str) -> list[Statement]:
    """What was found, unless it is only planned, guessed or imagined."""
    return [] if found and grammar.UNSURE.search(said) else found


# what one announces to set is set by saying so
ACTING: Final = re.compile(
    rf"(?:(?:will|just|really|only|need to|needed to|have to|had to|want to|am going to|going to|"
    rf"might as well|should) "
    rf")+(?=(?:{'|'.join(sorted(set(grammar.SETTING) | set(grammar.DONE_TO)))})\b)",
    re.IGNORECASE,
)
FIRST_PERSON: Final = {
    "i": (),
    "we": (),
    "i'll": ("will",),
    "we'll": ("will",),
    "might": ("might",),
    "better": ("should",),
    "i'm": ("am",),
    "we're": ("are",),
    "i've": ("have",),
    "we've": ("have",),
    "i'd": ("would",),
}


def _of_speaker(contracted: tuple[str, ...], words: Sequence[str], context: Context) -> list[Statement]:
    tokens = [*contracted, *words]
    if acting := ACTING.match(" ".join(tokens)):
        return setting(tokens[len(acting[0].split()) :], context)
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
    head = tokens[0].lower().strip(".,!") if tokens else ""
    if denied and head in grammar.DIETS:
        return _denied([Statement(subject, "diet", head, 0, 0)], no_more=True)
    if head not in VERBS:
        return []
    no_more = grammar.NO_MORE.search(" ".join(tokens)) is not None
    found = _wish(subject, tokens) or _state_of_being(subject, tokens, context) or setting_by(subject, tokens, context)
    for reader in (_quitting, _replacing, _giving, _going, _related):
        found = found or reader(subject, tokens)
    return _denied(found, no_more) if found and denied else found


VERBS: Final = (
    frozenset(grammar.RELATIONS)
    | grammar.WANTING
    | grammar.BE
    | grammar.MOVED
    | grammar.GIVING
    | frozenset(grammar.SETTING)
    | frozenset(grammar.DONE_TO)
    | {verb.split()[0] for verb in grammar.TAKING | grammar.LETTING_GO | grammar.STOPPING}
    | grammar.words_of("""
turned became replaced swapped swapping replacing moving
""")
)


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
        elif low[0] in grammar.ADVERBS or (
            low[0] in ("have", "has", "am", "are", "is", "been", "was", "were") and len(low) > 1 and _helped(low[1])
        ):
            rest = rest[1:]
        else:
            break
    return rest, denied


def _helped(word: str) -> bool:
    """Whether a word behind "have" or "am" is the verb itself, or stands before it."""
    return word in HELPED or (word,) in grammar.NEGATIONS or word in grammar.ADVERBS


HELPED: Final = (
    frozenset(grammar.SETTING)
    | frozenset(grammar.DONE_TO)
    | frozenset(grammar.RELATIONS)
    | grammar.MOVED
    | grammar.STOPPING
    | grammar.LETTING_GO
    | grammar.GIVING
    | grammar.TAKING
    | {"been", "replaced", "no", "given", "gotten", "preferring", "wearing"}
) - {"like", "set", "open", "close", "closed", "home", "left", "lost", "moved off", "low", "down"} | {
    "set",
    "left",
    "lost",
}


def _denied(found: Sequence[Statement], no_more: bool) -> list[Statement]:
    """What a denial says: that something ended, and often that its contrary holds."""
    ended = [replace(one, ends=True) for one in found]
    if no_more:
        return ended
    contrary = [
        replace(one, attribute=grammar.OPPOSITE[one.attribute], confidence=SAID)
        for one in found
        if one.attribute in grammar.OPPOSITE
    ]
    return [*contrary, *ended]


def _wish(subject: str, tokens: Sequence[str]) -> list[Statement]:
    """ "prefer the ambient light blue", "want the volume at 15", "like it warmer, 24 degrees"."""
    if tokens[0].lower() not in grammar.WANTING or len(tokens) < 3:
        return []
    if tokens[1].lower() == "it":
        return _liking(subject, tokens[2:])
    if tokens[1].lower() not in ("the", "my", "our", "all"):
        return []
    owning = tokens[0].lower() in ("have", "has", "having", "leave", "love")
    found = set_to(subject, tokens[1:], SAID, loose=not owning)
    return [one for one in found if not owning or is_level(one.value)]


def _liking(subject: str, tokens: Sequence[str]) -> list[Statement]:
    plain = " ".join(tokens).strip(" .!")
    if amount := UNIT.search(plain):
        return [Statement(subject, measured_by(amount), amount[0], 0, 0)]
    found = value(re.sub(r"^(?:to be|at|on|a bit|a little|a touch|slightly) ", "", plain))
    if found and telling(found) and len(found.split()) <= 3:
        return [Statement(subject, "prefers", found, 0, 0, single=False, confidence=LOOSE)]
    return []


NUMBER_OR_NAME: Final = re.compile(r"(?P<age>\d{1,3})(?: years? old)?[.!]?$")
NAMING: Final = re.compile(r"[A-Z][a-zé]+(?: [A-Z][a-zé]+)?[.!]?$")
INTRODUCING: Final = re.compile(  # "I'm Ana" says a name; "I'm German" none
    r"\b(?:hi|hello|hey|hallo|greetings|good (?:morning|afternoon|evening)|introduce|nice to meet|pleased to meet)\b",
    re.IGNORECASE,
)


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
    if not subject and not denied and NAMING.match(plain := " ".join(rest)) and INTRODUCING.search(context.text):
        return [Statement(subject, "name", value(plain), 0, 0, confidence=LOOSE)]
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
    if head in ("a", "an") and len(rest) >= 2:
        return _role(subject, value(plain))
    if head in ("in", "at") and len(rest) >= 2:
        where = value(" ".join(rest[1:]))
        certain = (
            where
            and len(where.split()) <= 4
            and (rest[1][:1].isupper() or rest[1].lower() == "the")
            and where.split()[0] not in grammar.VAGUE
        )
        return [Statement(subject, "location", where, 0, 0, confidence=LOOSE)] if certain else []
    return []


def _role(subject: str, found: str) -> list[Statement]:
    words = found.lower().split()
    if not words or len(words) > 4 or words[0] in grammar.JUDGING:
        return []
    if words[0] in grammar.DIETS:
        return [Statement(subject, "diet", found, 0, 0)]
    last = words[
        next((place for place, word in enumerate(words) if word in ("at", "in", "for", "of", "on")), len(words)) - 1
    ]
    if grammar.OCCUPATION.fullmatch(last) and last not in grammar.NO_OCCUPATION:
        return [Statement(subject, "job", found, 0, 0, confidence=SAID)]
    return []


# ── what is replaced, given, gone to ──

REPLACED: Final = re.compile(
    r"(?:replaced|swapped|swapping|replacing) (?P<old>.+?) (?:with|by|for) (?P<value>.+)", re.DOTALL
)
SWITCHED: Final = re.compile(
    r"(?:switched|switching|migrated|migrating|moved|changed|moving) (?:over )?from (?P<old>.+?) to (?P<value>.+)",
    re.DOTALL,
)
TRANSFERRED: Final = re.compile(
    r"(?:the |a |an |my )?(?P<what>[\w' -]+?)(?: over)? to (?P<to>[A-Z][\w'-]+(?: [A-Z][\w'-]+)?)\.?$"
)
GIVEN: Final = re.compile(r"(?P<to>[A-Z][\w'-]+) (?:the|a|an|my|his|her) (?P<what>[\w' -]+?)\.?$")


JOB_LEFT: Final = re.compile(
    r"(?:quit|left|lost|resigned from|gave up) (?:my|the|his|her|their) job(?: (?:at|with|for) (?P<employer>.+))?$",
    re.IGNORECASE | re.DOTALL,
)


def _quitting(subject: str, tokens: Sequence[str]) -> list[Statement]:
    """ "quit my job", "left my job at Bosch": whichever job it was."""
    match = JOB_LEFT.match(_job_alone(tokens))
    if match is None:
        return []
    employer = value(match["employer"] or "")
    return [
        Statement(subject, "employer", employer, 0, 0, ends=True),
        Statement(subject, "job", "", 0, 0, ends=True),
    ]


def _job_alone(tokens: Sequence[str]) -> str:
    """What is said up to the next comma or the reason, without its dot."""
    return re.split(r"[,.;!]|\s(?:because|to|and|last|this|yesterday|today|in)\b", " ".join(tokens), maxsplit=1)[
        0
    ].strip()


def _replacing(subject: str, tokens: Sequence[str]) -> list[Statement]:
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


def _giving(subject: str, tokens: Sequence[str]) -> list[Statement]:
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
    what = value(
        re.sub(r"\s+(?:down|up|away|off|behind|from|for|with|on|in|at|by)\b.*$", "", " ".join(rest), flags=re.DOTALL)
    )
    if ends and rest[0][:1].isupper() and len(rest) <= 3 and not subject:
        return [Statement(subject, "employer", what, 0, 0, ends=True, confidence=LOOSE)]
    if not BY_HAND.match(rest[0]) and rest[0].lower() not in grammar.NUMBERS:
        return []
    words = what.lower().split()
    if not words or len(words) > 5 or words[0] in grammar.PASSING or words[-1] in grammar.PASSING | grammar.VAGUE:
        return []
    sure = (rest[0].lower() in ("the", "my", "his", "her") or ends) and len(words) < 4
    return [Statement(subject, "has", what, 0, 0, single=False, ends=ends, confidence=SAID if sure else PASSING)]


def _going(subject: str, tokens: Sequence[str]) -> list[Statement]:
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


def _related(subject: str, tokens: Sequence[str]) -> list[Statement]:
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
    if verb in ("have", "has") and (counted := _counted(subject, " ".join(rest))):
        return counted
    if relation is None or not rest or not _fits(relation, rest, verb):
        return []
    if relation.attribute == "home" and VERSIONED.match(rest[0]):
        relation = Relation("uses", False)
    if relation.attribute == "prefers":
        return _preferred(subject, " ".join(rest))
    found = value(" ".join(rest))
    if relation.attribute in ("employer", "spouse") and " in " in found:
        found = found[: found.index(" in ")]
    values = [found] if relation.single else _each(found)
    sure = PASSING_VERBS.get(verb, relation.confidence)
    kept = [each for each in values if each and len(each.split()) <= (LONGEST_LOOSE if relation.single else 5)]
    return [
        Statement(subject, relation.attribute, each, 0, 0, single=relation.single, confidence=sure) for each in kept
    ]


VERSIONED: Final = re.compile(r"[A-Za-z]+[A-Z][A-Za-z]*|[\w.-]*[a-z]\d[\w.]*")  # what is spelt like a program
COUNTED: Final = re.compile(
    rf"(?:now |only |about |around |over )*(?P<number>\d[\d,.]*|"
    rf"{'|'.join(sorted(set(grammar.NUMBERS) - {'zero', 'one'}))}) (?P<what>(?:[a-z][\w-]*s|children|"
    rf"people|mice|fish)|(?:[a-z][\w-]+ )(?:[a-z][\w-]*s|children|people))\b"
)
PASSING_COUNTS: Final = grammar.words_of("""
days hours minutes weeks months years seconds times things options ideas questions points reasons meetings more
cents euros dollars pounds steps ways sides parts kinds types copies percent degrees
""")


def _counted(subject: str, rest: str) -> list[Statement]:
    """How many of something somebody has: "have two cats", "has 84 members"."""
    match = COUNTED.match(rest)
    if match is None or not PASSING_COUNTS.isdisjoint(match["what"].split()):
        return []
    return [Statement(subject, f"number of {match['what']}", match["number"].rstrip(".,"), 0, 0, confidence=LOOSE)]


# what one has for a moment is said with the same words as what one owns
PASSING_VERBS: Final = dict.fromkeys(("have", "has", "got", "received"), PASSING)


def _fits(relation: Relation, rest: Sequence[str], verb: str) -> bool:
    """Whether what follows a verb can be its value: no clause, no pronoun, no passing thing."""
    first = rest[0].lower().strip(".,!?")
    if first in grammar.PRONOUNS | NO_VALUE or first in grammar.ADVERBS or first.endswith("ly"):
        return False
    found = value(" ".join(rest))
    words = found.lower().split()
    if words and words[0].endswith("ing") and len(words) > 4:
        return False
    if (
        not words
        or words[0] in grammar.VAGUE | NO_VALUE
        or words[:2] == ["sound", "of"]
        or (len(words) < 3 and words[-1] in grammar.VAGUE)
    ):
        return False
    if relation.attribute == "home":
        return (
            rest[0][:1].isupper() or (first in ("a", "an", "the", "my", "our") and _dwelling(words)) or first.isdigit()
        )
    if verb == "joined":
        return rest[0][:1].isupper() or words[-1] in ("team", "company", "firm")
    if relation.attribute == "employer":
        return rest[0][:1].isupper() or (first in ("a", "an", "the") and words[-1] not in grammar.VAGUE)
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


NO_VALUE: Final = grammar.words_of("""
your his her their this that these those whatever whoever whatever's to how when where what that if why for in
on at as from with by about into like so very too not seeing going being
""")
DWELLINGS: Final = grammar.words_of("""
flat apartment house city town village place room studio suburb suburbs countryside country area neighbourhood
neighborhood street coast island farm cottage condo building centre center houseboat
""")


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


OVER: Final = re.compile(
    r"(?P<value>.+?) (?:over|to|rather than|instead of|more than) (?P<old>(?:the |a )?[\w'-]+(?: [\w'-]+){0,2}?)[.!]?$"
)


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
            return _of_relative(subject[:-2], owner, words)
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


def _of_relative(subject: str, owner: int, words: Sequence[str]) -> list[Statement]:
    match = re.match(
        r"(?P<attribute>[a-z][a-z -]*?) (?:is|are) (?:now )?(?P<value>.+)", " ".join(words[owner + 1 :]), re.DOTALL
    )
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
    if dated := DATED.match(rest):
        rest = rest[dated.end() :]
        if kind(value(rest)) not in ("time", "weekday", "date"):
            return []
    found = value(rest)
    favourite = words[0] in ("favourite", "favorite")
    if (
        not found
        or len(found.split()) > (6 if favourite else 5)
        or rest.split()[0].lower() in NO_VALUE | grammar.PRONOUNS
    ):
        return []
    if (not favourite and not (telling(found) or words[-1] in VALUED)) or (judging(found) and not favourite):
        return []
    if found.lower() in grammar.LEVELS and words[-1] not in grammar.ADJUSTED:
        return []
    if words[-1] in grammar.BODY or (words[-1] in grammar.PERSONS | grammar.ANIMALS and not found[:1].isupper()):
        return []
    if found.split()[0].lower().endswith("ing") and not favourite:
        return []
    name = " ".join(words).replace("favorite", "favourite")
    single = words[-1] not in grammar.SEVERAL and (words[-1].endswith("ss") or not words[-1].endswith("s"))
    return [Statement("", canonical(name), found, 0, 0, single=single, confidence=SAID)]


DATED: Final = re.compile(r"(?:at|on) (?=[A-Z\d]|noon|midnight|half|quarter)")
VALUED: Final = grammar.words_of("""
job name diet pronouns profession occupation hobby religion nationality birthday car
""")


def _noun_of_own(words: Sequence[str]) -> bool:
    if (
        not words
        or len(words) > 4
        or not NO_NOUN.isdisjoint(words)
        or not STRUCTURE.isdisjoint(words)
        or "says" in words
    ):
        return False
    if words[0] in ("favourite", "favorite"):
        return len(words) > 1
    return (
        words[-1] not in grammar.VAGUE and words[0] not in grammar.VAGUE and words[-1] not in ("i", "we", "he", "she")
    )


# ── others, and short answers ──

SUBJECT_END: Final = grammar.words_of("""
is are was has have no doesn't isn't don't
""")
LOWER_SUBJECT: Final = re.compile(
    r"(?:[Tt]he|[Oo]ur) (?P<what>[a-z][\w-]*(?: [a-z][\w-]*){0,3}) (?:is|are) (?:now |currently |still )?(?P<value>.+)",
    re.DOTALL,
)
HAS_COUNT: Final = re.compile(
    r"(?:[Tt]he|[Oo]ur) (?P<what>[a-z][\w-]*(?: [a-z][\w-]*){0,2}) (?:has|have) (?:now )?(?P<value>.+)", re.DOTALL
)
CHANGED: Final = re.compile(
    r"(?:[Tt]he|[Oo]ur) (?P<what>[a-z][\w-]*(?: [a-z][\w-]*){0,3}?) (?:(?:was|is|has been|got|has|is "
    r"being) )?(?:now )?(?:moved|changed|pushed(?: back)?|raised|lowered|reduced|"
    r"increased|set|postponed|rescheduled|went up|dropped|rose) (?:back )?(?:from \S+(?: \S+)? )?to (?P<value>.+)",
    re.DOTALL,
)
CODE_VALUE: Final = re.compile(
    r"`?(?P<what>[A-Za-z]\w*_\w+)`?(?: (?:is|equals)(?: now)?(?: set to)? |\s?=\s?)(?P<value>\S.*)", re.DOTALL
)


def _of_named(rest: str, words: Sequence[str]) -> list[Statement]:
    """What is stated of somebody or something else."""
    if match := CODE_VALUE.match(rest):
        found = value(match["value"]).strip("`")
        if "(" in match["value"]:
            return []
        return [Statement(match["what"], "value", found, 0, 0)] if found and len(found.split()) <= 3 else []
    if words[0][:1].isupper() and not FIRST.match(rest) and words[0] not in ("The", "Our", "A", "An", "No"):
        return _of_person(words)
    return _of_thing(rest)


def _of_person(words: Sequence[str]) -> list[Statement]:
    """ "Justin likes it warmer", "Mary got the milk there", "Ana works for the ferry line"."""
    place = 1
    while place < min(len(words), 4) and words[place][:1].isupper() and not words[place - 1].endswith((",", ".")):
        place += 1
    subject = " ".join(words[:place])
    if (
        place >= len(words)
        or subject.endswith((",", ":", "."))
        or not subject.replace(" ", "").replace("-", "").replace("'", "").replace(".", "").isalpha()
    ):
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


FINITE_ONLY: Final = grammar.words_of("""
like love live work use prefer hate enjoy eat drink play study speak want need have keep living working using
based own take smoke
""")
NOT_NAMES: Final = (
    grammar.words_of("""
kids users people like editor guess everyone just never always please maybe if when while since because after
before during not no yes what who how why where then now today tomorrow yesterday tonight having being looking
sounds thanks
""")
    | grammar.WEEKDAYS
    | grammar.MONTHS
    | grammar.ADVERBS
)


def _of_thing(rest: str) -> list[Statement]:
    """ "the deadline is now Friday", "the budget was raised to 18 euros", "the football is in the garden"."""
    if match := CHANGED.match(rest):
        what, found = thing(match["what"]), value(match["value"])
        return (
            [Statement(what, "value", found, 0, 0)]
            if what and found and telling(found) and len(found.split()) <= 5
            else []
        )
    if (match := HAS_COUNT.match(rest)) and (what := thing(match["what"])):
        return _counted(what, match["value"])
    match = LOWER_SUBJECT.match(rest)
    if match is None or not (what := thing(match["what"])):
        return []
    if match["value"].startswith(("in the ", "at the ", "on the ", "under the ", "behind the ")):
        where = value(match["value"].split(" ", 1)[1])
        if not grammar.MONTHS.isdisjoint(where.lower().split()):
            return []
        return [Statement(what, "location", where, 0, 0, confidence=LOOSE)] if where and len(where.split()) <= 3 else []
    said = match["value"]
    if (dated := DATED.match(said)) and kind(value(said[dated.end() :])) in ("time", "weekday", "date"):
        said = said[dated.end() :]
    found = value(said)
    if not found or len(found.split()) > 4 or not _measured(found) or said.split()[0].lower() in NO_VALUE:
        return []
    return [Statement(what, "value", found, 0, 0, confidence=LOOSE)]


def _measured(found: str) -> bool:
    words = [word.lower().strip(",") for word in found.split()]
    return (
        bool(re.match(r"[\d`$€£]", found))
        or words[0] in grammar.WEEKDAYS
        or words[0] in grammar.MONTHS
        or words[0] in grammar.COLOURS
        or (words[0] in grammar.NUMBERS and len(words) > 1)
    )


def _short(head: str, words: Sequence[str], context: Context, correction: bool) -> list[Statement]:
    """ "call me Max", "not 21, 20.5"."""
    if head == "call" and words[:1] == ["me"] and len(words) > 1 and words[1][:1].isupper():
        return [Statement("", "name", value(" ".join(words[1:])), 0, 0)]
    if head != "not" or not correction or not context.stated:
        return []
    match = re.match(r"(?P<old>[^,]+?),? (?:but |it's )?(?P<value>\S+.*)", " ".join(words))
    last = next((one for one in reversed(context.stated) if one.single and not one.ends), None)
    found = match and amount_of(match["value"])
    return [replace(last, value=found)] if last and found else []
