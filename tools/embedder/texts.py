"""Turn the data folder into the texts the teacher reads.

Only sets whose licence allows it are opened (RealMem, VehicleMemBench, bAbI, WordNet), and VehicleMemBench's tasks
are not: their questions and gold lines stay unseen, so that its event recall remains a fair figure on held-out
histories. The rest is ours: the shipped sample, the histories of `tools/corpus`, and what is generated here from
templates and from the vocabulary.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from conversations import Conversation
from wordnet import WordNet

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")
MARKDOWN = re.compile(r"^(?:[#>\-\s]|\*(?!\*)|\d+\.\s)+|\*\*|__")
HISTORY_LINE = re.compile(r"\[.*?\] ([^:]+): (.*)")
SLOT = re.compile(r"\{([a-z]+)\d?\}")
BABI_LINE = re.compile(r"\d+ ([^|\t]*)")
_FILE = json.loads(Path(__file__).with_name("templates.json").read_text(encoding="utf-8"))
TEMPLATES: list[str] = _FILE["templates"]
FILLERS: dict[str, list[str]] = _FILE["fillers"]
MONTHS: list[str] = _FILE["months"]
RELATIVE_DATES: list[str] = _FILE["relative_dates"]
CODE_WORDS: list[str] = _FILE["code_words"]


@dataclass(frozen=True, slots=True)
class Text:
    """One training text and where it came from, for example `vehiclemembench/history_7`."""

    source: str
    text: str


def training_texts(
    data: Path,
    vocabulary: Sequence[str],
    wordnet: WordNet,
    conversations: Sequence[Conversation],
    *,
    share: float = 1.0,
) -> list[list[Text]]:
    """All training texts in groups, each in the order the teacher reads it: shuffled, without doubles, always the same.

    A group does not depend on the others, so that the teacher's work on it is kept when another one changes.
    """
    groups = [
        _dialogue_texts(data, vocabulary, share=share),
        _wordnet_texts(wordnet, share=share),
        *(_conversation_texts(conversation) for conversation in conversations),
    ]
    met: set[str] = set()
    for group in groups:
        group[:] = [text for text in {text.text: text for text in group}.values() if text.text not in met]
        met.update(text.text for text in group)
    return groups


def _wordnet_texts(wordnet: WordNet, *, seed: int = 1, share: float = 1.0) -> list[Text]:
    """Definitions behind their words, and examples, of what is common."""
    rng = random.Random(seed)
    common = [meaning for meaning in wordnet.meanings if meaning.common]
    defined = [f"{', '.join(meaning.words[:3])}: {meaning.definition}" for meaning in common]
    examples = [example for meaning in common for example in meaning.examples if len(example) > 15]
    texts = rng.sample(defined, int(14_000 * share)) + rng.sample(examples, int(9_000 * share))
    rng.shuffle(texts)
    return [Text("wordnet", text) for text in texts]


def _conversation_texts(conversation: Conversation) -> list[Text]:
    """Sentences and whole turns as they were said, and what is asked about them."""
    texts = [part for line in conversation.lines for part in [line.text[:500], *_sentences(line.text)]]
    texts += [asked.question for asked in conversation.asked]
    return [Text(conversation.source, text) for text in dict.fromkeys(texts) if len(text) > 15]


def _dialogue_texts(data: Path, vocabulary: Sequence[str], *, seed: int = 0, share: float = 1.0) -> list[Text]:
    """Sentences and turns of RealMem and VehicleMemBench, with fragments, templates and thrown-together words.

    `share` scales every part, for a quick trial.
    """
    rng = random.Random(seed)
    realmem = list(_realmem_turns(data / "realmem"))
    vehicle = list(_vehicle_lines(data / "vehiclemembench" / "benchmark" / "history"))
    sentences = [Text(turn.source, part) for turn in realmem for part in _sentences(turn.text)]
    spoken = [Text(line.source, line.text.partition(": ")[2]) for line in vehicle]

    def some(texts: Iterable[Text], count: int) -> list[Text]:
        unique = list({text.text: text for text in texts if len(text.text) > 2}.values())
        return rng.sample(unique, min(int(count * share), len(unique)))

    parts = [
        some((text for text in sentences if 15 < len(text.text) < 300), 26_000),
        some((text for text in spoken if 15 < len(text.text) < 300), 26_000),
        some((turn for turn in realmem if turn.text.endswith("?") and len(turn.text) < 500), 3_000),
        some((Text(turn.source, turn.text[:500]) for turn in realmem if len(turn.text) > 250), 3_000),
        some(_neighbours(vehicle), 2_000),
        some(_fragments(sentences + spoken, rng), 8_000),
        some(_babi(data / "babi"), 500),
        some(_templates(rng, 14_000), 10_000),
        some(_words(vocabulary, rng, 14_000), 14_000),
    ]
    texts = list({text.text: text for part in parts for text in part}.values())
    rng.shuffle(texts)
    return texts


def fingerprint(texts: Iterable[Text]) -> str:
    """The sha256 of texts in order: equal fingerprints mean equal teacher work."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(text.text.encode() + b"\0")
    return digest.hexdigest()


def _realmem_turns(folder: Path) -> Iterator[Text]:
    for file in sorted(folder.glob("*_256k.json")):
        source = f"realmem/{file.name.removesuffix('_dialogues_256k.json')}"
        for session in json.loads(file.read_text(encoding="utf-8"))["dialogues"]:
            for turn in session["dialogue_turns"]:
                yield Text(source, turn["content"].strip())


def _vehicle_lines(folder: Path) -> Iterator[Text]:
    for file in sorted(folder.glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := HISTORY_LINE.match(line.strip()):
                yield Text(f"vehiclemembench/{file.stem}", f"{match[1]}: {match[2]}")


def _sentences(turn: str) -> Iterator[str]:
    for part in SENTENCE_END.split(turn):
        yield MARKDOWN.sub("", part).strip()


def _neighbours(lines: Sequence[Text]) -> Iterator[Text]:
    """Three lines of one history in a row, with their speakers: longer than any single line."""
    for first in range(0, len(lines) - 2, 3):
        three = lines[first : first + 3]
        if three[0].source == three[2].source:
            yield Text(three[0].source, "\n".join(line.text for line in three))


def _fragments(texts: Sequence[Text], rng: random.Random) -> Iterator[Text]:
    """Runs of two to six words out of longer texts: what people type into a search box."""
    for text in rng.sample(list(texts), min(20_000, len(texts))):
        words = text.text.split()
        length = rng.randint(2, 6)
        if len(words) > length:
            start = rng.randrange(len(words) - length)
            yield Text(text.source, " ".join(words[start : start + length]))


def _babi(folder: Path) -> Iterator[Text]:
    for file in sorted(folder.glob("*.txt")):
        for line in file.read_text(encoding="utf-8").splitlines():
            if match := BABI_LINE.match(line):
                yield Text("babi", match[1].strip())


def _words(vocabulary: Sequence[str], rng: random.Random, count: int) -> Iterator[Text]:
    """Two to four whole words thrown together, so that every word of the vocabulary is seen in company."""
    whole = [word for word in vocabulary if len(word) > 2 and word.isalpha() and word.isascii()]
    deck: list[str] = []
    for _ in range(count):
        length = rng.randint(2, 4)
        if len(deck) < length:
            deck = rng.sample(whole, len(whole))
        yield Text("words", " ".join(deck.pop() for _ in range(length)))


def _templates(rng: random.Random, count: int) -> Iterator[Text]:
    for _ in range(count):
        template = rng.choice(TEMPLATES)
        yield Text("templates", SLOT.sub(lambda slot: _filler(slot[1], rng), template))


def _filler(slot: str, rng: random.Random) -> str:
    if slot == "date":
        return _date(rng)
    if slot == "number":
        return rng.choice([str(rng.randint(2, 99)), str(rng.randint(100, 9999)), f"{rng.uniform(0, 50):.1f}"])
    if slot == "time":
        return rng.choice(
            [
                f"{rng.randint(1, 12)} {rng.choice(['am', 'pm'])}",
                f"{rng.randint(0, 23)}:{rng.randint(0, 59):02}",
            ]
        )
    if slot == "code":
        return _identifier(rng)
    return rng.choice(FILLERS[slot])


def _date(rng: random.Random) -> str:
    day, month, year = rng.randint(1, 28), rng.randint(1, 12), rng.randint(1998, 2027)
    name = MONTHS[month - 1]
    return rng.choice(
        [
            f"{year}-{month:02}-{day:02}",
            f"{day} {name} {year}",
            f"{name} {day}, {year}",
            f"{name} {day}",
            f"{name[:3]} {year}",
            f"{month}/{day}/{year}",
            str(year),
            rng.choice(RELATIVE_DATES),
        ]
    )


def _identifier(rng: random.Random) -> str:
    words = rng.sample(CODE_WORDS, 2)
    return rng.choice(
        [
            "_".join(words),
            words[0] + words[1].title(),
            words[0].title() + words[1].title(),
            f"{words[0]}.{words[1]}()",
            f"{words[0]}/{words[1]}.py",
            f"--{words[0]}-{words[1]}",
            f"{words[0].upper()}_{words[1].upper()}",
        ]
    )
