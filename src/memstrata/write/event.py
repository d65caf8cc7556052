"""Turn what a caller hands in into checked events."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from hashlib import blake2b
from typing import Any, Final, get_args
from unicodedata import normalize

from memstrata.access import namespace_path
from memstrata.errors import InvalidInput
from memstrata.types import NOTHING, Event, Kind

MAX_TEXT_BYTES: Final = 1 << 20
MAX_ATTRIBUTES_BYTES: Final = 64 << 10
MAX_DEPTH: Final = 100  # SQLite reads JSON of up to 1,000 levels, and a deeper row would spoil every filter
MAX_KEY: Final = 512
MAX_NAME: Final = 512
MAX_SOURCES: Final = 10_000
MARKS: Final = ".,;:!?…\"'“”‘’„«»"  # around a word; those that change what is said are none of them
KINDS: Final = frozenset(get_args(Kind))
FIELDS: Final = frozenset(field.name for field in fields(Event))
SYNONYMS: Final = {
    "content": "text", "name": "speaker", "timestamp": "at", "time": "at", "metadata": "attributes",
}  # fmt: skip

CHAT_ONLY: Final = frozenset({"tool_calls", "tool_call_id", "function_call", "refusal", "annotations", "audio"})

Message = str | Event | Mapping[str, Any]  # Any: a caller's JSON, checked here
Content = Message | Iterable[Message]


def events_of(content: Content, defaults: Event) -> list[Event]:
    """The events that a call to `add` means: one text, one message, or a list of them.

    A key given for a list becomes one key for each of its messages: `key/0`, `key/1`, …
    """
    if isinstance(content, str | bytes | Event | Mapping) or not isinstance(content, Iterable):
        return [event_of(content, defaults)]
    messages = [message for message in content if not _only_calls(message)]
    if not messages:
        raise InvalidInput("there is nothing to add: the list of messages is empty")
    keys = [None if defaults.key is None else f"{defaults.key}/{place}" for place in range(len(messages))]
    return [event_of(message, replace(defaults, key=key)) for message, key in zip(messages, keys, strict=True)]


def _only_calls(message: object) -> bool:
    """Whether a chat message says nothing and only calls tools: nothing to remember, and no mistake."""
    return isinstance(message, Mapping) and bool(message.get("tool_calls")) and not message.get("content")


def event_of(message: Message, defaults: Event) -> Event:
    """One checked event, with what the message leaves out taken from the defaults.

    Raises:
        InvalidInput: something in it cannot be kept; names what, and the limit.
    """
    match message:
        case str():
            event = replace(defaults, text=message)
        case Event():
            given = {name: value for name in FIELDS if (value := getattr(message, name)) not in (None, NOTHING, ())}
            event = replace(defaults, **given)
        case Mapping():
            event = replace(defaults, **_fields(message))
        case _:
            raise InvalidInput(
                f"an event is a text, a message such as {{'role': 'user', 'content': '…'}} or an Event, "
                f"not {type(message).__name__}"
            )
    return checked(event)


def _fields(message: Mapping[str, Any]) -> dict[str, Any]:  # Any: a caller's JSON, checked by `checked`
    given: dict[str, Any] = {}
    for name, value in message.items():
        if name in CHAT_ONLY:
            continue
        field = SYNONYMS.get(name, name)
        if field not in FIELDS:
            raise InvalidInput(f"a message has no field {name!r:.80}; put your own fields under 'attributes'")
        if value is not None:
            given[field] = _parts_text(value) if field == "text" and isinstance(value, list) else value
    if "text" not in given:
        raise InvalidInput(f"a message needs 'text' or 'content'; this one has {sorted(message)!r:.200}")
    return given


def _parts_text(parts: list[Any]) -> str:  # Any: content parts of a chat message
    texts = [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return "\n".join(texts)


def checked(event: Event) -> Event:
    """The event itself, when it can be kept."""
    _check_text(event.text)
    if not isinstance(event.kind, str) or event.kind not in KINDS:
        raise InvalidInput(f"kind={event.kind!r:.80} is none of {', '.join(sorted(KINDS))}")
    for name in ("speaker", "role", "contributor", "resource", "agent_id", "session_id"):
        check_name(name, getattr(event, name), MAX_NAME)
    check_name("key", event.key, MAX_KEY)
    if not isinstance(event.sources, list | tuple) or len(event.sources) > MAX_SOURCES:
        raise InvalidInput(f"sources is a list of at most {MAX_SOURCES:,} ids or addresses")
    for source in event.sources:
        check_name("a source", source, 2_048)
    return replace(
        event,
        attributes=plain_attributes(event.attributes),
        sources=tuple(event.sources),
        namespace=namespace_path(event.namespace),
    )


def key_of_words(event: Event) -> str:
    """A key that texts of the same words have, by the same speaker: case, blanks and marks around words do not matter.

    >>> key_of_words(Event("The deadline is May 6.")) == key_of_words(Event("the  deadline is May 6"))
    True
    >>> key_of_words(Event("Profit: 5")) == key_of_words(Event("Profit: -5"))
    False
    """
    words = [word.strip(MARKS) for word in normalize("NFKC", event.text).casefold().split()]
    said = json.dumps([event.speaker, [word for word in words if word] or event.text])
    return f"once/{blake2b(said.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def _check_text(text: object) -> None:
    if isinstance(text, bytes):
        raise InvalidInput("the text is bytes; decode it first, for instance with .decode('utf-8', 'replace')")
    if not isinstance(text, str):
        raise InvalidInput(f"the text is {type(text).__name__}; pass a str")
    if not text.strip():
        raise InvalidInput("the text is empty; there is nothing to remember")
    size = _encoded_size("the text", text)
    if size > MAX_TEXT_BYTES:
        raise InvalidInput(
            f"the text has {size:,} bytes; one event may have {MAX_TEXT_BYTES:,}: split it into several, "
            "or import it as a document with `memstrata import`"
        )


def _encoded_size(name: str, text: str) -> int:
    if "\0" in text:
        raise InvalidInput(
            f"{name} has a NUL character at {text.index(chr(0))}; remove it, or put '\\ufffd' in its place"
        )
    try:
        return len(text) if text.isascii() else len(text.encode())
    except UnicodeEncodeError as exc:
        raise InvalidInput(
            f"{name} has half of a surrogate pair at {exc.start}, which is no valid Unicode; "
            "clean it with text.encode('utf-8', 'replace').decode()"
        ) from exc


def check_name(name: str, value: object, limit: int) -> None:
    if value is None:
        return
    if not isinstance(value, str) or not value:
        raise InvalidInput(f"{name}={value!r:.80} is no text; pass one that is not empty, or leave it out")
    if _encoded_size(name, value) > limit:
        raise InvalidInput(f"{name} may have {limit:,} bytes; it has {len(value.encode()):,}")


def plain_attributes(attributes: object) -> Mapping[str, Any]:  # Any: JSON
    """A copy of the attributes that is sure to be JSON.

    Raises:
        InvalidInput: they are no mapping of names to JSON values, or too large.
    """
    if not attributes:
        return NOTHING
    if not isinstance(attributes, Mapping) or not all(isinstance(name, str) for name in attributes):
        raise InvalidInput(f"attributes is a mapping of names to JSON values, not {type(attributes).__name__}")
    try:
        plain = json.dumps(dict(attributes), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as exc:
        raise InvalidInput(f"attributes must be JSON (texts, finite numbers, lists, mappings): {exc}") from exc
    if _encoded_size("attributes", plain) > MAX_ATTRIBUTES_BYTES or "\\u0000" in plain:
        raise InvalidInput(
            f"attributes may have {MAX_ATTRIBUTES_BYTES:,} bytes as JSON and no NUL; these have {len(plain):,}"
        )
    copy: dict[str, Any] = json.loads(plain)
    if _deeper(copy, MAX_DEPTH):
        raise InvalidInput(f"attributes may nest {MAX_DEPTH} levels deep; these go deeper")
    return copy


def _deeper(value: object, levels: int) -> bool:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return bool(inner) and (levels == 0 or any(_deeper(part, levels - 1) for part in inner))
