"""Turn a question into what it asks, so that the same one in slightly other words is known for the same.

"What's Ana's favorite tea again?" and "Could you tell me Ana's favourite tea?" ask one thing; "Who called Ana?" and
"Who did Ana call?" do not, though the same words make them. So nothing is a bag of words here: what is left of a
question without its courtesies is a sequence, with its question word and its tense. Two sequences are the same when
they are equal, but for the verb's ending where one has "does" or "did" and the other says it by that ending. Every rule
is for questions in English and errs towards "another question"; of what it does not know it makes no gist.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Final

from memstrata.text.terms import stem
from memstrata.text.traits import asked

QUESTION_WORDS: Final = {
    "what": "what", "which": "what", "who": "who", "whom": "who", "whose": "whose", "when": "when",
    "where": "where", "why": "why", "how": "how",
}  # fmt: skip
AUXILIARIES: Final = {
    "is": "is", "are": "is", "am": "is", "was": "was", "were": "was", "do": "do", "does": "do", "did": "did",
    "has": "has", "have": "has", "had": "had", "will": "will", "would": "would", "can": "can", "could": "could",
    "shall": "shall", "should": "should", "may": "may", "might": "might", "must": "must",
}  # fmt: skip
WITH_A_NOUN: Final = frozenset({"what", "whose", "how"})  # "which tea", "how many cups"
OWNERS: Final = frozenset({"my", "your", "his", "her", "its", "our", "their"})
PREPOSITIONS: Final = frozenset(
    {"about", "after", "at", "before", "by", "during", "for", "from", "in", "into", "of", "on", "since", "through",
     "to", "under", "until", "with", "within", "without"}
)  # fmt: skip
REPORTED: Final = frozenset(  # with them a phrase of time belongs to what is said, or to the saying
    {"ask", "believ", "claim", "expect", "hear", "heard", "hope", "know", "knew", "mean", "mention", "plan", "promis",
     "rememb", "say", "said", "tell", "think", "thought", "told", "want", "wish"}
)  # fmt: skip
LONGEST: Final = 40  # words: what is longer is no question that anyone words twice

_ASKS: Final = "|".join(QUESTION_WORDS)
_OPENS: Final = f"{_ASKS}|{'|'.join(AUXILIARIES)}"
GREETING: Final = re.compile(
    r"(?:hey|hi|hello|ok|okay|um|uh|please|sorry|excuse me)"
    rf"(?:\s*[,.!:-]+\s*|\s+(?=(?:{_OPENS}|please|tell|remind|show|give|i)\b))"
    rf"|(?:so|and|but|well),?\s+(?=(?:{_OPENS})\b)", re.I,
)  # fmt: skip
REQUEST: Final = re.compile(
    r"(?:(?:can|could|would|will) you )?(?:please |kindly )?(?:tell|remind|show|give) me(?: again)?(?: please)?[\s,:]+"
    r"|(?:(?:do you (?:happen to )?(?:know|remember|recall)|i (?:forgot|forget|wonder|was wondering)|any idea"
    r"|i (?:can't|cannot|don't) (?:remember|recall)|i(?:'d| would) like to know|i (?:want|need) to know)"
    rf"[\s,]+(?=(?:{_ASKS}|if|whether)\b))", re.I,
)  # fmt: skip
CLOSING: Final = re.compile(
    r"[\s]*,\s*(?:please|thanks|thank you|again|by the way|do you (?:know|remember|recall)|remind me|tell me"
    r"|(?:can|could) you (?:please )?(?:tell|remind) me|if you (?:know|remember))$", re.I,
)  # fmt: skip
# "again" and "please" belong to the sentence after a verb ("did she call again"), not after what is only named
NAMED_AGAIN: Final = re.compile(
    r"(?:what(?:'s| is| are| was| were)|(?:who|where|when)(?:'s| is| are)) "
    r"(?:the|my|your|his|her|its|our|their|\S+'s?) .*?(?P<rest> (?:again|please))$", re.I,
)  # fmt: skip
END_MARKS: Final = " ?!.。？！…"
INNER_END: Final = re.compile(r"[?!.;…]\s")
TOKEN: Final = re.compile(r"\w+(?:[.,:'/-]\w+)*(?:(?<=s)'(?!\w))?|[^\s\w.;!?\"“”()'‘]")
SHORTENED: Final = (
    (re.compile(rf"\b({_ASKS})'?s\b(?!')", re.I), r"\1 is"),
    (re.compile(r"\bwon't\b", re.I), "will not"),
    (re.compile(r"\b(?:can't|cannot)\b", re.I), "can not"),
    (re.compile(r"\b(is|are|was|were|do|does|did|has|have|had|would|could|should|must)n't\b", re.I), r"\1 not"),
    (re.compile(r"\b(do|does|did|is)nt\b", re.I), r"\1 not"),
    (re.compile(r"\b(\w+)'re\b", re.I), r"\1 are"),
    (re.compile(r"\b(\w+)'ve\b", re.I), r"\1 have"),
    (re.compile(r"\b(\w+)'ll\b", re.I), r"\1 will"),
    (re.compile(r"\bI'm\b", re.I), "I am"),
    (re.compile(r" & "), " and "),
)  # fmt: skip
SAID_SHORT: Final = re.compile(rf"\b(?:{_ASKS})'?s\b", re.I)
SPELLED: Final = (  # British first
    (re.compile(r"^(fav|col|flav|neighb|hon|hum|lab|behavi|harb|rum|od|arm|vap|vig|endeav)our"), r"\1or"),
    (re.compile(r"^(cent|theat|lit|fib|met)re"), r"\1er"),
    (re.compile(r"^(organ|recogn|real|apolog|special|memor)is"), r"\1iz"),
)  # fmt: skip
DONE: Final = re.compile(r"(?:ed|en)$|^(?:been|done|gone)$")
PARTICIPLE: Final = re.compile(rf"(?:{DONE.pattern})|ing$")


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a question: as it was written, in small letters; its stem; and whether it was written large."""

    form: str
    stem: str
    large: bool


@dataclass(frozen=True, slots=True)
class Gist:
    """What a question asks.

    `kind` is its question word, "whether" for a question of yes or no, or "thing" for what is only named ("what is
    X", "tell me X"); `traits` what form of answer it looks for; `verb` its auxiliary, "" for none; `noun` how many
    words stand between question word and auxiliary, None where that cannot be told.
    """

    kind: str
    traits: int
    verb: str
    noun: int | None
    words: tuple[Word, ...]

    @property
    def key(self) -> Hashable:
        """Equal for questions that may be the same; `same` has the last word."""
        return self.kind, self.traits, tuple(word.stem for word in self.words)

    def same(self, other: Gist) -> bool:
        """Whether both ask the same thing."""
        if self.key != other.key or (None not in (self.noun, other.noun) and self.noun != other.noun):
            return False
        bare, told = (self, other) if not self.verb else (other, self)
        pairs = zip(bare.words, told.words, strict=True)
        changed = [place for place, (one, two) in enumerate(pairs) if one.form != two.form]
        if self.verb == other.verb or (self.kind == "thing" and (bare.verb, told.verb) == ("", "is")):
            return not changed
        return not bare.verb and len(changed) == 1 and _conjugated(bare, told, changed[0])


def _conjugated(bare: Gist, told: Gist, place: int) -> bool:
    """Whether a word says by its ending what another question says by "does" or "did"."""
    verb, base = bare.words[place], told.words[place]
    if verb.large or base.large:
        return False
    if told.verb == "did":
        return _adds_ed(base.form, verb.form)
    # behind a name it is its verb, and not a plural: "where Ana lives", but "where the glasses stand"
    subject = bare.words[place - 1] if place else None
    named = subject is not None and (
        subject.form in ("he", "she", "it") or (subject.large and not _owner(subject.form))
    )
    return told.verb == "do" and named and _adds_s(base.form, verb.form)


def _adds_s(base: str, longer: str) -> bool:
    """Whether a word is another one's third person."""
    return longer in (f"{base}s", f"{base}es", f"{base[:-1]}ies" if base.endswith("y") else "")


def _adds_ed(base: str, longer: str) -> bool:
    """Whether a word is another one's past."""
    regular = (f"{base}ed", f"{base}d" if base.endswith("e") else "", f"{base}{base[-1:]}ed")
    return longer in regular or (base.endswith("y") and longer == f"{base[:-1]}ied")


def gist(text: str) -> Gist | None:
    """What a question asks; None for what is no question, or one that we cannot take apart.

    >>> gist("What's Ana's favorite tea again?").same(gist("Could you tell me Ana's favourite tea?"))
    True
    >>> gist("Who called Ana?").same(gist("Who did Ana call?"))
    False
    """
    plain, requested = _bare(" ".join(text.replace("’", "'").split()).rstrip(END_MARKS))
    if INNER_END.search(plain):
        return None
    spoken = plain
    for short, whole in SHORTENED:
        spoken = short.sub(whole, spoken)
    found = TOKEN.findall(spoken)
    if not 1 < len(found) <= LONGEST:
        return None
    if SAID_SHORT.search(plain) and any(DONE.search(word.lower()) for word in found[1:]):
        return None  # "who's called": who is, or who has?
    taken = _opened(found, requested=requested)
    return None if taken is None else _read(taken, int(asked(text)))


def _bare(text: str) -> tuple[str, bool]:
    """A question without its courtesies, and whether it was put as a request ("tell me …")."""
    requested = False
    while True:
        if match := GREETING.match(text):
            text = text[match.end() :]
        elif match := REQUEST.match(text):
            text, requested = text[match.end() :], True
        elif match := CLOSING.search(text):
            text = text[: match.start()]
        elif match := NAMED_AGAIN.fullmatch(text):
            text = text[: match.start("rest")]
        else:
            return text.rstrip(END_MARKS), requested


@dataclass(frozen=True, slots=True)
class _Opened:
    """A question whose question word has been taken out, with what stood before it behind."""

    kind: str
    words: list[str]
    requested: bool


def _opened(found: list[str], *, requested: bool) -> _Opened | None:
    small = [word.lower() for word in found]
    if small[0] in AUXILIARIES:
        return _Opened("whether", found, requested)
    if small[0] in ("if", "whether") and requested:
        return _Opened("whether", found[1:], requested)
    place = next((place for place, word in enumerate(small) if word in QUESTION_WORDS), None)
    if place is None:
        return None if not requested or any(word in AUXILIARIES for word in small) else _Opened("thing", found, True)
    kind = QUESTION_WORDS[found[place].lower()]
    before, after = found[:place], found[place + 1 :]
    if after[:1] and after[0].lower() in ("exactly", "actually"):
        after = after[1:]
    if before and after and not _movable(before, after):
        return None
    return _Opened(kind, after + [word for word in before if word != ","], requested)


def _movable(before: list[str], after: list[str]) -> bool:
    """Whether what stands before the question word may stand behind: "in March, what did she buy", "to whom …"."""
    phrase = before[0].lower() in PREPOSITIONS and (len(before) == 1 or before[-1] == ",")
    apart = any(word.lower() in AUXILIARIES for word in before) or any(stem(word.lower()) in REPORTED for word in after)
    return phrase and not apart


def _read(opened: _Opened, traits: int) -> Gist | None:
    """The gist of a question word and the words behind it."""
    kind, words = opened.kind, _lean(opened.words)
    place = next((place for place, word in enumerate(words) if _auxiliary(words, place)), None)
    verb = "" if place is None else AUXILIARIES[words[place].lower()]
    noun: int | None = 0
    if place is not None:
        before, after = words[:place], words[place + 1 :]
        noun = place if kind in WITH_A_NOUN else 0
        words = before + after
        if kind == "what" and verb == "is" and _named(words):
            kind = "thing"
            if before and after and _owner(after[0]):  # "which tea is Ana's favourite"
                noun, words = 0, after + before
            elif not after:  # "tell me what Ana's favourite tea is"
                noun = 0
    if opened.requested and opened.kind != "thing":  # "tell me which dog Ana chased": in the order of a statement
        noun = None
    if not words:
        return None
    return Gist(kind, traits, verb, noun, tuple(map(_word, words)))


def _lean(words: list[str]) -> list[str]:
    """The words without what nothing hangs on: the comma of ", and"; "the" of "the name of", not of "the office"."""
    return [
        word
        for place, word in enumerate(words)
        if not (word == "the" and words[place + 2 : place + 3] == ["of"])
        and not (word == "," and words[place + 1 : place + 2] in (["and"], ["or"], ["but"]))
    ]


def _auxiliary(words: list[str], place: int) -> bool:
    """Whether a word is an auxiliary: not the name Will or the month of May, which come large or at the end."""
    word = words[place]
    name = word.lower() in ("will", "may") and place and (word[0].isupper() or place == len(words) - 1)
    return word.lower() in AUXILIARIES and not name


def _named(words: list[str]) -> bool:
    """Whether a thing is only named, and nothing said of it."""
    return bool(words) and (
        words[0] == "the" or _owner(words[0]) or not any(PARTICIPLE.search(word.lower()) for word in words)
    )


def _owner(word: str) -> bool:
    return word.lower() in OWNERS or word.endswith(("'s", "s'"))


def _large(word: str) -> bool:
    return word[0].isupper() and word != "I"


def _word(written: str) -> Word:
    form = written.casefold()
    if form.endswith("s'"):
        form += "s"
    for british, american in SPELLED:
        form = british.sub(american, form)
    return Word(form, stem(form), _large(written))
