"""Hold the words by which English sentences state things: verbs with what they say, and words that say nothing.

Only general words of the language stand here, in tables that a reader can check and extend. `statements.py` reads
sentences by them.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple


class Relation(NamedTuple):
    """What a verb phrase says of its subject; `single`: it has one value at a time."""

    attribute: str
    single: bool
    confidence: float = 0.8


def words_of(text: str) -> frozenset[str]:
    """The words of a list written as a text."""
    return frozenset(text.split())


def _phrases(text: str) -> frozenset[tuple[str, ...]]:
    return frozenset(tuple(line.split()) for line in text.strip().split(", "))


# ── verbs ──

# attribute | how many values | verb forms | particles, one of which must follow (- for none)
_RELATIONS: Final = """
home        | one  | live lives living reside resides residing based settled           | in at on near
home        | one  | moved relocated                                                    | to
employer    | one  | work works working employed                                        | for at by
employer    | one  | joined                                                             | -
job         | one  | work works working                                                 | as
spouse      | one  | married                                                            | to -
spouse      | one  | engaged                                                            | to
born in     | one  | born                                                               | in at
born on     | one  | born                                                               | on
from        | one  | come comes                                                         | from
allergic to | many | allergic                                                           | to
likes       | many | like likes love loves enjoy enjoys adore adores                    | -
dislikes    | many | hate hates dislike dislikes detest detests                         | -
prefers     | many | prefer prefers                                                     | -
eats        | many | eat eats                                                           | -
drinks      | many | drink drinks                                                       | -
smokes      | many | smoke smokes                                                       | -
uses        | many | use uses using                                                     | -
uses        | many | switched switching migrated upgraded downgraded                    | to
drives      | many | drive drives                                                       | -
speaks      | many | speak speaks                                                       | -
plays       | many | play plays                                                         | -
studies     | many | study studies studying                                             | at -
has         | many | have has own owns got bought adopted received                      | -
takes       | many | take takes                                                         | -
visited     | many | visited visits                                                     | -
"""
# verbs of going: the subject is then at a place; only with these particles
MOVED: Final = words_of("went moved travelled traveled journeyed walked ran drove flew headed returned came gone")
TOWARDS: Final = re.compile(r"(?:back |over |down |up |out |home )*(?:to|into|inside)$")
# verbs of taking and letting go
TAKING: Final = words_of("got grabbed took received obtained collected bought fetched") | {"picked up"}
LETTING_GO: Final = words_of("dropped left discarded sold lost abandoned returned") | {
    "put down", "threw away", "gave away", "gave up", "threw out", "set down", "parted with", "got rid of",
}  # fmt: skip
GIVING: Final = words_of("gave handed passed sent lent sold")

STOPPING: Final = words_of("stopped quit dropped abandoned ditched") | {
    "gave up",
    "given up",
    "got rid of",
    "moved off",
}
# what is said when one of these is denied
OPPOSITE: Final = {"likes": "dislikes", "dislikes": "likes", "eats": "avoids", "drinks": "avoids"}
DOING: Final = {
    "eating": "eats", "drinking": "drinks", "using": "uses", "smoking": "smokes", "playing": "plays",
    "studying": "studies", "driving": "drives", "taking": "takes",
}  # fmt: skip

SETTING: Final = {
    "set": "set", "sets": "set", "setting": "set", "put": "put", "putting": "put", "turn": "turn", "turned": "turn",
    "turning": "turn", "turns": "turn", "switch": "switch", "switched": "switch", "switching": "switch",
    "change": "set", "changed": "set", "changing": "set", "adjust": "set", "adjusted": "set", "adjusting": "set",
    "raise": "set", "raised": "set", "raising": "set", "lower": "set", "lowered": "set", "lowering": "set",
    "increase": "set", "increased": "set", "decrease": "set", "decreased": "set", "reduce": "set", "reduced": "set",
    "bump": "set", "bumped": "set", "bumping": "set", "crank": "set", "cranked": "set", "cranking": "set",
    "dial": "set", "dialed": "set", "dialled": "set", "drop": "set", "dropped": "set", "keep": "keep", "keeps": "keep",
    "kept": "keep", "keeping": "keep", "make": "keep", "made": "keep", "leave": "keep", "adjusts": "set",
    "configure": "set", "configured": "set", "tune": "set", "tuned": "set", "move": "set", "moved": "set",
}  # fmt: skip
DONE_TO: Final = {
    "open": "open", "opened": "open", "opening": "open", "close": "closed", "closed": "closed", "closing": "closed",
    "shut": "closed", "lock": "locked", "locked": "locked", "unlock": "unlocked", "unlocked": "unlocked",
    "enable": "on", "enabled": "on", "enabling": "on", "disable": "off", "disabled": "off", "disabling": "off",
    "activate": "on", "activated": "on", "deactivate": "off", "deactivated": "off", "mute": "muted", "muted": "muted",
    "unmute": "on",
}  # fmt: skip
WANTING: Final = words_of("want wants need needs prefer prefers like likes keep keeps leave having have love")

# participles that are said of a thing once: where it was made, by whom
MADE: Final = words_of("""
born located founded established created developed invented discovered designed written composed directed produced
performed painted built published headquartered educated employed named headed led owned manufactured broadcast
recorded released signed affiliated associated raised buried hosted moderated edited illustrated sung coached managed
situated based famous known responsible married
""")
PARTICIPLE: Final = re.compile(
    r"[a-z]{2,}ed|[a-z]*(?:born|built|written|known|found|held|set|led|made|sung|drawn|bred|famous)"
)

# ── nouns and adjectives ──

TYPES: Final = words_of("""
city country continent state town village region province county district island language religion position sport
role genre field area company university school municipality faith instrument title league subject discipline
""")
PLACES: Final = words_of("city country state town village region province county district island municipality")
PERSONS: Final = words_of("""
mother father mum mom dad parent parents sister brother son daughter wife husband partner boyfriend girlfriend fiancé
fiancee fiancée spouse child kid kids children baby grandmother grandfather grandma grandpa granny nan aunt
uncle cousin niece
nephew friend boss manager colleague coworker neighbour neighbor roommate flatmate landlord landlady doctor dentist
teacher tutor coach twin stepmother stepfather stepson stepdaughter mother-in-law father-in-law sister-in-law
brother-in-law
""")
ANIMALS: Final = words_of("dog cat puppy kitten horse parrot rabbit hamster pet")
SEVERAL: Final = words_of("""
sister brother son daughter child kid friend colleague coworker aunt uncle cousin niece nephew neighbour neighbor
grandmother grandfather roommate flatmate dog cat pet hobby hobbies allergy allergies goal interest teacher
""")
# what a thing that is only spoken about is called: nothing is stated of it
VAGUE: Final = words_of("""
problem thing things idea point question part reason trick goal plan truth fact rest same way issue only first second
third last next best worst hardest biggest main other whole news result answer trouble catch difference key aim hope
weather day night morning evening moment time kind sort lot feeling story joke matter case word half one ones more most
thought concern worry challenge mistake secret beauty purpose advice mood vibe stuff bit mind guess bet bad pleasure
honest favorite favourite turn recommendation suggestion priority preference fault cause risk intention view opinion
understanding impression experience heart life days week thanks apologies response
""")
PRONOUNS: Final = words_of("""
he she it they you this that these those there here who which what i we me us him her them one everyone everybody
someone somebody nobody anyone something anything nothing everything all both some each any mine yours hers theirs
""")
JUDGING: Final = words_of("""
very too so quite not good bad great nice fine big small long short better worse best right wrong hard easy true false
important interesting beautiful amazing perfect new old different similar same ready done clear open just really pretty
more less much many tired busy happy sad sick cute lovely solid strong weak tricky tough simple crucial key essential
almost about like up out going coming getting being based still only way
""")
ADJECTIVE: Final = re.compile(r"[a-z]+(?:ful|ous|able|ible|ive|ing|less|ical|some|ly)")
BODY: Final = words_of(
    "eye eyes mind head hand hands ear ears back mouth heart face feet foot legs fingers knee voice "
    "life day spirits hopes"
)
COLOURS: Final = words_of("""
red orange yellow green blue purple violet pink white black grey gray brown turquoise cyan magenta gold silver amber
teal beige warm-white
""")
LEVELS: Final = words_of("""
on off open closed shut up down low lower lowest medium high higher highest warm warmer hot cool cooler cold dim dimmer
bright brighter loud louder quiet quieter soft softer hard firm maximum minimum max min auto automatic manual muted mute
silent locked unlocked enabled disabled full empty half inside outside fast slow faster slower simple detailed
simplified dark
light shuffle repeat
""")
# what people set to a value
ADJUSTED: Final = words_of("""
brightness volume light lights lighting heating heat heater temperature thermostat fan ac air airflow screen map
display panel window
windows massage ventilation zoom mode radio music alarm sunroof blinds curtains lamp lamps speed sensitivity
contrast height angle position
headrest backrest recline circulation voice navigation theme color colour font language format hud theme lyrics
timer interval limit timeout sunshade wipers mirror mirrors humidifier humidity charging auto-brightness auto-dim
""")
NUMBERS: Final = {
    word: str(number)
    for number, word in enumerate(
        [
            "zero",
            "one",
            "two",
            "three",
            "four",
            "five",
            "six",
            "seven",
            "eight",
            "nine",
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
            "twenty",
        ]
    )
} | {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80", "ninety": "90"}
UNITS: Final = {
    "degree": "temperature", "degrees": "temperature", "celsius": "temperature", "fahrenheit": "temperature",
    "kelvin": "colour temperature", "°c": "temperature", "°f": "temperature", "°": "temperature",
}  # fmt: skip
WEEKDAYS: Final = words_of("monday tuesday wednesday thursday friday saturday sunday")
MONTHS: Final = words_of(
    "january february march april may june july august september october november december jan feb mar apr jun jul aug "
    "sep sept oct nov dec"
)
OCCUPATION: Final = re.compile(
    r"(?:[a-z]{2,}(?:er|or|ist|ian|eer|ographer|ologist|ant)|nurse|chef|cook|clerk|pilot|student|midwife|surgeon|judge|"
    r"vet|paramedic|plumber|mechanic|electrician|priest|courier|lawyer|coach|ceo|cto|intern|apprentice|architect|"
    r"therapist|scientist|programmer|freelancer|au pair|professor|secretary|dentist|pharmacist|soldier|barista)$"
)
NO_OCCUPATION: Final = words_of("""
vegetarian lover father mother brother sister member beginner believer reader eater owner smoker drinker sleeper runner
hiker fighter stickler sucker thinker learner loser winner newcomer number letter matter never over user customer
paper computer chapter winter summer river tower flower feather later better stranger monster sinner player starter
perfectionist optimist pessimist minimalist realist feminist christian libertarian partner daughter baker's prior minor
factor error mirror color humor tutor's giant elephant plant constant descendant want restaurant important relevant
human fan person water order metaphor glacier barometer hustler employer communicator offer power danger center
corner answer wonder
""")
DIETS: Final = words_of("vegetarian vegan pescatarian pescetarian coeliac celiac lactose-intolerant gluten-free")
STANDINGS: Final = words_of("single married divorced widowed engaged separated retired unemployed pregnant")
# of what one "has", these pass or are no things
PASSING: Final = words_of("""
meeting question idea feeling time problem appointment doubt chance look hunch lot bit plan headache point way thought
look talk chat call choice reason need right go try sense faith hope concern issue call fun trouble plenty enough day
couple few word something anything nothing everything good great bad hard long rough busy big small fair similar
much many more most to been had deadline week weekend night morning evening moment favor favour different new
interview exam suggestion update request draft meeting review sort kind type knack tendency habit ton handle goal love
""")

# ── words around ──

ADVERBS: Final = words_of("""
really also still now currently just always usually recently actually definitely absolutely personally generally
normally typically often mostly mainly already finally even simply truly totally particularly especially officially
only sometimes rarely since then both probably kinda sorta do does did well obviously certainly strongly much rather
originally first later therefore
""")
NEGATIONS: Final = _phrases(
    "don't, doesn't, do not, does not, no longer, not, never, didn't, did not, isn't, aren't, am not, is not, are not, "
    "can't, cannot, can not, won't, wasn't, were not, was not, haven't, hasn't"
)
NO_MORE: Final = re.compile(r"\b(?:any ?more|any longer|no longer|not anymore)\b", re.IGNORECASE)
# what follows one of these is planned, guessed, told by others or imagined
UNSURE: Final = re.compile(
    r"\b(?:would|might|could|(?-i:may)|maybe|perhaps|possibly|probably|wonder(?:ing)?|imagin\w+|wish|"
    r"hop(?:e|ing)|suppos\w+|pretend|"
    r"going to|gonna|plan(?:s|ning)? (?:to|on)|thinking (?:of|about)|consider\w*|about to|intend\w*|"
    r"should(?:n't)?|unless|whether|as if|as though|supposedly|rumou?r\w*|if only|considering|used to|"
    r"(?:i|we|he|she|they|you|it|that|there)['’](?:ll|d)|will|won't|shall|not sure|until|did not|"
    r"didn['’]t|i (?:think|guess|"
    r"believe|heard|assume|doubt))\b",
    re.IGNORECASE,
)
ABBREVIATIONS: Final = words_of(
    "inc. jr. sr. co. ltd. corp. dr. mr. mrs. ms. st. prof. no. vs. e.g. i.e. approx. mt. ft."
)

# ── canonical names of attributes ──

SPELLINGS: Final = {
    "color": "colour", "colors": "colours", "favorite": "favourite", "favorites": "favourites", "neighbor": "neighbour",
    "gray": "grey", "center": "centre", "theater": "theatre", "jewelry": "jewellery", "mom": "mum",
    "flavor": "flavour", "license": "licence", "meter": "metre",
}  # fmt: skip

_SAME: Final = """
home         | lives in, living in, live in, reside in, resides in, residence, moved to, lives at
employer     | works for, works at, working for, work for, work at, workplace, company, employed by
job          | works as, work as, occupation, profession, work, position at work, job title
spouse       | married to, wife, husband, married
location     | is in, is at, located, whereabouts, place, where
likes        | like, loves, love, enjoys, enjoy
dislikes     | dislike, hates, hate
prefers      | prefer, preference, preferences
uses         | use, using
has          | have, owns, own, possesses, got
allergic to  | allergy, allergies, allergic, is allergic to
name         | called, is called, named
age          | years old, how old
speaks       | speak, languages
born in      | birthplace, place of birth
born on      | birthday, date of birth, birth date, birthdate
drives       | drive, car
job          | is a
"""
CANONICAL: Final = {
    other: name.strip()
    for name, _, others in (line.partition("|") for line in _SAME.strip().splitlines())
    for other in map(str.strip, others.split(","))
}


def canonical(attribute: str) -> str:
    """An attribute by the name under which it is kept: "lives in" and "address" are "home".

    >>> canonical("lives in")
    'home'
    """
    plain = " ".join(attribute.casefold().split())
    return CANONICAL.get(plain, attribute)


def _relations() -> dict[str, dict[str, Relation]]:
    found: dict[str, dict[str, Relation]] = {}
    for line in _RELATIONS.strip().splitlines():
        attribute, count, verbs, particles = (part.strip() for part in line.split("|"))
        for verb in verbs.split():
            for particle in particles.split():
                found.setdefault(verb, {})[particle] = Relation(attribute, count == "one")
    return found


RELATIONS: Final = _relations()
BE: Final = words_of("is are was were am be been remains")

# a text without any of these states nothing that could be read
SIGNS: Final = (
    ADJUSTED |    BE | frozenset(RELATIONS) | MOVED | GIVING | frozenset(SETTING) | frozenset(DONE_TO)
    | words_of("i'm we're i've it's he's she's that's isn't aren't don't doesn't became becomes equals call =")
    | words_of(" ".join(TAKING | LETTING_GO | STOPPING)) | words_of(
        "want wants need needs died speaks worked lived meant replaced not resigned")
    | {word + sign for word in words_of("actually wait sorry correction scratch oops") for sign in ("", *",:.!")}
)  # fmt: skip
