"""Turn a question into others that ask the same: other marks, courtesies, and the sample's reworded by hand.

The courtesies fit any question. Those written by hand are what people say instead; about half of them keep the words,
and no rule could know the others for the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

Rewording = Callable[[str], str]

MARKS: Final[tuple[Rewording, ...]] = (
    str.lower,
    str.upper,
    lambda text: text.rstrip("?"),
    lambda text: f"{text.rstrip('?')} ??",
    lambda text: f"  {text.replace(' ', '  ')}",
    lambda text: f"{text[:1].lower()}{text[1:]}!",
)
COURTESIES: Final[tuple[Rewording, ...]] = (
    lambda text: f"Hey, {_small(text)}",
    lambda text: f"So {_small(text)}",
    lambda text: f"Please tell me: {_small(text)}",
    lambda text: f"Remind me, {_small(text)}",
    lambda text: f"{text.rstrip('?')}, please?",
    lambda text: f"{text.rstrip('?')}, by the way?",
    lambda text: f"{text.rstrip('?')}, do you remember?",
    lambda text: f"Sorry, {_small(text.rstrip('?'))}, can you tell me?",
    lambda text: text.replace("What is ", "What's ").replace("Where is ", "Where's ").replace("Who is ", "Who's "),
    lambda text: text.replace(" the ", " "),
    lambda text: text.replace("colour", "color").replace("Which ", "What ").replace("favourite", "favorite"),
)
REWORDED: Final[Mapping[str, tuple[str, ...]]] = {
    "Which voice part does Ines take in the choir?": (
        "Do you know which voice part Ines takes in the choir?",
        "What does Ines sing in the choir?",
    ),
    "What did Tilo give his girlfriend for Valentine's Day?": (
        "For Valentine's Day, what did Tilo give his girlfriend?",
        "Tilo's Valentine's present, what was it?",
    ),
    "Do cats make Tilo ill?": ("Tell me if cats make Tilo ill.", "Is Tilo allergic to cats?"),
    "How does Leonor take her morning coffee?": (
        "Can you tell me how Leonor takes her morning coffee?",
        "What does Leonor have in her coffee?",
    ),
    "When did Tilo bring his dog home?": (
        "When did Tilo bring home his dog?",
        "Since when has Tilo had his dog?",
    ),
    "On what date did Tilo hurt his leg?": ("What date did Tilo hurt his leg on?", "When was Tilo injured?"),
    "When did a thief take the Dutch bicycle?": (
        "When exactly did a thief take the Dutch bicycle?",
        "When was the bicycle stolen?",
    ),
    "What is the birth date of Henrik's daughter?": (
        "Tell me the birth date of Henrik's daughter.",
        "When was Henrik's daughter born?",
    ),
    "In what place will Ines and Rafael now hold their wedding?": (
        "What place will Ines and Rafael now hold their wedding in?",
        "Where is the wedding?",
    ),
    "Who is Mimi?": ("Tell me who Mimi is.", "Mimi is who?", "Who or what is called Mimi?"),
    "Why did Leonor reject the flat in Cedofeita?": (
        "Leonor rejected the flat in Cedofeita why?",
        "What was wrong with the flat in Cedofeita?",
    ),
    "What did Mireille pack to keep her fingers in practice on the journey?": (
        "To keep her fingers in practice on the journey, what did Mireille pack?",
        "Which instrument went on the journey?",
    ),
    "What colour is the bag of the woman laughing in the foggy forest?": (
        "Could you tell me what colour the bag of the woman laughing in the foggy forest is?",
        "The woman in the foggy forest has a bag of what colour?",
    ),
    "What does Leonor enjoy doing in bad weather?": (
        "In bad weather, what does Leonor enjoy doing?",
        "What does Leonor do when it rains?",
    ),
    "Which flight carried Tilo to Osaka?": (
        "Do you remember which flight carried Tilo to Osaka?",
        "Tilo's flight to Osaka, which one was it?",
    ),
    "Where did Mireille sit on the plane?": (
        "I forgot where Mireille sat on the plane.",
        "On the plane, where did Mireille sit?",
    ),
    "Why did Ines fly home at Easter without checked luggage?": (
        "At Easter, why did Ines fly home without checked luggage?",
        "Why had Ines only hand luggage at Easter?",
    ),
    "Which hot drink does Tilo despise, and what does he have in its place?": (
        "What hot drink does Tilo despise and what does he have in its place?",
        "What does Tilo drink instead of what he cannot stand?",
    ),
    "Was the flea market tool delivered before Leonor's birthday?": (
        "Do you know if the flea market tool was delivered before Leonor's birthday?",
        "Did the tool come in time for Leonor's birthday?",
    ),
    "How hot and for how long does the grandmother's cake bake?": (
        "Please remind me how hot and for how long the grandmother's cake bakes.",
        "How is the grandmother's cake baked?",
    ),
    "Who took Tilo's place at the half marathon, and how fast?": (
        "Tell me who took Tilo's place at the half marathon, and how fast.",
        "Who ran instead of Tilo?",
    ),
    "Which birds stood before the farmhouse in the snapshot, and how many?": (
        "In the snapshot, which birds stood before the farmhouse, and how many?",
        "What was standing before the farmhouse?",
    ),
}


def _small(text: str) -> str:
    return f"{text[:1].lower()}{text[1:]}"
