"""Turn scores into what is kept: protect, pin, score, allot, keep."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor

from memstrata.errors import KVFull, KVPolicyFailed
from memstrata.kv.policies import Policy, Queries, Seen, Statistics, Watching

PROTECTED_SHARE: Final = 8  # the first and the most recent entries get at most one in eight places each


def learned(policy: Watching, seen: Seen, queries: Queries) -> Statistics:
    """What a policy learns from queries, once it has been seen to be usable.

    Raises:
        KVPolicyFailed: it raised, or its tensors are not of the shapes they have to be; names it.
    """
    try:
        found = policy.watch(seen, queries)
    except Exception as exc:
        raise KVPolicyFailed(f"the policy {policy.name!r} failed on layer {seen.layer}: {type(exc).__name__}") from exc
    shapes = [(name, kept.shape, seen.columns.shape) for name, kept in found.by_entry.items()]
    shapes += [(name, kept.shape[:1], seen.columns.shape[:1]) for name, kept in found.by_sequence.items()]
    for name, shape, wanted in shapes:
        if shape != wanted:
            raise KVPolicyFailed(
                f"the policy {policy.name!r} remembers {name!r} in the shape {tuple(shape)}; it should be "
                f"{tuple(wanted)}"
            )
    return found


def scored(policy: Policy, seen: Seen) -> Tensor:
    """A policy's scores (sequence, head, entry), once they have been seen to be usable.

    Raises:
        KVPolicyFailed: it raised, or did not give one finite number for each entry; names it.
    """
    try:
        scores = policy.keep_score(seen)
    except Exception as exc:
        raise KVPolicyFailed(f"the policy {policy.name!r} failed on layer {seen.layer}: {type(exc).__name__}") from exc
    if scores.shape != seen.columns.shape:
        raise KVPolicyFailed(
            f"the policy {policy.name!r} gave scores of shape {tuple(scores.shape)} for entries of shape "
            f"{tuple(seen.columns.shape)}; it should give one number for each"
        )
    scores = scores.float()
    if not bool(torch.isfinite(scores.masked_fill(seen.columns < 0, 0)).all()):
        raise KVPolicyFailed(f"the policy {policy.name!r} gave scores that are no numbers on layer {seen.layer}")
    return scores


def protected(
    columns: Tensor, *, length: int, first: int, last: int, pins: Sequence[tuple[int, int]], places: Tensor
) -> Tensor:
    """Which entries (sequence, head, entry) stay whatever their score: sinks, recent ones, and what is pinned.

    `places` (sequence, head) is how many each head may keep; where those are few, fewer are protected.

    Raises:
        KVFull: what is pinned does not fit.
    """
    alive = columns >= 0
    room = (places // PROTECTED_SHARE)[..., None]
    sinks = alive & (alive.cumsum(-1) <= room.clamp(max=first))
    recent = alive & (columns >= length - room.clamp(max=last))
    if not pins:
        return sinks | recent
    pinned = torch.zeros_like(alive)
    for start, stop in pins:
        pinned |= (columns >= start) & (columns < stop)
    stay = sinks | recent | pinned
    if bool((stay.sum(-1) > places).any()):
        raise KVFull(
            f"{int((pinned & ~sinks & ~recent).sum(-1).max())} entries are pinned, and the smallest head may keep "
            f"{int(places.min())}; unpin some, or give the cache a larger budget"
        )
    return stay


def best(scores: Tensor, stay: Tensor, alive: Tensor, places: Tensor) -> Tensor:
    """Which entries (sequence, head, entry) are kept: those that stay, and the best of the others.

    Of equal scores the later entry is kept.
    """
    ranked = scores.masked_fill(stay, torch.inf).masked_fill(~alive, -torch.inf)
    order = ranked.flip(-1).argsort(dim=-1, descending=True, stable=True)
    rank = torch.empty_like(order).scatter_(
        -1, order, torch.arange(order.shape[-1], device=order.device).expand_as(order)
    )
    return alive & (rank.flip(-1) < places[..., None])


def whole(keep: Tensor, stay: Tensor, alive: Tensor, groups: Tensor) -> Tensor:
    """What is kept (sequence, head, entry) without the groups that would be kept in part; what has to stay does."""
    left = torch.zeros(*groups.shape[:2], int(groups.max()) + 1, device=groups.device)
    left.scatter_add_(-1, groups, (alive & ~keep).float())
    return keep & (stay | (left.gather(-1, groups) == 0))


def spread(scores: Tensor, alive: Tensor) -> Tensor:
    """How evenly scores are spread over the entries of each head (head,): 0 is all on one, 1 all alike.

    The entropy of the scores, made to shares of one, over that of equal shares.
    """
    lowest = scores.masked_fill(~alive, torch.inf).amin(-1, keepdim=True)
    above = (scores - lowest).masked_fill(~alive, 0)
    shares = above / above.sum(-1, keepdim=True).clamp(min=1e-30)
    entropy = -(shares * shares.clamp(min=1e-30).log()).sum(-1)
    return (entropy / alive.sum(-1).clamp(min=2).log()).mean(0)
