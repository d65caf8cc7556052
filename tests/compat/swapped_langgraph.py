"""Put our store in the place of LangGraph's own, before their tests import it: a pytest plugin (`-p`)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import langgraph.store.memory

from memstrata.faces.compat.langgraph import MemstrataStore

langgraph.store.memory.InMemoryStore = MemstrataStore

if find_spec("langgraph.store.sqlite") is not None:
    import langgraph.store.sqlite

    class SqliteStore(MemstrataStore):
        """Ours, made as theirs is."""

        MIGRATIONS: tuple[str, ...] = ()

        @classmethod
        @contextmanager
        def from_conn_string(cls, connection: str, **options: Any) -> Iterator[SqliteStore]:
            """A store in a folder of its own, whatever the connection is."""
            with cls(**options) as store:
                yield store

        def setup(self) -> None:
            """Nothing is to be set up."""

    langgraph.store.sqlite.SqliteStore = SqliteStore
