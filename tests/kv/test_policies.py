"""Run the contracts of policies and allocations over every name that is registered."""

from __future__ import annotations

import pytest

from memstrata import kv, plugins
from memstrata.testing import kv as contracts


def made(kind: str, name: str) -> object:
    return plugins.find(kind, name)()


def cases(kind: str, contract: type) -> list[object]:
    """Each test of a contract with each name of a kind."""
    tests = [name for name in dir(contract) if name.startswith("test_")]
    return [pytest.param(name, test, id=f"{name}-{test}") for name in plugins.REGISTERED[kind] for test in tests]


@pytest.mark.parametrize(("name", "test"), cases("kv_policies", contracts.KVPolicyContract))
def test_policy(name: str, test: str) -> None:
    class Contract(contracts.KVPolicyContract):
        def make(self) -> kv.Policy:
            return plugins.find("kv_policies", name)()

    getattr(Contract(), test)()


@pytest.mark.parametrize(("name", "test"), cases("kv_allocations", contracts.KVAllocationContract))
def test_allocation(name: str, test: str) -> None:
    class Contract(contracts.KVAllocationContract):
        def make(self) -> kv.Allocation:
            return plugins.find("kv_allocations", name)()

    getattr(Contract(), test)()
