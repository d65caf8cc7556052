"""Turn calendar words into intervals of local time: days, weeks, weekends, months, seasons, years, feasts.

Times are naive and local to whoever speaks. Weeks begin on Monday (ISO 8601), seasons are the meteorological ones of
the northern half of the earth, whose names most texts in these languages use.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(weeks=1)
HOUR: Final = timedelta(hours=1)

SEASONS: Final[Mapping[str, int]] = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # first months
PARTS: Final[Mapping[str, tuple[int, int]]] = {  # hours from midnight
    "morning": (5, 12), "noon": (12, 13), "lunch": (12, 14), "lunchtime": (12, 14), "afternoon": (12, 18),
    "evening": (18, 24), "night": (18, 30),
}  # fmt: skip
FEASTS: Final[Mapping[str, tuple[int, int]]] = {
    "christmas eve": (12, 24), "christmas day": (12, 25), "christmas": (12, 25), "xmas": (12, 25),
    "boxing day": (12, 26), "new year's eve": (12, 31), "new years eve": (12, 31), "new year's day": (1, 1),
    "new years day": (1, 1), "new year's": (1, 1), "new year": (1, 1), "halloween": (10, 31),
    "valentine's day": (2, 14), "valentines day": (2, 14), "valentine's": (2, 14), "st patrick's day": (3, 17),
    "independence day": (7, 4), "april fools": (4, 1), "april fools' day": (4, 1),
}  # fmt: skip
GRAINS: Final = ("minute", "hour", "day", "week", "weekend", "month", "quarter", "year", "decade", "century")


@dataclass(frozen=True, slots=True)
class Interval:
    """[since, until), both naive and local."""

    since: datetime
    until: datetime


def day(moment: datetime | date, days: int = 0) -> Interval:
    """The day a moment lies in, or one so many days away."""
    start = datetime.combine(moment, time()) + days * DAY
    return Interval(start, start + DAY)


def week(moment: datetime, weeks: int = 0) -> Interval:
    """The week from Monday on that a moment lies in, or one so many weeks away."""
    monday = day(moment).since - moment.weekday() * DAY + weeks * WEEK
    return Interval(monday, monday + WEEK)


def weekend(moment: datetime, weeks: int = 0) -> Interval:
    """Saturday and Sunday of the week that a moment lies in, or of one so many weeks away."""
    monday = week(moment, weeks).since
    return Interval(monday + 5 * DAY, monday + WEEK)


def month(moment: datetime, months: int = 0) -> Interval:
    """The month a moment lies in, or one so many months away."""
    start = shifted(day(moment).since.replace(day=1), months, "month")
    return Interval(start, shifted(start, 1, "month"))


def years(first: int, count: int = 1) -> Interval:
    """So many years from the first of January of a year on."""
    return Interval(datetime(first, 1, 1), datetime(first + count, 1, 1))


def quarter(year: int, number: int) -> Interval:
    """A quarter of a year, 1 to 4."""
    start = datetime(year, 3 * number - 2, 1)
    return Interval(start, shifted(start, 3, "month"))


def season(name: str, year: int) -> Interval:
    """A season that begins in a year."""
    start = datetime(year, SEASONS[name], 1)
    return Interval(start, shifted(start, 3, "month"))


def feast(name: str, year: int) -> Interval:
    """A feast of a year."""
    if name == "easter":
        return day(_easter(year))
    if name == "thanksgiving":
        return day(nth_weekday(year, 11, 3, 4))
    return day(datetime(year, *FEASTS[name]))


def nth_weekday(year: int, month: int, weekday: int, nth: int) -> datetime:
    """The nth of a weekday (0 Monday) in a month; the last one for -1.

    Raises:
        ValueError: the month has no such day.
    """
    if nth < 0:
        last = datetime(year, month, monthrange(year, month)[1])
        return last - ((last.weekday() - weekday) % 7) * DAY
    first = datetime(year, month, 1)
    return first.replace(day=1 + (weekday - first.weekday()) % 7 + 7 * (nth - 1))


def _easter(year: int) -> datetime:
    """Easter Sunday of the Gregorian calendar, by the anonymous algorithm that Nature printed in 1876."""
    golden, century, rest = year % 19, year // 100, year % 100
    epact = (19 * golden + century - century // 4 - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    letter = (32 + 2 * (century % 4) + 2 * (rest // 4) - epact - rest % 4) % 7
    late = (golden + 11 * epact + 22 * letter) // 451
    total = epact + letter - 7 * late + 114
    return datetime(year, total // 31, total % 31 + 1)


def part(of: datetime, name: str) -> Interval:
    """The morning, afternoon, evening or night of a day."""
    start = day(of).since
    first, last = PARTS[name]
    return Interval(start + first * HOUR, start + last * HOUR)


def shifted(moment: datetime, count: int, grain: str) -> datetime:
    """A moment so many units away; a day that the other month has not becomes its last one.

    >>> shifted(datetime(2024, 3, 31), -1, "month")
    datetime.datetime(2024, 2, 29, 0, 0)

    Raises:
        ValueError, OverflowError: it lies outside the calendar.
    """
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200}.get(grain)
    if months is None:
        unit = {"minute": timedelta(minutes=1), "hour": HOUR, "week": WEEK, "weekend": WEEK}.get(grain, DAY)
        return moment + count * unit
    year, place = divmod(moment.year * 12 + moment.month - 1 + count * months, 12)
    return moment.replace(year=year, month=place + 1, day=min(moment.day, monthrange(year, place + 1)[1]))


def around(moment: datetime, grain: str) -> Interval:
    """The unit of the calendar that a moment lies in."""
    match grain:
        case "minute":
            start = moment.replace(second=0, microsecond=0)
            return Interval(start, start + timedelta(minutes=1))
        case "hour":
            start = moment.replace(minute=0, second=0, microsecond=0)
            return Interval(start, start + HOUR)
        case "week":
            return week(moment)
        case "weekend":
            return weekend(moment)
        case "month":
            return month(moment)
        case "quarter":
            return quarter(moment.year, (moment.month + 2) // 3)
        case "year":
            return years(moment.year)
        case "decade":
            return years(moment.year // 10 * 10, 10)
        case "century":
            return years(moment.year // 100 * 100, 100)
        case _:
            return day(moment)


def nearest(occurrences: list[Interval], now: datetime, direction: int) -> Interval:
    """Of what comes again and again the one that is meant: the last that has begun, the next that has not ended.

    `direction` is -1 for what is told as past, 1 for what is to come, 0 where nothing says: the nearest.
    """
    begun = [one for one in occurrences if one.since <= now]
    ahead = [one for one in occurrences if one.until > now]
    if direction < 0 and begun:
        return max(begun, key=lambda one: one.since)
    if direction > 0 and ahead:
        return min(ahead, key=lambda one: one.since)
    return min(occurrences, key=lambda one: abs(one.since - now))
