"""Turn what the engine gives into the JSON of our own paths."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from memstrata.access.reach import Caller
from memstrata.faces.plain import plain
from memstrata.types import Explanation, Hit, Scope, Statistics, Tally

Object = dict[str, Any]  # Any: JSON


def hits(found: Iterable[Hit]) -> list[Object]:
    """Hits without what only the ranker reads."""
    return [hit(one) for one in found]


def hit(found: Hit) -> Object:
    """A hit without what only the ranker reads."""
    shown: Object = plain(found)
    del shown["evidence"], shown["level"]
    return shown


def explanation(found: Explanation) -> Object:
    """Why a search answered as it did."""
    shown: Object = plain(found)
    shown["hits"] = hits(found.hits)
    return shown


def statistics(found: Statistics, caller: Caller) -> Object:
    """Counts of a scope, and what concerns everybody only for those who reach everything."""
    shown: Object = plain(found)
    if not caller.everywhere:
        del shown["owed"], shown["size_bytes"]
    return shown


def tally(found: Tally) -> Object:
    """How many memories somebody has, with the parts of the scope beside the counts."""
    shown: Object = plain(found)
    del shown["scope"]
    return space(found.scope) | {"agent_id": found.scope.agent_id, "session_id": found.scope.session_id} | shown


def space(found: Scope) -> Object:
    """The tenant, app and user of a scope."""
    return {"tenant_id": found.tenant_id, "app_id": found.app_id, "user_id": found.user_id}
