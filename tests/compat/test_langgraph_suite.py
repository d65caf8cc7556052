"""Prove that LangGraph's own store tests, taken from their source packages, pass with our store in place of theirs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

for needed in ("langgraph.store.base", "pytest_asyncio", "pytest_mock"):
    pytest.importorskip(needed, reason="needs the dependency group `compat`: make test-compat")

HERE = Path(__file__).parent
CHECKPOINT = "langgraph-checkpoint==4.3.2"
CHECKPOINT_SQLITE = "langgraph-checkpoint-sqlite==3.1.2"

# of their SQLite store's tests, those that ask for what is SQLite's alone
SQLITE_ONLY = (
    "test_vector_store_initialization",  # looks into their tables
    "test_embed_with_path",  # names the fields `text_fields`, which LangGraph's own type does not know
    "test_sql_injection_vulnerability",  # wants an error; here a key is data, and never SQL
    "test_filter_keys_with_hyphens_and_digits",  # dots in a key as a path, which LangGraph's in-memory store has not
    "test_nonnull_migrations",
    "test_escape_glob_literal",
    "test_namespace_match_pattern",
    "test_list_namespaces_prefix_uses_indexable_condition",
)


def outcomes(tests: Path, file: str, report: Path, *options: str) -> tuple[Sequence[str], str]:
    """The names of their tests that passed, and what was said when one failed."""
    root = tests.parent
    found = [str(HERE), str(root), str(HERE.parent.parent / "src"), *sys.path]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, f"--rootdir={root}", "-p", "no:cacheprovider",
         "-p", "swapped_langgraph", "-o", "asyncio_mode=auto", f"--junitxml={report}", *options, str(tests / file)],
        cwd=root, env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in found if path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    cases = ET.parse(report).getroot().iter("testcase") if report.exists() else ()
    passed = [str(case.get("name")) for case in cases if not len(case)]
    return passed, "" if done.returncode == 0 else done.stdout[-5_000:] + done.stderr[-1_000:]


def test_all_of_their_store_tests_pass(sources: Callable[[str], Path], tmp_path: Path) -> None:
    passed, failure = outcomes(sources(CHECKPOINT) / "tests", "test_store.py", tmp_path / "report.xml")
    assert not failure, failure
    assert len({name.partition("[")[0] for name in passed}) == 34
    assert len(passed) == 117


def test_their_tests_of_boundaries_injection_and_order_pass(sources: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("langgraph.store.sqlite", reason="needs langgraph-checkpoint-sqlite")
    others = " and ".join(f"not {name}" for name in SQLITE_ONLY)
    passed, failure = outcomes(
        sources(CHECKPOINT_SQLITE) / "tests", "test_store.py", tmp_path / "report.xml", "-k", others
    )
    assert not failure, failure
    names = {name.partition("[")[0] for name in passed}
    assert {
        "test_sql_injection_filter_values",
        "test_search_namespace_segment_boundary",
        "test_search_namespace_wildcard_chars_are_literal",
        "test_search_namespace_is_case_sensitive",
        "test_namespace_labels_with_trailing_newline",
        "test_list_namespaces_metacharacter_labels",
        "test_batch_order",
    } <= names
