"""Keep whole sentences or none of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import torch

from memstrata.kv.policies import Queries, Seen, Statistics
from memstrata.kv.weigh import asked_again

if TYPE_CHECKING:
    from torch import Tensor

ENDS: Final = (".", "!", "?", "\n", "。", "！", "？", "।", "؟")  # of sentences


@dataclass(frozen=True, slots=True)
class Sentences:
    """Words are kept with the words around them, which alone may make no sense.

    A sentence goes up to a token among `ends`; where none are known, every `size` tokens are one. score = mean over the
    sentence of the most attention that each entry would get in a second reading; the sentence being read is never
    divided. Source: Liu et al., "ChunkKV: Semantic-Preserving KV Cache Compression", NeurIPS 2025, arXiv 2502.00299;
    Zhu et al., "SentenceKV", COLM 2025, arXiv 2504.00970.
    """

    name: str = "sentences"
    ends: tuple[int, ...] = ()
    size: int = 16

    @classmethod
    def of(cls, tokenizer: Any) -> Sentences:  # Any: any tokenizer of transformers, whose classes we do not import here
        """With the ends that a tokenizer has: its tokens that close with a full stop, another such sign, or a new line.

        >>> class Tokenizer:
        ...     def get_vocab(self): return {"so": 0, "so.": 1, "?": 2}
        ...     def convert_tokens_to_string(self, tokens): return tokens[0]
        >>> Sentences.of(Tokenizer()).ends
        (1, 2)
        """
        found = {
            number
            for token, number in tokenizer.get_vocab().items()
            if tokenizer.convert_tokens_to_string([token]).rstrip(" ").endswith(ENDS)
        }
        return cls(ends=tuple(sorted(found)))

    @property
    def reads_tokens(self) -> bool:
        """Where it looks for ends."""
        return bool(self.ends)

    def watch(self, seen: Seen, queries: Queries) -> Statistics:
        """Raise each entry's mark to the most attention that one of the queries gives it."""
        now = asked_again(seen, queries)
        return Statistics(by_entry={"most": torch.maximum(now, seen.by_entry.get("most", now))})

    def groups(self, seen: Seen) -> Tensor:
        """The number of each entry's sentence (sequence, head, entry), which is kept or dropped whole."""
        if seen.tokens is None:
            return seen.numbers.clamp(min=0).long() // self.size
        columns = seen.columns.clamp(min=0).long()
        ended = torch.isin(seen.tokens, torch.tensor(self.ends, device=seen.tokens.device))
        numbers = ended.cumsum(-1) - ended.long()  # the end belongs to what it ends
        return numbers[:, None].expand(-1, columns.shape[1], -1).gather(-1, columns)

    def keep_score(self, seen: Seen) -> Tensor:
        """The mean of its sentence."""
        groups, alive = self.groups(seen), seen.columns >= 0
        zeros = torch.zeros(*groups.shape[:2], seen.length, device=groups.device)
        sums = zeros.scatter_add(-1, groups, seen.by_entry["most"] * alive)
        counts = zeros.scatter_add(-1, groups, alive.float())
        mean = (sums / counts.clamp(min=1)).gather(-1, groups)
        being_read = groups == groups.masked_fill(~alive, -1).amax(-1, keepdim=True)
        return mean.masked_fill(being_read, 2.0)  # attention is at most 1
