"""Prove that files of other programs come in whole, once, and that broken ones say where."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import memstrata
from memstrata import plugins
from memstrata.errors import InvalidConfig, InvalidInput
from memstrata.types import ANY, Memory
from memstrata.write.formats import MAX_PIECE, format_of, head_of

CHATS = [
    {"role": "user", "content": "I moved to Porto.", "name": "Ana", "timestamp": "2024-05-20T18:05:00+02:00"},
    {"role": "assistant", "content": [{"type": "text", "text": "How is the light there?"}]},
]
NOTES = """\
---
title: Trips
tags: [travel, "food"]
date: 2024-05-20
people:
  - Ana
  - Rui
---
# Trips

## Porto

The tram was full.

```sh
# not a heading
```

### Food

Caldo verde.

## To do
"""
TREE = {
    "title": "Trams",
    "conversation_id": "c1",
    "mapping": {
        "b": {"id": "b", "parent": "a", "children": ["c", "d"], "message": {
            "author": {"role": "user"}, "create_time": 1716220000.5, "content": {"parts": ["Which tram?"]}}},
        "a": {"id": "a", "parent": None, "children": ["b"], "message": None},
        "c": {"id": "c", "parent": "b", "children": [], "message": {
            "author": {"role": "assistant"}, "content": {"parts": ["Line 1.", {"asset": "a picture"}]}}},
        "d": {"id": "d", "parent": "b", "children": [], "message": {
            "author": {"role": "system"}, "content": {"parts": ["hidden"]},
            "metadata": {"is_visually_hidden_from_conversation": True}}},
    },
}  # fmt: skip
ROWS = [
    {"id": "m1", "memory": "Likes the window seat", "user_id": "ana", "created_at": "2024-05-20T10:00:00Z",
     "updated_at": "2024-05-21T10:00:00Z", "metadata": {"source": "chat"}, "categories": ["travel"], "run_id": "r1"},
    {"id": "m2", "memory": "Has a lemon tree", "user_id": "rui", "agent_id": "gardener", "metadata": None},
]  # fmt: skip
GRAPH = [
    {"type": "entity", "name": "Ana", "entityType": "person", "observations": ["Lives in Porto", "Plays chess"]},
    {"type": "relation", "from": "Ana", "to": "Rui", "relationType": "is_married_to"},
]


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[memstrata.Memstrata]:
    with memstrata.open(tmp_path / "home") as opened:
        yield opened


def written(path: Path, content: Any) -> Path:
    """A file with a text, a JSON value, or for `.jsonl` one JSON value a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, str):
        text = content
    elif path.suffix == ".jsonl":
        text = "".join(json.dumps(line) + "\n" for line in content)
    else:
        text = json.dumps(content)
    path.write_text(text, encoding="utf-8", newline="")
    return path


def kept(memory: memstrata.Memstrata, **ids: Any) -> list[Memory]:
    return list(memory.list(**(ids or {"user_id": ANY})))


FILES: dict[str, tuple[str, Any]] = {
    "jsonl": ("events.jsonl", [{"content": "one", "time": "2024-05-20"}, {"text": "two"}]),
    "text": ("book.txt", "First paragraph.\n\nSecond one.\n"),
    "markdown": ("notes.md", NOTES),
    "chat": ("chat.json", CHATS),
    "mem0": ("mem0.json", {"results": ROWS}),
    "server-memory": ("memory.jsonl", GRAPH),
}


def test_there_is_a_file_for_every_format() -> None:
    assert set(FILES) == set(plugins.names("formats"))


@pytest.mark.parametrize("name", FILES)
def test_a_format_is_recognised_by_itself_alone(name: str, tmp_path: Path) -> None:
    path = written(tmp_path / FILES[name][0], FILES[name][1])
    found = format_of(path, head_of(path))
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize("name", FILES)
def test_importing_twice_adds_nothing(name: str, tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(tmp_path / FILES[name][0], FILES[name][1])
    first = memory.import_(path, user_id="ana")
    again = memory.import_(path, user_id="ana")
    assert first.added == len(kept(memory)) > 0
    assert (again.added, again.repeated) == (0, first.added)


@pytest.mark.parametrize("name", FILES)
def test_every_format_keeps_the_name_of_the_file_as_its_resource(
    name: str, tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    path = written(tmp_path / FILES[name][0], FILES[name][1])
    memory.import_(path, user_id="ana")
    assert {one.resource for one in kept(memory)} == {path.name}


@pytest.mark.parametrize("name", FILES)
def test_text_that_is_not_utf8_is_refused_with_its_line(name: str, tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(tmp_path / FILES[name][0], FILES[name][1])
    path.write_bytes(path.read_bytes() + b"\n\xff\xfe broken")
    with pytest.raises(InvalidInput, match=rf"{path.name}, line \d+: .*not UTF-8"):
        memory.import_(path, format=name, user_id="ana")


@pytest.mark.parametrize("name", ["jsonl", "chat", "mem0", "server-memory"])
@pytest.mark.parametrize("broken", ['{"text": ', "[1, 2", '"a text"', "17", "[" * 100_000, "{}"])
def test_broken_or_foreign_json_is_refused_with_the_file_named(
    name: str, broken: str, tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    path = written(tmp_path / FILES[name][0], broken)
    with pytest.raises(InvalidInput, match=path.name):
        memory.import_(path, format=name, user_id="ana")
    assert kept(memory) == []


def test_jsonl_takes_the_fields_of_an_event_and_their_synonyms(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    line = {"content": "hi", "timestamp": "2024-05-20T18:05:00+02:00", "name": "Ana", "metadata": {"n": 1}, "key": "k"}
    memory.import_(written(tmp_path / "a.jsonl", [line]))
    (one,) = kept(memory)
    assert (one.text, one.speaker, one.attributes, one.key) == ("hi", "Ana", {"n": 1}, "k")
    assert one.at.isoformat() == "2024-05-20T18:05:00+02:00"


def test_a_user_in_the_file_counts_unless_the_caller_names_one(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(
        tmp_path / "a.jsonl", [{"text": "a", "user_id": "ana"}, {"text": "b", "user_id": "rui"}, {"text": "c"}]
    )
    memory.import_(path)
    assert {one.text: one.scope.user_id for one in kept(memory)} == {"a": "ana", "b": "rui", "c": None}
    memory.import_(path, user_id="eva")
    assert len(kept(memory, user_id="eva")) == 3


def test_a_line_that_no_event_can_be_made_of_is_named(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    for bad, why in (
        ({"text": "b", "mood": 1}, "mood"),
        ({"text": "b", "at": "soon"}, "soon"),
        ({"text": ""}, "empty"),
    ):
        path = written(tmp_path / "a.jsonl", [{"text": "good"}, bad])
        with pytest.raises(InvalidInput, match=rf"a\.jsonl, line 2: .*{why}"):
            memory.import_(path)


def test_a_line_of_ten_megabytes_is_refused(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(tmp_path / "long.txt", "short\n\n" + "x" * 10_000_000)
    with pytest.raises(InvalidInput, match=r"long\.txt, line 3: the line is longer than"):
        memory.import_(path)


def test_short_paragraphs_share_a_document_and_long_ones_stand_alone(
    tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    path = written(tmp_path / "a.txt", f"\n\none\r\nline\r\n\r\ntwo\n\n\n{'three ' * 300}\n\nfour\n")
    memory.import_(path)
    found = {one.attributes["line"]: one for one in kept(memory)}
    assert [found[line].text[:12] for line in sorted(found)] == ["one\nline\n\ntw", "three three ", "four"]
    assert sorted(found) == [3, 9, 11]
    assert {one.kind for one in found.values()} == {"document"}


def test_a_text_longer_than_an_event_may_be_is_split_and_nothing_of_it_lost(
    tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    words = [f"word{number}" for number in range(200_000)]
    lines = [" ".join(words[start : start + 100]) for start in range(0, len(words), 100)]
    for name in ("one-paragraph.txt", "one-section.md"):
        receipt = memory.import_(written(tmp_path / name, "\n".join(lines)), user_id=name)
        texts = [one.text for one in sorted(kept(memory, user_id=name), key=lambda one: int(one.text[4:].split()[0]))]
        assert receipt.added == len(texts) > 1
        assert " ".join(texts).split() == words
        assert max(map(len, texts)) <= MAX_PIECE


def test_the_same_text_twice_in_a_file_is_kept_twice(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(tmp_path / "a.jsonl", [{"text": "ha"}, {"text": "ha"}])
    assert memory.import_(path).added == 2
    assert memory.import_(path).repeated == 2


def test_markdown_becomes_a_document_for_each_section_with_its_headings(
    tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    memory.import_(written(tmp_path / "trips.md", NOTES))
    found = {one.attributes["heading"]: one for one in kept(memory)}
    assert list(found) == ["Trips > Porto", "Trips > Porto > Food", "Trips > To do"]
    porto = found["Trips > Porto"]
    assert porto.text == "## Porto\n\nThe tram was full.\n\n```sh\n# not a heading\n```"
    assert porto.attributes["tags"] == ["travel", "food"]
    assert porto.attributes["people"] == ["Ana", "Rui"]
    assert porto.at.isoformat() == "2024-05-20T00:00:00+00:00"


def test_an_edited_note_brings_only_its_changed_section(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(tmp_path / "trips.md", NOTES)
    memory.import_(path)
    written(path, NOTES.replace("## Porto", "## Lisbon\n\nToo hot.\n\n## Porto"))
    receipt = memory.import_(path)
    assert (receipt.added, receipt.repeated) == (1, 3)


def test_a_rule_at_the_top_without_an_end_is_no_front_matter(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    memory.import_(written(tmp_path / "a.md", "---\nname: value\n\nOnly text."))
    (one,) = kept(memory)
    assert one.text == "---\nname: value\n\nOnly text."
    assert one.attributes == {}


def test_a_folder_is_read_with_what_lies_below_it(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    notes = tmp_path / "notes"
    written(notes / "a.md", "# A\n\none")
    written(notes / "deep" / "b.md", "# B\n\ntwo")
    written(notes / ".obsidian" / "c.md", "hidden")
    written(notes / "d.txt", "three")
    (notes / "picture.png").write_bytes(b"\x89PNG\r\n\x00")
    assert memory.import_(notes).added == 3
    assert {one.resource for one in kept(memory)} == {"a.md", "deep/b.md", "d.txt"}
    assert memory.import_(notes, format="markdown", user_id="only").added == 2


def test_a_folder_without_anything_to_read_is_refused(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInput, match="no file in"):
        memory.import_(tmp_path / "empty")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", CHATS),
        ("a.json", {"messages": CHATS, "id": "a", "title": "Light"}),
        ("a.json", [{"messages": CHATS, "id": "a"}]),
        ("a.jsonl", [{"messages": CHATS, "id": "a"}]),
    ],
)
def test_chats_come_in_every_usual_shape(name: str, content: Any, tmp_path: Path, memory: memstrata.Memstrata) -> None:
    memory.import_(written(tmp_path / name, content), user_id="ana")
    found = {one.role: one for one in kept(memory)}
    assert found["user"].speaker == "Ana"
    assert found["user"].at.isoformat() == "2024-05-20T18:05:00+02:00"
    assert found["assistant"].text == "How is the light there?"
    assert {one.scope.session_id for one in found.values()} == {"a"}
    assert {one.kind for one in found.values()} == {"turn"}


def test_a_tree_of_messages_is_walked_from_parent_to_child(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    path = written(tmp_path / "conversations.json", [TREE])
    memory.import_(path, user_id="ana")
    assert [(one.role, one.text) for one in kept(memory)] == [("user", "Which tram?"), ("assistant", "Line 1.")]
    assert {one.scope.session_id for one in kept(memory)} == {"c1"}
    assert {one.attributes["title"] for one in kept(memory)} == {"Trams"}


def test_a_tree_that_bites_its_tail_is_refused(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    circle = {"mapping": {"a": {"parent": "b", "children": ["b"]}, "b": {"parent": "a", "children": ["a"]}}}
    with pytest.raises(InvalidInput, match="no root leads to it"):
        memory.import_(written(tmp_path / "c.json", circle))


def test_rows_of_mem0_become_facts_of_their_users(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    memory.import_(written(tmp_path / "bare.json", ROWS))
    (ana,), (rui,) = kept(memory, user_id="ana"), kept(memory, user_id="rui")
    assert (ana.kind, ana.text, ana.scope.session_id) == ("fact", "Likes the window seat", "r1")
    assert ana.at.isoformat() == "2024-05-20T10:00:00+00:00"
    assert ana.attributes == {"categories": ["travel"], "updated_at": "2024-05-21T10:00:00Z", "source": "chat"}
    assert ana.sources == ("mem0:m1",)
    assert rui.scope.agent_id == "gardener"


def test_a_knowledge_graph_becomes_concepts_and_facts(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    memory.import_(written(tmp_path / "memory.jsonl", GRAPH), user_id="ana")
    assert [(one.kind, one.text) for one in kept(memory)] == [
        ("concept", "Ana (person)"),
        ("fact", "Ana: Lives in Porto"),
        ("fact", "Ana: Plays chess"),
        ("fact", "Ana is married to Rui"),
    ]
    assert kept(memory)[3].attributes == {"from": "Ana", "relation": "is_married_to", "to": "Rui"}


def test_an_export_comes_back_under_its_own_users(tmp_path: Path, memory: memstrata.Memstrata) -> None:
    memory.add("one", user_id="ana")
    memory.export(tmp_path / "all.jsonl")
    with memstrata.open(tmp_path / "other") as other:
        assert other.import_(tmp_path / "all.jsonl").added == 1
        assert kept(other) == kept(memory)
        with pytest.raises(InvalidInput, match="names its own users"):
            other.import_(tmp_path / "all.jsonl", user_id="eva")


def test_a_file_that_nothing_recognises_says_how_to_name_its_format(
    tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    path = written(tmp_path / "notes.xyz", "Just text.")
    with pytest.raises(InvalidInput, match="--format"):
        memory.import_(path)
    assert memory.import_(path, format="text").added == 1
    with pytest.raises(InvalidConfig, match="did you mean 'markdown'"):
        memory.import_(path, format="markdwn")


def test_a_missing_file_is_refused_without_a_traceback_of_the_system(
    tmp_path: Path, memory: memstrata.Memstrata
) -> None:
    with pytest.raises(InvalidInput, match=r"cannot read .*gone\.md: No such file"):
        memory.import_(tmp_path / "gone.md")
