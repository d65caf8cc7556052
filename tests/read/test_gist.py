"""Questions that ask the same are known for the same, and no others."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from memstrata.read.gist import gist

SAME = """
Which drink does Tilo hate, and why? | which drink does Tilo hate and why
Is Ana here? | Tell me, is Ana here?
By whom was Ana called? | Who was Ana called by?
What is Ana's favourite tea? | what's Ana's favorite tea again
What is Ana's favourite tea? | tell me Ana's favourite tea
What is Ana's favourite tea? | Which tea is Ana's favourite?
What is Ana's favourite tea? | Ana's favourite tea is what?
What is Ana's favourite tea? | Can you tell me what Ana's favourite tea is?
What is Ana's favourite tea? | whats Ana's favourite tea
What is Ana's favourite tea? | Hey, what is Ana's favourite tea, please?
What is Ana's favourite tea? | Please remind me, what is Ana's favourite tea?
What is Ana's favourite tea? | WHAT IS ANA'S FAVOURITE TEA
What is my favourite colour? | remind me what my favorite color is
What is my favourite colour? | What's my favourite colour again?
What was the name of the boat? | What was the name of the boat again?
What was the name of the boat? | Could you tell me what the name of the boat was?
Where does Ana live? | tell me where Ana lives
Where does Ana live? | Ana lives where?
Where does Ana live? | Do you know where Ana lives?
Where does Ana live? | So where does Ana live?
Where does Ana live? | Where exactly does Ana live?
Where does Ana live? | i forgot where Ana lives
Where does Ana live? | Where does Ana live, by the way?
Where does Ana live? | Hello! Where does Ana live?
Where is the ring? | where's the ring
Where is the ring? | Can you remind me where the ring is?
What was the name of the boat? | What was name of the boat?
When did Tilo move to Porto? | do you remember when Tilo moved to Porto?
When did Tilo move to Porto? | Tilo moved to Porto when?
When did Tilo move to Porto? | tell me when Tilo moved to Porto
When did Tilo move to Porto? | And when did Tilo move to Porto?
When did Tilo move to Porto? | I'd like to know when Tilo moved to Porto.
When did Tilo move to Porto? | when exactly did Tilo move to Porto
Who knows the age of Ana? | who knows age of Ana
When will Ana come home? | tell me when Ana will come home
When will Ana come home? | Do you know when Ana will come home?
Who called Ana? | do you know who called Ana
Who called Ana? | tell me who called Ana, please
Who did Ana call? | whom did Ana call?
Who did Ana call? | Tell me who Ana called
Who did Ana call? | Ana called who?
To whom did Ana write? | Whom did Ana write to?
Who is Ana's teacher? | who's Ana's teacher again?
Who is Ana's teacher? | Could you please remind me who Ana's teacher is?
In March, what did Tilo buy? | What did Tilo buy in March?
After the party, where did Ana sleep? | Where did Ana sleep after the party?
In which room was the grandmother lying? | Which room was the grandmother lying in?
How many cats does Ana have? | how many cats does Ana have, do you know?
How old is Tilo? | Can you tell me how old Tilo is?
How old is Tilo? | how old is tilo
How much did the boat cost? | how much did the boat cost?
Why didn't Ana come? | Why did not Ana come?
Why can't Tilo eat nuts? | Why cannot Tilo eat nuts?
Does Ana like tea? | tell me whether Ana likes tea
Does Ana like tea? | Do you know if Ana likes tea?
Does Ana like tea? | Does Ana like tea, please?
Did Tilo finish the map? | Tell me if Tilo finished the map
Did Tilo marry Mireille? | do you know whether Tilo married Mireille?
Isn't Ana coming? | Is not Ana coming?
What did Ana bake for the neighbours? | What did Ana bake for the neighbors?
What did Ana say? | so what did Ana say
What time is the train to Lyon? | tell me what time the train to Lyon is
What's the wifi password? | give me the wifi password
Where do Ana and Tilo work? | Where do Ana & Tilo work?
Is the archive closed on 3 May? | So is the archive closed on 3 May?
Whose bicycle did the thief take? | tell me whose bicycle the thief did take
When's Ana's birthday? | When is Ana's birthday
""".strip().splitlines()

DIFFERENT = """
To whom did Ana say Ben wrote? | Whom did Ana say Ben wrote to?
What did you buy Ana? | What did you buy, Ana?
In March, what did Ana say Ben bought? | What did Ana say Ben bought in March?
Tell me, is Ana here? | What is Ana here?
Tell me Ana is here | What is Ana here?
Where are Ana's glasses? | Where is Ana's glass?
tell me where the glasses stand | Where does the glass stand?
Tell me where Ana's glasses stand | Where does Ana's glass stand?
What is the time? | What is time?
Who is in the office? | Who is in office?
Does Ana like the French? | Does Ana like French?
does ana like the english | does ana like english
Who hit Will? | Who will hit?
who hit will | who will hit
Who may come? | Who came in May?
Hello Kitty is whose? | Kitty is whose?
Which books did Ana read? | which book did Ana read
Who are Ana's teachers? | Who is Ana's teacher?
What is Ana's favourite tea? | What are Ana's favourite teas?
Who called Ana? | Who did Ana call?
Who called Ana? | tell me who Ana called
Did Ana call Ben? | Did Ben call Ana?
Who gave money to Ana? | Who did Ana give money to?
Who handed money to Ana? | Who did Ana hand money to?
What did Ana give Ben? | What did Ben give Ana?
Is Ana older than Ben? | Is Ben older than Ana?
Is Ana Ben's sister? | Is Ben Ana's sister?
Who is Ana's mother's friend? | Who is Ana's friend's mother?
Which friend is Ana's singer? | Which singer is Ana's friend?
Which dog chased Ana's cat? | Which cat did Ana's dog chase?
What was bitten by the dog? | What did the dog bite?
Who was called by Ana? | Who called Ana?
Who was called? | Who called?
When did Ana move to Porto? | Where did Ana move to Porto?
When did Ana move? | Why did Ana move?
Who moved? | When did he move?
What did Ana eat? | Where did Ana eat?
How did Ana travel? | When did Ana travel?
Whose boat is it? | Which boat is it?
When is the party? | Where is the party?
Did Ana move? | When did Ana move?
Do you know Ana? | Tell me who Ana is
What did Ana do before the party? | What did Ana do after the party?
What did Ana buy for Ben? | What did Ana buy from Ben?
Who travelled to Porto? | Who travelled from Porto?
What happened in March? | What happened since March?
Who sat with Ana? | Who sat without Ana?
Where was Ana until May? | Where was Ana from May?
What does Ana like? | What doesn't Ana like?
Did Ana come? | Didn't Ana come?
Who likes tea? | Who never likes tea?
Who has been to Porto? | Who has not been to Porto?
Who claimed Ana will call? | Who will claim Ana called?
Who claims Ana will come? | Who will claim Ana comes?
Who said Ana did not call? | Who did not say Ana called?
Who was claiming Ana did call? | Who did claim Ana was calling?
Why can Tilo eat nuts? | Why can't Tilo eat nuts?
How many cats does Ana have? | How many dogs does Ana have?
How many cats does Ana have? | How old are the cats Ana has?
How much did 3 boats cost? | How much did 4 boats cost?
What was the score in 2023? | What was the score in 2024?
Where was Ana on 3 May? | Where was Ana on 13 May?
Who ran 3.5 km? | Who ran 35 km?
Who came at 14:30? | Who came at 14:03?
Who finished first? | Who finished second?
What is room 12? | What is room 21?
Where does Ana live? | Where does Anas live?
where does ana live | where does anas live
Where does Jan live? | Where does Jane live?
Where does Adam live? | Where does Adams live?
tell me where adams lives | tell me where adam lives
Where did Mohamed live? | tell me where Mohamed lives
where did mohamed live | tell me where mohamed lives
Who met Maria? | Who met Mario?
What is Ana's favourite tea? | What is Ines's favourite tea?
What is my favourite tea? | What is your favourite tea?
What did I say to her? | What did she say to me?
What is her name? | What is his name?
Where does Ana live? | Where did Ana live?
Where does Ana live? | tell me where Ana lived
Where will Ana live? | Where does Ana live?
Where should Ana live? | Where could Ana live?
What was Ana's job? | What is Ana's job?
Has Ana moved? | Did Ana move?
What is Ana calling Ben? | What does Ana call Ben?
What does Ana have? | What does Ana do?
When did Ana leave the university? | When did Ana leave the universe?
Did Ana organise the party? | Did Ana organ the party?
Did she call again? | Did she call?
Who is late again? | Who is late?
Did Ana say thank you? | Did Ana say?
Who did Ana please? | Who did Ana
Who has a few friends? | Who has few friends?
Who is in the US team? | Who is in the team?
What is C++? | What is C#?
What is C++? | What is C?
Who paid $5? | Who paid 5%?
Is it under -5 degrees? | Is it under 5 degrees?
Who re-signed the letter? | Who resigned the letter?
Which house is behind the church? | What is behind the church house?
Who is Ana's? | Who is Ana?
What did Ana say when Ben called? | When did Ana say what Ben called?
Who called Ana? When? | Who called Ana when?
Tell me about Ana's favourite tea | What is Ana's favourite tea?
What did Ana call Ben? | Tell me Ana called Ben
Which dog did Ana chase? | What did dog Ana chase?
What does the boat cost? | tell me what the boat cost
tell me who put the coin there | who puts the coin there
Was ist an der Tür? | Was ist der Tür?
A quem deu Ana o anel? | Quem deu Ana o anel?
""".strip().splitlines()


def same(pair: str) -> bool:
    one, two = (gist(text.strip()) for text in pair.split(" | "))
    return one is not None and two is not None and one.same(two) and two.same(one)


def test_there_are_enough_pairs_of_both_kinds() -> None:
    assert len(set(SAME)) >= 60
    assert len(set(DIFFERENT)) >= 60


@pytest.mark.parametrize("pair", SAME)
def test_same_question_in_other_words(pair: str) -> None:
    assert same(pair)


@pytest.mark.parametrize("pair", DIFFERENT)
def test_another_question_in_nearly_the_same_words(pair: str) -> None:
    assert not same(pair)


def test_none_of_the_questions_is_taken_for_one_it_is_not_paired_with() -> None:
    """Chains of pairs that are the same are one question; everything else differs."""
    groups: dict[str, int] = {}
    for number, pair in enumerate(SAME):
        one, two = (text.strip() for text in pair.split(" | "))
        found = groups.get(one, groups.get(two, number))
        groups = {
            text: found if group in (groups.get(one), groups.get(two)) else group for text, group in groups.items()
        }
        groups[one] = groups[two] = found
    read = {text: gist(text) for text in groups}
    for one, two in itertools.combinations(groups, 2):
        if groups[one] != groups[two]:
            assert not read[one].same(read[two]), (one, two)  # type: ignore[union-attr]  # all have one


@given(text=st.text(max_size=80))
def test_any_text_is_read_or_left_alone(text: str) -> None:
    found = gist(text)
    assert found is None or found.same(found)


WORDS = ["who", "what", "did", "does", "Ana", "Ben", "call", "called", "calls", "not", "to", "from", "3", "in", "the"]


@given(one=st.lists(st.sampled_from(WORDS), max_size=6), two=st.lists(st.sampled_from(WORDS), max_size=6))
def test_sameness_has_no_direction_and_keeps_names_numbers_and_negation(one: list[str], two: list[str]) -> None:
    first, second = gist(" ".join(one)), gist(" ".join(two))
    if first is None or second is None:
        return
    assert first.same(second) == second.same(first)
    if first.same(second):
        for kept in ("Ana", "Ben", "not", "3", "to", "from"):
            assert one.count(kept) == two.count(kept)
        assert [word for word in one if word in ("Ana", "Ben")] == [word for word in two if word in ("Ana", "Ben")]
