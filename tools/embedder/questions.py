"""Turn the lines of a conversation into questions that might be asked for them.

A made-up question is a few neighbouring words of a line, in the form a dictionary lists and with some synonyms, behind
the beginning of a question and the speaker's name. It need not be grammatical: the embedder does not see the order.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from conversations import Conversation
from wordnet import WordNet

from memstrata.text.terms import STOP_WORDS

WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
DAY = re.compile(r"\d+ (\w+) (\d{4})")
FRAMES = """
what did {} | what does {} | what is {}'s | what was {}'s | which | when did {} | when was | where did {} | where is |
who | who did {} | how many | how much | how long | how often | why did {} | why does {} | how does {} | how did {} |
does {} | did {} | has {} ever | is {} | what kind of | what kind of {}'s | what type of | which of {}'s |
in which month did {} | what year did {} | whose | what are {}'s | would {} | tell me about {}'s |
what do you know about | what has {} said about | what time | what colour | what are the names of {}'s
"""
FRAME_LIST = [frame.strip() for frame in FRAMES.replace("\n", " ").split("|")]
SMALL_WORDS = ("the", "a", "to", "in", "for", "of", "with", "at", "about", "and", "from", "on", "her", "his", "their")
NAMED, REPLACED, PLAIN, DATED = 0.75, 0.25, 0.5, 0.12  # shares of questions, words, words, questions


@dataclass(frozen=True, slots=True)
class Pair:
    """What is asked, what answers it, and the place it is said in: no other line said there counts against it."""

    source: str
    question: str
    passage: str
    place: str


def made(conversation: Conversation, wordnet: WordNet, rng: random.Random) -> Iterator[Pair]:
    """A question about every line that has words to ask for."""
    for line in conversation.lines:
        words = [word for word in WORD.findall(line.text) if len(word) > 2 and word.lower() not in STOP_WORDS]
        if len(words) < 2:
            continue
        question = _question(words, line.speaker, wordnet, rng)
        if rng.random() < DATED and (day := DAY.match(line.described)):
            question += rng.choice([f" in {day[1]} {day[2]}", f" in {day[1]}", f" on {day[0]}"])
        yield Pair(conversation.source, f"{question}?", line.described, line.described)


def _question(words: Sequence[str], speaker: str, wordnet: WordNet, rng: random.Random) -> str:
    first = rng.randrange(len(words))
    near = words[max(0, first - 4) : first + 5]  # a question is about one thing that a long line says
    chosen = rng.sample(near, min(len(near), rng.choice((1, 2, 2, 3, 3, 4, 5))))
    name = rng.choice([speaker, speaker.split()[0]]) if speaker and rng.random() < NAMED else "you"
    frame = rng.choice(FRAME_LIST).format(name if name != "you" else rng.choice(("I", "you", "she", "he", "they")))
    if name != "you" and name not in frame:
        chosen.append(name)
    fillers = rng.sample(SMALL_WORDS, rng.randint(0, 3))
    return " ".join([frame, *(_said_otherwise(word, wordnet, rng) for word in chosen), *fillers])


def _said_otherwise(word: str, wordnet: WordNet, rng: random.Random) -> str:
    """The word, its plain form, or another word for it."""
    plain = wordnet.plain(word.lower())
    others = wordnet.synonyms.get(plain, ())
    if others and rng.random() < REPLACED:
        return rng.choice(others[:3])
    return plain if rng.random() < PLAIN else word
