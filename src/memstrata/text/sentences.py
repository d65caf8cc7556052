"""Cut a passage into its sentences and lines, and tell which of them cannot stand without another.

The lists of words are short on purpose. A word too many costs a sentence more in an extract; only one too few could
turn the meaning of what is quoted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

Span = tuple[int, int]

FENCE: Final = "```"
ANNOUNCING: Final = (":", "：")
BREAK: Final = re.compile(
    r"\n\s*"
    r"|(?<=[.!?…])[\"'”’»)\]*_]*[^\S\n]+(?=\S)"
    r"|[。！？][”’」』）]*(?=[^\s”’」』）])",
)
# Full stops that end no sentence: initials, numbers of a list, and the commonest shortenings
SHORTENED: Final = re.compile(
    r"(?:\b(?:[^\W\d_]|\d{1,3}|mr|mrs|ms|dr|st|prof|vs|etc|approx|no|nr|bzw|ca|usw|sr|sra)|\b[a-z]\.[a-z])\.$", re.I
)
OPENING: Final = r"^[\s\"'“‘«(\[*_>-]*"
# What begins so says something of the sentence before
LEANING: Final = re.compile(
    OPENING + r"(?:but|and|or|nor|so|yet|no|nope|yes|yeah|yep|not|never|he|she|it|they|him|her|them|his|hers|its|their|"
    r"theirs|this|that|these|those|there|then|which|who|both|neither|either|instead|otherwise|however|though|although|"
    r"because|also|too|except|unless|actually|sorry|wait|same|ditto|"
    r"aber|doch|und|oder|nein|ja|nicht|sondern|er|sie|es|das|dies|diese|dieser|deshalb|dann|"
    r"mais|et|ou|non|oui|pas|il|elle|ils|elles|cela|donc|"
    r"pero|y|o|sí|él|ella|ellos|ellas|eso|esto|entonces|sino|"
    r"mas|e|não|sim|ele|ela|eles|elas|isso|então|ma|però|lui|lei)\b",
    re.I,
)  # fmt: skip
# What begins so may take back the sentence before
TURNING: Final = re.compile(
    OPENING + r"(?:but|yet|or|no|nope|not|never|nor|however|though|although|except|unless|instead|otherwise|actually|"
    r"sorry|wait|correction|scratch|only|just kidding|"
    r"aber|doch|nein|nicht|sondern|mais|non|pas|pero|sino|mas|não|ma|però)\b",
    re.I,
)  # fmt: skip


def sentences(text: str, start: int = 0, stop: int | None = None) -> list[Span]:
    """Spans that cover `text[start:stop]` in order, each a whole sentence or line; inside a code fence, a line.

    >>> [("Mr. Ito came. He sat."[a:b]) for a, b in sentences("Mr. Ito came. He sat.")]
    ['Mr. Ito came. ', 'He sat.']
    """
    stop = len(text) if stop is None else stop
    cuts = [start]
    inside = text.count(FENCE, 0, start) % 2 == 1
    seen = start
    for match in BREAK.finditer(text, start, stop):
        inside ^= text.count(FENCE, seen, match.start()) % 2 == 1
        seen = match.start()
        if cuts[-1] < match.end() < stop and _ends(text, match, inside=inside) and text[cuts[-1] : match.end()].strip():
            cuts.append(match.end())
    return list(pairwise([*cuts, stop]))


def _ends(text: str, match: re.Match[str], *, inside: bool) -> bool:
    """Whether a sentence ends at a break."""
    if "\n" in match[0]:
        return True
    if inside or text[match.end()].islower():
        return False
    return not SHORTENED.search(text[max(0, match.start() - 8) : match.start()])


def standing(text: str, spans: Sequence[Span], first: int, last: int) -> tuple[int, int]:
    """The shortest run of sentences around `spans[first:last]` that means alone what it means there.

    A sentence that leans on the one before, as by "but", "she" or "yes", brings it; one that may be taken back
    by the next, or that announces it, brings that.
    """
    while first > 0 and _leans(text, spans, first):
        first -= 1
    while last < len(spans) and _goes_on(text, spans, last - 1):
        last += 1
    return first, last


def _leans(text: str, spans: Sequence[Span], place: int) -> bool:
    own, before = text[slice(*spans[place])], text[slice(*spans[place - 1])].rstrip()
    return before.endswith((*ANNOUNCING, "?", "？", ",")) or own.lstrip()[:1].islower() or bool(LEANING.match(own))


def _goes_on(text: str, spans: Sequence[Span], place: int) -> bool:
    own, after = text[slice(*spans[place])].rstrip(), text[slice(*spans[place + 1])]
    return own.rstrip("*_").endswith(ANNOUNCING) or bool(TURNING.match(after))
