"""Tell which language a text is written in, and turn its words into that language's stems.

The index holds every word under its English stem, whatever the language. What a text in another language gets besides
are the stems of its own: "Häuser" is also found as "haus". A language is told by its commonest words, or by its
script. A wrong guess adds a few odd stems and takes nothing away.
"""

from __future__ import annotations

import os
import re
import threading
import unicodedata
from functools import lru_cache
from typing import Final

import Stemmer

from memstrata.text.terms import MAX_WORD, STOP_WORDS, WORD, folded, terms

CACHED_WORDS: Final = 65_536
SHORTEST: Final = 3  # letters of a word that is stemmed
SURE: Final = 2  # different common words of a language that settle it

# the commonest words of each language, by the name of its Snowball stemmer
COMMON: Final = {
    "catalan": """
        el la els les un una i o però que què de del dels al als amb en per a és són era ser estar està ha he han hi
        no si com més molt quan on qui aquest aquesta això meu meva seu seva jo tu nosaltres vam va vaig
    """,
    "danish": """
        og i jeg det at en den til er som på de med han af for ikke der var mig sig men et har om vi min havde ham hun
        nu over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev kunne ind når være
        noget have mod hvem hvornår hvilken hvilket mit dit din jer jeres vores
    """,
    "dutch": """
        de het een en van ik te dat die in is niet op met voor er maar om hem dan zou of wat mijn zijn dit zo door over
        ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben deze nog zal me hij als werd waar wij
        wie wanneer waarom welke jij jou jouw onze geen kan wel werden was hun
    """,
    "finnish": """
        ja on ei se että oli hän mutta ovat kun niin myös kuin joka mikä mitä minä sinä me te he minun sinun hänen
        meidän ole olen olet olla ollut sitä tämä siitä jos vain tai nyt missä milloin kuka miksi miten mihin minne
        tänään vielä sitten kanssa olemme en et
    """,
    "french": """
        le la les un une des du de et est à au aux en dans que qui quoi où quand comment pourquoi ce cette ces mon ma
        mes ton ta tes son sa ses notre nos votre vos leur leurs je tu il elle on nous vous ils elles ne pas plus pour
        par avec sur sans mais ou si y se me te lui ai as a avons avez ont suis es sommes êtes sont était été être
        avoir fait c j l n qu d s m t quel quelle quels quelles aussi très
    """,
    "german": """
        der die das den dem des ein eine einen einem einer eines und oder aber nicht kein keine ich du er sie es wir ihr
        mich dich mir dir uns euch mein meine meinen meiner dein deine sein seine unser ist sind war waren bin bist
        hat habe haben hatte wird werden wurde in im an am auf aus bei mit nach von vom zu zum zur für über unter um
        wie was wer wo wann warum welche welcher welches dass wenn weil auch noch schon nur so sich als hast kann
    """,
    "hungarian": """
        a az és hogy nem is egy ez azt meg van volt de csak már még mint ha el ki mi mit ők én te ő lesz vagy aki ami
        hol mikor miért hogyan melyik ezt itt ott nagyon voltam vagyok vannak lehet neki nekem
    """,
    "italian": """
        il lo la i gli le un uno una di del dello della dei degli delle a al allo alla ai agli alle da dal dalla in nel
        nella nei nelle con su sul sulla per tra fra e o ma che chi cosa dove quando come perché quale quali non è sono
        era erano ho hai ha abbiamo hanno sei siamo essere stato stata mio mia miei tuo tua suo sua suoi nostro nostra
        io tu lui lei noi voi loro mi ti si ci questo questa quello quella anche più se molto l dell all nell sull
    """,
    "norwegian": """
        og i jeg det at en et den til er som på de med han av for ikke der var meg seg men har om vi min hadde ham hun
        nå over da fra du ut sin dem oss opp man hans hvor eller hva skal selv her alle vil ble kunne inn når være
        noe mot hvem hvilken hvilket mitt ditt din deres vår våre hvordan hvorfor etter også
    """,
    "portuguese": """
        o a os as um uma uns umas de do da dos das em no na nos nas por para pelo pela com sem e ou mas que quem qual
        quais onde quando como porque não é são era eram foi ser está estava estão tem tinha ter há eu tu ele ela nós
        vocês você eles elas me te se lhe meu minha meus minhas teu tua seu sua nosso nossa este esta isto esse essa
        isso aquele aquela mais muito também já ao aos à
    """,
    "romanian": """
        și în de la cu pe un o al ai ale a că să nu este e sunt era au am are fi fost ce cine unde când cum care
        pentru din mai dar sau dacă eu tu el ea noi voi ei ele mea meu tău ta său sa lui lor acest această foarte
    """,
    "spanish": """
        el la los las un una unos unas de del al a en con por para sin sobre y e o u pero que qué quién quien cuál
        cuándo cuando dónde donde cómo como porque no es son era eran fue ser está estaba están he has ha han hay yo tú
        él ella nosotros ellos ellas usted ustedes me te se le les lo mi mis tu tus su sus nuestro nuestra este esta
        esto ese esa eso aquel más muy también ya si
    """,
    "swedish": """
        och i jag det att en ett den till är som på de med han av för inte der var mig sig men har om vi min hade honom
        hon nu över då från du ut sin dem oss upp man hans eller vad ska skall själv här alla vill blev kunde in
        när vara något mot vem vilken vilket mitt ditt din deras vår våra hur varför efter också
    """,
    "turkish": """
        ve bir bu da de için ile ne çok ama o ben sen biz siz onlar var yok mi mı mu mü değil gibi daha en her kadar
        sonra önce olarak olan oldu ya şu ki nerede nasıl neden kim hangi benim senin onun bizim ise veya bana sana
        ona
    """,
    "russian": """
        и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по ее мне было вот от меня еще нет
        о из ему когда даже ну ли если или ни быть был него до вас уж вам ведь там потом себя ничего ей может они тут
        где есть надо ней для мы тебя их чем была сам чтоб без чего раз тоже себе под будет кто этот того потому этого
        какой какая какие мой моя мои твой свой это эта эти куда почему сколько
    """,
}  # fmt: skip
SCRIPTS: Final = {
    "russian": "\u0400-\u04ff", "greek": "\u0370-\u03ff\u1f00-\u1fff", "arabic": "\u0600-\u06ff",
    "hindi": "\u0900-\u097f", "tamil": "\u0b80-\u0bff", "armenian": "\u0530-\u058f",
}  # fmt: skip
LETTERS: Final = re.compile(r"[^\W\d_]+")
UNLATIN: Final = re.compile(f"[{''.join(SCRIPTS.values())}]")
SCRIPT: Final = re.compile("|".join(f"(?P<{name}>[{signs}])" for name, signs in SCRIPTS.items()))
_ELIDED: Final = "l d j m t s c n qu un dell all nell sull dall quest quell jusqu lorsqu puisqu"
# what may stand before an apostrophe in French, Italian and Catalan, as in "l'amico" and "qu'elle"
ELIDED: Final = frozenset(_ELIDED.split())
ELIDING: Final = frozenset(("catalan", "french", "italian"))

_OF: Final = {name: frozenset(listed.split()) for name, listed in COMMON.items()}
_LANGUAGES: Final[dict[str, tuple[str, ...]]] = {
    word: tuple(name for name, common in _OF.items() if word in common) for word in frozenset().union(*_OF.values())
}
# words of other languages that are English as well: they tell nothing by themselves
_AMBIGUOUS: Final = """
a ai aki al am an as at az bar ben bin bir biz bu c care com come con d da dan de dem den der des die din do door
dos dove du e el em en era es est et ex ez fat fi for fra fur ha hai has hat he hem her here hers hi his hol i il in
is j jo ki kim l la las le les lo los m ma man mas may me media meg men met mi min mint mit mon mu my n na ne ni no
non nos nu o of on ona os over pa par per plus pour qu s sa san sans sea sei sen ser si sin ski so son stat su sua
sur t ta te ten ti til todo ton tra tu u un under une us va van var vara ve vos war was will y ya yo
"""
_TELLING: Final = frozenset(_LANGUAGES) - frozenset(_AMBIGUOUS.split()) - STOP_WORDS
_PLAIN: Final = {code: " " for code in (*range(128), *map(ord, "«»“”„‘’–—…¿¡")) if not chr(code).isalnum()}

_stemmers: dict[str, Stemmer.Stemmer] = {}
_lock = threading.Lock()  # the library's stemmers are not safe to share
if hasattr(os, "register_at_fork"):  # a forked child must not wait for a thread that is not there
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def language_of(text: str, *, least: int = SURE) -> str | None:
    """The language of a text, as its stemmer is called; None for English, and where too little tells it.

    `least` is how many different common words of it must be there.

    >>> language_of("Wo habe ich den Schlüssel hingelegt?"), language_of("Where did I put the key?")
    ('german', None)
    """
    unlatin = not text.isascii() and UNLATIN.search(text)
    said = text.translate(_PLAIN).lower().split()
    if not unlatin and _TELLING.isdisjoint(said):
        return None  # nearly all English texts end here, after 3 µs for a turn
    if not text.isascii():
        said = LETTERS.findall(unicodedata.normalize("NFC", text).lower())
    different = frozenset(said)
    counts = {
        name: sum(word in _OF[name] for word in said)
        for name in {name for word in _TELLING & different for name in _LANGUAGES[word]}
        if len(_OF[name] & different) >= least
    }
    best, most = max(sorted(counts.items()), key=lambda item: item[1], default=("", 0))
    if most and most > sum(word in STOP_WORDS for word in said):
        return best
    script = SCRIPT.search(text) if unlatin else None
    return script.lastgroup if script is not None else None


def common_in(language: str) -> frozenset[str]:
    """The commonest words of a language, in small letters; none where we have no list of them."""
    return _OF.get(language, frozenset())


def foreign_terms(text: str) -> list[str]:
    """What a text in another language than English is found by besides its `terms`.

    >>> foreign_terms("Die Häuser haben rote Dächer und es regnet.")
    ['haus', 'rot', 'dach', 'regn']
    >>> foreign_terms("The houses have red roofs.")
    []
    """
    language = language_of(text)
    if language is None:
        return []
    return [term for word in WORD.findall(text) for term in own_terms(word, language)]


@lru_cache(maxsize=CACHED_WORDS)
def own_terms(word: str, language: str) -> tuple[str, ...]:
    """What a word is found by in its language besides its English stem: its own, and those of what an elision hides.

    >>> own_terms("Häuser", "german"), own_terms("l'amico", "italian")
    (('haus',), ('amic', 'amico'))
    """
    plain = unicodedata.normalize("NFC", word.replace("’", "'")).lower().replace("i\u0307", "i")
    before, _, rest = plain.partition("'")
    elided = bool(rest) and language in ELIDING and before in ELIDED
    ended = bool(rest) and language == "turkish"  # the endings of a name stand behind an apostrophe
    plain = (rest if elided else before if ended else plain.replace("'", ""))[:MAX_WORD]
    if len(plain) < SHORTEST or not plain.isalpha() or plain in common_in(language):
        return ()
    script = SCRIPT.search(plain)
    if script is None and language in SCRIPTS:
        return ()
    fitting = language if script is None else str(script.lastgroup)
    known = terms(word)
    found = [folded(_stem(plain, fitting)), *(terms(plain) if elided or ended else ())]
    return tuple(
        [term for term in dict.fromkeys(found) if len(term) > 1 and term not in known and term not in STOP_WORDS]
    )


def _stem(word: str, language: str) -> str:
    with _lock:
        if language not in _stemmers:
            _stemmers[language] = Stemmer.Stemmer(language)
        stem: str = _stemmers[language].stemWord(word)
    return stem
