"""The training histories: what the format means, and that a wrong line is named."""

from __future__ import annotations

import sys
from datetime import datetime
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[1] / "tools" / "corpus"
START = "== 2024-03-04T18:05+01:00\n"


@pytest.fixture(scope="module")
def corpus() -> ModuleType:
    spec = spec_from_file_location("corpus", FOLDER / "corpus.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    sys.modules["corpus"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def test_turns_have_speakers_times_and_text_and_questions_name_turns(corpus: ModuleType, tmp_path: Path) -> None:
    file = tmp_path / "boats.txt"
    file.write_text(
        "? single | What is the dinghy to be called? | Kestrel | #name\n"
        f"{START}\nMira #boat #blue: I bought it: 6 metres, blue.\\nLook!\nAssistant: Good.\n"
        "== 2024-03-05T09:00+01:00\nAna María #name: Call it Kestrel.\n"
        "? neighbour | Which boat is Kestrel? | the blue one | #blue #boat #name\n",
        encoding="utf-8",
    )
    history = corpus.load(file)
    first, second, third = history.turns
    assert (first.speaker, first.text) == ("Mira", "I bought it: 6 metres, blue.\nLook!")
    assert second.at == datetime.fromisoformat("2024-03-04T18:06+01:00")
    assert (second.role, third.role, third.speaker, third.session) == ("assistant", "user", "Ana María", 2)
    assert [question.evidence for question in history.questions] == [(third.key,), (first.key, third.key)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Mira: Too early.", r"x.txt:1: .*before the first session"),
        (f"{START}== 2024-03-04T18:05+01:00", r"x.txt:2: .*not later"),
        ("== 2024-03-04T18:05", r"x.txt:1: .*no offset"),
        ("== soon", r"x.txt:1: 'soon' is no time"),
        (f"{START}Mira says hello", r"x.txt:2: expected 'Speaker"),
        (f"{START}Mira #a: One.\nJon #a: Two.", r"x.txt:3: the label #a already"),
        (f"{START}Mira #a: One.\n? single | What? | One", r"x.txt:3: expected '\? category"),
        (f"{START}Mira #a: One.\n? single | What? | One | #b", r"x.txt:3: no turn has the label #b"),
    ],
)
def test_a_wrong_line_is_named(corpus: ModuleType, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "x.txt"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(corpus.CorpusError, match=message):
        corpus.load(file)


def test_every_history_of_ours_can_be_read(corpus: ModuleType) -> None:
    for path in FOLDER.glob("*.txt"):
        history = corpus.load(path)
        assert history.turns and history.questions, path.name
