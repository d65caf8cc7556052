"""What a text says of time becomes the interval that a reader of the same day would mark on a calendar."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstrata.clock import as_datetime, moment
from memstrata.text.traits import may_name_time
from memstrata.text.when.times import MOST_TIMES, spoken

WEDNESDAY = "2024-05-15T14:30+00:00"


def read(text: str, at: str = WEDNESDAY) -> list[tuple[str, str]]:
    """Each expression found, with its interval in local time."""
    found = moment(at)
    assert found is not None
    return [
        (text[one.start : one.stop], f"{short(one.since, found[1])}..{short(one.until, found[1])}")
        for one in spoken(text, at=found[0], at_offset=found[1])
    ]


def short(micros: int, offset: int) -> str:
    """Without the hour at midnight."""
    return as_datetime(micros, offset).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")


def interval(expected: str) -> str:
    """A day alone stands for all of it."""
    if ".." in expected:
        return expected
    return f"{expected}..{(datetime.fromisoformat(expected) + timedelta(days=1)).date()}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # days
        ("We met yesterday.", "2024-05-14"),
        ("I have it today", "2024-05-15"),
        ("It is due tomorrow.", "2024-05-16"),
        ("We left the day before yesterday", "2024-05-13"),
        ("She is back the day after tomorrow", "2024-05-17"),
        ("We spoke 3 days ago", "2024-05-12"),
        ("It broke a couple of days ago", "2024-05-13"),
        ("It broke a few days ago", "2024-05-10..2024-05-14"),
        ("in three days", "2024-05-18"),
        ("ten days from now", "2024-05-25"),
        ("They rang two nights ago", "2024-05-13"),
        # parts of days and clock times
        ("I ran this morning", "2024-05-15 05:00..2024-05-15 12:00"),
        ("this afternoon", "2024-05-15 12:00..2024-05-15 18:00"),
        ("See you tonight", "2024-05-15 18:00..2024-05-16 06:00"),
        ("I slept badly last night", "2024-05-14 18:00..2024-05-15 06:00"),
        ("yesterday evening", "2024-05-14 18:00..2024-05-15"),
        ("tomorrow morning", "2024-05-16 05:00..2024-05-16 12:00"),
        ("Call me at 5 pm", "2024-05-15 17:00..2024-05-15 18:00"),
        ("at 5:30pm", "2024-05-15 17:30..2024-05-15 17:31"),
        ("at 17:00 sharp", "2024-05-15 17:00..2024-05-15 17:01"),
        ("at 12 am", "2024-05-15..2024-05-15 01:00"),
        ("at noon", "2024-05-15 12:00..2024-05-15 13:00"),
        ("tomorrow at 10", "2024-05-16 10:00..2024-05-16 11:00"),
        ("meet me at 5 pm tomorrow", "2024-05-16 17:00..2024-05-16 18:00"),
        ("It sold out at 15:10 on Saturday", "2024-05-11 15:10..2024-05-11 15:11"),
        ("The meeting is on Friday at 10", "2024-05-17 10:00..2024-05-17 11:00"),
        ("Dinner is Friday at 7", "2024-05-17 19:00..2024-05-17 20:00"),
        ("two hours ago", "2024-05-15 12:00..2024-05-15 13:00"),
        ("half an hour ago", "2024-05-15 14:00..2024-05-15 14:01"),
        ("in 20 minutes", "2024-05-15 14:50..2024-05-15 14:51"),
        # weekdays
        ("I went last Tuesday", "2024-05-14"),
        ("We had met last Friday", "2024-05-10"),
        ("I met her last Wednesday", "2024-05-08"),
        ("I'll see you next Friday", "2024-05-24"),
        ("next Monday", "2024-05-20"),
        ("this Friday", "2024-05-17"),
        ("this coming Sunday", "2024-05-19"),
        ("this past Sunday", "2024-05-12"),
        ("We met on Friday", "2024-05-10"),
        ("We will meet on Friday", "2024-05-17"),
        ("The party is on Saturday", "2024-05-18"),
        ("He called on Monday.", "2024-05-13"),
        ("I'm leaving on Wednesday", "2024-05-22"),
        ("We left on Wednesday", "2024-05-08"),
        ("Let's cook on Thursday", "2024-05-16"),
        ("On Sunday we went sailing", "2024-05-12"),
        ("On Sunday we will sail", "2024-05-19"),
        ("I saw him Monday night", "2024-05-13 18:00..2024-05-14 06:00"),
        ("Home since Tuesday", "2024-05-14..2024-05-15 14:30"),
        ("from Monday to Wednesday", "2024-05-20..2024-05-23"),
        # weeks and weekends
        ("It rained last week", "2024-05-06..2024-05-13"),
        ("this week", "2024-05-13..2024-05-20"),
        ("next week", "2024-05-20..2024-05-27"),
        ("two weeks ago", "2024-04-29..2024-05-06"),
        ("a fortnight ago", "2024-04-29..2024-05-06"),
        ("in two weeks", "2024-05-27..2024-06-03"),
        ("in a week's time", "2024-05-20..2024-05-27"),
        ("a few weeks ago", "2024-04-08..2024-05-06"),
        ("the week before last", "2024-04-29..2024-05-06"),
        ("last weekend", "2024-05-11..2024-05-13"),
        ("this weekend", "2024-05-18..2024-05-20"),
        ("next weekend", "2024-05-25..2024-05-27"),
        ("We sailed over the weekend", "2024-05-11..2024-05-13"),
        ("We will sail at the weekend", "2024-05-18..2024-05-20"),
        ("the weekend before last", "2024-05-04..2024-05-06"),
        ("early next week", "2024-05-20..2024-05-22"),
        # months
        ("last month", "2024-04-01..2024-05-01"),
        ("this month", "2024-05-01..2024-06-01"),
        ("next month", "2024-06-01..2024-07-01"),
        ("a month ago", "2024-04-01..2024-05-01"),
        ("six months ago", "2023-11-01..2023-12-01"),
        ("in three months", "2024-08-01..2024-09-01"),
        ("May 2021", "2021-05-01..2021-06-01"),
        ("in Sept. 2020", "2020-09-01..2020-10-01"),
        ("June of 2022", "2022-06-01..2022-07-01"),
        ("We moved in March", "2024-03-01..2024-04-01"),
        ("We moved in August", "2023-08-01..2023-09-01"),
        ("We will move in August", "2024-08-01..2024-09-01"),
        ("We will move in March", "2025-03-01..2025-04-01"),
        ("last May", "2023-05-01..2023-06-01"),
        ("next May", "2025-05-01..2025-06-01"),
        ("this May", "2024-05-01..2024-06-01"),
        ("early May", "2024-05-01..2024-05-11"),
        ("in mid-June", "2024-06-11..2024-06-21"),
        ("at the end of March", "2024-03-22..2024-04-01"),
        ("the end of the month", "2024-05-22..2024-06-01"),
        ("between March and May", "2024-03-01..2024-06-01"),
        ("the first weekend of November", "2024-11-02..2024-11-04"),
        ("the last Friday of June 2023", "2023-06-30"),
        ("the second Tuesday of June 2023", "2023-06-13"),
        ("the first week of June 2023", "2023-06-01..2023-06-08"),
        ("the last day of February 2024", "2024-02-29"),
        # dates
        ("3 March 2023", "2023-03-03"),
        ("March 3, 2023", "2023-03-03"),
        ("the 3rd of March, 2023", "2023-03-03"),
        ("on March 3rd 2023", "2023-03-03"),
        ("Friday, 3 March 2023", "2023-03-03"),
        ("Fri 3 Mar 2023", "2023-03-03"),
        ("the first of June", "2024-06-01"),
        ("the twenty-first of June 2023", "2023-06-21"),
        ("I was there on June 5", "2023-06-05"),
        ("I was there on April 5", "2024-04-05"),
        ("I will be there on June 5", "2024-06-05"),
        ("They've moved me to 28 April", "2025-04-28"),
        ("3 March 2023 at 5 pm", "2023-03-03 17:00..2023-03-03 18:00"),
        ("See you on the 20th", "2024-05-20"),
        ("We met on the 20th.", "2024-04-20"),
        ("We will meet on the 14th", "2024-06-14"),
        ("2023-06-27", "2023-06-27"),
        ("2023-06-27T10:30", "2023-06-27 10:30..2023-06-27 10:31"),
        ("2023/06/27", "2023-06-27"),
        ("27/06/2023", "2023-06-27"),
        ("06/27/2023", "2023-06-27"),
        ("03/04/2023", "2023-04-03"),
        ("27.6.23", "2023-06-27"),
        ("from 3 to 7 May", "2024-05-03..2024-05-08"),
        ("May 3-7, 2023", "2023-05-03..2023-05-08"),
        ("from 10 June 2023 until 14 June 2023", "2023-06-10..2023-06-15"),
        ("the week before 27 June 2023", "2023-06-19..2023-06-26"),
        ("the weekend before 27 June 2023", "2023-06-24..2023-06-26"),
        ("two weeks before 27 June 2023", "2023-06-12..2023-06-19"),
        ("three days after 27 June 2023", "2023-06-30"),
        ("the day before 1 March 2024", "2024-02-29"),
        # years and longer
        ("last year", "2023-01-01..2024-01-01"),
        ("two years ago", "2022-01-01..2023-01-01"),
        ("a year and a half ago", "2022-11-01..2022-12-01"),
        ("in 2019", "2019-01-01..2020-01-01"),
        ("since 2019", "2019-01-01..2024-05-15 14:30"),
        ("from 2015 to 2018", "2015-01-01..2019-01-01"),
        ("late 2019", "2019-09-01..2020-01-01"),
        ("the 1980s", "1980-01-01..1990-01-01"),
        ("in the 90s", "1990-01-01..2000-01-01"),
        ("in the early nineties", "1990-01-01..1993-05-01"),
        ("a decade ago", "2010-01-01..2020-01-01"),
        ("in Q3 2022", "2022-07-01..2022-10-01"),
        ("the last three days", "2024-05-12..2024-05-16"),
        ("in the past two weeks", "2024-05-01..2024-05-16"),
        ("the next 3 days", "2024-05-15..2024-05-19"),
        # seasons and feasts
        ("last summer", "2023-06-01..2023-09-01"),
        ("this summer", "2024-06-01..2024-09-01"),
        ("next winter", "2024-12-01..2025-03-01"),
        ("in the summer of 2019", "2019-06-01..2019-09-01"),
        ("summer 2019", "2019-06-01..2019-09-01"),
        ("We met in winter", "2023-12-01..2024-03-01"),
        ("last Christmas", "2023-12-25"),
        ("next Christmas", "2024-12-25"),
        ("Christmas Eve 2022", "2022-12-24"),
        ("Easter 2024", "2024-03-31"),
        ("Easter 2025", "2025-04-20"),
        ("Thanksgiving 2023", "2023-11-23"),
        ("We danced on New Year's Eve", "2023-12-31"),
        ("Halloween 2021", "2021-10-31"),
    ],
)  # fmt: skip
def test_an_expression_means_what_the_calendar_says(text: str, expected: str) -> None:
    assert [found for _, found in read(text)] == [interval(expected)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Das war gestern.", "2024-05-14"),
        ("Ich war gestern Abend da", "2024-05-14 18:00..2024-05-15 06:00"),
        ("letzten Dienstag", "2024-05-14"),
        ("am Freitag waren wir da", "2024-05-10"),
        ("vor zwei Wochen", "2024-04-29..2024-05-06"),
        ("in drei Tagen", "2024-05-18"),
        ("nächsten Monat", "2024-06-01..2024-07-01"),
        ("letztes Wochenende", "2024-05-11..2024-05-13"),
        ("am 3. März 2023", "2023-03-03"),
        ("Ich komme morgen", "2024-05-16"),
        ("Je suis allé au marché hier", "2024-05-14"),
        ("avant-hier", "2024-05-13"),
        ("il y a deux ans", "2022-01-01..2023-01-01"),
        ("la semaine dernière", "2024-05-06..2024-05-13"),
        ("mardi dernier", "2024-05-14"),
        ("dans trois jours", "2024-05-18"),
        ("le 3 mars 2023", "2023-03-03"),
        ("ayer", "2024-05-14"),
        ("anoche", "2024-05-14 18:00..2024-05-15 06:00"),
        ("la semana pasada", "2024-05-06..2024-05-13"),
        ("la semana que viene", "2024-05-20..2024-05-27"),
        ("hace dos años", "2022-01-01..2023-01-01"),
        ("el martes pasado", "2024-05-14"),
        ("el 3 de marzo de 2023", "2023-03-03"),
        ("ieri", "2024-05-14"),
        ("due settimane fa", "2024-04-29..2024-05-06"),
        ("il mese scorso", "2024-04-01..2024-05-01"),
        ("12 maggio 2023", "2023-05-12"),
        ("ontem", "2024-05-14"),
        ("há dois anos", "2022-01-01..2023-01-01"),
        ("na semana passada", "2024-05-06..2024-05-13"),
        ("3 de março de 2023", "2023-03-03"),
        ("gisteren", "2024-05-14"),
        ("twee weken geleden", "2024-04-29..2024-05-06"),
        ("afgelopen dinsdag", "2024-05-14"),
        ("3 maart 2023", "2023-03-03"),
    ],
)  # fmt: skip
def test_other_languages_are_read_as_well(text: str, expected: str) -> None:
    assert [found for _, found in read(text)] == [interval(expected)]


@pytest.mark.parametrize(
    ("text", "at", "expected"),
    [
        # the day is the speaker's own, whatever it is in UTC
        ("yesterday", "2024-05-15T00:30+05:30", "2024-05-14"),
        ("yesterday", "2024-05-15T23:30-08:00", "2024-05-14"),
        ("today", "2024-12-31T23:59+13:00", "2024-12-31"),
        ("03/04/2023", "2024-05-15T12:00-05:00", "2023-03-04"),
        # nights on which clocks change: the offset is that of the event
        ("yesterday", "2024-03-31T12:00+02:00", "2024-03-30"),
        ("today", "2024-10-27T12:00+01:00", "2024-10-27"),
        # ends of months, leap days, borders of years
        ("a month ago", "2024-03-31T12:00+00:00", "2024-02-01..2024-03-01"),
        ("a year ago", "2024-02-29T12:00+00:00", "2023-01-01..2024-01-01"),
        ("yesterday", "2024-03-01T12:00+00:00", "2024-02-29"),
        ("yesterday", "2023-03-01T12:00+00:00", "2023-02-28"),
        ("yesterday", "2024-01-01T12:00+00:00", "2023-12-31"),
        ("next month", "2023-12-15T12:00+00:00", "2024-01-01..2024-02-01"),
        ("last month", "2024-01-31T12:00+00:00", "2023-12-01..2024-01-01"),
        ("last week", "2024-01-03T12:00+00:00", "2023-12-25..2024-01-01"),
        ("We were there on 29 February", "2023-05-15T12:00+00:00", "2020-02-29"),
        ("on the 31st", "2024-02-10T12:00+00:00", "2024-01-31"),
        ("last weekend", "2024-05-19T12:00+00:00", "2024-05-11..2024-05-13"),
        ("this weekend", "2024-05-19T12:00+00:00", "2024-05-18..2024-05-20"),
        ("next Friday", "2024-05-19T12:00+00:00", "2024-05-24"),
        ("last winter", "2024-01-15T12:00+00:00", "2022-12-01..2023-03-01"),
        ("We met in December", "2024-01-15T12:00+00:00", "2023-12-01..2024-01-01"),
        ("in the 20s", "2024-05-15T12:00+00:00", "2020-01-01..2030-01-01"),
    ],
)
def test_it_is_the_speakers_calendar_that_counts(text: str, at: str, expected: str) -> None:
    assert [found for _, found in read(text, at)] == [interval(expected)]


@pytest.mark.parametrize(
    "text",
    [
        "May I have it?", "They march in the sun.", "She will fall.", "room 2019", "it costs £2024", "in 2019 km",
        "every Monday we run", "I have 30 days", "on the 14th floor", "31 February 2023", "99/99/2023", "at 25:00",
        "Wir sind hier.", "Guten Morgen!", "a long time ago in general", "version 3.5.2", "", "half of it",
    ],
)  # fmt: skip
def test_what_is_no_time_is_left_alone(text: str) -> None:
    assert read(text) == []


def test_several_expressions_come_in_order_with_their_places() -> None:
    found = read("We met last Tuesday, will meet tomorrow and spoke of May 2021.")
    assert [said for said, _ in found] == ["last Tuesday", "tomorrow", "May 2021"]


def test_a_document_is_read_up_to_a_bound() -> None:
    assert len(read("today, " * 100_000)) == MOST_TIMES
    assert read("x" * 1_000_000 + " yesterday") == []


@pytest.mark.parametrize(
    "text",
    ["1" * 1_000_000, "last " * 200_000, "the 1st of " * 90_000, "gestern vor zwei " * 60_000, "1 to 2 " * 100_000],
)
def test_hostile_texts_end_like_others(text: str) -> None:
    assert len(read(text)) <= MOST_TIMES


VOCABULARY = """
the last next this in on at of from to between and since until 3 14th 2023 31 0 99 may march friday week weekends
years ago before after yesterday tomorrow end early mid summer christmas q3 5pm 12:30 2024-02-30 1/2/3 few half a
gestern vor zwei wochen hier il y deux ans ayer hace , . - –
"""
WORDS = st.sampled_from(VOCABULARY.split())


@given(
    text=st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=60),
    at=st.datetimes(timezones=st.just(UTC)),
    offset=st.integers(-14 * 60, 14 * 60),
)
def test_whatever_is_said_intervals_are_ordered_and_spans_lie_in_the_text(text: str, at: datetime, offset: int) -> None:
    found = moment(at)
    assert found is not None
    last = 0
    for one in spoken(text, at=found[0], at_offset=offset):
        assert last <= one.start < one.stop <= len(text)
        assert one.since < one.until
        assert may_name_time(text)
        last = one.stop
