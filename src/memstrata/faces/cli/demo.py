"""The shipped sample, imported and asked: what a search finds, and what a context costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from memstrata import sample
from memstrata.faces.cli import show
from memstrata.faces.cli.options import Call, command

if TYPE_CHECKING:
    from rich.console import RenderableType

    from memstrata.engine import Memstrata
    from memstrata.types import Hit, Scope

USER: Final = "demo"
FOR_PEOPLE: Final = 8
TOP: Final = 10
SHOWN: Final = 3
BUDGET: Final = 300  # tokens of the packed context
BATCH: Final = 50  # small, so that the bar moves


@dataclass(frozen=True, slots=True)
class Answer:
    """What a question of the sample brought, in so many wall milliseconds."""

    question: sample.Question
    hits: Sequence[Hit]
    ms: float

    @property
    def rank(self) -> int | None:
        """The place of the first hit that states the answer, from 1."""
        keys = [hit.memory.key for hit in self.hits]
        return next((place for place, key in enumerate(keys, start=1) if key in self.question.evidence), None)

    def plain(self) -> dict[str, Any]:  # Any: JSON
        """The answer as JSON."""
        return {
            "question": self.question.question,
            "evidence": list(self.question.evidence),
            "hits": [_plain_hit(hit) for hit in self.hits],
            "ms": round(self.ms, 3),
        }


def _plain_hit(hit: Hit) -> dict[str, Any]:  # Any: JSON
    memory = hit.memory
    return {
        "key": memory.key, "id": memory.id, "speaker": memory.speaker, "at": memory.at.isoformat(),
        "text": memory.text, "score": hit.score,
    }  # fmt: skip


@command("demo")
def demo(
    call: Call,
    questions: Annotated[
        int | None, typer.Option("--questions", min=1, help="So many questions; 8 when shown, all with --json.")
    ] = None,
) -> None:
    """Import the shipped sample and ask it questions.

    The sample is a year in the life of an invented cast. It goes to a temporary directory, or to --home."""
    scope = replace(call.scope, user_id=call.scope.user_id or USER)
    asked = _chosen(list(sample.questions()), questions if questions or call.json else FOR_PEOPLE)
    with _memory(call) as memory:
        turns = list(sample.conversation())
        with show.progress("importing the sample", total=len(turns), shown=not call.json) as done:
            memory.add_many(turns, batch=BATCH, on_batch=lambda receipt: done(len(receipt.ids)), scope=scope)
        answers = (_answer(question, memory, scope) for question in asked)
        if call.json:
            show.print_json([answer.plain() for answer in answers])
        else:
            _tell(answers, memory, scope, turns=len(turns), kept=call.home)


@contextmanager
def _memory(call: Call) -> Iterator[Memstrata]:
    """The memory at --home, or one that lasts as long as the demo."""
    if call.home is not None:
        with call.opened(create=True) as memory:
            yield memory
        return
    with (
        TemporaryDirectory(prefix="memstrata-demo-") as folder,
        replace(call, home=Path(folder)).opened(create=True) as memory,
    ):
        yield memory


def _chosen(questions: list[sample.Question], count: int | None) -> list[sample.Question]:
    """From the middle of each category, then the one after it of each, until there are enough."""
    if count is None:
        return questions
    by_category: dict[str, list[sample.Question]] = {}
    for question in questions:
        by_category.setdefault(question.category, []).append(question)
    longest = max(map(len, by_category.values()))
    rounds = [
        group[(len(group) // 2 + turn) % len(group)]
        for turn in range(longest)
        for group in by_category.values()
        if turn < len(group)
    ]
    return rounds[:count]


def _answer(question: sample.Question, memory: Memstrata, scope: Scope) -> Answer:
    from memstrata.clock import Stopwatch

    watch = Stopwatch()
    hits = memory.search(question.question, limit=TOP, scope=scope)
    return Answer(question, hits, watch.total_ms)


# ── for people ──


def _tell(answers: Iterator[Answer], memory: Memstrata, scope: Scope, *, turns: int, kept: Path | None) -> None:
    show.say(show.text(f"{turns} turns of a year in the life of Ines, Tilo and Leonor\n", "bold"))
    told: list[Answer] = []
    for answer in answers:
        show.say(*_told(answer))
        told.append(answer)
    every = [_answer(question, memory, scope) for question in sample.questions()]
    found = sum(answer.rank is not None for answer in every)
    middle = sorted(answer.ms for answer in every)[len(every) // 2]
    show.say(
        show.text(f"of all {len(every)} questions, {found} have evidence among the first {TOP}; "
                  f"half of them took less than {middle:.1f} ms\n", "bold")
    )  # fmt: skip
    packed = memory.context(told[-1].question.question, budget=BUDGET, scope=scope)
    show.say(show.text(f"a context for the last of them, within {BUDGET} tokens:", "bold"), *show.context(packed))
    show.say(show.text("\n" + _next_steps(kept)))


def _told(answer: Answer) -> Iterator[RenderableType]:
    question = answer.question
    yield show.text(f"{question.question}  ({question.category}, {answer.ms:.1f} ms)", "bold cyan")
    for place, hit in enumerate(answer.hits[:SHOWN], start=1):
        memory = hit.memory
        mark = "✓" if memory.key in question.evidence else " "
        line = f"  {mark} [{place}] {show.when(memory.at)}  {memory.speaker}: {show.shortened(hit.passage)}"
        yield show.text(line, "green" if mark == "✓" else "")
    if answer.rank is None:
        yield show.text(f"  ✗ not among the first {TOP}; the answer is: {question.answer}", "red")
    elif answer.rank > SHOWN:
        yield show.text(f"  ✓ the evidence came at place {answer.rank}; the answer is: {question.answer}", "green")
    yield ""


def _next_steps(kept: Path | None) -> str:
    where = f" --home {kept}" if kept is not None else ""
    tries = ["Try next:"]
    if kept is None:
        tries.append("  memstrata demo --home ./demo          keep the sample, to ask it your own questions")
        where = " --home ./demo"
    tries += [
        f'  memstrata search "who builds boats?" --user {USER}{where}',
        f'  memstrata explain "who builds boats?" --user {USER}{where}',
        '  memstrata add "I prefer the window seat" --user me',
        "  memstrata import NOTES_OR_CHATS --user me",
    ]
    return "\n".join(tries)
