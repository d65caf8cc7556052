"""Give everyone who extends Memstrata the fakes and the contract tests that it uses itself.

A contract is a class of plain `test_*` methods: inherit from it in your own test suite, say how your part is
made, and any test runner of classes (pytest, for one) does the rest.

>>> from memstrata.testing import EmbedderContract, FakeEmbedder
>>> class TestMine(EmbedderContract):
...     def make(self):
...         return FakeEmbedder(dimensions=16)
>>> TestMine().test_vectors_have_unit_length()

Those of a model's caches are in `memstrata.testing.kv`, which needs torch.
"""

from memstrata.testing.contracts import (
    CounterContract,
    EmbedderContract,
    RankerContract,
    RerankerContract,
    RetrieverContract,
    StoreContract,
    VectorCacheContract,
)
from memstrata.testing.fakes import FakeEmbedder, FakeReranker, SteppingClock, temporary_memory

__all__ = [
    "CounterContract",
    "EmbedderContract",
    "FakeEmbedder",
    "FakeReranker",
    "RankerContract",
    "RerankerContract",
    "RetrieverContract",
    "SteppingClock",
    "StoreContract",
    "VectorCacheContract",
    "temporary_memory",
]
