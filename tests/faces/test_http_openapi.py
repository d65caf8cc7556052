"""Prove that the OpenAPI is the one that was reviewed, and that answers are as it says.

`python tests/faces/test_http_openapi.py` writes the reviewed form anew; read what changed before you commit it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="memstrata[server] is not installed")

sys.path.insert(0, str(Path(__file__).parents[1] / "compat"))

from serving import served

REVIEWED = Path(__file__).parent / "snapshots" / "http_openapi.txt"
NOT_OVER_HTTP = {
    "backup": "it writes a directory of the server's machine",
    "close": "the server does it when it stops",
    "reembed": "`memstrata reembed` does it, with another embedder than the server has",
    "session": "its model lives in the caller's process",
    "wait": "streams, and /v1/changes with seconds",
}
NAMES = {
    "add": "POST /v1/memories", "add_many": "POST /v1/memories/batch", "changes": "GET /v1/changes",
    "check": "POST /v1/check", "context": "POST /v1/context", "delete": "DELETE /v1/memories/{id}",
    "delete_all": "DELETE /v1/memories", "explain": "POST /v1/explain", "export": "GET /v1/export",
    "feedback": "POST /v1/feedback", "forget": "DELETE /v1/memories/{id}", "get": "GET /v1/memories/{id}",
    "history": "GET /v1/memories/{id}/history", "import_": "POST /v1/import", "list": "GET /v1/memories",
    "merge": "POST /v1/memories/merge", "profile": "GET /v1/profile", "purge": "POST /v1/purge",
    "recall": "POST /v1/context", "remember": "POST /v1/memories", "scopes": "GET /v1/scopes",
    "search": "POST /v1/search", "state": "GET /v1/state", "stats": "GET /v1/stats",
    "undo": "POST /v1/memories/{id}/undo", "update": "PATCH /v1/memories/{id}", "upkeep": "POST /v1/upkeep",
}  # fmt: skip


def published(home: Path) -> Any:
    """The OpenAPI of a server."""
    with served(home) as server, server.client() as client:
        return client.get("/v1/openapi.json").json()


def condensed(document: Any) -> str:
    """What matters of it to whoever calls: a line for each operation and for each shape."""
    lines = [f"{document['openapi']} {document['info']['title']}", ""]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            lines.append(f"{method.upper()} {path}: {', '.join(dict.fromkeys(_parameters(operation)))}")
            for content in operation.get("requestBody", {}).get("content", {}).values():
                lines.append(f"    takes {_kind(content.get('schema', {}))}")
            answers = operation["responses"]
            for status in sorted(one for one in answers if one < "300"):
                for media, content in answers[status].get("content", {}).items():
                    lines.append(f"    gives {status} {media} {_kind(content.get('schema', {}))}")
            lines.append(f"    or {' '.join(sorted(one for one in answers if one >= '300'))}")
    for name, shape in sorted(document["components"]["schemas"].items()):
        needed = set(shape.get("required", ()))
        fields = [f"{one}{'' if one in needed else '?'}: {_kind(kind)}" for one, kind in shape["properties"].items()]
        closed = "" if shape.get("additionalProperties", True) else " (nothing else)"
        lines += ["", f"{name}{closed}", *(f"    {field}" for field in fields)]
    return "\n".join(lines) + "\n"


def _parameters(operation: Any) -> Iterator[str]:
    for one in operation.get("parameters", ()):
        if one["name"] in SCOPE:
            yield "whose"
            continue
        mark = "" if one.get("required") else "?"
        yield f"{one['name']}{mark} in {one['in']} {_kind(one['schema'])}"


def _kind(schema: Any) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "anyOf" in schema:
        return " | ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema:
        return "/".join(map(str, schema["enum"]))
    kind = schema.get("type", "any")
    if kind == "array":
        kind = f"[{_kind(schema['items'])}]"
    bounds = [f"{name} {schema[name]}" for name in sorted(schema) if name in BOUNDS]
    default = f" = {schema['default']}" if schema.get("default") is not None else ""
    return kind + (f" ({', '.join(bounds)})" if bounds else "") + default


SCOPE = {"tenant_id", "app_id", "user_id", "agent_id", "session_id", "namespace"}
BOUNDS = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minLength", "maxLength", "minItems", "maxItems",
}  # fmt: skip


def test_the_openapi_is_the_one_that_was_reviewed(home: Path) -> None:
    assert condensed(published(home)) == REVIEWED.read_text(encoding="utf-8"), f"read what changed, then run {__file__}"


def test_every_verb_is_reached_over_http_or_said_not_to_be(home: Path) -> None:
    from memstrata.engine import Memstrata

    verbs = {name for name in vars(Memstrata) if not name.startswith("_") and callable(getattr(Memstrata, name))}
    assert verbs == set(NAMES) | set(NOT_OVER_HTTP)
    paths = published(home)["paths"]
    offered = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert set(NAMES.values()) <= offered


@pytest.mark.skipif(importlib.util.find_spec("schemathesis") is None, reason="schemathesis is not installed")
def test_answers_are_as_the_openapi_says() -> None:
    import http_schema

    done = http_schema.run(200, phases="examples,fuzzing")
    assert done.returncode == 0, done.stdout[-4_000:]


if __name__ == "__main__":
    import tempfile

    REVIEWED.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        REVIEWED.write_text(condensed(published(Path(folder) / "store")), encoding="utf-8")
