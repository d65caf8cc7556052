"""A tokenizer of single signs made in place, with or without a chat template, for models that say nothing of sense."""

from __future__ import annotations

import string

from models import VOCABULARY
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}<{{ message['role'] }}>{{ message['content'] }}<end>{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)
MARKS = ["<pad>", "<bos>", "<end>", "<system>", "<user>", "<assistant>"]
SIGNS = f"\n .,:?!'-()~{string.ascii_letters}{string.digits}"


def tokenizer(*, template: str | None = TEMPLATE) -> PreTrainedTokenizerFast:
    """Letters, figures and signs as tokens."""
    vocabulary = {sign: number for number, sign in enumerate([*MARKS, *SIGNS])}
    assert len(vocabulary) <= VOCABULARY
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="~"))
    made.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    made.decoder = decoders.Fuse()
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", bos_token="<bos>", eos_token="<end>",
        additional_special_tokens=MARKS[3:],
    )  # fmt: skip
    wrapped.chat_template = template
    return wrapped
