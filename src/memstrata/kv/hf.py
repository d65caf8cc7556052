"""Turn a model's cache into one that keeps to a budget: the one place that knows transformers.

transformers asks a cache's layers for everything that belongs to them, so a `KVLayer` stands in for each layer of full
attention. It tells transformers its *logical* length, from which positions and masks are made, and holds fewer entries.
The keys it hands to attention carry a note, which our attention function reads: which entries they are, and whose.
"""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Final, Self, cast

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, DynamicCache, PreTrainedModel
from transformers.cache_utils import (
    Cache,
    CacheLayerMixin,
    DynamicLayer,
    LinearAttentionAndFullAttentionLayer,
    LinearAttentionLayer,
)
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask, sdpa_mask

from memstrata import plugins
from memstrata.errors import InvalidInput, KVFull, KVGone, KVTorn, KVUnsupported
from memstrata.kv.account import Account, LayerAccount
from memstrata.kv.allocations import Allocation, Load, Measuring
from memstrata.kv.budget import Costs, KVBudget, shares
from memstrata.kv.entries import Entries, Packed, nothing, packed, size_bytes
from memstrata.kv.evict import best, learned, protected, scored, spread, whole
from memstrata.kv.policies import Grouping, Policy, Queries, Reading, Seen, Statistics, Watching
from memstrata.kv.turning import Turning, turning

_NOTE: Final = "_memstrata_note"  # what a layer's keys carry to attention
_SPARE: Final = 32  # one in so many places is left free for single tokens, so that not each of them costs a scoring
_PADS: Final = "pads"  # how many of a sequence's tokens were pads, in what a layer remembers
_ATTACHED: Final[weakref.WeakKeyDictionary[PreTrainedModel, str]] = weakref.WeakKeyDictionary()  # and how they were


class KVLayer(CacheLayerMixin):
    """What one layer of full attention holds: `seen` tokens logically, and those entries that were kept of them."""

    is_sliding = False
    is_croppable = True

    def __init__(self) -> None:
        super().__init__()
        self.held: Entries | Packed | None = None
        self.seen = 0
        self.memory: Mapping[str, Tensor] = {}  # (sequence, ...): what the policy remembers
        self.scaling = 1.0  # of the products of queries and keys
        self.record_past = False  # transformers may take back what it adds, and says so by `crop`

    @property
    def entries(self) -> Entries:
        """What is kept, as it is worked with."""
        assert self.held is not None, "nothing was read yet"
        return self.held.padded() if isinstance(self.held, Packed) else self.held

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Begin with nothing, of this shape and type."""
        self.held = nothing(key_states, value_states)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Take in new entries; what attention is to see."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.held = self.entries.appended(key_states, value_states, self.seen)
        self.seen += key_states.shape[-2]
        return self.held.keys, self.held.values

    @property
    def pads(self) -> Tensor:
        """How many of each sequence's tokens were pads (sequence,); a single 0 where there were none."""
        return self.memory.get(_PADS, torch.zeros(1, dtype=torch.int32, device=self.entries.columns.device))

    def take_out(self, pads: Tensor) -> None:
        """The newest tokens that are pads (sequence, token) leave holes, and are counted."""
        self.held = self.entries.unpadded(pads)
        self.memory = {**self.memory, _PADS: pads.sum(-1, dtype=torch.int32) + self.memory.get(_PADS, 0)}

    def remember(self, statistics: Statistics) -> None:
        """Keep what the policy has learned."""
        self.held = replace(self.entries, marks=statistics.by_entry)
        pads = {_PADS: self.memory[_PADS]} if _PADS in self.memory else {}
        self.memory = {**statistics.by_sequence, **pads}

    def rest(self) -> None:
        """Give back what holes take up."""
        if isinstance(self.held, Entries) and self.held.holes:
            self.held = packed(self.held)

    def get_seq_length(self) -> int:
        """The logical length."""
        return self.seen

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """Masks are made for the whole sequence; our attention picks the columns that are held."""
        return self.seen + query_length, 0

    def get_max_length(self) -> int:
        """There is none."""
        return -1

    def activate_past_recording(self) -> None:
        """Let nothing go until `crop` says what stays."""
        self.record_past = True

    def crop(self, tokens_to_remove: int) -> None:
        """Take back the last `-tokens_to_remove` tokens."""
        if tokens_to_remove > 0:
            raise InvalidInput(f"crop takes how many tokens to remove as a negative number, not {tokens_to_remove}")
        if tokens_to_remove and self.is_initialized:
            self.seen = max(0, self.seen + tokens_to_remove)
            self.held = self.entries.cropped(self.seen)
            self.rest()

    def reset(self) -> None:
        """Forget everything."""
        self.held, self.seen, self.memory, self.is_initialized = None, 0, {}, False

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Take the sequences in this order."""
        self.batch_select_indices(beam_idx)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these sequences."""
        if self.is_initialized:
            self.held = self.entries.sequences(indices)
            self.memory = {name: kept.index_select(0, indices.to(kept.device)) for name, kept in self.memory.items()}
            self.rest()

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each sequence."""
        if self.is_initialized:
            sequences = self.entries.columns.shape[0]
            self.batch_select_indices(torch.arange(sequences).repeat_interleave(repeats))

    def tensors(self) -> Iterator[Tensor]:
        """Everything that takes up memory."""
        if self.held is not None:
            yield from self.held.tensors()
        yield from self.memory.values()


class StateAndKVLayer(KVLayer, LinearAttentionAndFullAttentionLayer):  # type: ignore[misc]  # as its parents' parents do
    """What one layer holds that has a state of bounded size beside its attention."""

    def __init__(self, number_of_states: int = 1) -> None:
        KVLayer.__init__(self)
        LinearAttentionLayer.__init__(self, number_of_states=number_of_states)

    def lazy_initialization(self, *args: Any, **kwargs: Any) -> None:  # Any: handed through
        """Begin with keys and values where those are given, with a state where that is."""
        (KVLayer if args else LinearAttentionLayer).lazy_initialization(self, *args, **kwargs)

    def activate_past_recording(self) -> None:
        """Let nothing go until `crop` says what stays."""
        self.record_past = True

    def crop(self, tokens_to_remove: int) -> None:
        """Take back the last `-tokens_to_remove` tokens."""
        LinearAttentionLayer.crop(self, tokens_to_remove)
        KVLayer.crop(self, tokens_to_remove)

    def reset(self) -> None:
        """Forget everything."""
        LinearAttentionLayer.reset(self)
        KVLayer.reset(self)

    def reorder_cache(self, beam_idx: torch.LongTensor) -> None:
        """Take the sequences in this order."""
        LinearAttentionLayer.reorder_cache(self, beam_idx)
        KVLayer.reorder_cache(self, beam_idx)

    def tensors(self) -> Iterator[Tensor]:
        """Everything that takes up memory."""
        yield from super().tensors()
        for states in (self.conv_states, self.recurrent_states):
            yield from (state for state in states.values() if state is not None)


@dataclass(frozen=True, slots=True)
class Rules:
    """What was asked of a cache."""

    budget: KVBudget | None
    policy: Policy
    allocation: Allocation
    first: int
    last: int
    bounded: bool


class KVCache(Cache):
    """A cache for `generate` and forward calls that keeps to its budget, and says what it holds."""

    # beside its layers; a saved cache goes on with these
    REMEMBERED: ClassVar = ("pins", "peak_bytes", "_spread", "tokens")

    def __init__(
        self,
        layers: list[Any],  # Any: the layers of transformers share no class
        rules: Rules,
        turning: Turning | None = None,
    ) -> None:
        super().__init__(layers=layers)
        self.rules = rules
        self.turning = turning
        policy = rules.policy
        self._watcher = policy if isinstance(policy, Watching) and rules.budget is not None else None
        self._grouper = policy if isinstance(policy, Grouping) else None
        self._reader = policy if isinstance(policy, Reading) and policy.reads_tokens else None
        self.pins: list[tuple[int, int]] = []
        self.tokens: Tensor | None = None  # (sequence, token): what was read, where the policy asks for it
        self.peak_bytes = 0
        self._layer_bytes = [0] * len(layers)
        self._spread: dict[int, Tensor] = {}  # by layer: how evenly its scores were spread
        self._planned: tuple[object, list[list[int]]] = (None, [])  # the shares, and what they were made for
        self._expected = 0  # tokens that the prompt being read will come to
        self._chunk = 1  # tokens that a call may bring
        self._arriving = 1  # tokens that this call brought, or may bring
        self._waiting = False  # whether letting go waits for the end of the prompt
        self._unanswered: int | None = None  # the layer whose keys went to attention and were not seen there

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        *,
        budget: KVBudget | None = None,
        policy: str | Policy = "reread",
        allocation: str | Allocation = "uniform",
        first: int = 4,
        last: int = 32,
        bounded: bool = True,
    ) -> Self:
        """An empty cache for a model, whose attention is attached to it; without a budget everything is kept.

        The `first` and `last` tokens of a sequence stay whatever their score, as far as each takes up no more than an
        eighth of a head's places. A `bounded` cache lets go after every call and every chunk of a prompt; one that is
        not reads a prompt to its end first, and its peak is that of the whole prompt.

        Raises:
            InvalidInput: fewer than no tokens are to stay.
            InvalidConfig: no policy or allocation has this name.
            KVUnsupported: the model keeps what it read in a way that entries cannot be taken out of.
        """
        if not isinstance(model, PreTrainedModel):
            raise InvalidInput(f"a cache is made for a model that transformers has loaded, not for {model!r:.80}")
        if budget is not None and not isinstance(budget, KVBudget):
            raise InvalidInput(
                f"a cache's budget is a KVBudget(bytes=, tokens= or ratio=), or None; not {budget!r:.80}"
            )
        if first < 0 or last < 0:
            raise InvalidInput(f"first and last are numbers of tokens, 0 or more; they are {first} and {last}")
        attach(model)
        found = DynamicCache(config=model.config).layers
        layers = [_STANDS_IN[type(layer)](layer) if type(layer) in _STANDS_IN else layer for layer in found]
        named = plugins.find("kv_policies", policy)() if isinstance(policy, str) else policy
        divided = plugins.find("kv_allocations", allocation)() if isinstance(allocation, str) else allocation
        if isinstance(divided, Measuring) and any(isinstance(layer, KVLayer) for layer in layers):
            divided = divided.on(model)
        return cls(layers, Rules(budget, named, divided, first, last, bounded), turning(model))

    def kept_layers(self) -> Iterator[tuple[int, KVLayer]]:
        """The layers that can let go of entries, by their numbers."""
        return ((index, layer) for index, layer in enumerate(self.layers) if isinstance(layer, KVLayer))

    def told(self, ids: Tensor) -> None:
        """These tokens (sequence, token) are what comes next."""
        if self._reader is not None:
            known = ids[:, :0] if self.tokens is None else self.tokens[:, : self.get_seq_length()]
            self.tokens = torch.cat([known, ids], dim=1).to(torch.int32)

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Take in a layer's new keys and values; what attention is to see.

        Raises:
            KVTorn: a call broke off before.
            KVUnsupported: attention does not see what it should.
            KVFull: what comes does not fit a budget of bytes.
        """
        layer = self.layers[layer_idx]
        if isinstance(layer, KVLayer):
            self._check_whole(layer_idx)
            self._make_room(layer_idx, key_states.shape[-2])
        keys, values = super().update(key_states, value_states, layer_idx, *args, **kwargs)
        self._weigh(layer_idx)
        if isinstance(layer, KVLayer):
            keys = keys.view_as(keys)  # the note keeps the layer alive, and the layer must not keep the note alive
            setattr(keys, _NOTE, Note(self, layer_idx, layer.entries, layer.seen))
            self._unanswered = layer_idx
        return keys, values

    def awaits(self, layer_idx: int) -> bool:
        """Whether this layer's own attention is still to come; some models show one layer's entries to others too."""
        return self._unanswered == layer_idx

    def answered(self, layer_idx: int, queries: Queries, *, padded: bool, scaling: float) -> None:
        """Attention has seen a layer's entries: learn from the queries, and let go of what is too much."""
        self._unanswered = None
        layer = self.layers[layer_idx]
        assert isinstance(layer, KVLayer)
        layer.scaling = scaling
        if padded:
            layer.take_out(~queries.real)
        if self._watcher is not None:
            layer.remember(learned(self._watcher, self._seen(layer_idx, layer), queries))
        if not (self._waiting or layer.record_past):
            self._let_go(layer_idx, layer)
        layer.rest()
        self._weigh(layer_idx)

    def compress(self) -> None:
        """Let go of what is over the budget now."""
        read = [(index, layer) for index, layer in self.kept_layers() if layer.is_initialized]
        if self.rules.budget is None or not any(self._over(index, layer) for index, layer in read):
            return
        for index, layer in read:
            self._spread[index] = self._scores(index, layer)[1]
        self._planned = (None, [])
        for index, layer in read:
            self._let_go(index, layer)
            layer.rest()
            self._weigh(index)

    def pin(self, start: int, stop: int) -> None:
        """Keep the tokens `start` to `stop` of the sequence, pads counted, whatever they are worth.

        Raises:
            InvalidInput: this is no span.
            KVGone: some of it was let go already.
        """
        if not 0 <= start < stop:
            raise InvalidInput(f"a span runs from a column to a later one; it got {start} to {stop}")
        for index, layer in self.kept_layers():
            if layer.is_initialized:
                columns = layer.entries.columns
                held = ((columns >= start) & (columns < stop)).sum(-1)  # (sequence, head)
                read = (min(stop, layer.seen) - layer.pads.clamp(min=start)).clamp(min=0)  # (sequence,), or one for all
                if bool((held < read[..., None]).any()):
                    raise KVGone(
                        f"of the columns {start} to {stop}, layer {index} holds only {int(held.min())}; pin a passage "
                        "before it is read, or before the budget is reached"
                    )
        self.pins.append((start, stop))

    def unpin(self, start: int, stop: int) -> None:
        """From now on a span that was pinned counts for what it is worth.

        Raises:
            InvalidInput: no such span is pinned; says which are.
        """
        if (start, stop) not in self.pins:
            raise InvalidInput(f"the span {start} to {stop} is not pinned; pinned are {self.pins or 'none'}")
        self.pins.remove((start, stop))

    def account(self) -> Account:
        """What the cache holds now, held at its peak, and would hold had it kept all."""
        for index in range(len(self.layers)):
            self._weigh(index)
        kept = dict(self.kept_layers())
        layers = tuple(
            LayerAccount(held, _counts(kept[index]) if index in kept else ())
            for index, held in enumerate(self._layer_bytes)
        )
        return Account(
            bytes=self._bytes(),
            peak_bytes=self.peak_bytes,
            full_bytes=self._other_bytes() + sum(_full_bytes(layer) for layer in kept.values()),
            seen=self.get_seq_length(),
            entries=sum(sum(map(sum, layer.entries_by_head)) for layer in layers),
            layers=layers,
        )

    @contextmanager
    def reading(self, length: int, chunk: int) -> Iterator[None]:
        """While a prompt comes in chunks: `length` is what the cache will have seen at its end."""
        for layer in self.layers:
            if hasattr(layer, "record_past"):
                layer.record_past = False
        self._expected, self._chunk, self._waiting = length, chunk, not self.rules.bounded
        try:
            yield
        finally:
            self._expected, self._chunk, self._waiting = 0, 1, False
        if not self.rules.bounded:
            self.compress()

    def crop(self, tokens_to_remove: int) -> None:
        """Take back the last `-tokens_to_remove` tokens, and let go of what is over the budget."""
        kept = [layer for _, layer in self.kept_layers()]
        others: list[Any] = [layer for layer in self.layers if not isinstance(layer, KVLayer)]
        for layer in (*others, *kept):  # others may refuse, and then nothing has changed
            layer.crop(tokens_to_remove)
        length = self.get_seq_length()
        self.pins = [(start, min(stop, length)) for start, stop in self.pins if start < length]
        self.compress()

    def reset(self) -> None:
        """Forget everything, pins included; the peak begins anew."""
        super().reset()
        self.pins, self.tokens, self.peak_bytes, self._spread, self._unanswered = [], None, 0, {}, None

    def batch_repeat_interleave(self, repeats: int) -> None:
        """Repeat each sequence."""
        super().batch_repeat_interleave(repeats)
        if self.tokens is not None:
            self.tokens = self.tokens.repeat_interleave(repeats, dim=0)

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these sequences."""
        super().batch_select_indices(indices)
        if self.tokens is not None:
            self.tokens = self.tokens[indices.to(self.tokens.device)]

    def reorder_cache(self, beam_idx: Tensor) -> None:
        """Take the sequences in this order."""
        super().reorder_cache(cast("torch.LongTensor", beam_idx))  # which is a Tensor all the same
        if self.tokens is not None:
            self.tokens = self.tokens[beam_idx.to(self.tokens.device)]

    def update_conv_state(
        self, conv_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> Tensor:  # Any: handed on
        """Handed to the layer."""
        state = super().update_conv_state(conv_states, layer_idx, *args, **kwargs)
        self._weigh(layer_idx)
        return state

    def update_recurrent_state(
        self,
        recurrent_states: Tensor,
        layer_idx: int,
        *args: Any,
        **kwargs: Any,  # Any: handed on
    ) -> Tensor:
        """Handed to the layer."""
        state = super().update_recurrent_state(recurrent_states, layer_idx, *args, **kwargs)
        self._weigh(layer_idx)
        return state

    def _check_whole(self, layer_idx: int) -> None:
        kept = list(self.kept_layers())
        if layer_idx == kept[0][0] and len({layer.seen for _, layer in kept}) > 1:
            raise KVTorn(
                "the last call broke off before all layers had read its tokens; reset() the cache and read anew"
            )
        if self._unanswered is not None:
            raise KVUnsupported(
                f"layer {self._unanswered} did not hand its keys to attention as it got them: this model, or an "
                "attention implementation that was set after the cache was made, cannot be used with a bounded cache; "
                '"sdpa" and "eager" can'
            )

    def _make_room(self, layer_idx: int, tokens: int) -> None:
        """Before the first layer takes in new tokens: let go of what is over since no `crop` came.

        Where bytes are a ceiling, of what the new tokens need too.
        """
        read = list(self.kept_layers())
        if layer_idx != read[0][0]:
            return
        self._arriving = max(self._chunk, tokens)
        ceiling = self.rules.bounded and self.rules.budget is not None and self.rules.budget.bytes is not None
        for index, layer in read:
            if layer.is_initialized and (ceiling or layer.record_past) and not self._waiting:
                self._let_go(index, layer)
                layer.rest()
                self._weigh(index)

    def _weigh(self, layer_idx: int) -> None:
        self._layer_bytes[layer_idx] = size_bytes(_tensors(self.layers[layer_idx]))
        self.peak_bytes = max(self.peak_bytes, self._bytes())

    def _bytes(self) -> int:
        return sum(self._layer_bytes) + (0 if self.tokens is None else self.tokens.nbytes)

    def _other_bytes(self) -> int:
        """What is held beside the layers that can let go of entries."""
        return self._bytes() - sum(self._layer_bytes[index] for index, _ in self.kept_layers())

    def _seen(self, layer_idx: int, layer: KVLayer) -> Seen:
        entries, turning = layer.entries, self.turning
        return Seen(
            keys=entries.keys,
            values=entries.values,
            columns=entries.columns,
            length=layer.seen,
            layer=layer_idx,
            scaling=layer.scaling,
            by_entry=entries.marks,
            by_sequence=layer.memory,
            turned=None if turning is None else lambda vectors, by: turning.turned(vectors, by, layer_idx),
            tokens=None if self.tokens is None else self.tokens[:, : layer.seen],
        )

    def _over(self, layer_idx: int, layer: KVLayer) -> bool:
        """Whether a head holds more than its places."""
        entries, places = layer.entries, self._places(layer_idx, layer)
        if entries.width <= min(places) or not entries.holes:
            return entries.width > min(places)
        return bool((entries.counts() > torch.tensor(places, device=entries.columns.device)).any())

    def _scores(self, layer_idx: int, layer: KVLayer) -> tuple[Tensor, Tensor]:
        """What a layer's entries are worth (sequence, head, entry), and how evenly that is spread (head,)."""
        scores = scored(self.rules.policy, self._seen(layer_idx, layer))
        return scores, spread(scores, layer.entries.alive).cpu()

    def _let_go(self, layer_idx: int, layer: KVLayer) -> None:
        """Keep the best entries of a layer that holds more than its places."""
        if self.rules.budget is None or not self._over(layer_idx, layer):
            return
        rules, entries = self.rules, layer.entries
        places = torch.tensor(self._places(layer_idx, layer), device=entries.columns.device)
        if self._arriving == 1 and not self.pins:
            places -= places // _SPARE
        places = places.expand(entries.columns.shape[:2])
        stay = protected(
            entries.columns, length=layer.seen, first=rules.first, last=rules.last, pins=self.pins, places=places
        )
        scores, self._spread[layer_idx] = self._scores(layer_idx, layer)
        keep = best(scores, stay, entries.alive, places)
        if self._grouper is not None:
            keep = whole(keep, stay, entries.alive, self._grouper.groups(self._seen(layer_idx, layer)))
        layer.held = entries.kept(keep)

    def _places(self, layer_idx: int, layer: KVLayer) -> list[int]:
        """How many entries each head of a layer may keep.

        Raises:
            KVFull: the budget leaves next to none.
            KVUnsupported: layers differ in their number of heads.
        """
        budget, length = self.rules.budget, max(layer.seen, self._expected)
        assert budget is not None
        kept = [index for index, _ in self.kept_layers()]
        costs = self._costs(layer, len(kept)) if budget.bytes is not None else Costs(1, 1)
        wanted = (length, self._arriving, costs)
        if self._planned[0] != wanted:
            heads = layer.entries.columns.shape[1]
            spreads = [self._spread[index] for index in kept if index in self._spread]
            load = Load(len(kept), heads, torch.stack(spreads) if len(spreads) == len(kept) else None)
            weights = self.rules.allocation.weights(load).tolist()
            found = shares(budget, weights, length=length, costs=costs, arriving=self._arriving)
            self._planned = (wanted, found)
        places = self._planned[1][kept.index(layer_idx)]
        if len(places) != layer.entries.columns.shape[1]:
            raise KVUnsupported(
                f"layer {layer_idx} has {layer.entries.columns.shape[1]} heads of keys, another layer {len(places)}; "
                "a budget can be divided over layers of equally many only"
            )
        if not min(places):
            raise KVFull(
                f"{budget} leaves next to no entries for a head beside {costs.fixed} bytes that are held anyway and "
                f"{self._arriving} tokens at once, of {costs.entry * costs.sequences} bytes for each head; give more, "
                "or read with a smaller chunk by kv.prefill"
            )
        return places

    def _costs(self, layer: KVLayer, layers: int) -> Costs:
        sequences, heads = layer.entries.columns.shape[:2]
        counts = sequences * heads * 4  # how long each head is, where they differ
        remembered = size_bytes(iter(layer.memory.values())) + counts
        return Costs(_entry_bytes(layer.entries), sequences, layers * remembered + self._other_bytes())


@dataclass(frozen=True, slots=True)
class Note:
    """What goes with a layer's keys to attention: whose they are, and which entries."""

    cache: KVCache
    layer_idx: int
    entries: Entries
    seen: int

    def mask(self, mask: Tensor | None, query: Tensor) -> Tensor | None:
        """A mask made for the whole sequence, as one for what is held (sequence, query head, token, entry).

        None stays None where nothing is masked but what the order of tokens says.
        """
        entries = self.entries
        if not entries.holes and (mask is None or entries.width == self.seen):
            return mask
        columns = entries.columns.repeat_interleave(query.shape[1] // entries.columns.shape[1], dim=1)[:, :, None]
        alive = columns >= 0
        if mask is None:
            assert query.shape[2] == 1, "more than one token without a mask are the first tokens, and have no holes"
            return alive
        shape = (*query.shape[:3], entries.width)
        whole = mask.expand(*query.shape[:3], mask.shape[-1])
        picked = whole.gather(-1, columns.clamp(min=0).long().expand(shape))
        return picked & alive if mask.dtype == torch.bool else picked.masked_fill(~alive, torch.finfo(mask.dtype).min)

    def pads(self, mask: Tensor | None, query: Tensor) -> Tensor | None:
        """Which of the newest tokens no token may look at (sequence, token), or None where there are none."""
        if mask is None:
            return None
        newest = mask[..., self.seen - query.shape[2] : self.seen]
        visible = newest if mask.dtype == torch.bool else newest > torch.finfo(mask.dtype).min / 2
        pads = ~visible.any(dim=2).any(dim=1)
        return pads.expand(query.shape[0], -1) if bool(pads.any()) else None


def attach(model: PreTrainedModel) -> None:
    """Let a model's attention understand bounded caches; with any other cache it does what it did before.

    Raises:
        KVUnsupported: the model's attention cannot be reached, or what it keeps is compressed.
    """
    text = model.config.get_text_config(decoder=True)
    if model.config.is_encoder_decoder:
        raise KVUnsupported(f"{type(model).__name__} has an encoder; bounded caches are for models that only decode")
    if getattr(text, "kv_lora_rank", None):
        raise KVUnsupported(
            f"{type(model).__name__} keeps keys compressed (multi-head latent attention) and makes them up anew for "
            "each call; a bounded cache cannot take entries out of that yet"
        )
    current = text._attn_implementation
    if current in _NAMES.values():
        return
    name = _NAMES["eager" if current == "eager" else "sdpa"]
    model.set_attn_implementation(name if text is model.config else {_text_key(model): name})
    if text._attn_implementation != name:
        raise KVUnsupported(f"{type(model).__name__} does not let its attention be chosen; a bounded cache needs that")
    model.get_decoder().register_forward_pre_hook(_tell, with_kwargs=True)
    _ATTACHED[model] = current


def _tell(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """Let a bounded cache know which tokens come."""
    cache, ids = kwargs.get("past_key_values"), kwargs.get("input_ids", args[0] if args else None)
    if isinstance(cache, KVCache) and ids is not None:
        cache.told(ids)


def detach(model: PreTrainedModel) -> None:
    """Give a model back the attention it had before `attach`."""
    if (before := _ATTACHED.pop(model, None)) is not None:
        text = model.config.get_text_config(decoder=True)
        model.set_attn_implementation(before if text is model.config else {_text_key(model): before})


def _text_key(model: PreTrainedModel) -> str:
    text = model.config.get_text_config(decoder=True)
    return next(key for key in model.config.sub_configs if getattr(model.config, key) is text)


def _sdpa(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> Any:
    """Attention as "sdpa" computes it, over the entries that are held."""
    return _attention(sdpa_attention_forward, module, query, key, value, attention_mask, kwargs)


def _eager(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
) -> Any:
    """Attention as the model's own file computes it, over the entries that are held."""
    standard = sys.modules[type(module).__module__].eager_attention_forward
    return _attention(standard, module, query, key, value, attention_mask, kwargs)


def _attention(
    standard: Callable[..., Any],
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: Tensor | None,
    kwargs: dict[str, Any],
) -> Any:
    note: Note | None = getattr(key, _NOTE, None)
    if note is None:
        return standard(module, query, key, value, mask, **kwargs)
    answer = standard(module, query, key, value, note.mask(mask, query), **kwargs)
    if note.cache.awaits(note.layer_idx):
        pads, scaling = note.pads(mask, query), kwargs.get("scaling")
        note.cache.answered(
            note.layer_idx,
            _queries(query, kwargs.get("position_ids"), pads, note.seen),
            padded=pads is not None,
            scaling=query.shape[-1] ** -0.5 if scaling is None else scaling,
        )
    return answer


_NAMES: Final = {"sdpa": "memstrata_sdpa", "eager": "memstrata_eager"}
AttentionInterface.register(_NAMES["sdpa"], _sdpa)
AttentionInterface.register(_NAMES["eager"], _eager)
AttentionMaskInterface.register(_NAMES["sdpa"], sdpa_mask)
AttentionMaskInterface.register(_NAMES["eager"], eager_mask)

_STANDS_IN: Final[Mapping[type, Callable[[Any], KVLayer]]] = {
    DynamicLayer: lambda _: KVLayer(),
    LinearAttentionAndFullAttentionLayer: lambda layer: StateAndKVLayer(layer.number_of_states),
}


def _queries(query: Tensor, positions: Tensor | None, pads: Tensor | None, seen: int) -> Queries:
    sequences, _, tokens, _ = query.shape
    columns = torch.arange(seen - tokens, seen, device=query.device)
    if positions is None or positions.ndim != 2 or positions.shape[1] != tokens:
        positions = columns[None]
    real = torch.ones(sequences, tokens, dtype=torch.bool, device=query.device) if pads is None else ~pads
    return Queries(query, columns, positions.expand(sequences, -1), real)


def _counts(layer: KVLayer) -> tuple[tuple[int, ...], ...]:
    return tuple(map(tuple, layer.entries.counts().tolist())) if layer.is_initialized else ()


def _entry_bytes(entries: Entries) -> int:
    """What one entry takes up with everything that belongs to it."""
    return sum(tensor.element_size() * (tensor.shape[-1] if tensor.ndim == 4 else 1) for tensor in entries.tensors())


def _full_bytes(layer: KVLayer) -> int:
    """What keys and values of everything seen would take up."""
    if not layer.is_initialized:
        return 0
    entries = layer.entries
    sequences, heads = entries.columns.shape[:2]
    dims = entries.keys.shape[-1] + entries.values.shape[-1]
    return sequences * heads * layer.seen * dims * entries.keys.element_size()


def _tensors(layer: Any) -> Iterator[Tensor]:  # Any: the layers of transformers share no class
    """What a layer of any kind holds."""
    if isinstance(layer, KVLayer):
        yield from layer.tensors()
        return
    for kept in (getattr(layer, "keys", None), getattr(layer, "values", None), getattr(layer, "indexer_keys", None)):
        if isinstance(kept, Tensor):
            yield kept
    for states in (getattr(layer, "conv_states", {}), getattr(layer, "recurrent_states", {})):
        yield from (state for state in states.values() if isinstance(state, Tensor))
