"""Turn a model's cache into one that keeps to a budget: the one place that knows transformers.

transformers asks a cache's layers for everything that belongs to them, so a `KVLayer` stands in for each layer of full
attention. It tells transformers its *logical* length, from which positions and masks are made, and holds fewer entries.
The keys it hands to attention carry a note, which our attention function reads: which entries they are, and whose.
"""

from __future__ import annotations

import copy
import inspect
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, cast

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
from memstrata.errors import InvalidInput, KVGone, KVUnsupported
from memstrata.kv.account import Account, LayerAccount
from memstrata.kv.allocations import Allocation, Load
from memstrata.kv.budget import Costs, KVBudget, entries_per_head
from memstrata.kv.entries import Entries, Packed, nothing, packed, size_bytes
from memstrata.kv.evict import best, evicted, protected, scored, spread
from memstrata.kv.policies import Policy, Queries, Reading, Seen, Statistics, Watching

_NOTE: Final = "_memstrata_note"  # what a layer's keys carry to attention
_SHORTEST: Final = 2  # entries that a head keeps at least
_ATTACHED: Final[weakref.WeakKeyDictionary[PreTrainedModel, str]] = weakref.WeakKeyDictionary()


class KVLayer(CacheLayerMixin):
    """What one layer of full attention holds: `seen` tokens logically, and those entries that were kept of them."""

    is_sliding = False
    is_croppable = True

    def __init__(self) -> None:
        super().__init__()
        self.held: Entries | Packed | None = None
        self.seen = 0
        self.memory: Mapping[str, Tensor] = {}  # (sequence, ...): what the policy remembers
        self.record_past = False  # transformers may take back what it adds, and says so by `crop`

    @property
    def entries(self) -> Entries:
        """What is kept, as it is worked with."""
        assert self.held is not None, "nothing was read yet"
        return self.held.padded() if isinstance(self.held, Packed) else self.held

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Begin with nothing, of this shape and type."""
        self.dtype, self.device = key_states.dtype, key_states.device
        self.held = nothing(key_states, value_states)
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        """Take in new entries; what attention is to see."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        self.held = self.entries.appended(key_states, value_states, self.seen)
        self.seen += key_states.shape[-2]
        return self.held.keys, self.held.values

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

    def reorder_cache(self, beam_idx: Tensor) -> None:
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


class StateAndKVLayer(KVLayer, LinearAttentionAndFullAttentionLayer):
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

    def reorder_cache(self, beam_idx: Tensor) -> None:
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

    def __init__(
        self,
        layers: list[Any],  # Any: the layers of transformers share no class
        rules: Rules,
        turning: Turning | None = None,
    ) -> None:
        super().__init__(layers=layers)
        self.rules = rules
        self.turning = turning
        self.pins: list[tuple[int, int]] = []
        self.peak_bytes = 0
        self._spread: dict[int, Tensor] = {}  # by layer: how evenly its scores were spread
        self._layer_bytes = [0] * len(layers)
        self._expected = 0  # tokens that the prompt being read will come to
        self._arriving = 1  # tokens that one call may bring
        self._waiting = False  # whether letting go waits for the end of the prompt
        self._unanswered: int | None = None  # the layer whose keys went to attention and were not seen there

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        *,
        budget: KVBudget | None = None,
        policy: str | Policy = "window",
        allocation: str | Allocation = "uniform",
        first: int = 4,
        last: int = 32,
        bounded: bool = True,
    ) -> KVCache:
        """An empty cache for a model; the model's attention is attached to it.

        The `first` and `last` tokens of a sequence stay whatever their score, where the budget has room for eight times
        as many. A `bounded` cache lets go after every call and every chunk of a prompt; one that is not reads a prompt
        to its end first, and its peak is that of the whole prompt.

        Raises:
            KVUnsupported: the model keeps what it read in a way that entries cannot be taken out of.
        """
        attach(model)
        found = DynamicCache(config=model.config).layers
        layers = [_STANDS_IN[type(layer)](layer) if type(layer) in _STANDS_IN else layer for layer in found]
        named = plugins.find("kv_policies", policy)() if isinstance(policy, str) else policy
        divided = plugins.find("kv_allocations", allocation)() if isinstance(allocation, str) else allocation
        return cls(layers, Rules(budget, named, divided, first, last, bounded), turning(model))

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: object, **kwargs: object
    ) -> tuple[Tensor, Tensor]:
        """Take in a layer's new keys and values; what attention is to see."""
        self._check_answered()
        layer = self.layers[layer_idx]
        if isinstance(layer, KVLayer) and layer.record_past and layer.is_initialized:
            self._let_go(layer_idx, layer)  # nobody has taken anything back
        keys, values = super().update(key_states, value_states, layer_idx, *args, **kwargs)
        self._weigh(layer_idx)
        if isinstance(layer, KVLayer):
            keys = keys.view_as(keys)  # the note keeps the layer alive, and the layer must not keep the note alive
            setattr(keys, _NOTE, Note(self, layer_idx, layer.entries, layer.seen))
            self._unanswered = layer_idx
        return keys, values

    def answered(self, layer_idx: int, query: Tensor, positions: Tensor | None, pads: Tensor | None, scaling: float) -> None:
        """Attention has seen a layer's entries: learn from the queries, and let go of what is too much."""
        self._unanswered = None
        layer = self.layers[layer_idx]
        if pads is not None:
            layer.held = layer.entries.unpadded(pads)
        policy = self.rules.policy
        if isinstance(policy, Watching):
            learned = policy.watch(self._seen(layer_idx, layer, scaling), _queries(query, positions, pads, layer.seen))
            layer.held, layer.memory = replace(layer.entries, marks=learned.by_entry), learned.by_sequence
        layer.scaling = scaling
        if not (self._waiting or layer.record_past):
            self._let_go(layer_idx, layer)
        layer.rest()
        self._weigh(layer_idx)

    def compress(self) -> None:
        """Let go of what is over the budget now."""
        for index, layer in self._bounded_layers():
            if layer.is_initialized:
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
        for index, layer in self._bounded_layers():
            if layer.is_initialized:
                columns = layer.entries.columns
                held = int(((columns >= start) & (columns < stop)).sum(-1).min())
                if held < min(stop, layer.seen) - min(start, layer.seen):
                    raise KVGone(
                        f"of the columns {start} to {stop}, layer {index} holds only {held}; pin a passage before it is "
                        "read, or before the budget is reached"
                    )
        self.pins.append((start, stop))

    def account(self) -> Account:
        """What the cache holds now, held at its peak, and would hold had it kept all."""
        for index in range(len(self.layers)):
            self._weigh(index)
        bounded = dict(self._bounded_layers())
        layers = tuple(
            LayerAccount(held, _counts(bounded[index]) if index in bounded else ())
            for index, held in enumerate(self._layer_bytes)
        )
        others = sum(held for index, held in enumerate(self._layer_bytes) if index not in bounded)
        return Account(
            bytes=sum(self._layer_bytes),
            peak_bytes=self.peak_bytes,
            full_bytes=others + sum(_full_bytes(layer) for layer in bounded.values()),
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
        self._expected, self._arriving, self._waiting = length, chunk, not self.rules.bounded
        try:
            yield
        finally:
            self._expected, self._arriving, self._waiting = 0, 1, False
        if not self.rules.bounded:
            self.compress()

    def crop(self, tokens_to_remove: int) -> None:
        """Take back the last `-tokens_to_remove` tokens, and let go of what is over the budget."""
        for layer in sorted(self.layers, key=lambda layer: isinstance(layer, KVLayer)):  # those first that may refuse
            layer.crop(tokens_to_remove)
        length = self.get_seq_length()
        self.pins = [(start, min(stop, length)) for start, stop in self.pins if start < length]
        self.compress()

    def reset(self) -> None:
        """Forget everything, pins included; the peak begins anew."""
        super().reset()
        self.pins, self._spread, self.peak_bytes, self._unanswered = [], {}, 0, None

    def update_conv_state(self, *args: Any, **kwargs: Any) -> Tensor:  # Any: handed through
        """Handed to the layer."""
        return self._with_bytes(super().update_conv_state, *args, **kwargs)

    def update_recurrent_state(self, *args: Any, **kwargs: Any) -> Tensor:  # Any: handed through
        """Handed to the layer."""
        return self._with_bytes(super().update_recurrent_state, *args, **kwargs)

    def _with_bytes(self, change: Callable[..., Tensor], states: Tensor, layer_idx: int, *args: Any, **kwargs: Any) -> Tensor:
        changed = change(states, layer_idx, *args, **kwargs)
        self._weigh(layer_idx)
        return changed

    def _bounded_layers(self) -> Iterator[tuple[int, KVLayer]]:
        return ((index, layer) for index, layer in enumerate(self.layers) if isinstance(layer, KVLayer))

    def _check_answered(self) -> None:
        if self._unanswered is not None:
            raise KVUnsupported(
                f"layer {self._unanswered} did not hand its keys to attention as it got them: this model, or an attention "
                'implementation that was set after the cache was made, cannot be used with a bounded cache; "sdpa" and '
                '"eager" can'
            )

    def _weigh(self, layer_idx: int) -> None:
        self._layer_bytes[layer_idx] = size_bytes(_tensors(self.layers[layer_idx]))
        self.peak_bytes = max(self.peak_bytes, sum(self._layer_bytes))

    def _seen(self, layer_idx: int, layer: KVLayer, scaling: float) -> Seen:
        entries = layer.entries
        turned = self.turning and (lambda vectors, by: self.turning.turned(vectors, by, layer_idx))
        return Seen(
            entries.keys, entries.values, entries.columns, layer.seen, layer_idx, scaling, entries.marks, layer.memory,
            turned,
        )  # fmt: skip

    def _let_go(self, layer_idx: int, layer: KVLayer) -> None:
        """Keep the best entries of a layer that holds more than its places."""
        if self.rules.budget is None:
            return
        places = self._places(layer_idx, layer)
        entries = layer.entries
        if entries.width <= min(places):
            return
        rules = self.rules
        allowed = torch.tensor(places, device=entries.columns.device).expand(entries.columns.shape[:2])
        stay = protected(
            entries.columns, length=layer.seen, first=rules.first, last=rules.last, pins=self.pins, places=allowed
        )
        scores = scored(rules.policy, self._seen(layer_idx, layer, layer.scaling))
        self._spread[layer_idx] = spread(scores, entries.alive).cpu()
        layer.held = evicted(entries, best(scores, stay, entries.alive, allowed))

    def _places(self, layer_idx: int, layer: KVLayer) -> tuple[int, ...]:
        """How many entries each head of a layer may keep."""
        assert self.rules.budget is not None
        bounded = [index for index, _ in self._bounded_layers()]
        entries = layer.entries
        sequences, heads = entries.columns.shape[:2]
        known = [self._spread[index] for index in bounded if index in self._spread]
        load = Load(len(bounded), heads, torch.stack(known) if len(known) == len(bounded) else None)
        weights = self.rules.allocation.weights(load)
        weights = weights / weights.mean()
        widest = float((weights.amax(-1) * heads - weights.sum(-1)).max())  # what holes add while a layer is worked with
        costs = Costs(
            entry=_entry_bytes(entries),
            sequences=sequences,
            heads=float(weights.sum()) + widest,
            fixed=len(bounded) * size_bytes(iter(layer.memory.values()))
            + sum(held for index, held in enumerate(self._layer_bytes) if index not in bounded),
        )
        average = entries_per_head(
            self.rules.budget,
            length=max(layer.seen, self._expected),
            costs=costs,
            arriving=heads * self._arriving,
        )
        return tuple(max(_SHORTEST, int(weight * average)) for weight in weights[bounded.index(layer_idx)].tolist())


@dataclass(frozen=True, slots=True)
class Note:
    """What goes with a layer's keys to attention: whose they are, and which entries."""

    cache: KVCache
    layer_idx: int
    entries: Entries
    seen: int

    def mask(self, mask: Tensor | None, query: Tensor) -> Tensor | None:
        """A mask made for the whole sequence, as one for the entries that are held (sequence, query head, token, entry).

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
    if getattr(text, "kv_lora_rank", None):
        raise KVUnsupported(
            f"{type(model).__name__} keeps keys compressed (multi-head latent attention) and makes them up anew for each "
            "call; a bounded cache cannot take entries out of that yet"
        )
    current = text._attn_implementation
    if current in _NAMES.values():
        return
    name = _NAMES["eager" if current == "eager" else "sdpa"]
    model.set_attn_implementation(name if text is model.config else {_text_key(model): name})
    if text._attn_implementation != name:
        raise KVUnsupported(f"{type(model).__name__} does not let its attention be chosen; a bounded cache needs that")
    _ATTACHED[model] = current


def detach(model: PreTrainedModel) -> None:
    """Give a model back the attention it had before `attach`."""
    if (before := _ATTACHED.pop(model, None)) is not None:
        text = model.config.get_text_config(decoder=True)
        model.set_attn_implementation(before if text is model.config else {_text_key(model): before})


@dataclass(frozen=True, slots=True)
class Turning:
    """How a model turns queries and keys by their positions."""

    embedding: nn.Module  # positions into cosines and sines; a copy, as some change with the positions they see
    apply: Callable[..., tuple[Tensor, Tensor]]  # the model's own
    layer_types: tuple[str, ...] | None  # where the layers turn differently

    def turned(self, vectors: Tensor, by: Tensor, layer_idx: int) -> Tensor:
        """Vectors (sequence, ..., token, dim) turned by so many positions (sequence, token) more."""
        kind = () if self.layer_types is None else (self.layer_types[layer_idx],)
        cos, sin = self.embedding(vectors, by, *kind)
        stretch = (cos**2 + sin**2).sqrt().clamp(min=1e-6)  # some models stretch what they turn
        flat = vectors.reshape(len(vectors), -1, *vectors.shape[-2:])
        return self.apply(flat, flat, cos / stretch, sin / stretch)[0].view_as(vectors)


def turning(model: PreTrainedModel) -> Turning | None:
    """How a model turns queries and keys, where it does so in the usual way."""
    decoder = model.get_decoder()
    embedding = getattr(decoder, "rotary_emb", None)
    apply = getattr(sys.modules[type(decoder).__module__], "apply_rotary_pos_emb", None)
    if embedding is None or apply is None:
        return None
    taken = list(inspect.signature(embedding.forward).parameters)
    if taken not in (["x", "position_ids"], ["x", "position_ids", "layer_type"]):
        return None
    if list(inspect.signature(apply).parameters)[:4] != ["q", "k", "cos", "sin"]:
        return None
    kinds = tuple(model.config.get_text_config(decoder=True).layer_types) if len(taken) == 3 else None
    return Turning(copy.deepcopy(embedding), apply, kinds)


def _text_key(model: PreTrainedModel) -> str:
    text = model.config.get_text_config(decoder=True)
    return next(key for key in model.config.sub_configs if getattr(model.config, key) is text)


def _sdpa(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any) -> Any:
    """Attention as "sdpa" computes it, over the entries that are held."""
    return _attention(sdpa_attention_forward, module, query, key, value, attention_mask, kwargs)


def _eager(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any) -> Any:
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
    scaling = kwargs.get("scaling")
    note.cache.answered(
        note.layer_idx,
        query,
        kwargs.get("position_ids"),
        note.pads(mask, query),
        query.shape[-1] ** -0.5 if scaling is None else scaling,
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
