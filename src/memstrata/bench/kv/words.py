"""The words of the made-up language that the small model was trained on: keys, values and filler, as token ids.

A *fact* is a key and its two values. Which values a key has is drawn anew for every text, so a model cannot know it:
whoever answers a key with its values has read them in the context, and a cache that lost them cannot.
"""

from __future__ import annotations

from typing import Final

PAD: Final = 0
BOS: Final = 1
STOP: Final = 2  # ends a sentence
KEYS: Final = range(8, 136)
VALUES: Final = range(136, 264)
FILLER: Final = range(264, 328)
SIZE: Final = 328

ITEM: Final = 3  # tokens of a fact, and of a run of filler
TOPICS: Final = 8  # filler comes in topics of eight words; an episode of a dialogue keeps to one
