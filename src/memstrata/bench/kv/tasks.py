"""Turn a seed into texts full of facts, questions on them, and the right answers: token ids, no words.

`recall`: each fact is stated once among filler, and a cache is made before anyone knows what will be asked.
`multiturn`: half of the facts have been asked when the cache is thinned out, the last question just now; what counts
are the answers to the other half, asked later. `dialogue`: fifty turns in episodes, each with a topic of its own; a
question opens with words of its episode's topic.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from memstrata.bench.kv.words import BOS, FILLER, ITEM, KEYS, STOP, TOPICS, VALUES

ANSWER: Final = 2  # tokens of an answer
ASKED: Final = 8  # questions on each text
SENTENCE: Final = 4  # items up to a stop
SENTENCE_TOKENS: Final = SENTENCE * ITEM + 1
SENTENCES: Final = 55
FACTS: Final = 16
EPISODES: Final = 5
TURNS: Final = 50  # of a dialogue, a sentence each
DIALOGUE_FACTS: Final = 20
OPENING: Final = 2 * ITEM  # words of a topic before the key of a question in a dialogue

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Task:
    """Texts of one length and what is asked about each."""

    name: str
    ids: Ids  # (text, token)
    turns: tuple[int, ...]  # the lengths of the pieces that a text comes in; one piece where it is read at once
    asked: Ids  # (text, question, token); the last is the key
    answers: Ids  # (text, question, ANSWER)
    depths: NDArray[np.float64]  # (text, question): where the fact stands, 0 at the start and 1 at the end of its text
    first: Ids | None = (
        None  # (text, ANSWER): the answer to the question that a text ends in, given before others are asked
    )

    @property
    def tokens(self) -> int:
        """Of each text."""
        return int(self.ids.shape[1])

    @property
    def questions(self) -> int:
        """Of all texts."""
        return int(self.answers.shape[0] * self.answers.shape[1])


def recall(texts: int, *, seed: int) -> Task:
    """Facts in one long text, asked one by one."""
    rng = np.random.default_rng([seed, 1])
    facts = _facts(texts, FACTS, rng)
    words = rng.integers(FILLER.start, FILLER.stop, (texts, SENTENCES * SENTENCE, ITEM))
    places = _places(texts, words.shape[1], FACTS, rng)
    ids = _told(words, facts, places)
    chosen = _chosen(texts, FACTS, ASKED, rng)
    asked, answers = _questions(facts, chosen)
    return Task("recall", ids, (ids.shape[1],), asked, answers, _depths(places, chosen, words.shape[1]))


def multiturn(texts: int, *, seed: int) -> Task:
    """A text and questions on half of its facts, the last of them not answered yet; then questions on the others."""
    rng = np.random.default_rng([seed, 2])
    facts = _facts(texts, FACTS, rng)
    words = rng.integers(FILLER.start, FILLER.stop, (texts, SENTENCES * SENTENCE, ITEM))
    places = _places(texts, words.shape[1], FACTS, rng)
    chosen = _chosen(texts, FACTS, FACTS, rng)
    earlier, later = chosen[:, :-ASKED], chosen[:, -ASKED:]
    said = np.take_along_axis(facts, earlier[..., None], axis=1).reshape(texts, -1)
    ids = np.concatenate([_told(words, facts, places), said[:, :-ANSWER]], axis=1)
    keys, answers = _questions(facts, later)
    asked = np.concatenate([np.full_like(keys, STOP), keys], axis=-1)
    depths = _depths(places, later, words.shape[1])
    return Task("multiturn", ids, (ids.shape[1],), asked, answers, depths, first=said[:, -ANSWER:])


def dialogue(texts: int, *, seed: int) -> Task:
    """Fifty turns in five episodes, questions from all of them at the end."""
    rng = np.random.default_rng([seed, 3])
    facts = _facts(texts, DIALOGUE_FACTS, rng)
    topics = rng.random((texts, TOPICS)).argsort(-1)[:, :EPISODES]
    items = TURNS * SENTENCE
    words = _topical(topics.repeat(items // EPISODES, axis=1), rng)
    places = _places_by_episode(texts, items, rng)
    ids = _told(words, facts, places)
    chosen = _chosen(texts, DIALOGUE_FACTS, ASKED, rng)
    keys, answers = _questions(facts, chosen)
    of_fact = np.take_along_axis(topics, chosen // (DIALOGUE_FACTS // EPISODES), axis=1)
    opening = _topical(of_fact.repeat(OPENING // ITEM, axis=1), rng).reshape(texts, ASKED, OPENING)
    turns = (1 + SENTENCE_TOKENS,) + (SENTENCE_TOKENS,) * (TURNS - 1)
    asked = np.concatenate([opening, keys], axis=-1)
    return Task("dialogue", ids, turns, asked, answers, _depths(places, chosen, items))


def kept(tokens: int, ratio: float) -> int:
    """How many of a text's tokens stay when the share `ratio` goes, rounded as kvpress rounds."""
    return max(1, int(tokens * (1 - ratio)))


def _facts(texts: int, facts: int, rng: np.random.Generator) -> Ids:
    """(text, fact, ITEM); no key twice in a text, and no value."""
    keys = rng.random((texts, len(KEYS))).argsort(-1)[:, :facts, None] + KEYS.start
    values = rng.random((texts, len(VALUES))).argsort(-1)[:, : facts * ANSWER] + VALUES.start
    return np.concatenate([keys, values.reshape(texts, facts, ANSWER)], axis=-1)


def _places(texts: int, items: int, facts: int, rng: np.random.Generator) -> Ids:
    """Which items state the facts, in order."""
    return np.sort(rng.random((texts, items)).argsort(-1)[:, :facts], axis=-1)


def _places_by_episode(texts: int, items: int, rng: np.random.Generator) -> Ids:
    """As many facts in each episode as in any other."""
    width = items // EPISODES
    each = [_places(texts, width, DIALOGUE_FACTS // EPISODES, rng) + start for start in range(0, items, width)]
    return np.concatenate(each, axis=-1)


def _topical(topics: Ids, rng: np.random.Generator) -> Ids:
    """(text, item, ITEM) words, each from its item's topic."""
    width = len(FILLER) // TOPICS
    return FILLER.start + topics[..., None] * width + rng.integers(0, width, (*topics.shape, ITEM))


def _told(words: Ids, facts: Ids, places: Ids) -> Ids:
    """One text a row: filler with the facts in their places, a stop after each sentence."""
    said = words.copy()
    np.put_along_axis(said, places[..., None], facts, axis=1)
    sentences = said.reshape(len(said), -1, SENTENCE * ITEM)
    stops = np.full((*sentences.shape[:2], 1), STOP)
    body = np.concatenate([sentences, stops], axis=-1).reshape(len(said), -1)
    return np.concatenate([np.full((len(said), 1), BOS), body], axis=1)


def _chosen(texts: int, facts: int, count: int, rng: np.random.Generator) -> Ids:
    return rng.random((texts, facts)).argsort(-1)[:, :count]


def _questions(facts: Ids, chosen: Ids) -> tuple[Ids, Ids]:
    asked = np.take_along_axis(facts, chosen[..., None], axis=1)
    return asked[..., :1], asked[..., 1:]


def _depths(places: Ids, chosen: Ids, items: int) -> NDArray[np.float64]:
    return np.take_along_axis(places, chosen, axis=1) / items
