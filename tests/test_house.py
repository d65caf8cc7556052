"""What holds the house together: its map, its habits, and that every verb can be reached."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

from memstrata import plugins
from memstrata.engine import Memstrata

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "memstrata"
MODULES = sorted(SOURCE.rglob("*.py"))


def tree() -> set[str]:
    """Every module and folder of the package, as paths."""
    return {
        str(path.relative_to(SOURCE)) + ("/" if path.is_dir() else "")
        for path in SOURCE.rglob("*")
        if "__pycache__" not in path.parts and (path.is_dir() or path.suffix == ".py") and path.name != "__init__.py"
    }


def drawn() -> set[str]:
    """The same as ARCHITECTURE.md draws it."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    block = re.search(r"<!-- tree -->\n```\n(.*?)```", text, re.S)
    assert block is not None
    found: set[str] = set()
    folders: list[str] = []
    for line in block[1].splitlines()[1:]:
        indent, names = re.match(r"( *)(.*?)(?:  .*)?$", line).groups()  # type: ignore[union-attr]
        depth = len(indent) // 2 - 1
        for name in names.split():
            path = "/".join([*folders[:depth], name.rstrip("/")])
            found.add(path + ("/" if name.endswith("/") else ""))
            if name.endswith("/"):
                folders[depth:] = [name.rstrip("/")]
    return found


def test_the_map_of_the_house_is_the_house() -> None:
    assert drawn() == tree()


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_every_module_says_what_it_does(path: Path) -> None:
    docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    assert docstring, f"{path} has no docstring"
    assert docstring.split("\n")[0].endswith((".", ":")), docstring.split("\n")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_exception_is_swallowed_without_a_reason(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ExceptHandler) and _is_broad(node.type):
            raises = any(isinstance(inner, ast.Raise) for inner in ast.walk(node))
            assert raises or "#" in lines[node.lineno - 1], f"{path}:{node.lineno} catches everything, and says not why"


def _is_broad(kind: ast.expr | None) -> bool:
    return kind is None or (isinstance(kind, ast.Name) and kind.id in ("Exception", "BaseException"))


def verbs() -> list[str]:
    """Every public method of the engine."""
    return [name for name, _ in inspect.getmembers(Memstrata, inspect.isfunction) if not name.startswith("_")]


NOT_ON_THE_COMMAND_LINE = {
    "add_many": "`memstrata import` streams through it",
    "close": "each command closes what it opened",
    "import_": "is `memstrata import`",
    "session": "its model lives in the caller's process",
    "wait": "`memstrata changes --follow` waits",
}


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_on_the_command_line(verb: str) -> None:
    from typer.main import get_command

    from memstrata.faces.cli import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    assert verb in NOT_ON_THE_COMMAND_LINE or verb.replace("_", "-") in commands
    assert "import" in commands


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_is_documented(verb: str) -> None:
    assert (getattr(Memstrata, verb).__doc__ or "").strip()


@pytest.mark.parametrize("kind", plugins.REGISTERED)
def test_every_registered_part_is_there(kind: str) -> None:
    for name in plugins.REGISTERED[kind]:
        assert inspect.isclass(plugins.find(kind, name)), f"{kind}: {name}"
