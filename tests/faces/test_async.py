"""Prove that the asynchronous face is the engine's, loses nothing, and is written anew when the engine changes."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import memstrata
from memstrata.engine import Memstrata
from memstrata.errors import InvalidInput, NotFound
from memstrata.faces.aio import AsyncMemstrata

GENERATOR = Path(__file__).parents[2] / "tools" / "generate_async.py"


def waited(test: Callable[[Path], Coroutine[Any, Any, None]], home: Path) -> None:
    asyncio.run(test(home))


def public(kind: type) -> dict[str, Any]:
    return {name: found for name, found in vars(kind).items() if not name.startswith("_") and name != "open"}


def test_the_file_is_what_the_generator_writes() -> None:
    done = subprocess.run([sys.executable, GENERATOR, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_it_has_every_method_of_the_engine_with_the_same_arguments() -> None:
    ours, theirs = public(AsyncMemstrata), public(Memstrata)
    assert set(ours) == set(theirs)
    for name, method in theirs.items():
        assert inspect.signature(ours[name]).parameters == inspect.signature(method).parameters, name


@pytest.mark.parametrize("name", sorted(public(AsyncMemstrata)))
def test_every_method_is_awaited_or_iterated(name: str) -> None:
    method = public(AsyncMemstrata)[name]
    assert inspect.iscoroutinefunction(method) or inspect.isasyncgenfunction(method)
    assert method.__doc__


def test_what_is_added_is_found_and_listed(tmp_path: Path) -> None:
    async def use(home: Path) -> None:
        async with AsyncMemstrata.open(home) as memory:
            receipt = await memory.add("The spare key hangs behind the blue door.", user_id="ana")
            (hit,) = await memory.search("where is the key?", user_id="ana")
            assert hit.memory.id == receipt.id
            assert "blue door" in str(await memory.recall("key", user_id="ana", budget=100))
            assert [one.id async for one in memory.list(user_id="ana")] == [receipt.id]
            await memory.forget(receipt.id)
            with pytest.raises(NotFound):
                await memory.get(receipt.id)
            with pytest.raises(InvalidInput):
                await memory.search("", user_id="ana")

    waited(use, tmp_path)


def test_open_can_be_awaited_and_closed(tmp_path: Path) -> None:
    async def use(home: Path) -> None:
        memory = await AsyncMemstrata.open(home)
        await memory.remember("kept")
        await memory.close()
        async with await memstrata.AsyncMemstrata.open(home) as again:
            assert (await again.stats()).memories == 1

    waited(use, tmp_path)


def test_twenty_tasks_lose_no_write(tmp_path: Path) -> None:
    async def use(home: Path) -> None:
        async with AsyncMemstrata.open(home) as memory:

            async def write(task: int) -> None:
                for number in range(10):
                    await memory.add(f"task {task} wrote {number}", user_id="ana")

            await asyncio.gather(*(write(task) for task in range(20)))
            texts = [one.text async for one in memory.list(user_id="ana")]
            assert sorted(texts) == sorted(f"task {task} wrote {number}" for task in range(20) for number in range(10))

    waited(use, tmp_path)


def test_twenty_tasks_changing_one_memory_lose_no_version(tmp_path: Path) -> None:
    async def use(home: Path) -> None:
        async with AsyncMemstrata.open(home) as memory:
            id = (await memory.add("start")).id
            changes = [memory.update(id, attributes={"task": task}) for task in range(20)]
            await asyncio.gather(*changes)
            assert [version.number for version in await memory.history(id)] == list(range(1, 22))

    waited(use, tmp_path)


def test_the_loop_goes_on_while_the_engine_works(tmp_path: Path) -> None:
    async def use(home: Path) -> None:
        async with AsyncMemstrata.open(home) as memory:
            adding = asyncio.create_task(memory.add_many([f"note {number}" for number in range(2_000)]))
            turns = 0
            while not adding.done():
                await asyncio.sleep(0)
                turns += 1
            assert (await adding).added == 2_000
            assert turns > 10

    waited(use, tmp_path)
