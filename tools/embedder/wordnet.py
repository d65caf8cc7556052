"""Turn the files of Princeton WordNet 3.0 into meanings: words, a definition, examples.

The files are those of Debian's package `wordnet-base` 1:3.0-37, in `/usr/share/wordnet`.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

KINDS = ("noun", "verb", "adj", "adv")
PINNED = {
    "data.noun": "fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
    "data.verb": "adcf43e35b581e8036d8b5a52d63d9cd3d3b4870b2720d3c03c799df44777bc2",
    "data.adj": "c89120dfc1f046ddff4a631bf9b7e9fa1a36b5e86565a23bf82dbe14f30b88a7",
    "data.adv": "444a63bf3955080ab7524f5079cfc07ff9bc682cb98bdb1db73b0fb9829f1139",
    "index.noun": "a490d99d93d017bf4822fe2f0ffa51fd73911ce271dc7535fade21f8814b5a04",
    "index.verb": "e2ac24816c3a8289dcb72aaa9cf8db81fdf25ec34d792bfc96ac5b7a20c8b4ae",
    "index.adj": "c9865d7b4d1f805bdef82ccdcea5282436e23083e6f6f1b33e716327c4eda810",
    "index.adv": "6f5465ed5758fe9c8a2f7ec17b1300f3aa875756c70ff7cba162f7e71bcf88ea",
    "noun.exc": "2b5d675c380b39ecf595af9fa9d4e7feb1d58c643b0bff08c40ed5bfe41fab7a",
    "verb.exc": "dbbcf9a601b2d77e934e413b91d90e88ec7f933a8b77cfc00602a923b891b42c",
    "adj.exc": "8824cc24bbedd797b9702316b27f07cd4c2b76b629539f0a1276f03926758016",
    "adv.exc": "e7291461b629abfe63301bbe1998cee09fd575ed7107abd7ea9763adb05bf0a8",
    "cntlist.rev": "a198580b8f705fa02797bba8b13e5cbe4a9f9f40cb1697e774c7fc6a5865b035",
}
EXAMPLE = re.compile(r'"([^"]+)"')
SUFFIXES = {  # what WordNet's own morphology takes off, and puts on instead
    "noun": [("ses", "s"), ("ies", "y"), ("men", "man"), ("shes", "sh"), ("ches", "ch"), ("xes", "x"), ("s", "")],
    "verb": [("ies", "y"), ("ied", "y"), ("es", "e"), ("es", ""), ("s", ""), ("ed", "e"), ("ed", ""),
             ("ing", "e"), ("ing", "")],
    "adj": [("iest", "y"), ("ier", "y"), ("est", "e"), ("est", ""), ("er", "e"), ("er", "")],
    "adv": [],
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meaning:
    """One synonym set; `common` when a person marked it in running text."""

    words: tuple[str, ...]
    definition: str
    examples: tuple[str, ...]
    common: bool
    above: str | None  # the offset of the meaning this is a kind of


@dataclass(frozen=True, slots=True)
class WordNet:
    """All meanings, and the words that can stand for a word, the likeliest first."""

    meanings: tuple[Meaning, ...]
    synonyms: Mapping[str, tuple[str, ...]]  # of the likeliest meaning of each kind, and the words above them
    forms: Mapping[str, str]  # irregular forms and what they are forms of

    def plain(self, word: str) -> str:
        """The form of a word that a dictionary lists; the word itself where there is none.

        `received` gives `receive`, `went` gives `go`.
        """
        if word in self.forms:
            return self.forms[word]
        for suffixes in (SUFFIXES["verb"], SUFFIXES["noun"]):
            for ending, instead in suffixes:
                if word.endswith(ending) and len(word) > len(ending) + 2:
                    stem = word[: -len(ending)] + instead
                    if stem in self.synonyms:
                        return stem
        return word


def load(folder: Path) -> WordNet:
    """Read the files, after they were checked against the pinned hashes."""
    for name, expected in PINNED.items():
        found = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        if found != expected:
            sys.exit(f"{folder / name} has sha256 {found}, not the pinned {expected}: take wordnet-base 1:3.0-37")
    meanings: list[Meaning] = []
    counts = dict(_counts(_lines(folder / "cntlist.rev")))
    synonyms: dict[str, list[tuple[int, list[str]]]] = defaultdict(list)  # with how often that kind is met
    forms: dict[str, str] = {}
    for kind in KINDS:
        ranked = dict(_index(_lines(folder / f"index.{kind}")))
        common = {offset for offsets, tagged in ranked.values() for offset in offsets[:tagged]}
        by_offset = dict(_meanings(_lines(folder / f"data.{kind}"), common))
        meanings += by_offset.values()
        for word, (offsets, _) in ranked.items():
            likeliest = by_offset[offsets[0]]
            near = [*likeliest.words, *(by_offset[likeliest.above].words[:1] if likeliest.above else ())]
            found = [other for other in near if other.lower() != word]
            synonyms[word].append((counts.get((word, kind), 0), found))
        for line in _lines(folder / f"{kind}.exc"):
            form, base, *_ = line.split()
            forms.setdefault(form, base)
    ordered = {
        word: tuple(dict.fromkeys(other for _, found in sorted(kinds, key=lambda kind: -kind[0]) for other in found))
        for word, kinds in synonyms.items()
    }
    return WordNet(tuple(meanings), ordered, forms)


def _lines(file: Path) -> Iterator[str]:
    """All but the licence at the top, which is indented."""
    return (line for line in file.read_text(encoding="ascii").splitlines() if not line.startswith("  "))


def _index(lines: Iterator[str]) -> Iterator[tuple[str, tuple[Sequence[str], int]]]:
    """Each word with where its meanings stand, the likeliest first, and how many of them are common."""
    for line in lines:
        fields = line.split()
        senses = int(fields[2])
        yield fields[0].replace("_", " "), (fields[-senses:], int(fields[-senses - 1]))


def _meanings(lines: Iterator[str], common: set[str]) -> Iterator[tuple[str, Meaning]]:
    for line in lines:
        head, _, gloss = line.partition(" | ")
        fields = head.split()
        words = tuple(fields[4 + 2 * at].partition("(")[0].replace("_", " ") for at in range(int(fields[3], 16)))
        definition = gloss.partition('"')[0].strip(" ;")
        above = next((fields[at + 1] for at, field in enumerate(fields[:-1]) if field in {"@", "@i"}), None)
        yield fields[0], Meaning(words, definition, tuple(EXAMPLE.findall(gloss)), fields[0] in common, above)


def _counts(lines: Iterator[str]) -> Iterator[tuple[tuple[str, str], int]]:
    """How often the likeliest meaning of a word was met, by the word and its kind."""
    for line in lines:
        key, sense, count = line.split()
        word, _, kind = key.partition("%")
        if sense == "1" and kind[0] in "1234":
            yield (word.replace("_", " "), KINDS[int(kind[0]) - 1]), int(count)
