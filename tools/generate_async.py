"""Write `faces/aio.py`: the asynchronous face of the engine, out of the engine's own signatures.

python tools/generate_async.py           writes it
python tools/generate_async.py --check   fails when it is not what would be written
"""

from __future__ import annotations

import argparse
import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src" / "memstrata"
TARGET = SOURCE / "faces" / "aio.py"
BY_HAND = {"close"}  # written out in the frame below
STREAMS = {"list"}  # they return an iterator, and become asynchronous generators

FRAME = '''"""The engine for programs that `await`: each method in a thread, so that no loop waits for a disk.

Written by tools/generate_async.py out of the signatures of `memstrata.engine`; change them there.
"""

from __future__ import annotations

import asyncio
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Self

{imports}

if TYPE_CHECKING:
{typed_imports}

AT_ONCE = 200  # memories that `list` fetches from its thread at a time


class Opening:
    """A memory about to be opened: `await` it, or use it in `async with`."""

    def __init__(self, coroutine: Coroutine[Any, Any, AsyncMemstrata]) -> None:  # Any: they send it nothing
        self._coroutine = coroutine
        self._opened: AsyncMemstrata | None = None

    def __await__(self) -> Generator[Any, Any, AsyncMemstrata]:  # Any: as above
        return self._coroutine.__await__()

    async def __aenter__(self) -> AsyncMemstrata:
        self._opened = await self._coroutine
        return self._opened

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._opened is not None
        await self._opened.close()


class AsyncMemstrata:
    """A durable memory in one directory, for asynchronous programs.

    Each method is the one of `memstrata.Memstrata` with the same name, run in a thread; callbacks such as `progress`
    are called in that thread. A task that is cancelled stops waiting, while what it asked for goes on.

    Make one with `AsyncMemstrata.open(path)`, which can be awaited or used in `async with`.
    """

    def __init__(self, memory: Memstrata) -> None:
        self._memory = memory

    @classmethod
    def open({open_parameters}) -> Opening:
        """{open_doc}"""

        async def opened() -> AsyncMemstrata:
            return cls(await asyncio.to_thread({open_call}))

        return Opening(opened())

    async def close(self) -> None:
        """{close_doc}"""
        await asyncio.to_thread(self._memory.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __repr__(self) -> str:
        return f"<asynchronous {{self._memory!r}}>"

{methods}
'''
METHOD = '''    async def {name}({parameters}) -> {returns}:
        """{doc}"""
        return await asyncio.to_thread({call})
'''
STREAM = '''    async def {name}({parameters}) -> AsyncIterator[{item}]:
        """{doc}"""
        stream = await asyncio.to_thread({call})
        while found := await asyncio.to_thread(lambda: tuple(islice(stream, AT_ONCE))):
            for one in found:
                yield one
'''
USED_BY_THE_FRAME = {
    "Any": "typing", "Coroutine": "collections.abc", "Generator": "collections.abc", "AsyncIterator": "collections.abc",
    "Memstrata": "memstrata.engine",
}  # fmt: skip


def main() -> int:
    """Write the file, or compare it; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="only say whether the file is what would be written")
    arguments = parser.parse_args()
    wanted = generated()
    if arguments.check:
        current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == wanted
        if not current:
            print(f"{TARGET} is stale; run python tools/generate_async.py", file=sys.stderr)
        return 0 if current else 1
    TARGET.write_text(wanted, encoding="utf-8")
    return 0


def generated() -> str:
    """The whole file, formatted."""
    engine = ast.parse((SOURCE / "engine.py").read_text(encoding="utf-8"))
    wiring = ast.parse((SOURCE / "wiring.py").read_text(encoding="utf-8"))
    memory = next(node for node in engine.body if isinstance(node, ast.ClassDef) and node.name == "Memstrata")
    opener = next(node for node in wiring.body if isinstance(node, ast.FunctionDef) and node.name == "open_memory")
    methods = [node for node in memory.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    closing = next(node for node in methods if node.name == "close")
    chosen = [node for node in methods if node.name not in BY_HAND]
    aliases = [ast.unparse(node) for node in memory.body if isinstance(node, ast.Assign)]
    homes = homes_of(wiring, "memstrata.wiring") | homes_of(engine, "memstrata.engine") | USED_BY_THE_FRAME
    used = {name for node in [*chosen, opener] for name in names_in(node)} | set(USED_BY_THE_FRAME) | {"open_memory"}
    homes["open_memory"] = "memstrata.wiring"
    typed = {name: home for name, home in typed_homes_of(engine).items() if name in used}
    text = FRAME.format(
        imports="\n".join(imports({name: homes[name] for name in used if name in homes})),
        typed_imports="\n".join(f"    {line}" for line in imports(typed)),
        open_parameters=f"cls, {ast.unparse(opener.args)}",
        open_call=call("open_memory", opener, bound=False),
        open_doc=first_line(opener),
        close_doc=first_line(closing),
        methods="\n".join(
            [
                *(method(node) for node in chosen),
                "    # ── the names people also know ──\n",
                *(f"    {alias}" for alias in aliases),
            ]
        ),
    )
    return formatted(text)


def method(node: ast.FunctionDef) -> str:
    """One method of the engine as an asynchronous one."""
    returns = ast.unparse(node.returns) if node.returns is not None else "None"
    parts = {
        "name": node.name, "parameters": ast.unparse(node.args), "doc": first_line(node),
        "call": call(f"self._memory.{node.name}", node, bound=True),
    }  # fmt: skip
    if node.name in STREAMS:
        return STREAM.format(item=returns.removeprefix("Iterator[").removesuffix("]"), **parts)
    return METHOD.format(returns=returns, **parts)


def call(function: str, node: ast.FunctionDef, *, bound: bool) -> str:
    """The arguments of `to_thread` that pass on all that the method was given."""
    positional = [argument.arg for argument in node.args.args][1 if bound else 0 :]
    keywords = [f"{argument.arg}={argument.arg}" for argument in node.args.kwonlyargs]
    rest = [f"**{node.args.kwarg.arg}"] if node.args.kwarg is not None else []
    return ", ".join([function, *positional, *keywords, *rest])


def first_line(node: ast.FunctionDef) -> str:
    """The sentence that a docstring begins with."""
    return (ast.get_docstring(node) or "").split("\n")[0]


def names_in(node: ast.FunctionDef) -> Iterator[str]:
    """Every name in a signature."""
    for part in (node.args, node.returns):
        if part is not None:
            yield from (inner.id for inner in ast.walk(part) if isinstance(inner, ast.Name))


def homes_of(module: ast.Module, name: str) -> dict[str, str]:
    """The module that each top-level name of a module comes from."""
    homes: dict[str, str] = {}
    for node in module.body:
        match node:
            case ast.ImportFrom():
                homes |= {alias.name: str(node.module) for alias in node.names}
            case ast.Import():
                homes |= {alias.name: "" for alias in node.names}
            case ast.Assign():
                homes |= {target.id: name for target in node.targets if isinstance(target, ast.Name)}
            case ast.AnnAssign(target=ast.Name(id=own)) | ast.ClassDef(name=own):
                homes[own] = name
    return homes


def typed_homes_of(module: ast.Module) -> dict[str, str]:
    """The same of names that are imported for annotations only, which cost too much to import for nothing else."""
    blocks = [
        node.body for node in module.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    imported = [node for block in blocks for node in block if isinstance(node, ast.ImportFrom)]
    return {alias.name: str(node.module) for node in imported for alias in node.names}


def imports(homes: dict[str, str]) -> list[str]:
    """Import statements for names by their homes; the formatter sorts them."""
    return [f"from {home} import {name}" if home else f"import {name}" for name, home in sorted(homes.items())]


def formatted(text: str) -> str:
    """The text as the project's formatter has it."""
    for arguments in (["check", "--select", "I,F401", "--fix", "--quiet"], ["format", "--quiet"]):
        command = [sys.executable, "-m", "ruff", *arguments, "--stdin-filename", str(TARGET), "-"]
        text = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
    return text


if __name__ == "__main__":
    sys.exit(main())
