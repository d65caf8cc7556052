"""Keep API keys beside the memories: what is on disk says whether a key is right, and never what it is.

One small JSON file, `keys.json`, is written anew as a whole with every change, and read again when it has changed, so
that a key revoked by command ends in every process at once. A store with a key in this file takes nobody without one,
even after the last was revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import threading
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from memstrata.access.reach import LEVELS, Caller, branch
from memstrata.errors import InvalidInput, NotFound, StoreCorrupt, StoreUnavailable
from memstrata.store.gate import Gate
from memstrata.types import ANY, Scope

FILE: Final = "keys.json"
LOCK: Final = "keys.lock"
FORM: Final = {"memstrata": "keys", "version": 1}
TOKEN: Final = re.compile(r"msk_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
NAME: Final = re.compile(r"[\w.@ -]{1,100}")
COST: Final = {"n": 1 << 14, "r": 8, "p": 1}  # scrypt: 16 MiB and some 40 ms for a try, once for each key and process
REMEMBERED: Final = 10_000
LOCK_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is known here: whose it is, what it reaches, until when; never the key itself."""

    id: str
    name: str
    reach: Scope
    read_only: bool
    created_at: int
    ends_at: int | None = None
    salt: bytes = field(default=b"", repr=False)
    digest: bytes = field(default=b"", repr=False)

    def holds(self, now: int) -> bool:
        """Whether the key has not ended."""
        return self.ends_at is None or now < self.ends_at

    def caller(self) -> Caller:
        """Who comes with this key."""
        return Caller(f"key:{self.name}", f"key:{self.id}", self.reach, self.read_only, self.ends_at)


class Keys:
    """The keys of one store; each look sees what the file holds now."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._path = directory / FILE
        self._lock = threading.Lock()
        self._trying = threading.Lock()
        self._seen: tuple[int, int, int] | None = None
        self._known: tuple[Key, ...] = ()
        self._right: dict[bytes, str] = {}  # digests of tokens found right, and their keys' ids

    def all(self) -> tuple[Key, ...]:
        """Every key, ended ones too, in the order they were made.

        Raises:
            StoreCorrupt: the file is no list of keys.
            StoreUnavailable: it cannot be read.
        """
        with self._lock:
            return self._fresh()

    @property
    def configured(self) -> bool:
        """Whether there ever was a key."""
        return bool(self.all())

    def remembered(self, token: str, *, now: int) -> Key | None:
        """The key that a token was found to be, when that is known without working it out."""
        mark = _mark(token)
        with self._lock:
            known = self._fresh()
            id = self._right.get(mark)
        return next((key for key in known if key.id == id and key.holds(now)), None)

    def found(self, token: str, *, now: int) -> Key | None:
        """The key that a token is; None when it is none, or one that has ended."""
        match = TOKEN.fullmatch(token)
        if match is None:
            return None
        if (known := self.remembered(token, now=now)) is not None:
            return known
        key = next((one for one in self.all() if one.id == match[1] and one.holds(now)), None)
        with self._trying:  # one at a time: trying is made to cost something, and is not to cost more than that
            if key is None or not hmac.compare_digest(key.digest, _digest(token, key.salt)):
                return None
        with self._lock:
            if key in self._fresh():
                if len(self._right) >= REMEMBERED:
                    self._right.clear()
                self._right[_mark(token)] = key.id
        return key

    def add(
        self, name: str, scope: Scope, *, read_only: bool = False, now: int, ends_at: int | None = None
    ) -> tuple[Key, str]:
        """Make a key that reaches a scope and all below it; returns it with the token, which is shown this once.

        Raises:
            InvalidInput: the name cannot be used, or the scope names an agent, session or namespace.
        """
        if not NAME.fullmatch(name):
            raise InvalidInput(f"a key's name has 1 to 100 letters, digits or ' . _ @ -', not {name!r:.120}")
        if ends_at is not None and ends_at <= now:
            raise InvalidInput("the key would have ended before it began; give a later time")
        key, token = _made(Key("", name, branch(scope), read_only, now, ends_at))
        with self._changing() as known:
            self._write((*known, key))
        return key, token

    def revoke(self, id: str, *, now: int) -> Key:
        """End a key now.

        Raises:
            NotFound: there is none of this id.
        """
        with self._changing() as known:
            key = _named(known, id)
            ended = replace(key, ends_at=now if key.holds(now) else key.ends_at, salt=b"", digest=b"")
            self._write(tuple(ended if one.id == id else one for one in known))
        return ended

    def rotate(self, id: str, *, now: int, overlap_s: float = 0.0) -> tuple[Key, str]:
        """A new key in the place of another, which ends after the overlap.

        Raises:
            NotFound: there is no key of this id that still holds.
        """
        with self._changing() as known:
            old = _named(known, id)
            if not old.holds(now):
                raise NotFound(f"the key {id!r:.40} has ended; `memstrata keys add` makes a new one")
            key, token = _made(replace(old, created_at=now))
            until = now + int(overlap_s * 1e6)
            ended = replace(old, ends_at=until if old.ends_at is None else min(until, old.ends_at))
            if overlap_s <= 0:
                ended = replace(ended, salt=b"", digest=b"")
            self._write((*(ended if one.id == id else one for one in known), key))
        return key, token

    # ── the file ──

    def _changing(self) -> _Change:
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as exc:
            raise StoreUnavailable(f"cannot make the directory {self._directory}: {exc.strerror}") from exc
        return _Change(self, Gate(self._directory / LOCK, timeout_s=LOCK_TIMEOUT_S))

    def _fresh(self) -> tuple[Key, ...]:
        """What the file holds now; read only when it is another than the last one seen."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            self._seen, self._known, self._right = None, (), {}
            return ()
        except OSError as exc:
            raise StoreUnavailable(f"cannot read {self._path}: {exc.strerror}; check its permissions") from exc
        seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        if seen != self._seen:
            self._known, self._right = _read(self._path), {}
            self._seen = seen
        return self._known

    def _write(self, keys: tuple[Key, ...]) -> None:
        partial = self._path.with_name(f"{FILE}.{secrets.token_hex(4)}.partial")
        text = json.dumps(FORM | {"keys": [_plain(key) for key in keys]}, ensure_ascii=False, indent=1)
        try:
            with open(partial, "x", encoding="utf-8", opener=_private) as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            partial.replace(self._path)
        except OSError as exc:
            raise StoreUnavailable(f"cannot write {self._path}: {exc.strerror}; nothing was changed") from exc
        finally:
            partial.unlink(missing_ok=True)


class _Change:
    """The right to change the file, for the length of a block."""

    def __init__(self, keys: Keys, gate: Gate) -> None:
        self._keys = keys
        self._gate = gate
        self._held = gate.held()

    def __enter__(self) -> tuple[Key, ...]:
        self._held.__enter__()
        return self._keys.all()

    def __exit__(self, *error: Any) -> None:  # Any: what a `with` hands over
        self._held.__exit__(*error)
        self._gate.close()


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _made(key: Key) -> tuple[Key, str]:
    """A key with an id and a secret of its own, and the token that it is recognised by."""
    id, salt = secrets.token_hex(6), secrets.token_bytes(16)
    token = f"msk_{id}_{secrets.token_urlsafe(32)}"
    return replace(key, id=id, salt=salt, digest=_digest(token, salt)), token


def _digest(token: str, salt: bytes) -> bytes:
    return hashlib.scrypt(token.encode(), salt=salt, **COST)


def _mark(token: str) -> bytes:
    """What is remembered of a token that was found right, in this process only."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def _named(keys: tuple[Key, ...], id: str) -> Key:
    for key in keys:
        if key.id == id:
            return key
    raise NotFound(f"there is no key {id!r:.40}; `memstrata keys list` shows them")


def _plain(key: Key) -> dict[str, Any]:  # Any: JSON
    reach = {name: getattr(key.reach, name) for name in LEVELS if getattr(key.reach, name) not in (None, ANY)}
    return {
        "id": key.id, "name": key.name, "reach": reach, "read_only": key.read_only, "created_at": key.created_at,
        "ends_at": key.ends_at, "salt": key.salt.hex(), "digest": key.digest.hex(),
    }  # fmt: skip


def _read(path: Path) -> tuple[Key, ...]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
        if {name: value.get(name) for name in FORM} != FORM:
            raise ValueError("not of this form")
        return tuple(
            Key(
                str(one["id"]), str(one["name"]), branch(Scope(**one["reach"])), bool(one["read_only"]),
                int(one["created_at"]), None if one["ends_at"] is None else int(one["ends_at"]),
                bytes.fromhex(one["salt"]), bytes.fromhex(one["digest"]),
            )
            for one in value["keys"]
        )  # fmt: skip
    except OSError as exc:
        raise StoreUnavailable(f"cannot read {path}: {exc.strerror}; check its permissions") from exc
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise StoreCorrupt(f"{path} is no list of keys, and nobody is let in: restore it, or remove it") from exc
