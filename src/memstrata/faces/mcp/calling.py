"""Turn a function into a tool: its schemas out of its signature, and each call of it into a result."""

from __future__ import annotations

import difflib
import functools
import inspect
import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Final, get_type_hints

from mcp import types
from pydantic import TypeAdapter, ValidationError, validate_call
from pydantic.json_schema import GenerateJsonSchema

from memstrata.errors import MemstrataError

LOG: Final = logging.getLogger("memstrata.mcp")

Json = Any  # a JSON value: what a client sends, checked by the schema


class Untitled(GenerateJsonSchema):
    """JSON schemas without titles that only repeat the name of a field: a model pays for every word of them."""

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002  # Any: one of many kinds of schema
        """Never."""
        return False


class Tool:
    """A function of keyword arguments as a model sees it: name, description, what goes in and what comes out.

    The docstring is the description, so it is written to a model. The function returns a dataclass, whose fields are
    the output schema. `waits` says that a call may take long and do nothing; `told` picks what the result says as text
    where that is not all of it.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *,
        title: str,
        reads: bool = False,
        destroys: bool = False,
        repeats: bool = False,
        waits: bool = False,
        told: Callable[[Json], Json] | None = None,
    ) -> None:
        self.name: Final[str] = function.__name__
        self.reads: Final = reads
        self.waits: Final = waits
        self._title = title
        self._description = " ".join((inspect.getdoc(function) or "").split())
        self._hints = types.ToolAnnotations(
            title=title, read_only_hint=reads, destructive_hint=destroys, idempotent_hint=reads or repeats,
            open_world_hint=False,
        )  # fmt: skip
        self._told = told
        hints = get_type_hints(function, include_extras=True)
        call: Any = _annotated(function, hints)  # Any: pydantic takes functions where it says types
        self._call: Callable[..., object] = validate_call(call)
        self._result: TypeAdapter[object] = TypeAdapter(hints["return"])
        self.arguments: Final = TypeAdapter(call).json_schema(schema_generator=Untitled)

    def listed(self) -> types.Tool:
        """What a client is told of the tool."""
        return types.Tool(
            name=self.name,
            title=self._title,
            description=self._description,
            input_schema=self.arguments,
            output_schema=self._result.json_schema(mode="serialization", schema_generator=Untitled),
            annotations=self._hints,
        )

    def called(self, arguments: Mapping[str, Json]) -> types.CallToolResult:
        """What a call brings; whatever goes wrong becomes a result that says what to try."""
        try:
            found = self._call(**self._unpacked(arguments))
            plain = self._result.dump_python(found, mode="json", by_alias=True)
        except ValidationError as exc:
            return failure(f"{self.name} was not called: {'; '.join(map(self._refusal, exc.errors()))}")
        except MemstrataError as exc:
            LOG.info("%s: %s", self.name, type(exc).__name__)
            return failure(str(exc))
        except Exception as exc:  # noqa: BLE001 - the outermost place of a face: no stack trace leaves it
            LOG.error("%s: %s", self.name, type(exc).__name__)
            return failure(
                f"{self.name} failed inside Memstrata ({type(exc).__name__}), which is a fault of ours. "
                "Try it once more; if it stays so, `memstrata doctor` and `memstrata check` look for the cause"
            )
        told = plain if self._told is None else self._told(plain)
        text = told if isinstance(told, str) else json.dumps(told, ensure_ascii=False)
        return types.CallToolResult(content=[types.TextContent(type="text", text=text)], structured_content=plain)

    def _unpacked(self, arguments: Mapping[str, Json]) -> dict[str, Json]:
        """The arguments, with lists and objects that came as JSON in a string unpacked: some clients send them so."""
        return {name: self._value(name, value) for name, value in arguments.items()}

    def _value(self, name: str, value: Json) -> Json:
        if not isinstance(value, str) or not self._structured(name):
            return value
        try:
            unpacked = json.loads(value)
        except (ValueError, RecursionError):
            return value
        return unpacked if isinstance(unpacked, dict | list) else value

    def _structured(self, name: str) -> bool:
        """Whether an argument takes a list or an object, and no text."""
        schema = self.arguments["properties"].get(name, {})
        kinds = {one.get("type") for one in (schema, *schema.get("anyOf", ()))}
        return bool(kinds & {"array", "object"}) and "string" not in kinds

    def _refusal(self, error: Mapping[str, Any]) -> str:  # Any: as pydantic describes an error
        """What is wrong with one argument; the value itself is the caller's, and not repeated."""
        place = ".".join(str(part) for part in error["loc"])
        known = list(self.arguments["properties"])
        if error["type"] == "unexpected_keyword_argument":
            close = difflib.get_close_matches(place, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it takes {', '.join(known)}"
            return f"there is no argument {place!r:.80}; {hint}"
        if error["type"] == "missing_keyword_only_argument":
            return f"{place} is missing"
        return f"{place}: {error['msg']}"


def _annotated(function: Callable[..., object], hints: dict[str, Any]) -> Callable[..., object]:  # Any: types
    """The function with its annotations evaluated, which pydantic would look up in this module."""

    @functools.wraps(function)
    def called(**arguments: Json) -> object:
        return function(**arguments)

    called.__annotations__ = hints
    return called


def failure(message: str) -> types.CallToolResult:
    """A result that says what went wrong and what to try."""
    return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)
