"""What a sentence states is read from it, and what it only asks, plans, judges or imagines is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from memstrata.text.facts.grammar import canonical
from memstrata.text.facts.statements import Statement, key_of, statements
from memstrata.text.traits import may_state

# as Ana says it: subject | attribute | value | condition; "[over]" ends it, "[among others]" leaves other values open
STATING = [
    ("I live in Lisbon.", ["| home | Lisbon"]),
    ("I'm living in Porto now.", ["| home | Porto"]),
    ("We live on a houseboat.", ["| home | houseboat"]),
    ("I moved to Porto last year.", ["| home | Porto"]),
    ("I've moved to a new flat.", ["| home | new flat"]),
    ("I moved to SQLite yesterday.", ["| uses | SQLite [among others]"]),
    ("I moved to Porto in May.", ["| home | Porto"]),
    ("I moved to New York in May 2019.", ["| home | New York"]),
    ("I moved to Porto on Monday.", ["| home | Porto"]),
    ("I work for the ferry line.", ["| employer | ferry line"]),
    ("I work at Bosch in Stuttgart.", ["| employer | Bosch"]),
    ("I joined Siemens in March.", ["| employer | Siemens"]),
    ("I work as a carpenter.", ["| job | carpenter"]),
    ("I'm a nurse now.", ["| job | nurse"]),
    ("I'm a vegetarian.", ["| diet | vegetarian"]),
    ("I'm vegan.", ["| diet | vegan"]),
    ("I'm 34 years old.", ["| age | 34"]),
    ("I turned 40 last week.", ["| age | 40"]),
    ("I married Tomas in 2019.", ["| spouse | Tomas"]),
    ("I'm married to Petra.", ["| spouse | Petra"]),
    (
        "I'm allergic to nuts and shellfish.",
        ["| allergic to | nuts [among others]", "| allergic to | shellfish [among others]"],
    ),
    ("I'm not allergic to cats.", ["| allergic to | cats [over]"]),
    ("I like rooibos.", ["| likes | rooibos [among others]"]),
    ("I love tea and coffee.", ["| likes | tea [among others]", "| likes | coffee [among others]"]),
    ("I really hate meetings.", ["| dislikes | meetings [among others]"]),
    ("I don't like cilantro.", ["| dislikes | cilantro [among others]", "| likes | cilantro [over]"]),
    ("I don't like cilantro any more.", ["| likes | cilantro [over]"]),
    ("I prefer tea to coffee.", ["| prefers | tea [among others]"]),
    ("I prefer white.", ["| prefers | white [among others]"]),
    ("I use vim, not emacs.", ["| uses | vim [among others]"]),
    ("We use PostgreSQL 16 now.", ["| uses | PostgreSQL 16 [among others]"]),
    ("We switched from msgpack to JSON.", ["| uses | msgpack [over]", "| uses | JSON [among others]"]),
    ("We no longer use msgpack.", ["| uses | msgpack [over]"]),
    ("We replaced Redis with Valkey.", ["| uses | Redis [over]", "| uses | Valkey [among others]"]),
    ("I stopped using Slack.", ["| uses | Slack [over]"]),
    ("I've quit smoking.", ["| smokes | smoking [over]"]),
    ("I gave up drinking coffee.", ["| drinks | coffee [over]"]),
    ("I no longer eat meat.", ["| avoids | meat [among others]", "| eats | meat [over]"]),
    ("I don't eat pork.", ["| avoids | pork [among others]", "| eats | pork [over]"]),
    ("I bought a dinghy.", ["| has | dinghy [among others]"]),
    ("I sold the boat.", ["| has | boat [over]"]),
    ("I have two cats.", ["| number of cats | two"]),
    ("We have 84 members.", ["| number of members | 84"]),
    ("The club has 77 members now.", ["club | number of members | 77"]),
    ("I'm in Nagpur.", ["| location | Nagpur"]),
    ("I'm at the airport.", ["| location | airport"]),
    ("I speak Slovene and Italian.", ["| speaks | Slovene [among others]", "| speaks | Italian [among others]"]),
    ("I drive a red Tacoma.", ["| drives | red Tacoma [among others]"]),
    ("I visited Kyoto.", ["| visited | Kyoto [among others]"]),
    ("I come from Ghent.", ["| from | Ghent"]),
    ("I was born in Lagos.", ["| born in | Lagos"]),
    ("Call me Max.", ["| name | Max"]),
    ("My name is Odalys.", ["| name | Odalys"]),
    ("Hi, I'm Juniper.", ["| name | Juniper"]),
    ("My sister's name is Ines.", ["Ana's sister | name | Ines"]),
    ("My sister is a nurse.", ["Ana's sister | job | nurse"]),
    ("My wife works at Bosch.", ["Ana's wife | employer | Bosch"]),
    ("My dog is called Pepper.", ["| dog | Pepper [among others]"]),
    ("My favourite tea is rooibos.", ["| favourite tea | rooibos"]),
    ("My favorite colour is now green.", ["| favourite colour | green"]),
    ("My birthday is 4 May.", ["| born on | 4 May"]),
    ("My budget is 18 euros.", ["| budget | 18 euros"]),
    ("Our wifi password is `heron-42`.", ["| wifi password | heron-42"]),
    ("My boss is Petra.", ["| boss | Petra"]),
    ("Set the seat heating to 2 when it snows.", ["| seat heating | 2 | when it snows"]),
    ("When my mother is in the car I want the volume at 15.", ["| volume | 15 | When my mother is in the car"]),
    ("If it rains, close the sunroof.", ["| sunroof | closed | If it rains"]),
    ("I prefer the ambient light blue at night.", ["| ambient light | blue | at night"]),
    ("On weekdays, set the alarm to 6:30.", ["| alarm | 6:30 | On weekdays"]),
    ("Turn off the radio.", ["| radio | off"]),
    ("Turn the lights on.", ["| lights | on"]),
    ("Could you set the volume to 20?", ["| volume | 20"]),
    ("Let me set the map to north_up.", ["| map | north_up"]),
    ("I'll set the brightness to 80.", ["| brightness | 80"]),
    ("Set it to 21 degrees. No, not 21, 20.5.", ["| temperature | 21 degrees", "| temperature | 20.5"]),
    ("Actually, make it 21 degrees.", ["| temperature | 21 degrees"]),
    ("My usual seat height of 87 feels too cramped. Let me drop it to 82.", ["| seat height | 82"]),
    ("HUD brightness at 4.", ["| HUD brightness | 4"]),
    ("The ambient light needs to be white.", ["| ambient light | white"]),
    ("I usually keep the AC at 21 degrees.", ["| temperature | 21 degrees"]),
    ("I'd like the volume at 15.", ["| volume | 15"]),
    ("I want the map in 2D.", ["| map | 2D"]),
    ("Raise ALERT_COOLDOWN_MIN from 90 to 240.", ["ALERT_COOLDOWN_MIN | value | 240"]),
    ("ALERT_COOLDOWN_MIN is 360 now.", ["ALERT_COOLDOWN_MIN | value | 360"]),
    ("retry_limit = 6", ["retry_limit | value | 6"]),
    ("Lock the doors when I park.", ["| doors | locked | when I park"]),
    ("Move the meeting to Thursday.", ["| meeting | Thursday"]),
    ("Justin likes it warmer, 24 degrees.", ["Justin | temperature | 24 degrees"]),
    ("Patricia prefers tea.", ["Patricia | prefers | tea [among others]"]),
    ("Ana works for the ferry line.", ["Ana | employer | ferry line"]),
    ("Ana lives in Porto.", ["Ana | home | Porto"]),
    ("Ana moved to Berlin.", ["Ana | home | Berlin"]),
    ("Ana is a teacher.", ["Ana | job | teacher"]),
    ("Mary got the milk there.", ["Mary | has | milk [among others]"]),
    ("John picked up the apple.", ["John | has | apple [among others]"]),
    ("John put down the apple there.", ["John | has | apple [over]"]),
    ("Mary left the football.", ["Mary | has | football [over]"]),
    ("Sandra discarded the milk.", ["Sandra | has | milk [over]"]),
    ("Fred gave the milk to Bill.", ["Bill | has | milk [among others]", "Fred | has | milk [over]"]),
    ("Jeff handed the apple to Mary.", ["Mary | has | apple [among others]", "Jeff | has | apple [over]"]),
    ("Bill gave Mary the ball.", ["Mary | has | ball [among others]", "Bill | has | ball [over]"]),
    ("John went back to the kitchen.", ["John | location | kitchen"]),
    ("Daniel journeyed to the office.", ["Daniel | location | office"]),
    ("Sandra travelled to the garden.", ["Sandra | location | garden"]),
    ("The football is in the garden.", ["football | location | garden"]),
    ("The deadline is now Monday.", ["deadline | value | Monday"]),
    ("The deadline was moved to Friday.", ["deadline | value | Friday"]),
    ("The rent went up to 1,150.", ["rent | value | 1,150"]),
    ("The image is 1.4 gigabytes.", ["image | value | 1.4 gigabytes"]),
    ("The capital of Malta is Valletta.", ["Malta | capital | Valletta"]),
    ("The author of A Tale of Two Cities is Charles Dickens.", ["A Tale of Two Cities | author | Charles Dickens"]),
    (
        "The name of the current head of state in Italy is Sergio Mattarella.",
        ["Italy | name of the current head of state | Sergio Mattarella"],
    ),
    (
        "The university where Ada Byrne was educated is University of California, Berkeley.",
        ["Ada Byrne | university educated | University of California, Berkeley"],
    ),
    ("The company that produced Pico-8 is Lexaloffle.", ["Pico-8 | company produced | Lexaloffle"]),
    ("The type of music that Nina Simone plays is jazz.", ["Nina Simone | type of music plays | jazz"]),
    ("The headquarters of Nokia is located in the city of Espoo.", ["Nokia | headquarters located in | Espoo"]),
    ("The budget of the project is 18,000 euros.", ["the project | budget | 18,000 euros"]),
    ("Rome is the capital of Italy.", ["Italy | capital | Rome"]),
    ("Jules Verne was born in the city of Nantes.", ["Jules Verne | born in | Nantes"]),
    ("Jules Verne died in Amiens.", ["Jules Verne | died in | Amiens"]),
    ("Jules Verne was born on 8 February 1828.", ["Jules Verne | born on | 8 February 1828"]),
    ("Free as a Bird was performed by The Beatles.", ["Free as a Bird | performed by | The Beatles"]),
    ("Nils Frahm is famous for All Melody.", ["Nils Frahm | famous for | All Melody"]),
    (
        "Walter Low's child is Charles Frederick, Duke of Holstein-Gottorp.",
        ["Walter Low | child | Charles Frederick, Duke of Holstein-Gottorp"],
    ),
    ("Pico DOS was developed by Apple Inc..", ["Pico DOS | developed by | Apple Inc."]),
    ("Ada Byrne works for Apple Inc.", ["Ada Byrne | employer | Apple Inc."]),
    ("Sarah, Duchess of York was born in the city of London.", ["Sarah, Duchess of York | born in | London"]),
    ("Pedro Low worked in the city of Washington, D.C..", ["Pedro Low | worked in | Washington, D.C."]),
    ("Handball was created in the country of Denmark.", ["Handball | created in | Denmark"]),
    ("water polo is associated with the sport of polo.", ["water polo | associated with sport | polo"]),
    ("Joe Low plays the position of quarterback.", ["Joe Low | plays position | quarterback"]),
    ("Joe Low speaks the language of Basque.", ["Joe Low | speaks language | Basque"]),
    ("Joe Low is affiliated with the religion of Islam.", ["Joe Low | affiliated with religion | Islam"]),
    ("Joe Low is a citizen of Ghana.", ["Joe Low | citizen of | Ghana"]),
    ("Igor of Kiev is married to Olga of Kiev.", ["Igor of Kiev | spouse | Olga of Kiev"]),
]
SILENT = [
    "I'm a big fan of jazz.",
    "I have a meeting at nine.",
    "I have an idea.",
    "I'm tired.",
    "I'm so happy for you!",
    "My job is interesting.",
    "My office is cold.",
    "My eyes are tired.",
    "My knee hurts.",
    "Put the book on the table.",
    "Keep it simple.",
    "I'll keep my eyes open.",
    "Let's make it fun.",
    "Turn the conversation toward innovation.",
    "Set the table.",
    "Crank the volume up.",
    "Ana is tired.",
    "He lives in Rome.",
    "She likes tea.",
    "They moved to Paris.",
    "You live in Rome.",
    "The launch is on the tenth of December.",
    "The weather is nice.",
    "The problem is money.",
    "The core of the problem is trust.",
    "Petra is the head of our street.",
    "The site is designed to be easy to use.",
    "Kathleen's methods are always rigorous.",
    "Let's refine the parts that are causing you stress.",
    "I might move to Berlin.",
    "I'm going to move to Berlin.",
    "I'm thinking of moving to Berlin.",
    "I would live in Rome.",
    "I hope I live in Rome one day.",
    "If I lived in Rome, I'd eat ice cream.",
    "When I was a kid, I loved trains.",
    "I used to live in Ghent.",
    "I think the capital of Peru is Cusco.",
    "Maybe I like tea.",
    "Do you live in Rome?",
    "Where is the milk?",
    "What a lovely day!",
    "Thanks, see you tomorrow.",
    "Ok.",
    "I want to see the terrain.",
    "I like how you did that.",
    "I love your style.",
    "I like the sound of that.",
    "I got lost.",
    "I have to go.",
    "I have been there.",
    "We were in Rome.",
    "There are two cats.",
    "It is raining.",
    "That is my car.",
]


def shown(one: Statement) -> str:
    """A statement as the table above writes it."""
    condition = f" | {one.condition}" if one.condition else ""
    mark = " [over]" if one.ends else "" if one.single else " [among others]"
    return f"{one.subject} | {one.attribute} | {one.value}{condition}{mark}".strip()


@pytest.mark.parametrize(("text", "expected"), STATING)
def test_a_sentence_states_who_has_which_value_of_what(text: str, expected: list[str]) -> None:
    assert [shown(one) for one in statements(text, speaker="Ana")] == expected


@pytest.mark.parametrize("text", [text for text, _ in STATING])
def test_the_gate_lets_through_whatever_states_something(text: str) -> None:
    assert may_state(text)


@pytest.mark.parametrize("text", SILENT)
def test_what_is_asked_planned_judged_or_imagined_states_nothing(text: str) -> None:
    assert statements(text, speaker="Ana") == []


@pytest.mark.parametrize(
    "text",
    ["Actually, make it 21 degrees.", "My favourite tea is now mint.", "I no longer use Slack.", "I'm a nurse now."],
)
def test_what_replaces_something_by_its_own_words_is_a_correction(text: str) -> None:
    assert all(one.correction for one in statements(text))


def test_a_correction_takes_up_what_was_set_just_before() -> None:
    first, second = statements("Set the volume to 21. No, not 21, 20.5.")
    assert (first.attribute, second.attribute, second.value) == ("volume", "volume", "20.5")
    assert second.correction
    assert not first.correction


@pytest.mark.parametrize(
    "text", ["I live in Lisbon.", "My favourite tea is mint.", "Set the volume to 3.", "We use vim."]
)
def test_an_assistant_states_nothing_of_its_own(text: str) -> None:
    assert statements(text, role="assistant") == []
    assert statements(text, speaker="Assistant") == []


def test_an_assistant_states_plain_facts() -> None:
    [one] = statements("The capital of Malta is Valletta.", role="assistant")
    assert (one.subject, one.attribute, one.value) == ("Malta", "capital", "Valletta")


def test_a_relative_without_a_known_speaker_is_still_somebody_else() -> None:
    [one] = statements("My sister's name is Ines.")
    assert (one.subject, one.attribute) == ("my sister", "name")


@pytest.mark.parametrize(
    ("surer", "looser"),
    [
        ("The capital of Malta is Valletta.", "I live in Valletta."),
        ("I live in Valletta.", "I'm in Valletta."),
        ("I'm at the airport.", "I have a bike."),
    ],
)
def test_a_fixed_form_is_surer_than_a_loose_one(surer: str, looser: str) -> None:
    assert statements(surer)[0].confidence > statements(looser)[0].confidence


def test_each_statement_cites_the_sentence_it_stands_in() -> None:
    text = "Good morning! I live in Porto. It rains, but my favourite tea is mint."
    assert [text[one.start : one.stop].strip() for one in statements(text)] == [
        "I live in Porto.",
        "It rains, but my favourite tea is mint.",
    ]


@pytest.mark.parametrize(
    ("said", "kept"),
    [("lives in", "home"), ("works for", "employer"), ("wife", "spouse"), ("Loves", "likes"), ("tea", "tea")],
)
def test_an_attribute_has_one_name_however_it_is_asked_for(said: str, kept: str) -> None:
    assert canonical(said) == kept


def test_numbers_compare_by_their_value() -> None:
    assert key_of("level five") == key_of("level 5")


WORDS = "I I'm my 's The is was to of in , . set it and when if Ana's Rome 21 degrees not over from ( who light has the"
PIECES = st.sampled_from([*WORDS.split(), "! ", "? ", "\n", '"', "—", "no longer", "prefer"])


@given(st.one_of(st.text(), st.lists(PIECES).map(" ".join)))
@example("my 's")
@example("The of is is is is of")
@example("I'd")
def test_any_text_is_read_and_cited_within_it(text: str) -> None:
    for one in statements(text, speaker="Ana"):
        assert 0 <= one.start < one.stop <= len(text)
        assert one.value
        assert one.attribute
        assert 0 < one.confidence <= 1
