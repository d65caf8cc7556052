"""Prove that the command line does what the engine does, says what went wrong, and harms no terminal."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import memstrata
from memstrata.faces.cli import app
from memstrata.faces.cli.show import safe

COMMAND = Path(sys.executable).with_name("memstrata")
HOSTILE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnirts[bold]not bold[/bold]"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    monkeypatch.setenv("MEMSTRATA_HOME", str(path))
    monkeypatch.setenv("TERM", "dumb")
    return path


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, list(arguments), input=stdin)


def answer(*arguments: str, stdin: str | None = None) -> Any:
    """What a command prints as JSON; it must succeed and print nothing else."""
    result = run(*arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    return json.loads(result.stdout)


def added(text: str = "The spare key hangs behind the blue door.", *options: str) -> str:
    return str(answer("add", text, "--user", "ana", *options)["ids"][0])


def process(*arguments: str, **options: Any) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([str(COMMAND), *arguments], capture_output=True, check=False, **options)


# ── each command ──


def test_what_is_added_is_found_by_search_context_and_list() -> None:
    id = added()
    assert [hit["memory"]["id"] for hit in answer("search", "where is the key?", "--user", "ana")] == [id]
    assert "blue door" in answer("context", "where is the key?", "--user", "ana")["text"]
    assert [one["id"] for one in answer("list", "--user", "ana")] == [id]
    assert answer("list", "--user", "rui") == []
    for command in (("search", "key"), ("context", "key"), ("list",), ("explain", "key")):
        assert "blue door" in run(*command, "--user", "ana").stdout


def test_add_takes_every_property() -> None:
    id = added(
        "It rains.", "--at", "2024-05-20T18:05:00+02:00", "--speaker", "Ana", "--role", "user", "--kind", "fact",
        "-a", "floor=3", "-a", 'tags=["a"]', "-a", "room=attic", "--key", "k1", "--session", "s1", "--agent", "g",
        "--namespace", "team/notes", "--expires", "30d", "--source", "m1", "--resource", "diary",
        "--contributor", "Rui",
    )  # fmt: skip
    found = answer("get", id)
    assert found["at"] == "2024-05-20T18:05:00+02:00"
    assert found["attributes"] == {"floor": 3, "tags": ["a"], "room": "attic"}
    assert (found["speaker"], found["role"], found["kind"], found["key"]) == ("Ana", "user", "fact", "k1")
    assert (found["user_id"], found["session_id"], found["agent_id"]) == ("ana", "s1", "g")
    assert (found["namespace"], found["sources"], found["resource"]) == ("team/notes", ["m1"], "diary")
    assert found["expires_at"] > found["created_at"]
    assert "attic" in run("get", id).stdout


@pytest.mark.parametrize("arguments", [[], ["-"]])
def test_add_reads_standard_input(arguments: list[str]) -> None:
    id = answer("add", *arguments, stdin="From a pipe: ärger\n")["ids"][0]
    assert answer("get", id)["text"] == "From a pipe: ärger"


def test_a_key_that_came_before_is_said_to_have_come_before() -> None:
    added("one", "--key", "k")
    assert "kept before" in run("add", "one", "--key", "k", "--user", "ana").stdout


def test_a_memory_is_updated_merged_and_deleted_and_its_history_told() -> None:
    id = added("I sit by the aisle.", "--speaker", "Ana")
    changed = answer("update", id, "--text", "I sit by the window.", "--clear", "speaker", "--user", "ana")
    assert (changed["version"], changed["speaker"]) == (2, None)
    assert [one["memory"]["text"] for one in answer("history", id)] == ["I sit by the aisle.", "I sit by the window."]
    merged = answer("merge", id, added("I like trams."))
    assert merged["sources"][0] == id
    assert answer("delete", merged["id"])["memories"] >= 1
    assert run("get", merged["id"]).exit_code == 3
    assert "(deleted)" in run("history", merged["id"]).stdout
    assert answer("purge")["memories"] >= 1


def test_explain_says_what_became_of_a_memory() -> None:
    id = added()
    assert answer("explain", "key", "--id", id, "--user", "ana")["verdict"].startswith("it came 1st")


def test_filters_reach_search_list_and_delete_all() -> None:
    added("a fact", "--kind", "fact")
    added("a turn")
    fact = ["--user", "ana", "--filter", '{"kind": "fact"}']
    assert [one["text"] for one in answer("list", *fact)] == ["a fact"]
    assert [hit["memory"]["text"] for hit in answer("search", "a", *fact)] == ["a fact"]
    assert answer("delete-all", *fact, "--yes")["memories"] == 1
    assert [one["text"] for one in answer("list", "--user", "ana")] == ["a turn"]


def test_shared_memory_is_searched_when_asked_for() -> None:
    answer("add", "The office closes at six.")
    assert answer("search", "office", "--user", "ana") == []
    assert len(answer("search", "office", "--user", "ana", "--shared")) == 1


def test_export_import_backup_and_stats_agree(tmp_path: Path) -> None:
    added()
    assert answer("export", str(tmp_path / "all.jsonl"))["memories"] == 1
    copy = answer("backup", str(tmp_path / "copy"))["directory"]
    assert answer("stats", "--home", copy)["memories"] == 1
    other = ["--home", str(tmp_path / "other")]
    assert answer("import", str(tmp_path / "all.jsonl"), *other)["added"] == 1
    assert answer("import", str(tmp_path / "all.jsonl"), *other) | {"position": 0} == {
        "added": 0, "repeated": 1, "position": 0,
    }  # fmt: skip
    assert answer("stats", *other)["by_kind"] == {"turn": 1}
    assert "1" in run("stats", *other).stdout


def test_import_takes_files_and_folders_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# A\n\nThe tram was full.")
    (tmp_path / "b.txt").write_text("The boat was late.")
    arguments = ["import", str(tmp_path / "notes"), str(tmp_path / "b.txt"), "--user", "ana"]
    assert answer(*arguments)["added"] == 2
    assert "2 were there before" in run(*arguments).stdout


def test_check_upkeep_and_reembed_say_what_they_did() -> None:
    added()
    assert answer("check")["ok"] is True
    assert "all is well" in run("check").stdout
    assert answer("upkeep", "--seconds", "1")["owed"] == {}
    assert "nothing was owed" in run("upkeep").stdout
    assert answer("reembed", "--embedder", "builtin")["embedder"] == "builtin"


def test_check_fails_when_something_differs(home: Path) -> None:
    import apsw

    added()
    connection = apsw.Connection(str(home / "memory.db"))
    connection.execute("UPDATE segment SET vector = zeroblob(4)")
    connection.close()
    result = run("check", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False
    assert run("check", "--repair").exit_code == 0


def test_the_other_names_work_and_are_not_listed() -> None:
    id = answer("remember", "The key is blue.", "--user", "ana")["ids"][0]
    assert "blue" in answer("recall", "key", "--user", "ana")["text"]
    assert answer("forget", id)["memories"] == 1
    assert "remember" not in run("--help").stdout


def test_every_command_has_help_that_names_json_and_the_scope() -> None:
    from typer.main import get_command

    for name in get_command(app).commands:  # type: ignore[attr-defined]  # it is a group
        shown = run(name, "--help")
        assert shown.exit_code == 0
        apart = name in ("bench", "keys", "mcp", "serve")  # groups, and what is no question to a memory
        assert apart or ("--json" in shown.stdout and "--user" in shown.stdout)


def test_a_question_to_a_memory_that_was_never_made_makes_none(tmp_path: Path) -> None:
    never = tmp_path / "never"
    for arguments in (["search", "key"], ["list"], ["stats"], ["check"]):
        result = run(*arguments, "--home", str(never))
        assert result.exit_code == 1
        assert "memstrata add" in result.stderr
    assert not never.exists()


def test_empty_results_say_so_and_what_to_try() -> None:
    added()
    for arguments in (["search", "key"], ["context", "key"], ["list"]):
        shown = run(*arguments, "--user", "nobody").stdout
        assert "nobody" in shown
        assert "memstrata " in shown


# ── delete-all ──


def test_delete_all_asks_and_a_no_keeps_everything() -> None:
    added()
    result = run("delete-all", "--user", "ana", stdin="n\n")
    assert result.exit_code == 1
    assert len(answer("list", "--user", "ana")) == 1
    assert run("delete-all", "--user", "ana", stdin="y\n").exit_code == 0
    assert answer("list", "--user", "ana") == []


def test_delete_all_wants_to_know_whose() -> None:
    added()
    assert run("delete-all", "--yes").exit_code == 2
    assert answer("delete-all", "--all-users", "--yes")["memories"] == 1


# ── what goes wrong ──


def test_what_is_not_there_exits_with_three_and_what_is_misused_with_two() -> None:
    added()
    assert run("get", "nope").exit_code == 3
    assert run("get").exit_code == 2
    assert run("search", "x", "--filter", "{").exit_code == 2
    assert run("add", "x", "-a", "novalue").exit_code == 2
    assert run("update", "x", "--clear", "text").exit_code == 2
    assert run("reembed").exit_code == 2
    assert run("add", "x", "--kind", "opinion").exit_code == 1
    assert run("import", "nowhere.md").exit_code == 1


def test_errors_are_json_on_stderr_when_json_was_asked_for() -> None:
    added()
    for arguments, name in ((["get", "nope"], "NotFound"), (["add", " "], "InvalidInput"), (["reembed"], "Usage")):
        result = run(*arguments, "--json")
        assert result.stdout == ""
        assert json.loads(result.stderr)["error"]["type"] == name
        assert json.loads(result.stderr)["error"]["message"]


def test_no_error_of_ours_is_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken.jsonl").write_bytes(b'{"text": "a"}\n\xff\n')
    done = process("import", str(tmp_path / "broken.jsonl"), "--format", "jsonl")
    assert done.returncode == 1
    assert b"line 2" in done.stderr
    assert b"Traceback" not in done.stderr


def test_standard_input_that_is_not_utf8_is_refused(home: Path) -> None:
    done = process("add", "-", "--json", input=b"caf\xe9")
    assert done.returncode == 1
    assert "byte 4" in json.loads(done.stderr)["error"]["message"]


def test_an_argument_that_is_not_utf8_is_refused() -> None:
    done = subprocess.run([os.fsencode(COMMAND), b"add", b"caf\xe9"], capture_output=True, check=False)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_a_home_that_cannot_be_made_is_said_and_not_thrown(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    done = process("stats", "--home", str(tmp_path / "file" / "home"), "--json")
    assert done.returncode == 1
    assert json.loads(done.stderr)["error"]["type"] == "StoreUnavailable"


def test_a_reader_that_leaves_is_no_error_worth_words() -> None:
    for number in range(3):
        added(f"{number} " + "word " * 20_000)
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    command = [str(COMMAND), "list", "--user", "ana", "--json"]
    reading = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered)
    assert reading.stdout is not None
    assert reading.stderr is not None
    reading.stdout.read(10)
    reading.stdout.close()
    said = reading.stderr.read()
    reading.stderr.close()
    assert reading.wait() == 141
    assert said == b""


@pytest.mark.skipif(os.name == "nt", reason="no SIGINT to send")
def test_an_interruption_exits_with_130_and_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.jsonl"
    os.mkfifo(pipe)
    running = subprocess.Popen([str(COMMAND), "import", str(pipe)], stderr=subprocess.PIPE)
    writer = os.open(pipe, os.O_WRONLY)  # opens once the command has begun to read
    running.send_signal(signal.SIGINT)
    said = running.communicate(timeout=60)[1]
    os.close(writer)
    assert running.returncode == 130
    assert b"Traceback" not in said


# ── the terminal ──


def test_control_characters_of_a_memory_never_reach_the_terminal() -> None:
    id = added(HOSTILE, "--speaker", "Eve\x1b[2J", "-a", "name=\x1b[31m")
    answer("update", id, "--text", HOSTILE + "!")
    commands = [
        ["search", "red"], ["context", "red"], ["list"], ["get", id], ["history", id], ["explain", "red"],
    ]  # fmt: skip
    for command in commands:
        for form in ([], ["--json"]):
            result = run(*command, "--user", "ana", *form)
            assert result.exit_code == 0, result.output
            assert not set("\x1b\x07\x9b\u202e") & set(result.stdout)
    assert "[bold]not bold[/bold]" in run("get", id).stdout
    assert answer("get", id)["text"] == HOSTILE + "!"


def test_an_error_writes_control_characters_out_as_well() -> None:
    result = run("get", "\x1b[31m")
    assert "\x1b" not in result.stderr


def test_tabs_and_lines_stay_as_they_are() -> None:
    assert safe("a\tb\nc") == "a\tb\nc"
    assert safe("a\rb\x7f\u2028") == "a\\x0db\\x7f\\u2028"


def test_output_that_is_no_terminal_has_no_colours() -> None:
    added()
    done = process("search", "key", "--user", "ana")
    assert b"\x1b" not in done.stdout
    assert b"blue door" in done.stdout


# ── light, and whole ──


def test_help_loads_neither_numpy_nor_the_store() -> None:
    code = (
        "import sys; from memstrata.faces.cli import app; from typer.testing import CliRunner; "
        "CliRunner().invoke(app, ['--help']); "
        "print([name for name in ('numpy', 'apsw', 'memstrata.engine') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_version_is_the_packages() -> None:
    assert run("--version").stdout.strip() == f"memstrata {memstrata.__version__}"


def test_doctor_finds_this_machine_fit_and_leaves_nothing_behind(home: Path) -> None:
    found = answer("doctor")
    assert found["ok"] is True
    assert not home.exists()
    assert {"sqlite", "full-text search", "home", "embedder", "self-test", "store"} <= {
        finding["name"] for finding in found["findings"]
    }
    added()
    assert "1 memories" in run("doctor").stdout


def test_doctor_fails_when_the_home_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("doctor", "--home", str(tmp_path / "file"), "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False


def test_bench_speed_refuses_sizes_that_are_no_numbers() -> None:
    assert run("bench", "speed", "--sizes", "many").exit_code == 2


@pytest.mark.parametrize("options", [("recall", "--features", "--ablate"), ("lookaside", "--searches", "1")])
def test_bench_says_when_there_is_nothing_to_measure_on(options: tuple[str, ...], tmp_path: Path) -> None:
    found = run("bench", *options, "--data", str(tmp_path), "--sets", "locomo")
    assert found.exit_code == 1
    assert "none of" in found.stderr or "no files of locomo" in found.stderr


# ── time and change ──


def stated(value: str, at: str) -> str:
    return added(
        f"The capital is {value}.", "--at", at, "-a", "subject=Malta", "-a", "attribute=capital", "-a", f"value={value}"
    )


def test_state_profile_and_undo_show_what_holds_and_take_it_back() -> None:
    old, new = stated("Mdina", "2023-01-01"), stated("Valletta", "2023-02-01")
    (fact,) = answer("state", "Malta", "capital", "--user", "ana")
    assert (fact["value"], fact["memory_id"], fact["history"][0]["value"]) == ("Valletta", new, "Mdina")
    assert answer("profile", "--user", "ana")["subjects"]["Malta"] == [fact]
    for command in (("state", "Malta"), ("profile",)):
        shown = run(*command, "--user", "ana").stdout
        assert "Valletta" in shown
        assert "Mdina until 2023-02-01" in shown
    assert "nothing" in run("state", "Crete", "--user", "ana").stdout
    assert "nothing" in run("profile", "--user", "rui").stdout
    assert answer("undo", old) == {"holding": 1}
    assert "nothing" in run("undo", old).stdout
    assert {one["value"] for one in answer("state", "Malta", "--user", "ana")} == {"Mdina", "Valletta"}


def test_a_context_without_room_for_one_passage_says_so() -> None:
    for number in range(20):
        added(f"The ledger of the mill, page {number}, says that grain went to the baker.")
    said = run("context", "ledger of the mill", "--budget", "3", "--user", "ana").stdout
    assert "has no room" in said and "--budget" in said and "nothing found" not in said


def test_memories_are_counted_for_each_user_agent_and_session() -> None:
    added("Tea at five.", "--agent", "butler")
    added("Cake.")
    added("Jam.")
    tallies = json.loads(run("tally", "--json").stdout)
    assert [(one["scope"]["user_id"], one["scope"]["agent_id"], one["memories"]) for one in tallies] == [
        ("ana", None, 2), ("ana", "butler", 1)
    ]  # fmt: skip
    assert "butler" in run("tally").stdout


def test_a_claim_says_by_its_exit_code_whether_to_do_the_work() -> None:
    mine = answer("claim", "plan", "--user", "ana")
    assert mine["state"] == "yours"
    taken = run("claim", "plan", "--user", "ana")
    assert (taken.exit_code, mine["holder"] in taken.stdout) == (4, True)
    assert answer("release", "plan", "--holder", mine["holder"], "--user", "ana") == {"released": True}
    assert "not held" in run("release", "plan", "--holder", mine["holder"], "--user", "ana").stdout
    assert run("claim", "plan", "--holder", "cook", "--user", "ana").exit_code == 0
    added("First the roof.", "--key", "plan")
    done = run("claim", "plan", "--user", "ana")
    assert (done.exit_code, "First the roof." in done.stdout) == (4, True)
    assert added("First the cellar.", "--key", "plan", "--once") == added("First the attic.", "--key", "plan", "--once")


def test_searches_mark_what_was_replaced_and_what_is_pinned() -> None:
    old, new = stated("Mdina", "2023-01-01"), stated("Valletta", "2023-02-01")
    added("Be brief.", "-a", "pinned=true")
    for command in ("search", "explain"):
        shown = " ".join(run(command, "the capital of Malta", "--user", "ana").stdout.split())
        assert f"no longer holds: replaced by {new}" in shown
        assert "pinned" in shown
    hits = answer("search", "the capital Mdina", "--user", "ana")
    assert {hit["memory"]["id"]: hit["replaced_by"] for hit in hits}[old] == new
    assert [hit["memory"]["text"] for hit in hits if hit["pinned"]] == ["Be brief."]


def test_another_time_can_be_asked_about() -> None:
    stated("Mdina", "2023-01-01")
    stated("Valletta", "2023-02-01")
    (fact,) = answer("state", "Malta", "--as-of", "2023-01-15", "--user", "ana")
    assert fact["value"] == "Mdina"
    assert answer("state", "Malta", "--known-at", "2020-01-01", "--user", "ana") == []
    for command in ("search", "explain", "context"):
        then = run(command, "the capital", "--as-of", "2023-01-15", "--hops", "2", "--user", "ana", "--json").stdout
        assert "Mdina" in then
        assert "Valletta" not in then or command == "context"
    assert answer("search", "the capital", "--known-at", "2020-01-01", "--user", "ana") == []
    assert answer("search", "the price of tea", "--precise", "--user", "ana") == []
    assert run("search", "x", "--as-of", "soon", "--user", "ana").exit_code == 1
    assert run("search", "x", "--as-of", "30d", "--user", "ana").exit_code == 2


def test_changes_are_shown_from_a_position_on() -> None:
    added("a cup")
    start = answer("changes", "--user", "ana")["position"]
    first = added("green tea")
    found = answer("changes", "--after", str(start), "--user", "ana")
    assert [(one["operation"], one["memory_id"]) for one in found["changes"]] == [("add", first)]
    assert "green tea" in run("changes", "--after", str(start), "--user", "ana").stdout
    assert answer("changes", "--after", str(found["position"]), "--user", "ana")["changes"] == []


def test_scopes_name_who_has_memories() -> None:
    answer("add", "Rui rows.", "--app", "sports", "--user", "rui")
    id = added()
    assert [(one["app_id"], one["user_id"]) for one in answer("scopes")] == [(None, "ana"), ("sports", "rui")]
    assert [one["user_id"] for one in answer("scopes", "--app", "sports")] == ["rui"]
    run("delete", id)
    assert [one["user_id"] for one in answer("scopes")] == ["rui"]
