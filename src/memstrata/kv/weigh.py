"""Turn queries and keys into the attention that entries receive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import torch
from torch import Tensor

from memstrata.kv.policies import Statistics

if TYPE_CHECKING:
    from memstrata.kv.policies import Queries, Seen

BLOCK: Final = 128  # queries weighed at once, so that a long prompt needs no square of itself


def summed(seen: Seen, queries: Queries) -> Statistics:
    """What each entry received of all queries so far, to be remembered with it."""
    return Statistics(by_entry={"received": seen.by_entry.get("received", 0) + received(seen, queries)})


def received(seen: Seen, queries: Queries) -> Tensor:
    """How much attention each entry gets from all these queries together (sequence, head, entry).

    Summed over queries, the mean of the query heads that share a head. Queries of pads ask for nothing.
    """
    total = torch.zeros(seen.columns.shape, device=seen.keys.device)
    for start in range(0, queries.columns.shape[-1], BLOCK):
        block = slice(start, start + BLOCK)
        weights = weighed(seen, queries.vectors[:, :, block], queries.columns[block])
        total += (weights * queries.real[:, None, None, block, None]).sum(3).mean(2)
    return total


def asked_again(seen: Seen, queries: Queries) -> Tensor:
    """The most attention that any of these queries would give each entry (sequence, head, entry), asked once more.

    Each is turned to where its token would stand if what came with it were read a second time; so it sees what
    followed it as well. 0 for entries that nothing would look at.
    """
    ahead = queries.real.sum(-1, keepdim=True)  # tokens of each sequence that came now
    most = torch.zeros(seen.columns.shape, device=seen.keys.device)
    for start in range(0, queries.columns.shape[-1], BLOCK):
        block = slice(start, start + BLOCK)
        vectors = queries.vectors[:, :, block]
        if seen.turned is not None:
            vectors = seen.turned(vectors.float(), ahead.expand(-1, vectors.shape[2]))
        columns = torch.where(queries.real[:, block], seen.length, -1)
        most = torch.maximum(most, weighed(seen, vectors, columns).amax(dim=(2, 3)))
    return most


def weighed(seen: Seen, vectors: Tensor, columns: Tensor) -> Tensor:
    """Attention of queries (sequence, query head, token, dim) at `columns` (token,) or (sequence, token) to entries.

    The weights (sequence, head, group, token, entry) of a query are at most 1 together: 0 where it sees nothing.
    """
    sequences, heads, entries = seen.columns.shape
    grouped = vectors.reshape(sequences, heads, -1, *vectors.shape[-2:]).float()
    products = grouped @ seen.keys[:, :, None].transpose(-1, -2).float() * seen.scaling
    asked = columns.expand(sequences, -1)[:, None, :, None]
    visible = (seen.columns[:, :, None] >= 0) & (seen.columns[:, :, None] <= asked)  # (sequence, head, token, entry)
    masked = products.masked_fill(~visible[:, :, None], -torch.inf)
    return masked.softmax(-1).nan_to_num() if entries else masked


def latest(queries: Queries, kept: Mapping[str, Tensor], count: int) -> dict[str, Tensor]:
    """The last `count` queries, of those kept before and those that came now, with their columns; -1 is a pad's."""
    sequences = queries.vectors.shape[0]
    columns = queries.columns.expand(sequences, -1).masked_fill(~queries.real, -1).to(torch.int32)
    vectors = queries.vectors
    if "queries" in kept:
        vectors = torch.cat([kept["queries"], vectors], dim=2)
        columns = torch.cat([kept["query_columns"], columns], dim=1)
    return {"queries": vectors[:, :, -count:].contiguous(), "query_columns": columns[:, -count:].contiguous()}
