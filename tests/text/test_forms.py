"""What is asked for is searched in every way in which it may have been written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from memstrata import Memstrata
from memstrata.text.forms import asked

TEXTS = {
    "identifier": "call parseHeader_v2 before the loop",
    "camel": "HTTPServerError was raised again",
    "plural": "parseHeaders is slow",
    "dotted": "see foo.bar.baz for it",
    "option": "run make with --dry-run first",
    "path": "it lies in src/app/main.py",
    "version": "v1.2.3 is out",
    "bare version": "we are on 4.7.1",
    "ticket": "closed KAFKA-1234",
    "mail": "write to ana.costa@example.com",
    "commit": "broke at 3f2a9c81d0e4b7a6f5c4d3e2b1a09f8e7d6c5b4a",
    "short commit": "fixed in 9b1d77e",
    "ISO date": "the visit is on 2031-05-03",
    "date": "she leaves on 7 June 2032",
    "joined": "the wifi password",
    "split": "a base ball bat",
    "umlaut": "Sören moved",
    "stroke": "Łódź is far",
    "sharp s": "die Straße",
    "dotless": "Işıl geldi",
    "accent": "a café",
    "possessive": "Jon's bicycle",
}


@pytest.fixture
def noted(memory: Memstrata) -> Memstrata:
    for key, text in TEXTS.items():
        memory.add(text, user_id="ana", key=key, at="1999-09-09")
    return memory


def found(memory: Memstrata, query: str) -> set[str]:
    """The keys of what holds a word of the query, by the words alone."""
    explained = memory.explain(query, user_id="ana", limit=50)
    return {str(hit.memory.key) for hit in explained.hits if "lexical" in hit.signals}


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ("parseHeader_v2", "identifier"), ("parseheaderv2", "identifier"), ("header", "identifier"),
        ("HTTPServerError", "camel"), ("http server error", "camel"), ("httpservererror", "camel"),
        ("parseheaders", "plural"), ("parse headers", "plural"),
        ("foo.bar.baz", "dotted"), ("bar", "dotted"),
        ("--dry-run", "option"), ("dry run", "option"), ("dryrun", "option"),
        ("src/app/main.py", "path"), ("main.py", "path"),
        ("v1.2.3", "version"), ("1.2.3", "version"), ("v4.7.1", "bare version"),
        ("KAFKA-1234", "ticket"), ("kafka 1234", "ticket"), ("1234", "ticket"),
        ("ana.costa@example.com", "mail"), ("example.com", "mail"), ("costa", "mail"),
        ("3f2a9c8", "commit"), ("3F2A9C81D0", "commit"),
        ("9b1d77e0c4b7a6f5c4d3e2b1a09f8e7d6c5b4a11", "short commit"),
        ("2031-05-03", "ISO date"), ("3 May 2031", "ISO date"), ("May 3rd", "ISO date"), ("2032-06-07", "date"),
        ("wi-fi", "joined"), ("wi fi", "joined"), ("baseball", "split"),
        ("Soeren", "umlaut"), ("soren", "umlaut"), ("Lodz", "stroke"), ("strasse", "sharp s"), ("isil", "dotless"),
        ("cafe", "accent"), ("Jon", "possessive"), ("Jons", "possessive"),
    ],
)  # fmt: skip
def test_what_is_written_in_code_and_figures_is_found(noted: Memstrata, query: str, key: str) -> None:
    assert key in found(noted, query)


def test_a_beginning_too_short_for_a_hash_finds_none(noted: Memstrata) -> None:
    assert "commit" not in found(noted, "3f2a9c")


def test_months_have_their_figures_only_in_dates() -> None:
    assert [one.forms for one in asked("may I march")] == [(), ()]
    assert [one.forms for one in asked("2031-13-03")] == [(), (), ()]


def test_words_that_stand_in_are_named(noted: Memstrata, opened: Callable[..., Memstrata]) -> None:
    (use,) = noted.explain("Soeren", user_id="ana").terms
    assert (use.said, use.instead) == ("soeren", ("soren",))
