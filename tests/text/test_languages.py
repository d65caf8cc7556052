"""Texts of many languages match across their endings, and English ones are indexed as if there were no others."""

from __future__ import annotations

import pytest

from memstrata import Memstrata
from memstrata.text.languages import COMMON, foreign_terms, language_of, own_terms
from memstrata.text.terms import STROKES, Told, folded, terms
from memstrata.write.segment import indexed

PAIRS = [
    ("german", "Die Häuser am See haben rote Dächer.", "Wo ist das Haus mit dem Dach?", "haus"),
    ("french", "Les chevaux de ma tante sont malades et elle a peur.", "Qui a des chevaux ?", "cheval"),
    ("spanish", "Las conversaciones con mi abuela fueron muy largas.", "¿Cómo era la conversación?", "convers"),
    ("italian", "L'amico di Mario abita a Roma con gli altri.", "Dove sono gli amici di Mario?", "amic"),
    ("portuguese", "Eles compraram os bilhetes para o concerto.", "Quem comprou o bilhete?", "compr"),
    ("dutch", "De katten van mijn buurvrouw zijn weg.", "Waar is de kat van haar?", "kat"),
    ("swedish", "Jag köpte båtarna av min syster.", "Vem har båten och när?", "bat"),
    ("norwegian", "Vi kjøpte hyttene av naboen etter jul.", "Hvem har hytten, og hvorfor?", "hytt"),
    ("danish", "Hun fandt nøglerne i haven, da hun kom hjem.", "Hvor er nøglen og hvem har den?", "nogl"),
    ("finnish", "Kirjat ovat nyt laatikossa, mutta hän ei tiedä sitä.", "Missä kirja on ja mikä se on?", "kirj"),
    ("russian", "Мы купили новые книги, и она их читает.", "Где книга?", "книг"),
    ("turkish", "Kitapları dün aldım ve çok beğendim.", "Kitap nerede ve kim aldı?", "kitap"),
]  # fmt: skip
ENGLISH = [
    "The man was in the war and the die was cast.",
    "Her son met me at the door; the hat is on the bar.",
    "La La Land is on at ten, and the des moines train leaves at nine.",
    "I was in Los Angeles with my dad, he ate a taco al pastor.",
    "We'd said so: it's the café on Rue de Rivoli, isn't it?",
    "Deploy to prod, then run the tests again.",
]


@pytest.mark.parametrize(("language", "text", "query", "stem"), PAIRS)
def test_other_languages_are_known_by_their_common_words(language: str, text: str, query: str, stem: str) -> None:
    assert language_of(text) == language
    assert language_of(query, least=1) == language


@pytest.mark.parametrize("text", ENGLISH)
def test_english_is_indexed_by_its_words_alone(text: str) -> None:
    assert language_of(text) is None
    assert foreign_terms(text) == []


@pytest.mark.parametrize(("language", "text", "query", "stem"), PAIRS)
def test_another_ending_is_found(memory: Memstrata, language: str, text: str, query: str, stem: str) -> None:
    memory.add("Nothing of the kind.", user_id="ana")
    memory.add(text, user_id="ana", at="1999-09-09")
    hit = memory.search(query, user_id="ana")[0]
    assert hit.memory.text == text
    assert "lexical" in hit.signals


@pytest.mark.parametrize(("language", "text", "query", "stem"), PAIRS)
def test_a_foreign_text_keeps_the_words_that_english_gives_it(language: str, text: str, query: str, stem: str) -> None:
    told = Told(None, 0, 0)
    length, words = indexed(text, told)
    plain = terms(f"1 January 1970 {text}")
    assert length == len(plain)
    assert set(plain) < set(words)


def test_function_words_of_a_question_are_left_out(memory: Memstrata) -> None:
    memory.add("Der Hund und die Katze, das ist nicht der Vogel.", user_id="ana")
    said = [use.said for use in memory.explain("Wo ist der Hund und das Futter?", user_id="ana").terms]
    assert said == ["hund", "futter"]
    assert [use.said for use in memory.explain("der Hund", user_id="ana").terms] == ["der", "hund"]


def test_elisions_are_opened() -> None:
    assert own_terms("dell'amico", "italian") == ("amic", "amico")
    assert own_terms("İstanbul'da", "turkish")[-1] == "istanbul"
    assert own_terms("can't", "german") == ()


def test_letters_that_nothing_takes_apart_are_folded() -> None:
    assert folded("Łódź Øre Æsop İSTANBUL ısı Straße") == "lodzoreaesopistanbulisistrasse"
    assert all(folded(chr(letter)).isascii() for letter in STROKES)


def test_no_list_of_common_words_holds_one_twice() -> None:
    for language, listed in COMMON.items():
        words = listed.split()
        assert sorted(set(words)) == sorted(words), language
