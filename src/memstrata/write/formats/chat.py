"""Turn saved chats into turns."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from memstrata.errors import InvalidInput
from memstrata.types import Event
from memstrata.write.formats import Found, json_file, json_lines, json_object, keys, pieces

LINES: Final = frozenset({".jsonl", ".ndjson"})
LISTS: Final = ("messages", "chat_messages")
TIMES: Final = ("at", "timestamp", "created_at", "create_time", "time")
IDS: Final = ("session_id", "conversation_id", "uuid", "id")
TITLES: Final = ("title", "name")

Object = dict[str, Any]  # Any: JSON, checked where it is used


class Chat:
    """Chats as JSON: messages with `role` and `content`, alone or in conversations, or trees of them.

    Read are a list of messages, an object with `messages`, a list of such objects or one a line, and exports
    that keep each conversation as a `mapping` of nodes with `author`, `parts` and `create_time`.
    """

    name = "chat"

    def recognises(self, path: Path, head: str) -> bool:
        """By `messages`, `chat_messages` or `mapping` in its first object, or `role` and `content`."""
        found = keys(head)
        suffix = path.suffix.lower()
        conversations = bool({*LISTS, "mapping"} & found)
        return (suffix == ".json" and (conversations or {"role", "content"} <= found)) or (
            suffix in LINES and conversations
        )

    def events(self, path: Path) -> Iterator[Found]:
        """One turn a message that says something; each conversation is a session."""
        for conversation, place in _conversations(path):
            session = _first(conversation, IDS)
            attributes = {} if (title := _first(conversation, TITLES)) is None else {"title": title}
            for number, message in enumerate(_messages(conversation, f"{path}, {place}"), start=1):
                where = f"{place}, message {number}".removeprefix(", ")
                for piece in pieces(_said(message, f"{path}, {where}")):
                    if piece.strip():
                        yield Found(_turn(message, piece, session, attributes), where)


def _conversations(path: Path) -> Iterator[tuple[Object, str]]:
    if path.suffix.lower() in LINES:
        for number, line in json_lines(path):
            yield line, f"line {number}"
        return
    value = json_file(path)
    if isinstance(value, dict):
        yield value, "the conversation"
    elif isinstance(value, list) and all(isinstance(one, dict) and "role" in one for one in value):
        yield {"messages": value, "id": path.stem}, "the conversation"
    elif isinstance(value, list):
        for number, one in enumerate(value, start=1):
            yield json_object(one, f"{path}, conversation {number}"), f"conversation {number}"
    else:
        raise InvalidInput(f"{path}: chats are a JSON list or object, not {type(value).__name__}")


def _messages(conversation: Object, place: str) -> Iterator[Object]:
    if "mapping" in conversation:
        yield from _along_the_tree(json_object(conversation["mapping"], f"{place}: mapping"), place)
        return
    for name in LISTS:
        if isinstance(found := conversation.get(name), list):
            for number, message in enumerate(found, start=1):
                yield json_object(message, f"{place}, message {number}")
            return
    raise InvalidInput(
        f"{place}: no list of messages; it has {', '.join(sorted(map(str, conversation)))[:200] or 'nothing'}"
    )


def _along_the_tree(mapping: Object, place: str) -> Iterator[Object]:
    """The messages of a tree of nodes, every parent before its children, a branch at a time."""
    nodes = {id: json_object(node, f"{place}, node {id:.80}") for id, node in mapping.items()}
    waiting = [id for id, node in reversed(nodes.items()) if node.get("parent") not in nodes]
    seen: set[str] = set()
    while waiting:
        id = waiting.pop()
        if id in seen:
            continue
        seen.add(id)
        message = nodes[id].get("message")
        if isinstance(message, dict) and not _hidden(message):
            yield message
        children = nodes[id].get("children")
        waiting += [child for child in reversed(children if isinstance(children, list) else []) if child in nodes]
    if len(seen) < len(nodes):
        lost = next(id for id in nodes if id not in seen)
        raise InvalidInput(f"{place}, node {lost:.80}: no root leads to it; the export is damaged")


def _hidden(message: Object) -> bool:
    metadata = message.get("metadata")
    return isinstance(metadata, dict) and metadata.get("is_visually_hidden_from_conversation") is True


def _said(message: Object, place: str) -> str:
    """What a message says; images and calls of tools say nothing."""
    content = message.get("content", message.get("text"))
    if isinstance(content, dict):
        content = content.get("parts", content.get("text"))
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise InvalidInput(f"{place}: the content is a text or a list of parts, not {type(content).__name__}")
    texts = [part.get("text") if isinstance(part, dict) else part for part in content]
    return "\n".join(text for text in texts if isinstance(text, str) and text)


def _turn(message: Object, text: str, session: str | None, attributes: Object) -> Event:
    author = message.get("author")
    named = author if isinstance(author, dict) else message
    role = named.get("role") or message.get("sender")
    return Event(
        text,
        role=role if isinstance(role, str) and role else None,
        speaker=_first(named, ("name", "speaker")),
        at=next((message[name] for name in TIMES if message.get(name)), None),
        attributes=attributes,
        session_id=session,
    )


def _first(found: Object, names: tuple[str, ...]) -> str | None:
    return next((found[name] for name in names if isinstance(found.get(name), str) and found[name]), None)
