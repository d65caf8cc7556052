"""Resolve the times that a text speaks of against the moment and zone it was said in.

A gate of one compiled pattern says whether a text may name a time at all. Rules then find and read the expressions of
English, and dates in figures; those of other languages are found by `tongues.py`, which hands each short expression to
dateparser. What is said around an expression ("the week before …", "between … and …", "since …") is applied last.

The zone is the offset that the event came with: of a date in the other half of a year with daylight saving the limits
are off by that hour.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Final

from memstrata.clock import EPOCH, MICROSECOND, as_datetime
from memstrata.text.traits import may_name_time, words
from memstrata.text.when import tongues
from memstrata.text.when.calendar import Interval, around, shifted, weekend
from memstrata.text.when.expressions import (
    CLAUSE,
    HEADED,
    NUMBER,
    RULES,
    UNIT,
    Said,
    counts,
    expression,
    grain_of,
    parts,
)

MOST_TEXT: Final = 20_000  # characters: what is said later in a longer text is found by its words
MOST_TIMES: Final = 16
HEAD: Final = 12  # characters before an expression that say whether it is one
SINCE_WORDS: Final = ("since ", "seit ", "depuis ", "desde ", "dal ", "sinds ")
WESTERN: Final = -150  # minutes of offset; west of it 03/04 is the fourth of March


@dataclass(frozen=True, slots=True)
class Spoken:
    """`text[start:stop]` means [since, until), in microseconds since 1970 UTC."""

    start: int
    stop: int
    since: int
    until: int


@dataclass(frozen=True, slots=True)
class Found:
    """An expression that was read: `text[start:stop]`, what it means in local time, and its grain if it is told."""

    start: int
    stop: int
    interval: Interval


def spoken(text: str, *, at: int, at_offset: int) -> list[Spoken]:
    """The times that a text names, in order, resolved against when it was said: microseconds, minutes of offset.

    A text so long that it is a document is read up to its first 20,000 characters and sixteen times. What cannot be
    resolved is left out; nothing raises.

    >>> [one] = spoken("We met yesterday.", at=1_706_979_900_000_000, at_offset=60)
    >>> "We met yesterday."[one.start:one.stop], as_datetime(one.since, 60).isoformat()
    ('yesterday', '2024-02-02T00:00:00+01:00')
    """
    if not may_name_time(text[:MOST_TEXT]):
        return []
    try:
        now = as_datetime(at, at_offset).replace(tzinfo=None)
    except (OverflowError, ValueError):
        return []
    zone = timedelta(minutes=at_offset)
    return [one for one in (_in_utc(found, zone) for found in _resolved(text[:MOST_TEXT], now, zone)) if one]


def _in_utc(found: Found, zone: timedelta) -> Spoken | None:
    epoch = EPOCH.replace(tzinfo=None)
    since, until = ((limit - epoch - zone) // MICROSECOND for limit in (found.interval.since, found.interval.until))
    return Spoken(found.start, found.stop, since, until) if since < until else None


def _resolved(text: str, now: datetime, zone: timedelta) -> list[Found]:
    western = zone < timedelta(minutes=WESTERN)
    found = list(_single(text, now, western))
    if len(found) < MOST_TIMES:
        found += _foreign(text, now, found)
        found.sort(key=lambda one: one.start)
    return _related(text, found[:MOST_TIMES], now)


def _single(text: str, now: datetime, western: bool) -> Iterator[Found]:
    """Expressions that mean something by themselves."""
    count = 0
    for match in expression().finditer(text):
        one = _read(text, match, now, western)
        if one is not None:
            yield one
            count += 1
        if count == MOST_TIMES:
            return


def _read(text: str, match: re.Match[str], now: datetime, western: bool) -> Found | None:
    assert match.lastgroup is not None
    number = int(match.lastgroup.removeprefix("rule"))
    inner = parts(number).fullmatch(match[0])
    if inner is None or not _meant(match[0], text[max(0, match.start() - HEAD) : match.start()]):
        return None
    named = {
        name: " ".join(value.lower().replace("’", "'").split()) for name, value in inner.groupdict().items() if value
    }
    start, stop = match.span()
    said = Said(named, now, western, text[max(0, start - CLAUSE) : start], text[stop : stop + CLAUSE])
    try:
        _, rule = RULES[number]
        interval = rule(said)
    except (ValueError, OverflowError):  # no such day, or none that the calendar has
        return None
    if match[0].lower().startswith(SINCE_WORDS) and interval.since < now:
        interval = Interval(interval.since, max(now, interval.until))
    return Found(start, stop, interval)


def _meant(expression: str, before: str) -> bool:
    """Whether an expression that is also another word stands for a time here: "may", "march", "sun", "fall", "sat"."""
    if expression.lower() in ("may", "march", "mar", "sun", "sat", "wed", "dec", "jan", "spring", "fall"):
        return expression[0].isupper() and bool(re.search(rf"\b{HEADED}\s$", before, re.I))
    return not re.search(r"(?:[£$€#/\w-]|\b(?:no\.|room|flat|every|each|most)\s)$", before, re.I)


def _foreign(text: str, now: datetime, found: list[Found]) -> list[Found]:
    """Expressions of other languages, where none of ours lies."""
    taken = [(one.start, one.stop) for one in found]
    return [
        Found(start, stop, interval)
        for start, stop, interval in islice(tongues.found(text, now, words=frozenset(words(text))), MOST_TIMES)
        if not any(start < last and first < stop for first, last in taken)
    ]


# ── what is said around an expression ──

AWAY: Final = re.compile(
    rf"(?:\b(?P<count>{NUMBER})\s|\bthe\s)(?P<unit>{UNIT})s?\s(?P<side>before|prior\sto|after|following)\s(?:the\s)?$",
    re.I,
)
OPENED: Final = re.compile(r"\b(?:between|from|since|starting)\s(?:the\s|about\s)?$", re.I)
JOINED: Final = re.compile(r"\s?(?:,\s)?(?:-|–|—|to|till|until|through|and|up\sto)\s(?:the\s)?", re.I)
SINCE: Final = re.compile(r"\b(?:since|ever\ssince)\s(?:the\s|about\s|early\s)?$", re.I)


def _related(text: str, found: list[Found], now: datetime) -> list[Found]:
    """The expressions with what stands around them: ranges joined, "since", "the week before"."""
    joined: list[Found] = []
    for one in found:
        before = joined[-1] if joined else None
        if before is not None and _joins(text, before, one):
            whole = Interval(before.interval.since, max(one.interval.until, before.interval.until))
            joined[-1] = Found(before.start, one.stop, whole)
        else:
            joined.append(one)
    return [_placed(text, one, now) for one in joined]


def _joins(text: str, before: Found, one: Found) -> bool:
    """Whether two expressions are the ends of one stretch: "from Monday to Friday", "between March and May"."""
    return (
        one.start - before.stop < 12
        and before.interval.since < one.interval.until
        and JOINED.fullmatch(text, before.stop, one.start) is not None
        and OPENED.search(text[max(0, before.start - 20) : before.start]) is not None
    )


def _placed(text: str, one: Found, now: datetime) -> Found:
    head = text[max(0, one.start - 40) : one.start]
    away = AWAY.search(head)
    try:
        if away is not None:
            start = one.start - len(head) + away.start()
            return Found(start, one.stop, _away(away, one.interval))
        if SINCE.search(head) is not None and one.interval.since < now:
            return replace(one, interval=Interval(one.interval.since, max(now, one.interval.until)))
    except (ValueError, OverflowError):
        return one
    return one


def _away(match: re.Match[str], of: Interval) -> Interval:
    """The week before, two days after: the unit of the calendar that lies so far from an interval."""
    grain = grain_of(match["unit"])
    low, high = counts(match["count"] or "one")
    sign = -1 if match["side"].lower().startswith(("before", "prior")) else 1
    anchor = of.since if sign < 0 else of.until - MICROSECOND
    if grain == "weekend" and low == 1:
        return weekend(anchor, _weekends(anchor, sign))
    first, last = sorted((shifted(anchor, sign * low, grain), shifted(anchor, sign * high, grain)))
    return Interval(around(first, grain).since, around(last, grain).until)


def _weekends(anchor: datetime, sign: int) -> int:
    """How many weeks away the weekend before or after a day is."""
    return (0 if sign > 0 and anchor.weekday() < 5 else sign) if sign > 0 else -1
