"""Turn questions into answers of a model that reads a memory's packed context, and keep its cache between processes.

A session is a run of turns. What the model has read is one sequence of tokens: for each turn the context, the question
and the answer. The cache belongs to that sequence; where it was saved and the model, the tokenizer and every prompt are
the same, the next process goes on from it, and computes it anew where they are not, saying why.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import zip_longest
from types import TracebackType
from typing import TYPE_CHECKING, Final, Literal, Self

import torch

from memstrata.errors import InvalidInput, KVDamaged, KVMismatch, KVRefused, KVUnsupported, VersionConflict
from memstrata.kv.budget import KVBudget
from memstrata.kv.container import check, contents, opened
from memstrata.kv.fingerprints import fingerprint
from memstrata.kv.hf import KVCache
from memstrata.kv.prefilling import prefill
from memstrata.kv.shelf import Shelf, Taken
from memstrata.kv.state import rules_said
from memstrata.types import Context

if TYPE_CHECKING:
    from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

CHUNK: Final = 256
CHUNK_SHARE: Final = 4  # of the budget, one part for what comes in
COLUMN_BYTES: Final = 4
RECALLS: Final = 3  # of a context whose memories change while it is packed
LONGEST_ANSWER: Final = 256  # tokens, unless the caller says otherwise
KNOWN: Final = "What is known:"
SAID: Final = "(what was answered)"  # stands for an answer where only what comes after it is wanted


@dataclass(frozen=True, slots=True)
class Settings:
    """How a session's model is asked, and what its cache may hold; see `KVCache.of`."""

    instructions: str | None = None
    budget: KVBudget | None = None
    policy: str = "reread"
    allocation: str = "uniform"
    probe: bool = True


@dataclass(frozen=True, slots=True)
class Start:
    """How a session began: its cache was `resumed`, is `recomputed` from what was said, or there was nothing (`new`).

    `reason` says why it was not resumed; `tokens` is how long the sequence was.
    """

    how: Literal["new", "resumed", "recomputed"]
    reason: str = ""
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One question and its answer, and the context that was new with it; `prompt` and `answered` count their tokens."""

    context: str
    question: str
    answer: str
    prompt: int
    answered: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, from which context; `read` tokens were computed for it, `reused` came from the cache."""

    text: str
    context: Context
    read: int
    reused: int

    def __str__(self) -> str:
        return self.text


class Session:
    """A conversation with a model that reads a memory; one thread at a time.

    Make one with `Memstrata.session`, and close it, best with `with`: then its cache is saved.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        *,
        recall: Callable[[str], Context],
        shelf: Shelf,
        settings: Settings,
    ) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.settings = settings
        self._recall = recall
        self._shelf = shelf
        self._made_with = fingerprint(model, tokenizer)
        self._turns: list[Turn] = []
        self._tokens: list[int] = []
        self._rows: frozenset[int] = frozenset()
        self._cache = self._empty()
        self._unsaved = False
        self.start = self._started()

    # ── what one does with it ──

    @property
    def turns(self) -> tuple[Turn, ...]:
        """What was asked and answered, earlier processes included."""
        return tuple(self._turns)

    @property
    def cache(self) -> KVCache:
        """What the model has read, to account for, and to pin passages of."""
        return self._cache

    def ask(
        self, question: str, *, max_new_tokens: int = LONGEST_ANSWER, generation: GenerationConfig | None = None
    ) -> Answer:
        """The model's answer, after it has read what the memory knows of the question.

        `generation` says how tokens are chosen; the model's own settings when left out.

        Raises:
            InvalidInput: the question is empty, the answer may have no tokens, or `generation` asks for what a session
                cannot do.
        """
        if not isinstance(question, str) or not question.strip():
            raise InvalidInput(f"a question is a text that is not empty, not {question!r:.80}")
        if isinstance(max_new_tokens, bool) or not isinstance(max_new_tokens, int) or max_new_tokens < 1:
            raise InvalidInput(f"max_new_tokens is a whole number from 1 on, not {max_new_tokens!r:.80}")
        _check_generation(generation or self.model.generation_config)
        if not self._shelf.still_there(self._rows):
            self._begin_anew("a memory it was made from is gone")
        context, rows = self._packed(question)
        read = "" if self._has_read(context) else context.text
        prompt = self._prompt(self._turns[-1] if self._turns else None, read, question)
        wanted = [*self._tokens, *prompt]
        reused = self._cache.get_seq_length()
        said = self._generated(wanted, max_new_tokens, generation)
        text = str(self.tokenizer.decode(said, skip_special_tokens=True))
        self._turns.append(Turn(read, question, text, len(prompt), len(said)))
        self._tokens = [*wanted, *said]
        self._rows |= rows
        self._unsaved = True
        return Answer(text, context, len(wanted) - reused, reused)

    def save(self) -> bool:
        """Keep the cache for the next process; False when nothing is new, or a memory it was made from is gone.

        Raises:
            StoreFull: there is no room for it.
        """
        if not self._unsaved or not self._turns:
            return False
        if not self._cache.get_seq_length():  # an answer was interrupted: what was said before it is read once more
            prefill(self.model, self._sequence()[:, :-1], self._cache, chunk=self._chunk())
        kept = contents(
            self._cache,
            tokens=self._sequence().cpu(),
            fingerprint=self._made_with,
            model=self.model,
            notes={"turns": [asdict(turn) for turn in self._turns]},
        )
        self._unsaved = not self._shelf.put(kept, self._made_with, self._rows)
        return not self._unsaved

    def forget(self) -> None:
        """Forget everything that was said, here and in the store."""
        self._shelf.forget()
        self._begin_anew("it was forgotten")

    def close(self) -> None:
        """Save."""
        self.save()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── how it begins ──

    def _started(self) -> Start:
        try:
            taken = self._shelf.taken()
        except KVRefused as exc:
            return Start("new", str(exc))
        if taken is None:
            return Start("new", "nothing is kept for this scope, or a memory it was made from is gone")
        try:
            self._turns = [Turn(**turn) for turn in taken.contents.about["notes"]["turns"]]
        except (KeyError, TypeError):
            return Start("new", "what is kept for this scope is a cache, and no session")
        self._rows = taken.rows
        try:
            self._resume(taken)
        except KVRefused as exc:
            self._retold()
            return Start("recomputed", str(exc), len(self._tokens))
        return Start("resumed", tokens=len(self._tokens))

    def _resume(self, taken: Taken) -> None:
        """Go on from a cache that was kept, if everything about it is the same.

        Raises:
            KVRefused: something is not; says what.
        """
        about = taken.contents.about
        check(about["made_with"], self._made_with)
        for name, asked in rules_said(self._cache.rules).items():
            found = about["rules"][name]
            if found != asked and name in ("policy", "allocation"):  # what they have measured comes back with the cache
                asked, found = asked["name"], found["name"]
            if found != asked:
                raise KVMismatch(name, asked=str(asked), found=str(found))
        tokens: list[int] = taken.contents.tensors["tokens"][0].tolist()
        self._check_prompts(tokens)
        self._cache = opened(taken.contents, self.model, self._made_with, probe=self.settings.probe).cache
        self._tokens = tokens

    def _check_prompts(self, tokens: Sequence[int]) -> None:
        """See that every prompt would be made of the same tokens today."""
        place, last = 0, None
        for turn in self._turns:
            prompt = self._prompt(last, turn.context, turn.question)
            for at, (asked, found) in enumerate(zip_longest(prompt, tokens[place : place + turn.prompt])):
                if asked != found:
                    raise KVMismatch("prompt", asked=f"token {asked}", found=f"token {found} at place {place + at}")
            place, last = place + turn.prompt + turn.answered, turn
        if place != len(tokens):
            raise KVDamaged(f"the container has {len(tokens)} tokens, and its turns have {place}")

    def _retold(self) -> None:
        """Make the sequence anew from what was asked and answered; its tokens are read with the next question."""
        turns, tokens = self._turns, []
        self._turns = []
        for turn in turns:
            prompt = self._prompt(self._turns[-1] if self._turns else None, turn.context, turn.question)
            answered: list[int] = self.tokenizer.encode(turn.answer, add_special_tokens=False)
            tokens += [*prompt, *answered]
            self._turns.append(replace(turn, prompt=len(prompt), answered=len(answered)))
        self._tokens, self._cache = tokens, self._empty()

    def _begin_anew(self, reason: str) -> None:
        self._turns, self._tokens, self._rows = [], [], frozenset()
        self._cache, self._unsaved = self._empty(), False
        self.start = Start("new", reason)

    def _empty(self) -> KVCache:
        chosen = self.settings
        return KVCache.of(self.model, budget=chosen.budget, policy=chosen.policy, allocation=chosen.allocation)

    # ── how it goes on ──

    def _packed(self, question: str) -> tuple[Context, frozenset[int]]:
        """What the memory knows of a question, and where the memories lie that it was packed from."""
        for _ in range(RECALLS):
            context = self._recall(question)
            rows = self._shelf.rows_of(passage.memory for passage in context.passages)
            if rows is not None:
                return context, rows
        raise VersionConflict(f"memories changed {RECALLS} times while a context was packed from them; ask again")

    def _has_read(self, context: Context) -> bool:
        """Whether a context stands in an earlier turn already, in a cache that lets go of nothing."""
        return self.settings.budget is None and context.text in (turn.context for turn in self._turns)

    def _prompt(self, last: Turn | None, context: str, question: str) -> list[int]:
        """The tokens that a question with its context comes to, after the answer of the turn before."""
        asked = f"{KNOWN}\n{context}\n\n{question}" if context else question
        if getattr(self.tokenizer, "chat_template", None):
            return self._encoded(self._by_template(last, asked))
        if last is not None:
            return self._encoded(f"\n\nQuestion: {asked}\nAnswer:")
        opening = f"{self.settings.instructions}\n\n" if self.settings.instructions else ""
        begin = [] if self.tokenizer.bos_token_id is None else [self.tokenizer.bos_token_id]
        return [*begin, *self._encoded(f"{opening}Question: {asked}\nAnswer:")]

    def _by_template(self, last: Turn | None, asked: str) -> str:
        """What a chat template writes from the last answer on: what the model said before stays as it said it."""
        if last is None:
            rules = self.settings.instructions
            opening = [{"role": "system", "content": rules}] if rules else []
            return self._templated([*opening, {"role": "user", "content": asked}])
        before = [{"role": "user", "content": last.question}, {"role": "assistant", "content": SAID}]
        _, found, after = self._templated([*before, {"role": "user", "content": asked}]).partition(SAID)
        if not found:
            raise KVUnsupported("the tokenizer's chat template leaves out what an assistant said; a session needs it")
        return after

    def _templated(self, messages: list[dict[str, str]]) -> str:
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _encoded(self, text: str) -> list[int]:
        return list(self.tokenizer.encode(text, add_special_tokens=False))

    def _generated(self, wanted: list[int], most: int, generation: GenerationConfig | None) -> list[int]:
        """The tokens that the model answers with, its end mark left out; the cache has then seen nearly all."""
        ids = torch.tensor([wanted], device=self.model.device)
        seen = self._cache.get_seq_length()
        try:
            if len(wanted) - 1 > seen:
                prefill(self.model, ids[:, seen:-1], self._cache, chunk=self._chunk())
            found = self.model.generate(  # type: ignore[operator]  # a mixin that mypy does not see
                ids, attention_mask=torch.ones_like(ids), past_key_values=self._cache,
                generation_config=_at_most(most, generation or self.model.generation_config),
            )  # fmt: skip
        except BaseException:
            self._cache = self._empty()  # it may have read half of it
            raise
        said: list[int] = found[0, len(wanted) :].tolist()
        return said[:-1] if said and said[-1] in self._ends(generation) else said

    def _sequence(self) -> torch.Tensor:
        """All that the model has read and said, (1, token)."""
        return torch.tensor([self._tokens], device=self.model.device)

    def _chunk(self) -> int:
        """How many tokens are read at once: what comes in has to fit a budget of bytes beside what is held."""
        budget = self.settings.budget
        if budget is None or budget.bytes is None:
            return CHUNK
        config = self.model.config.get_text_config(decoder=True)
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        dim = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        token: int = heads * (2 * dim * self.model.dtype.itemsize + COLUMN_BYTES)  # in one layer
        return max(1, min(CHUNK, budget.bytes // CHUNK_SHARE // token))

    def _ends(self, generation: GenerationConfig | None) -> Sequence[int]:
        """The tokens that end an answer."""
        ends = (generation or self.model.generation_config).eos_token_id
        return () if ends is None else [ends] if isinstance(ends, int) else list(ends)


def _at_most(tokens: int, chosen: GenerationConfig) -> GenerationConfig:
    """The same for an answer of no more tokens."""
    limited = copy.deepcopy(chosen)
    limited.max_new_tokens = tokens
    return limited


def _check_generation(chosen: GenerationConfig) -> None:
    if (chosen.num_beams or 1) > 1 or (chosen.num_return_sequences or 1) > 1:
        raise InvalidInput("a session has one answer to each question; leave out num_beams and num_return_sequences")
    if chosen.prompt_lookup_num_tokens:
        # transformers 5.23 reads the whole prompt again into a cache that has seen some of it, its own included
        raise InvalidInput("transformers cannot look ahead from a cache that was read before; leave out prompt_lookup")
