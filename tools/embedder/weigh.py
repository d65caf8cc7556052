"""Turn a table whose rows are done, and questions whose answers are known, into what each token counts.

A token counts differently in what is kept than in what is asked: "what" and "did" say little of a question, and the
day in front of a line little of the line. Both weights are learned by telling what answers from what does not (the
contrastive loss of van den Oord et al., 2018; where any of several lines answers, Miech et al., CVPR 2020). The rows
stay as they are: with so few questions they would learn these by heart.
"""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import questions
import torch
from bags import Bags, Reader
from conversations import Conversation
from torch.nn import functional

STEPS = 200
PAIRS = 256  # made-up questions a step
RUN = 8  # neighbouring pairs that stay together in a step, so that a line is told from those around it
NEEDS = 64  # real questions a step, all of one conversation
LINES = 384  # of that conversation, of which they are told apart
SHARPNESS = 20.0  # what a cosine is multiplied with before the softmax
MADE = 0.5  # what a made-up question counts, against a real one
PULL = 1e-3  # towards the weights that the rows came with
DROPPED = 0.1
HIDDEN = -1e4  # added to the score of what is neither right nor wrong


@dataclass(frozen=True, slots=True)
class Pairs:
    """Questions and passages, row by row; rows of one place do not count against each other."""

    questions: Bags
    passages: Bags
    places: torch.Tensor  # (pair,)

    def batches(self) -> Iterator[torch.Tensor]:
        """Endless batches in which neighbouring pairs stay together."""
        while True:
            firsts = torch.randperm(len(self.places) // RUN) * RUN
            order = (firsts[:, None] + torch.arange(RUN)).flatten()
            yield from (order[start : start + PAIRS] for start in range(0, len(order) - PAIRS + 1, PAIRS))


@dataclass(frozen=True, slots=True)
class Examined:
    """A conversation with what was asked about it, one row for each thing a question needs."""

    questions: Bags  # (need,)
    lines: Bags
    right: tuple[torch.Tensor, ...]  # (need,) the lines that have it
    numbers: torch.Tensor  # (need,) which question it belongs to
    visible: torch.Tensor  # (need,) how many lines had been said


class Weights(torch.nn.Module):
    """What tokens count in passages and in questions, as factors of a finished table.

    A factor is exp(a power of the token's rareness, the same for all tokens, plus the token's own).
    """

    def __init__(self, table: torch.Tensor, rareness: torch.Tensor) -> None:
        super().__init__()
        self._table, self._rareness = table, rareness
        self.kept = torch.nn.Parameter(torch.zeros(len(table)))
        self.asking = torch.nn.Parameter(torch.zeros(len(table)))
        self.power = torch.nn.Parameter(torch.zeros(2))

    def factors(self, *, asked: bool) -> torch.Tensor:
        """(token,)"""
        factor = self.kept + self.power[0] * self._rareness
        if asked:
            factor = factor + self.asking + self.power[1] * self._rareness
        return factor.exp()

    def forward(self, ids: torch.Tensor, starts: torch.Tensor, *, asked: bool = False) -> torch.Tensor:
        """Unit vectors of the bags that begin at `starts`, (bag, dimension)."""
        weights = functional.dropout(self.factors(asked=asked)[ids], DROPPED, self.training)
        sums = functional.embedding_bag(ids, self._table, starts, mode="sum", per_sample_weights=weights)
        unit: torch.Tensor = functional.normalize(sums, dim=1)
        return unit


def pairs(found: Iterator[questions.Pair], reader: Reader) -> Pairs:
    """Pairs as ids."""
    rows = list(found)
    places: dict[str, int] = {}
    numbers = [places.setdefault(f"{row.source}\0{row.place}", len(places)) for row in rows]
    return Pairs(
        reader.bags([row.question for row in rows]),
        reader.bags([row.passage for row in rows]),
        torch.tensor(numbers),
    )


def examined(conversation: Conversation, reader: Reader) -> Examined:
    """What was asked about a conversation, as ids."""
    needs = [(number, asked, need) for number, asked in enumerate(conversation.asked) for need in asked.needs]
    return Examined(
        reader.bags([asked.question for _, asked, _ in needs]),
        reader.bags([line.described for line in conversation.lines]),
        tuple(torch.tensor(need) for _, _, need in needs),
        torch.tensor([number for number, _, _ in needs]),
        torch.tensor([asked.visible for _, asked, _ in needs]),
    )


def rareness(found: Sequence[Conversation], reader: Reader, tokens: int) -> torch.Tensor:
    """The logarithm of each token's inverse document frequency, 0 for the rarest, (token,)."""
    counts = torch.ones(tokens)
    total = 0
    for conversation in found:
        for line in conversation.lines[:1_500]:
            total += 1
            counts[list(set(reader.ids(line.described)))] += 1
    highest = 9.0
    return torch.log(torch.log(total / counts).clamp(0.3, highest) / highest)


def weigh(
    table: torch.Tensor, made: Pairs, asked: Sequence[Examined], rareness: torch.Tensor, *, seed: int,
    log: Callable[[str], None],
) -> Weights:  # fmt: skip
    """Learn what tokens count, with a rate that falls along a cosine."""
    student = Weights(table, rareness)
    optimiser = torch.optim.Adam(student.parameters(), lr=1e-2, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, STEPS, eta_min=0.0)
    rng = random.Random(seed)
    often = [math.sqrt(len(one.right)) for one in asked]
    batches = made.batches()
    started = time.monotonic()
    total = 0.0
    for step in range(1, STEPS + 1):
        (one,) = rng.choices(asked, often)
        loss = unanswered(student, one) + MADE * missed(student, made, next(batches))
        pulled = loss + PULL * (student.kept.square().sum() + student.asking.square().sum())
        optimiser.zero_grad()
        pulled.backward()
        optimiser.step()
        schedule.step()
        total += loss.item()
        if step % 50 == 0:
            power = " ".join(f"{value:.2f}" for value in student.power.tolist())
            log(f"step {step} loss {total / 50:.4f} power {power} {time.monotonic() - started:.0f} s")
            total = 0.0
    return student


def missed(student: Weights, pairs: Pairs, at: torch.Tensor) -> torch.Tensor:
    """How improbable the right passages are among all of the batch."""
    asking, given = student(*pairs.questions.of(at), asked=True), student(*pairs.passages.of(at))
    places = pairs.places[at]
    same = (places[:, None] == places) & ~torch.eye(len(at), dtype=torch.bool)
    return functional.cross_entropy(asking @ given.T * SHARPNESS + same * HIDDEN, torch.arange(len(at)))


def unanswered(student: Weights, one: Examined) -> torch.Tensor:
    """How improbable the lines that answer are among others of the conversation; any one of a need will do."""
    needs = torch.randperm(len(one.right))[:NEEDS]
    right = [one.right[need] for need in needs.tolist()]
    places = torch.unique(torch.cat([*right, torch.randperm(len(one.lines))[:LINES]]))
    own = torch.stack([torch.isin(places, need) for need in right])
    numbers = one.numbers[needs]
    siblings = ((numbers[:, None] == numbers).float() @ own.float() > 0) & ~own  # right for the question's other needs
    unseen = places >= one.visible[needs][:, None]
    asking, given = student(*one.questions.of(needs), asked=True), student(*one.lines.of(places))
    scores = asking @ given.T * SHARPNESS + (siblings | unseen) * HIDDEN
    missing: torch.Tensor = scores.logsumexp(1) - (scores + ~own * HIDDEN).logsumexp(1)
    return missing.mean()
