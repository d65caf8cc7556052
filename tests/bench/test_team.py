"""Prove that teams on several servers, over one store, ask a model once for what all of them need."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")
pytest.importorskip("mcp", reason="memstrata[mcp] is not installed")

from rich.console import Console

from memstrata.bench import team


def test_a_shared_memory_with_claims_needs_one_call_for_each_different_step(tmp_path: Path) -> None:
    path = tmp_path / "team.json"
    rows = {row["mode"]: row for row in team.run(teams=2, agents=3, seconds=0.02, json_path=path)}
    assert json.loads(path.read_text()) == list(rows.values())
    for row in rows.values():
        assert (row["servers"], row["agents"], row["needed"]) == (3, 6, 2 * team.NEEDED)
        assert row["distinct"] < row["needed"]
    assert rows["stateless"]["calls"] == rows["stateless"]["needed"]
    assert rows["claims"]["calls"] == rows["claims"]["distinct"] == rows["claims"]["stored"]
    assert rows["claims"]["twice"] == rows["stateless"]["stored"] == 0
    assert rows["claims"]["calls"] <= rows["shared"]["calls"] <= rows["stateless"]["calls"]
    assert rows["shared"]["stored"] == rows["shared"]["calls"]
    team.show(list(rows.values()), Console(quiet=True))
