"""Prove that the measurement of the server measures a server, and that a kill in the middle loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")
pytest.importorskip("psutil", reason="memstrata[bench] is not installed")

from rich.console import Console

from memstrata.bench import serve


def test_every_figure_is_of_a_server_that_answered(tmp_path: Path) -> None:
    path = tmp_path / "serve.json"
    rows = serve.run(sizes=[100], seconds=0.5, requests=40, json_path=path)
    assert json.loads(path.read_text()) == rows
    assert [(row["name"], row["clients"]) for row in rows] == [
        *((name, clients) for clients in serve.CLIENTS for name in ("search", "add")),
        ("notice", serve.SUBSCRIBERS), ("growth", 8), ("killed", 8),
    ]  # fmt: skip
    for row in rows[:7]:
        assert row["n"] > 0 and row["ms_p50"] is not None and row["ms_p99"] is not None
        assert 0 < row["ms_p50"] <= row["ms_p99"]
    notice, growth, killed = rows[6:]
    assert notice["n"] == serve.SUBSCRIBERS * round(0.5 * serve.WRITES_A_SECOND)
    assert growth["n"] == 40 and growth["before_mb"] and growth["after_mb"]
    assert killed["n"] >= serve.BEFORE_KILL and killed["lost"] == 0
    serve.show(rows, Console(quiet=True))
