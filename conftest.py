"""Run the examples of README, docs and docstrings as tests."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import sybil
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

import memstrata

ENVIRONMENT_LINE = "$ export "
OPTIONAL = {"langchain.py": "langchain_core", "langgraph.py": "langgraph"}  # what a file's examples need


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out the examples of faces whose libraries are not installed."""
    for item in items:
        needed = OPTIONAL.get(item.path.name) if item.path.parent.name == "compat" else None
        if needed is not None and find_spec(needed) is None:
            item.add_marker(pytest.mark.skip(reason=f"{needed} is not installed"))


def _start(namespace: dict[str, Any]) -> None:
    """A directory of its own for each file of examples, and a memory with what the examples speak of."""
    folder = tempfile.TemporaryDirectory()
    namespace["_folder"] = folder
    namespace["missing"] = lambda module: find_spec(module) is None
    namespace["_back"] = Path.cwd()
    namespace["_environment"] = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    os.chdir(folder.name)
    namespace["directory"] = str(Path(folder.name) / "store")
    namespace["memory"] = memstrata.open(Path(folder.name) / "examples")


def _finish(namespace: dict[str, Any]) -> None:
    namespace["memory"].close()
    os.chdir(namespace["_back"])
    namespace["_folder"].cleanup()


class ConsoleParser(CodeBlockParser):
    """Runs the lines of `console` blocks that begin with `$`; every command must succeed."""

    language = "console"

    def evaluate(self, example: Example) -> str | None:
        """Run the commands of one block."""
        environment = example.namespace["_environment"]
        for line in str(example.parsed).splitlines():
            if line.startswith(ENVIRONMENT_LINE):
                name, _, value = line.removeprefix(ENVIRONMENT_LINE).partition("=")
                environment[name] = value
            elif line.startswith("$ "):
                done = subprocess.run(
                    line.removeprefix("$ "), shell=True, env=environment, capture_output=True, text=True, check=False
                )
                if done.returncode:
                    return f"{line}\nexit {done.returncode}\n{done.stdout}{done.stderr}"
        return None


pytest_collect_file = (
    Sybil(
        parsers=[PythonCodeBlockParser(doctest_optionflags=0), ConsoleParser(), SkipParser()],
        patterns=["*.md"],
        setup=_start,
        teardown=_finish,
    )
    + Sybil(
        parsers=[DocTestParser()],
        patterns=["*.py"],
        excludes=["tests/**", "conftest.py"],
        setup=_start,
        teardown=_finish,
        document_types={".py": sybil.document.PythonDocStringDocument},
    )
).pytest()
