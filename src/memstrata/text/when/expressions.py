"""Read single expressions of time: patterns of English and of dates in figures, and the interval that each means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from memstrata.text.when.calendar import (
    DAY,
    FEASTS,
    HOUR,
    Interval,
    around,
    day,
    feast,
    month,
    nearest,
    nth_weekday,
    part,
    quarter,
    season,
    shifted,
    week,
    weekend,
    years,
)

CLAUSE: Final = 160  # characters to each side of an expression in which its tense is looked for

MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NUMBERS: Final[Mapping[str, int]] = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8,
    "nine": 9, "ten": 10, "eleven": 11, "twelve": 12, "thirteen": 13, "fourteen": 14, "fifteen": 15, "twenty": 20,
    "thirty": 30, "forty": 40, "fifty": 50, "a couple of": 2, "couple of": 2, "a couple": 2,
}  # fmt: skip
VAGUE: Final[Mapping[str, tuple[int, int]]] = {"few": (2, 5), "several": (3, 8), "some": (2, 8)}
ORDINALS: Final = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth", "twenty-first", "twenty-second", "twenty-third", "twenty-fourth", "twenty-fifth", "twenty-sixth",
    "twenty-seventh", "twenty-eighth", "twenty-ninth", "thirtieth", "thirty-first",
)  # fmt: skip
DECADES: Final[Mapping[str, int]] = {
    "twenties": 20, "thirties": 30, "forties": 40, "fifties": 50, "sixties": 60, "seventies": 70, "eighties": 80,
    "nineties": 90,
}  # fmt: skip

MONTH: Final = (
    r"(?:jan(?:uary|\.)?|feb(?:ruary|\.)?|mar(?:ch|\.)?|apr(?:il|\.)?|may|june?|july?|aug(?:ust|\.)?|"
    r"sep(?:t(?:ember|\.)?|\.)?|oct(?:ober|\.)?|nov(?:ember|\.)?|dec(?:ember|\.)?)(?![a-z])"
)
FULL_MONTH: Final = (
    r"(?:january|february|march|april|may|june|july|august|september|october|november|december)(?![a-z])"
)
WEEKDAY: Final = r"(?:mon|tues|wednes|thurs|fri|satur|sun)day"
SHORT_DAY: Final = r"(?:mon|tues?|wed(?:nes)?|thu(?:r?s)?|fri|sat(?:ur)?|sun)(?:day\b|\b\.?)"
NUMBER: Final = r"(?:\d{1,3}|" + "|".join(sorted(NUMBERS, key=len, reverse=True)) + r"|(?:a )?few|several|some)"
UNIT: Final = (
    r"(?:min(?:ute)?|h(?:ou)?r|day|night|week(?:end)?|fortnight|wk|month|quarter|ye?a?r|decade|century|centurie)"
)
YEAR: Final = r"(?:1[89]|20)\d\d(?!\d|[.,]\d|\s?(?:%|km|kg|m\b|euros?|dollars?|people|words))"
SPELT: Final = "(?:" + "|".join(sorted(ORDINALS, key=len, reverse=True)) + ")"
NTH: Final = r"\d{1,2}(?:st|nd|rd|th)?"
CLOCK: Final = (
    r"(?:\d{1,2}(?::[0-5]\d)?\s?(?:a\.?m\b\.?|p\.?m\b\.?|o['’]clock)|\d{1,2}:[0-5]\d(?:\s?h\b)?|noon|midday|midnight)"
)
PART: Final = r"(?:morning|afternoon|evening|night|lunch(?:time)?)"
LAST: Final = r"(?:last|past|previous)"
NEXT: Final = r"(?:next|coming|upcoming|following)"
WHICH: Final = rf"(?:{LAST}|{NEXT}|this(?:\s(?:past|last|coming|upcoming))?)"
FEAST: Final = (
    "(?:easter|thanksgiving|" + "|".join(re.escape(name) for name in sorted(FEASTS, key=len, reverse=True)) + ")"
)
SEASON: Final = r"(?:spring|summer|autumn|fall|winter)"
PLACED: Final = (
    r"(?:(?:at\s)?the\s)?(?P<place>early|mid(?:dle\sof)?|late|(?:very\s)?(?:end|beginning|start)\sof)[\s-](?:the\s)?"
)
HEADED: Final = r"(?:in|on|since|until|till|by|during|before|after|for|from|through|around|of|every|back\sin|over|at)"
TO: Final = r"\s?(?:-|–|—|to|till|until|through|and)\s?"

FUTURE: Final = re.compile(
    r"\b(?:will|going\sto|gonna|shall|plan(?:s|ned|ning)?|hop(?:e|es|ing)|let['’]s|should|wants?\sto|tomorrow|next|due|"
    r"scheduled|booked|supposed\sto|excited|forward\sto|can['’]?t\swait|upcoming|starts|begins|meet\sme|see\syou|"
    r"(?:moved|pushed|postponed|put\soff|brought\sforward|rescheduled)\s(?:\w+\s){0,2}(?:to|until|till|from)|"
    r"(?:am|is|are)\s(?:\w+\s)?\w+ing)\b|['’]ll\b|['’](?:m|re)\s(?:\w+\s)?\w+ing\b",
    re.I,
)
PAST: Final = re.compile(
    r"\b(?:was|were|did|didn['’]t|had|has\sbeen|have\sbeen|went|got|came|saw|took|made|met|said|told|bought|found|left|"
    r"gave|felt|lost|won|began|started|ran|sang|spoke|wrote|heard|kept|held|brought|thought|taught|caught|built|sold|"
    r"sent|spent|paid|ate|drank|drove|flew|grew|knew|broke|chose|fell|forgot|rode|slept|swam|wore|became|put|cut|hit|"
    r"rang|stood|hung|drew|threw|swept|stole|woke|bit|ago|yesterday|since|\w{2,}[^e\W]ed)\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Said:
    """An expression as it stands: its named parts, the local moment it was said, and the text before and after it."""

    words: Mapping[str, str]
    now: datetime
    western: bool
    before: str
    after: str

    def __getitem__(self, name: str) -> str:
        """A part in lower case; empty where it was left out."""
        return self.words.get(name, "")

    @property
    def tense(self) -> int:
        """-1 where what is said around it is told as past, 1 where it is to come, 0 where nothing says.

        The nearest sign before it in its clause counts, or else the first one after it.
        """
        before = re.split(r"[.!?;\n]\s", self.before)[-1]
        after = re.split(r"[.!?;\n]", self.after)[0]
        future, past = _last(FUTURE, before), _last(PAST, before)
        if future == past:  # neither
            future, past = -_first(FUTURE, after), -_first(PAST, after)
        return (future > past) - (future < past)


def _last(pattern: re.Pattern[str], text: str) -> int:
    return max((match.end() for match in pattern.finditer(text)), default=-1)


def _first(pattern: re.Pattern[str], text: str) -> int:
    match = pattern.search(text)
    return CLAUSE + 1 if match is None else match.start()


Rule = Callable[[Said], Interval]


def grain_of(unit: str) -> str:
    unit = unit.lower()
    for start, grain in (("min", "minute"), ("h", "hour"), ("weekend", "weekend"), ("fort", "fortnight"), ("w", "week"),
                         ("mo", "month"), ("q", "quarter"), ("y", "year"), ("dec", "decade"), ("cent", "century")):  # fmt: skip
        if unit.startswith(start):
            return grain
    return "day"


def counts(word: str) -> tuple[int, int]:
    """The least and the most that a number stands for."""
    word = " ".join(word.lower().split())
    if word.removeprefix("a ") in VAGUE:
        return VAGUE[word.removeprefix("a ")]
    count = int(word) if word.isdigit() else NUMBERS[word]
    return count, count


def _away_from_now(said: Said, sign: int) -> Interval:
    grain, (low, high) = grain_of(said["unit"]), counts(said["count"] or "one")
    if grain == "fortnight":
        grain, low, high = "week", 2 * low, 2 * high
    if said["half"] or said["more"]:  # "a year and a half", "half an hour": half a unit more, or less than one
        return _half_away(said, grain, low, sign)
    first, last = sorted((shifted(said.now, sign * low, grain), shifted(said.now, sign * high, grain)))
    return Interval(around(first, grain).since, around(last, grain).until)


HALVES: Final = {"hour": (30, "minute"), "day": (12, "hour"), "week": (3, "day"), "month": (2, "week"),
                 "year": (6, "month"), "decade": (5, "year"), "century": (50, "year")}  # fmt: skip


def _half_away(said: Said, grain: str, whole: int, sign: int) -> Interval:
    count, finer = HALVES.get(grain, (0, grain))
    moment = shifted(said.now, sign * count, finer)
    if said["half"] != "half":
        moment = shifted(moment, sign * whole, grain)
    return around(moment, finer)


def _ago(said: Said) -> Interval:
    return _away_from_now(said, -1)


def _ahead(said: Said) -> Interval:
    return _away_from_now(said, 1)


def _lasting(said: Said) -> Interval:
    """The last three weeks, the next few days: a stretch up to now, or from now on."""
    grain, (_, most) = grain_of(said["unit"]), counts(said["count"] or "one")
    grain, most = ("week", 2 * most) if grain == "fortnight" else (grain, most)
    far = shifted(said.now, -most if _is_last(said["which"]) else most, grain)
    if grain in ("minute", "hour"):
        return Interval(min(far, said.now), max(far, said.now))
    first, last = sorted((far, said.now))
    return Interval(day(first).since, day(last).until)


def _is_last(which: str) -> bool:
    return which.split()[-1:] in (["last"], ["past"], ["previous"])


def _which(said: Said) -> int:
    """-1 for last, 1 for next, 0 for this."""
    if _is_last(said["which"]):
        return -1
    return 0 if said["which"] == "this" else 1


def _unit(said: Said) -> Interval:
    """Last week, this month, next year, last night, this past weekend."""
    which, grain = _which(said), grain_of(said["unit"])
    if said["unit"].startswith("night"):
        return part(said.now + which * DAY, "night")
    if grain == "weekend":
        return _weekend(said.now, which)
    if grain == "fortnight":
        return Interval(*sorted((said.now, shifted(said.now, 2 * (which or 1), "week"))))
    return around(shifted(around(said.now, grain).since, which, grain), grain)


def _weekend(now: datetime, which: int) -> Interval:
    """The one before this one, which on a weekday is the last one that was."""
    return weekend(now, which if which >= 0 or now.weekday() >= 5 else -1)


def _bare_weekend(said: Said) -> Interval:
    return _weekend(said.now, -1 if said.tense < 0 and said.now.weekday() < 5 else 0)


def _before_last(said: Said) -> Interval:
    grain = grain_of(said["unit"])
    if grain == "weekend":
        return weekend(said.now, -2)
    return around(shifted(around(said.now, grain).since, -2, grain), grain)


def _named_day(said: Said) -> Interval:
    near = {
        "yesterday": -1, "yday": -1, "today": 0, "tonight": 0, "tomorrow": 1, "tmrw": 1,
        "the day before yesterday": -2, "day before yesterday": -2, "the day after tomorrow": 2,
        "day after tomorrow": 2,
    }  # fmt: skip
    whole = day(said.now, near[said["name"]])
    return _at_hour(said, part(whole.since, "night") if said["name"] == "tonight" else whole)


def _at_hour(said: Said, whole: Interval) -> Interval:
    """The part of a day, or the clock time, that is named with it."""
    clock = said["clock"] or said["time"]
    if clock:
        return _clock(clock, day(whole.since).since, with_day=True)
    return part(whole.since, said["part"]) if said["part"] else whole


def _clock(clock: str, start: datetime, *, with_day: bool = False) -> Interval:
    words = {"noon": 12, "midday": 12, "midnight": 24}
    if clock in words:
        return around(start + words[clock] * HOUR, "hour")
    figures = re.match(r"(\d{1,2})(?::(\d\d))?", clock)
    assert figures is not None
    hour, minute = int(figures[1]), int(figures[2] or 0)
    if hour > 24 or (hour > 12 and re.search("[ap]", clock)):
        raise ValueError(clock)
    if re.search("[ap]", clock):
        hour = hour % 12 + (12 if "p" in clock else 0)
    elif hour <= 7 and figures[2] is None and with_day:
        hour += 12  # "Friday at 5": few people meet in the small hours
    moment = start + hour * HOUR + timedelta(minutes=minute)
    return around(moment, "minute" if figures[2] else "hour")


def _part_of_today(said: Said) -> Interval:
    return part(said.now, said["part"])


def _at_clock(said: Said) -> Interval:
    return _clock(said["clock"], day(said.now).since)


def _weekday_number(word: str) -> int:
    return WEEKDAYS.index(word[:3].lower())


def _weekday(said: Said) -> Interval:
    """Friday, last Friday, on Friday at ten: the nearest in the tense of the sentence."""
    wanted, today = _weekday_number(said["weekday"]), day(said.now).since
    ahead = (wanted - today.weekday()) % 7
    behind = (today.weekday() - wanted) % 7 or 7
    match said["which"]:
        case "":
            days = -behind if said.tense < 0 else ahead or 7
        case "this":
            days = -(behind % 7) if said.tense < 0 else ahead
        case "next" | "following":
            days = wanted - today.weekday() + 7  # the one in next week
        case which:
            days = -behind if _is_last(which) else ahead or 7
    return _at_hour(said, day(today, days))


def _month_number(word: str) -> int:
    return MONTHS.index(word[:3].lower()) + 1


def _year_number(said: Said, word: str) -> int:
    """A year in four figures, or two that belong to the hundred years around now."""
    if len(word) > 2:
        return int(word)
    year = said.now.year // 100 * 100 + int(word)
    return year - 100 if year > said.now.year + 20 else year


def _figure(nth: str) -> int:
    """The day of a month: 3, 3rd, third."""
    return ORDINALS.index(nth) + 1 if nth in ORDINALS else int(re.sub(r"\D", "", nth))


def _date(said: Said) -> Interval:
    """The third of March, with a year or in the one that the tense points to."""
    number, figures = _month_number(said["month"]), _figure(said["day"])
    if said["year"]:
        return _at_hour(said, day(datetime(int(said["year"]), number, figures)))
    return _at_hour(said, nearest(_dates(said.now, number, figures), said.now, said.tense))


def _dates(now: datetime, number: int, figures: int) -> list[Interval]:
    """A date in the years around now, those that have no such day left out."""
    near = range(max(1, now.year - 4), min(9998, now.year + 4) + 1)
    found = []
    for year in sorted(near, key=lambda year: abs(year - now.year)):
        try:
            found.append(day(datetime(year, number, figures)))
        except ValueError:
            continue
    if not found:
        raise ValueError(f"no year has day {figures} in month {number}")
    return found


def _days_of_month(said: Said) -> Interval:
    """From the third to the seventh of May."""
    number = _month_number(said["month"])
    first, last = (int(re.sub(r"\D", "", said[name])) for name in ("day", "last"))
    if said["year"]:
        start = datetime(int(said["year"]), number, first)
    else:
        start = nearest(_dates(said.now, number, first), said.now, said.tense).since
    return Interval(start, day(start.replace(day=last)).until)


def _month(said: Said) -> Interval:
    """May, May 2021, last May, early May, the end of May."""
    number = _month_number(said["month"])
    if said["year"]:
        whole = month(datetime(int(said["year"]), number, 1))
    else:
        whole = _of_years([month(datetime(year, number, 1)) for year in _years_around(said.now)], said)
    return _share(said["place"], whole)


def _months(said: Said) -> Interval:
    """From March to May."""
    last = _month(replace(said, words={**said.words, "month": said["last"]}))
    first = datetime(last.since.year, _month_number(said["month"]), 1)
    return Interval(shifted(first, -1, "year") if first > last.since else first, last.until)


def _years_around(now: datetime) -> range:
    return range(max(1, now.year - 2), min(9997, now.year + 2) + 1)


def _of_years(occurrences: list[Interval], said: Said) -> Interval:
    """What comes every year: the last that is over, the next that has not begun, or the one that tense points to."""
    if not said["which"]:
        return nearest(occurrences, said.now, said.tense)
    if said["which"] == "this":
        now = [one for one in occurrences if one.since.year == said.now.year]
        return now[0] if now else nearest(occurrences, said.now, said.tense)
    if _is_last(said["which"]):
        return max((one for one in occurrences if one.until <= said.now), key=lambda one: one.since)
    return min((one for one in occurrences if one.since > said.now), key=lambda one: one.since)


def _share(place: str, whole: Interval) -> Interval:
    """The first, middle or last third of an interval, in whole days; of years in whole months."""
    if not place:
        return whole
    days = (whole.until - whole.since) // DAY
    if days > 300:
        months = round(days / 30.44)
        marks = [shifted(whole.since, round(months * third / 3), "month") for third in range(4)]
    else:
        marks = [whole.since + round(days * third / 3) * DAY for third in range(4)]
    which = (
        0 if place.startswith(("early", "very b", "very s", "begin", "start")) else 1 if place.startswith("mid") else 2
    )
    return Interval(marks[which], marks[which + 1])


def _season(said: Said) -> Interval:
    if said["year"]:
        return _share(said["place"], season(said["season"], int(said["year"])))
    every = [season(said["season"], year) for year in _years_around(said.now)]
    return _share(said["place"], _of_years(every, said))


def _feast(said: Said) -> Interval:
    name = said["feast"].replace("xmas", "christmas")
    if said["year"]:
        return feast(name, int(said["year"]))
    return _of_years([feast(name, year) for year in _years_around(said.now)], said)


def _year(said: Said) -> Interval:
    return _share(said["place"], years(int(said["year"])))


def _years(said: Said) -> Interval:
    first, last = int(said["year"]), int(said["last"])
    return years(first, last - first + 1)


def _decade(said: Said) -> Interval:
    word = re.sub(r"\W", "", said["decade"])
    tens = DECADES[word] if word in DECADES else int(word.removesuffix("s"))
    if tens >= 100:
        return _share(said["place"], years(tens, 10))
    century = said.now.year // 100 * 100
    first = century + tens
    return _share(said["place"], years(first - 100 if first > said.now.year else first, 10))


def _quarter(said: Said) -> Interval:
    number = int(said["quarter"])
    if said["year"]:
        return quarter(int(said["year"]), number)
    return nearest([quarter(year, number) for year in _years_around(said.now)], said.now, said.tense)


def _placed_unit(said: Said) -> Interval:
    """The end of the month, early next week."""
    grain = grain_of(said["unit"])
    which = _which(said) if said["which"] else 0
    if grain == "year":
        return _share(said["place"], around(shifted(said.now, which, "year"), "year"))
    return _share(said["place"], around(shifted(around(said.now, grain).since, which, grain), grain))


def _ordinal_day(said: Said) -> Interval:
    """The fourteenth, of this month or the one before or after it."""
    figures = _figure(said["day"])
    found = []
    for months in range(-3, 4):
        first = month(said.now, months).since
        if figures <= (month(said.now, months).until - first) // DAY and figures:
            found.append(day(first, figures - 1))
    return nearest(found, said.now, said.tense)


def _ordinal_unit(said: Said) -> Interval:
    """The first week of May, the second weekend of November 2024, the last Friday of June."""
    whole = _month(said)
    nth = -1 if said["nth"] == "last" else ORDINALS.index(said["nth"]) + 1
    start = whole.since
    if said["unit"].startswith("day"):
        return day(whole.until, -1) if nth < 0 else day(start, nth - 1)
    if said["unit"] == "week":
        return week(whole.until - DAY) if nth < 0 else Interval(start + 7 * (nth - 1) * DAY, start + 7 * nth * DAY)
    if said["unit"] == "weekend":
        saturday = nth_weekday(start.year, start.month, 5, nth)
        return Interval(saturday, saturday + 2 * DAY)
    return day(nth_weekday(start.year, start.month, _weekday_number(said["unit"]), nth))


def _iso(said: Said) -> Interval:
    """2024-05-03, also with a time; a zone that stands there is taken as the event's own."""
    start = datetime(int(said["year"]), int(said["month"]), int(said["day"]))
    return _clock(said["clock"], start) if said["clock"] else day(start)


def _figures(said: Said) -> Interval:
    """27/06/2023: the day in front, unless it cannot be, or the event's zone lies in America."""
    first, second, year = int(said["day"]), int(said["month"]), _year_number(said, said["year"])
    if second > 12 or (said.western and first <= 12 and "." not in said["dot"]):
        first, second = second, first
    return day(datetime(year, second, first))


OF_YEAR: Final = rf"(?:,?\s(?:of\s|in\s)?(?P<year>{YEAR}))?"
OF_DAY: Final = rf"(?:,?\s(?:(?:in\sthe\s|at\s)?(?P<part>{PART})\b|(?:at|around|about|by|@)\s(?P<clock>{CLOCK}|\d{{1,2}}\b)|(?P<time>{CLOCK})))?"


def _rules() -> Iterator[tuple[str, Rule]]:
    """Patterns with what they mean, the more particular before the more general."""
    yield (
        r"(?P<year>\d{4})-(?P<month>\d{1,2})-(?P<day>\d{1,2})(?:[T\s](?P<clock>\d{1,2}:[0-5]\d)(?::\d\d)?)?(?!\d)",
        _iso,
    )
    yield r"(?P<year>(?:1[89]|20)\d\d)/(?P<month>\d{1,2})/(?P<day>\d{1,2})(?!\d)", _iso
    yield r"(?P<day>\d{1,2})(?P<dot>[./])(?P<month>\d{1,2})[./](?P<year>\d{4}|\d{2})(?![\d.])", _figures
    yield (
        rf"(?:the\s)?(?P<day>{NTH})(?:\sof)?(?:\s{FULL_MONTH})?{TO}(?:the\s)?(?P<last>{NTH})\s(?:of\s)?(?P<month>{MONTH}){OF_YEAR}",
        _days_of_month,
    )
    yield (
        rf"(?P<month>{MONTH})\s(?P<day>{NTH})\s?(?:-|–|to|and|through)\s?(?P<last>{NTH})(?!\d|:){OF_YEAR}",
        _days_of_month,
    )
    on_day = rf"(?:{SHORT_DAY},?\s(?:the\s)?)?"
    yield rf"{on_day}(?:the\s)?(?P<day>{NTH}|{SPELT})\.?\s(?:of\s)?(?P<month>{MONTH}){OF_YEAR}{OF_DAY}", _date
    yield rf"{on_day}(?P<month>{MONTH})\s(?:the\s)?(?P<day>{NTH}|{SPELT})(?![\d:]|\s?[ap]m\b){OF_YEAR}{OF_DAY}", _date
    yield (
        rf"(?:the\s)?(?P<nth>first|second|third|fourth|last)\s(?P<unit>week|weekend|day|{WEEKDAY})\s(?:of|in)\s(?P<month>{MONTH}){OF_YEAR}",
        _ordinal_unit,
    )
    yield rf"(?:{PLACED})?(?P<month>{MONTH}),?\s(?:of\s)?(?P<year>{YEAR})", _month
    yield rf"(?P<month>{FULL_MONTH}){TO}(?P<last>{FULL_MONTH}){OF_YEAR}", _months
    yield rf"{PLACED}(?P<month>{FULL_MONTH})", _month
    yield rf"(?P<which>{WHICH})\s(?P<month>{FULL_MONTH})", _month
    yield rf"(?P<month>{FULL_MONTH})", _month
    yield (
        rf"(?P<name>(?:the\s)?day\s(?:before\syesterday|after\stomorrow)|yesterday|today|tonight|tomorrow|tmrw|yday){OF_DAY}",
        _named_day,
    )
    yield rf"(?P<half>half)\s(?:an?\s)?(?P<unit>{UNIT})s?\s(?:ago|back)", _ago
    yield (
        rf"(?P<count>{NUMBER})\s(?:(?P<half>and\sa\shalf)\s)?(?P<unit>{UNIT})s?(?:\s(?P<more>and\sa\shalf))?\s(?:ago|back)\b",
        _ago,
    )
    yield rf"(?:in|within)\s(?P<half>half)\s(?:an?\s)?(?P<unit>{UNIT})s?", _ahead
    yield rf"(?:in|within)\s(?P<count>{NUMBER})\s(?:more\s)?(?P<unit>{UNIT})s?(?:['’]s?)?(?:\stime)?(?![a-z])", _ahead
    yield rf"(?P<count>{NUMBER})\s(?P<unit>{UNIT})s?\sfrom\s(?:now|today)", _ahead
    yield (
        rf"(?:the\s)?(?P<which>last|past|next|coming|previous)\s(?P<count>{NUMBER})\s(?P<unit>{UNIT})s?(?![a-z])",
        _lasting,
    )
    yield r"(?:the\s)?(?P<unit>week|weekend|month|year)\sbefore\slast", _before_last
    yield rf"{PLACED}(?:(?P<which>{WHICH})\s)?(?P<unit>week|month|year)", _placed_unit
    yield (
        rf"(?:the\s)?(?P<which>{WHICH})\s(?P<unit>weekend|week|fortnight|month|quarter|year|decade|century|night)\b",
        _unit,
    )
    yield rf"this\s(?P<part>{PART})\b", _part_of_today
    clock = rf"(?:(?:at|around|about|by)\s)?(?P<clock>{CLOCK})\s(?:on\s)?"
    yield rf"{clock}(?P<name>yesterday|today|tomorrow)", _named_day
    yield rf"{clock}(?:(?P<which>{WHICH})\s)?(?P<weekday>{WEEKDAY})(?!\w)", _weekday
    yield rf"(?P<which>{WHICH})\s(?P<weekday>{WEEKDAY}){OF_DAY}(?!\w)", _weekday
    yield rf"(?P<weekday>{WEEKDAY})\s(?P<which>last|next|coming|gone)(?!\w)", _weekday
    yield rf"(?P<weekday>{WEEKDAY}){OF_DAY}(?![\w])", _weekday
    yield rf"(?P<which>{WHICH})\s(?P<season>{SEASON})\b", _season
    yield rf"(?:{PLACED})?(?P<season>{SEASON}),?\s(?:of\s|in\s)?(?P<year>{YEAR})", _season
    yield (
        rf"(?:in|during|over|by|until|since)\s(?:the\s)?(?:{PLACED})?(?P<season>{SEASON})\b{OF_YEAR}(?!\s(?:break|school|camp|clothes|cleaning)\b)",
        _season,
    )
    yield rf"(?P<which>{WHICH})\s(?P<feast>{FEAST})(?!\w)", _feast
    yield rf"(?P<feast>{FEAST})(?!\w){OF_YEAR}", _feast
    yield r"(?:the\s|in\s|at\s|on\s|over\s|this\s){1,2}(?P<unit>weekend)\b(?!\sbefore\s\w)", _bare_weekend
    yield (
        rf"(?:{PLACED})?(?P<decade>(?:1[89]|20)\d0['’]?s|['’][2-9]0s|(?:twen|thir|for|fif|six|seven|eigh|nine)ties)\b",
        _decade,
    )
    yield rf"the\s(?:{PLACED})?(?P<decade>[2-9]0['’]?s)\b", _decade
    yield rf"[Qq](?P<quarter>[1-4])(?:\s|/|\sof\s)?(?P<year>{YEAR})?(?!\w)", _quarter
    yield rf"(?:from|between)\s(?P<year>{YEAR}){TO}(?P<last>{YEAR})", _years
    yield rf"(?:{PLACED})(?P<year>{YEAR})", _year
    yield (
        rf"(?:in|since|until|till|by|during|of|from|before|after|around|year|en|em|nel|im\sjahr|seit|depuis|desde|dal|sinds|anno)\s(?P<year>{YEAR})(?!\w)",
        _year,
    )
    yield (
        r"(?:on|by|until|since|till)\sthe\s(?P<day>\d{1,2}(?:st|nd|rd|th)|"
        + SPELT
        + r"(?<!first)(?<!second))(?!\s(?!(?:and|or|at|in|with|to|for|we|i|he|she|they|it|when|because|but)\b)[a-z])",
        _ordinal_day,
    )
    yield rf"(?:at|by|until|till|around|about|from|before|after)\s(?P<clock>{CLOCK})", _at_clock
    yield r"(?P<clock>\d{1,2}(?::[0-5]\d)?\s?[ap]\.?m\b)", _at_clock


RULES: Final = tuple(_rules())


@cache
def expression() -> re.Pattern[str]:
    """All rules as one pattern, in which group `rule7` is the one of rule 7; compiled at the first use, in 30 ms."""
    plain = [re.sub(r"[(][?]P<[a-z]+>", "(?:", pattern) for pattern, _ in RULES]
    alternatives = "|".join(f"(?P<rule{number}>{pattern})" for number, pattern in enumerate(plain))
    return re.compile(rf"(?<!\w)(?:{alternatives})", re.I)


@cache
def parts(number: int) -> re.Pattern[str]:
    """The pattern of one rule, whose groups are the parts of the expression."""
    return re.compile(RULES[number][0], re.I)
