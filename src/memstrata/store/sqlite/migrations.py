"""Bring a database of any older version up to this one, a transaction for each step.

A step is never edited once released: change the shape of the data by adding the next one.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import apsw

from memstrata.errors import StoreTooNew

ROWS_AND_INDEXES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value) WITHOUT ROWID;

-- one row for each (tenant, app, user); an empty name is the default, an empty user what users share
CREATE TABLE space (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,   -- never used again: words and caches carry it
  tenant    TEXT    NOT NULL,
  app       TEXT    NOT NULL,
  user      TEXT    NOT NULL,
  last      INTEGER NOT NULL DEFAULT 0,   -- number of the last segment
  segments  INTEGER NOT NULL DEFAULT 0,   -- live ones
  words     INTEGER NOT NULL DEFAULT 0,   -- in live ones
  position  INTEGER NOT NULL DEFAULT 0,   -- last change
  UNIQUE (tenant, app, user)
);

-- one row for each version of each memory; times are microseconds since 1970 UTC
CREATE TABLE memory (
  "row"       INTEGER PRIMARY KEY,        -- space << 36 | number of its first segment
  id          BLOB    NOT NULL,
  version     INTEGER NOT NULL,
  space       INTEGER NOT NULL,
  agent       TEXT,
  session     TEXT,
  namespace   TEXT,
  kind        TEXT    NOT NULL,
  state       TEXT    NOT NULL,
  text        TEXT    NOT NULL,
  attributes  TEXT,
  speaker     TEXT,
  role        TEXT,
  at          INTEGER NOT NULL,
  at_offset   INTEGER NOT NULL,           -- minutes east of UTC that the time was given in
  created_at  INTEGER NOT NULL,
  recorded_at INTEGER NOT NULL,
  valid_from  INTEGER,
  valid_until INTEGER,
  expires_at  INTEGER,
  contributor TEXT,
  resource    TEXT,
  digest      BLOB,                       -- of the content; none in a tombstone
  UNIQUE (id, version)
);
CREATE INDEX memory_by_time    ON memory (space, at, "row")          WHERE state = 'active';
CREATE INDEX memory_by_session ON memory (space, session, at, "row") WHERE state = 'active' AND session IS NOT NULL;
CREATE INDEX memory_by_expiry  ON memory (expires_at)                WHERE state = 'active' AND expires_at IS NOT NULL;

CREATE TABLE source ("row" INTEGER, place INTEGER, source TEXT NOT NULL, PRIMARY KEY ("row", place)) WITHOUT ROWID;

-- what was added under a caller's key, so that adding it again gives the same answer
CREATE TABLE receipt (
  space INTEGER, key TEXT, id BLOB NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (space, key)
) WITHOUT ROWID;
CREATE INDEX receipt_by_id ON receipt (id);

-- pieces of a text as the indexes see them
CREATE TABLE segment (
  id     INTEGER PRIMARY KEY,             -- space << 36 | number
  "row"  INTEGER NOT NULL,                -- of its memory
  start  INTEGER NOT NULL,
  stop   INTEGER NOT NULL,
  words  INTEGER NOT NULL,
  traits INTEGER NOT NULL DEFAULT 0,      -- what its form says; see text/traits.py
  vector BLOB                             -- little-endian float16, of the embedder named in meta
);

-- every word carries its space in front, so that a search reads nothing of another space
CREATE VIRTUAL TABLE lexicon USING fts5 (
  terms, content = '', contentless_delete = 1, detail = none, tokenize = "ascii tokenchars '_'"
);

-- what happened, without content: caches, other processes and subscribers follow it
CREATE TABLE change (
  sequence  INTEGER PRIMARY KEY AUTOINCREMENT,
  space     INTEGER NOT NULL,
  "row"     INTEGER NOT NULL,
  version   INTEGER NOT NULL,
  operation TEXT    NOT NULL,
  at        INTEGER NOT NULL
);
CREATE INDEX change_by_space ON change (space, sequence) WHERE operation <> 'add';
"""

OWED_WORK = """
CREATE TABLE owed (
  id         INTEGER PRIMARY KEY,
  task       TEXT    NOT NULL,
  "row"      INTEGER NOT NULL,            -- what it is about
  holder     TEXT,                        -- who works at it
  held_until INTEGER NOT NULL DEFAULT 0,
  UNIQUE (task, "row")
);
"""

FEEDBACK = """
-- what callers said of hits: which memory, whether it was of use, and what the ranker saw of it (float32), no query
CREATE TABLE feedback (
  id       INTEGER PRIMARY KEY,
  space    INTEGER NOT NULL,
  "row"    INTEGER NOT NULL,
  useful   INTEGER NOT NULL,
  evidence BLOB    NOT NULL,
  at       INTEGER NOT NULL
);
CREATE INDEX feedback_by_space ON feedback (space, id);
CREATE INDEX feedback_by_row   ON feedback ("row");
"""

WORDS_OF_LANGUAGES = """
-- upkeep indexes anew what has words in another language than English; until then it is found as it was
INSERT INTO owed (task, "row") SELECT 'words', "row" FROM memory WHERE state <> 'deleted';
"""

TIME_AND_CHANGE = """
-- when another version, or what it was merged into, took a version's place
ALTER TABLE memory ADD COLUMN retired_at INTEGER;
UPDATE memory SET retired_at = coalesce(
  (SELECT n.recorded_at FROM memory n WHERE n.id = memory.id AND n.version = memory.version + 1),
  (SELECT min(n.created_at) FROM source s JOIN memory n ON n."row" = s."row" WHERE unhex(s.source, '-') = memory.id),
  recorded_at)
WHERE state IN ('superseded', 'merged');
CREATE INDEX memory_by_start ON memory (valid_from)  WHERE state = 'active' AND valid_from IS NOT NULL;
CREATE INDEX memory_by_end   ON memory (valid_until) WHERE state = 'active' AND valid_until IS NOT NULL;
CREATE INDEX owed_by_row     ON owed ("row");

-- the times that a text speaks of, resolved against its event's time and zone; microseconds since 1970 UTC
CREATE TABLE spoken (
  "row"  INTEGER NOT NULL,                -- of the memory
  place  INTEGER NOT NULL,
  start  INTEGER NOT NULL,                -- text[start:stop] is the expression
  stop   INTEGER NOT NULL,
  since  INTEGER NOT NULL,                -- [since, until)
  until  INTEGER NOT NULL,
  PRIMARY KEY ("row", place)
) WITHOUT ROWID;
CREATE INDEX spoken_by_time ON spoken ("row" >> 36, since);

-- what a text says of something: an attribute of a subject has a value
CREATE TABLE statement (
  "row"      INTEGER NOT NULL,
  place      INTEGER NOT NULL,
  subject    TEXT    NOT NULL,            -- these three as they compare; see text/facts/statements.py
  attribute  TEXT    NOT NULL,
  object     TEXT    NOT NULL,
  said       TEXT    NOT NULL,            -- as they were said: a JSON list of subject, attribute, value, condition
  condition  TEXT    NOT NULL,            -- as it compares; empty when it always holds
  start      INTEGER NOT NULL,
  stop       INTEGER NOT NULL,
  single     INTEGER NOT NULL,            -- whether the attribute has one value at a time
  ends       INTEGER NOT NULL,            -- whether it says that this no longer holds
  confidence REAL    NOT NULL,
  since      INTEGER NOT NULL,            -- from when on it is said to hold
  PRIMARY KEY ("row", place)
) WITHOUT ROWID;
CREATE INDEX statement_by_subject ON statement ("row" >> 36, subject, attribute);
CREATE INDEX statement_by_object  ON statement ("row" >> 36, object);

-- which statement closed the validity of which: none of the two is changed by it
CREATE TABLE succession (
  id         INTEGER PRIMARY KEY,
  "row"      INTEGER NOT NULL,            -- the statement that no longer holds
  place      INTEGER NOT NULL,
  by_row     INTEGER NOT NULL,            -- the one that holds instead
  by_place   INTEGER NOT NULL,
  reason     TEXT    NOT NULL,
  confidence REAL    NOT NULL,
  closed_at  INTEGER NOT NULL,            -- when the earlier one ceased to hold
  noticed_at INTEGER NOT NULL,
  ended_at   INTEGER,                     -- when this link itself was taken back
  undone     INTEGER NOT NULL DEFAULT 0,  -- by a caller: then it is not made again
  UNIQUE ("row", place, by_row, by_place)
);
CREATE INDEX succession_by_successor ON succession (by_row);

-- what callers say of their memories by attributes: 32 for pinned, 64 for names and successors; see text/traits.py
UPDATE segment SET traits = traits | 32 WHERE "row" IN (
  SELECT "row" FROM memory WHERE attributes IS NOT NULL AND json_type(attributes, '$.pinned') = 'true');
UPDATE segment SET traits = traits | 64 WHERE "row" IN (
  SELECT "row" FROM memory WHERE attributes IS NOT NULL
    AND (json_type(attributes, '$.aliases') IS NOT NULL OR json_type(attributes, '$.superseded_by') = 'text'));

INSERT INTO owed (task, "row") SELECT 'resolve', "row" FROM memory WHERE state = 'active' ON CONFLICT DO NOTHING;
"""

DERIVED_PAYLOADS = """
-- what was made from memories and lies in a file of blobs/, named after its content; several rows may name one file
CREATE TABLE blob (
  id          INTEGER PRIMARY KEY,
  space       INTEGER NOT NULL,           -- these four say whose it is; '' where a scope does not narrow
  agent       TEXT    NOT NULL,
  session     TEXT    NOT NULL,
  namespace   TEXT    NOT NULL,
  kind        TEXT    NOT NULL,           -- 'kv': what a model has computed for a text
  digest      BLOB    NOT NULL,           -- blake2b of the content
  bytes       INTEGER NOT NULL,
  fingerprint BLOB    NOT NULL,           -- of what made it, such as a model with its tokenizer
  tokens      BLOB    NOT NULL,           -- digest of the tokens that it was computed for
  created_at  INTEGER NOT NULL,
  UNIQUE (space, kind, agent, session, namespace)
);
CREATE INDEX blob_by_digest ON blob (digest);

-- the versions of memories that it was made from: it is forgotten with the first of them
CREATE TABLE made_from (blob INTEGER, "row" INTEGER, PRIMARY KEY (blob, "row")) WITHOUT ROWID;
CREATE INDEX made_from_by_row ON made_from ("row");
"""


class Step(NamedTuple):
    """One change of the data's shape."""

    version: int
    name: str
    sql: str


STEPS = [
    Step(1, "rows, indexes and the list of changes", ROWS_AND_INDEXES),
    Step(2, "owed work with leases", OWED_WORK),
    Step(3, "feedback on hits", FEEDBACK),
    Step(4, "words of other languages than English", WORDS_OF_LANGUAGES),
    Step(5, "times, statements, and what replaced them", TIME_AND_CHANGE),
    Step(6, "payloads in files, and what they were made from", DERIVED_PAYLOADS),
]
CURRENT = STEPS[-1].version


def version_of(connection: apsw.Connection) -> int:
    """The version a database was last brought to; 0 for an empty one."""
    known = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'migration'").get
    return connection.execute("SELECT coalesce(max(version), 0) FROM migration").get if known else 0


def refuse_newer(connection: apsw.Connection, path: Path) -> int:
    """The version of a database that this package can read.

    Raises:
        StoreTooNew: a later package wrote it.
    """
    found: int = version_of(connection)
    if found > CURRENT:
        raise StoreTooNew(
            f"{path} has version {found}; this Memstrata reads up to {CURRENT}: "
            "upgrade with pip install --upgrade memstrata"
        )
    return found


def migrate(connection: apsw.Connection, path: Path, *, now: int, upto: int = CURRENT) -> list[Step]:
    """Run the steps a database still lacks; the caller holds the writer's gate. Returns those run."""
    found = refuse_newer(connection, path)
    pending = [step for step in STEPS if found < step.version <= upto]
    for step in pending:
        with connection:
            connection.execute(
                "CREATE TABLE IF NOT EXISTS migration "
                "(version INTEGER PRIMARY KEY, name TEXT NOT NULL, applied_at INTEGER NOT NULL)"
            )
            connection.execute(step.sql)
            connection.execute("INSERT INTO migration VALUES (?, ?, ?)", (step.version, step.name, now))
    return pending
