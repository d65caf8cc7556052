"""Keep a store in one directory: a SQLite database, a lock file and caches that can be thrown away."""

from memstrata.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
