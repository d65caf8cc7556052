"""Find times in German, French, Spanish, Italian, Portuguese and Dutch, and have dateparser read each short expression.

dateparser knows the names and phrases of these languages; it tells a day and how coarse the expression was. Searching
whole texts with it costs milliseconds a turn and more with language detection, so our patterns find the expressions,
and it gets a few words in a language that is known. Weekends and "last Tuesday", which it cannot read, are ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from memstrata.text.when.calendar import DAY, Interval, around, day, part, shifted, weekend

if TYPE_CHECKING:
    from dateparser.date import DateDataParser

LONGEST: Final = 48  # characters of an expression
AROUND: Final = 100  # characters to each side in which its tense is looked for

NUMBERS: Final[Mapping[str, int]] = {
    "un": 1, "une": 1, "una": 1, "um": 1, "uma": 1, "een": 1, "ein": 1, "eine": 1, "einem": 1, "einer": 1, "einen": 1,
    "zwei": 2, "deux": 2, "dos": 2, "due": 2, "dois": 2, "duas": 2, "twee": 2, "drei": 3, "trois": 3, "tres": 3,
    "tre": 3, "três": 3, "drie": 3, "vier": 4, "quatre": 4, "cuatro": 4, "quattro": 4, "quatro": 4, "fünf": 5,
    "cinq": 5, "cinco": 5, "cinque": 5, "vijf": 5, "sechs": 6, "six": 6, "seis": 6, "sei": 6, "zes": 6, "sieben": 7,
    "sept": 7, "siete": 7, "sette": 7, "sete": 7, "zeven": 7, "acht": 8, "huit": 8, "ocho": 8, "otto": 8, "oito": 8,
    "neun": 9, "neuf": 9, "nueve": 9, "nove": 9, "negen": 9, "zehn": 10, "dix": 10, "diez": 10, "dieci": 10, "dez": 10,
    "tien": 10,
}  # fmt: skip
GRAINS: Final = (
    ("weekend", r"wochenende|week-?end|fi[nm]\sde\ssemana|fine\ssettimana"),
    ("week", r"woche|semaine|semana|settiman|week"),
    ("month", r"monat|mois|mes|mês|maand"),
    ("year", r"jahr|ann[éeo]|an\b|año|ano|jaar"),
)
PARTS: Final = (
    ("night", r"abend|nacht|soir|nuit|noche|sera|notte|noite|avond"),
    ("morning", r"morgen|früh|matin|mañana|mattin|manhã|ochtend|vormittag"),
    ("afternoon", r"nachmittag|après-midi|tarde|pomeriggio|middag"),
)
LASTS: Final = r"letzt|vorig|vergangen|derni|pass|pasad|scors|últim|ultim|atrás|afgelopen"
NEXTS: Final = r"nächst|kommend|prochain|próxim|que\sviene|prossim|que\svem|volgend|komend|aanstaande"
NAMED: Final[Mapping[str, int]] = {
    "vorgestern": -2, "gestern": -1, "heute": 0, "übermorgen": 2, "avant-hier": -2, "après-demain": 2,
    "aujourd'hui": 0, "hier": -1, "anteayer": -2, "anoche": -1, "ayer": -1, "hoy": 0, "l'altro": -2, "ieri": -1,
    "stasera": 0, "stamattina": 0, "oggi": 0, "anteontem": -2, "ontem": -1, "hoje": 0, "eergisteren": -2,
    "gisteravond": -1, "gisteren": -1, "vandaag": 0, "overmorgen": 2, "morgen": 1, "demain": 1, "mañana": 1,
    "domani": 1, "amanhã": 1,
}  # fmt: skip
WITH_PART: Final = frozenset({"anoche", "stasera", "stamattina", "gisteravond"})
MORNING: Final = re.compile(r"\b(?:guten|goede|am|deze|jeden|elke|la|esta|cada)\s$", re.I)
PAST: Final = re.compile(
    r"\b(?:war(?:en|st)?|hatten?|habe?n?|hat|wurden?|gab|ging(?:en)?|kam(?:en)?|ai|as|a|avons|ont|était|étais|été|fui|"
    r"fue|fuimos|estuve|era|he|hemos|han|ha|ho|hanno|abbiamo|sono|ero|foi|fomos|estava|was|had|hebben|heb|heeft|kwam|"
    r"gegangen|gewesen|\w+(?:é|ó|aba|ió|ato|uto|ito|ei|ou|eu))\b",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Tongue:
    """A language: words of which one at least is in each of its expressions, and patterns for these."""

    code: str
    words: frozenset[str]
    pattern: str

    @property
    def expression(self) -> re.Pattern[str]:
        """The pattern, compiled at the first use."""
        return _compiled(self.pattern)


def _tongue(
    code: str, *, named: str, ago: str, ahead: str, units: str, which: str, weekdays: str, months: str, lead: str
) -> Tongue:
    """A language by its vocabulary; `lead` are the words before a month or weekday that make a time of it."""
    count = r"(?:\d{1,3}|" + "|".join(NUMBERS) + ")"
    parts = "|".join(pattern for _, pattern in PARTS)
    date = rf"\d{{1,2}}(?:\.|er|º|°)?\s(?:de\s)?(?:{months})(?:,?\s(?:de[l]?\s)?\d{{4}})?"
    patterns = [
        rf"(?P<count>{ago.format(count=count, units=units)}|{ahead.format(count=count, units=units)})",
        rf"(?P<named>{named})(?:\s(?P<part>(?:à la |por la |à |de )?\w*(?:{parts})\w*))?",
        rf"(?P<date>{date}|(?:{months})\s(?:de[l]?\s)?\d{{4}}|(?<=\b{lead}\s)(?:{months}))",
        rf"(?:(?:le|la|el|il|lo|o|a|de|den|das|die|het)\s|l['’]|na\s|no\s|am\s|op\s)?(?P<which>(?:{which})\w*)\s(?P<unit>(?:{units}|{weekdays})\w*)",
        rf"(?:(?:le|la|el|il|lo|o|a|na|no)\s|l['’])?(?P<unit2>(?:{units}|{weekdays})\w*)\s(?P<which2>(?:{which})\w*)",
        rf"(?:am|le|el|il|op|on|na)\s(?P<weekday>{weekdays})",
    ]
    words = {
        word
        for word in re.findall(r"[^\W\d_]{2,}", f"{named}|{units}|{weekdays}|{months}".replace(r"\s", " "))
        if word not in ("de", "la", "der", "feira", "fin", "fim", "fine", "end", "week", "an", "may")
    }
    return Tongue(code, frozenset(words), r"(?<!\w)(?:" + "|".join(patterns) + r")(?!\w)")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.I)


TONGUES: Final = (
    _tongue(
        "de", named="vorgestern|gestern|heute|übermorgen|morgen", lead="im", ago=r"vor\s{count}\s(?:{units})",
        ahead=r"in\s{count}\s(?:{units})", which="letzt|vorig|vergangen|nächst|kommend|dies",
        units="tagen|tag|wochenende|wochen|woche|monaten|monats|monat|jahren|jahres|jahr",
        weekdays="montag|dienstag|mittwoch|donnerstag|freitag|samstag|sonnabend|sonntag",
        months="januar|februar|märz|april|mai|juni|juli|august|september|oktober|november|dezember",
    ),
    _tongue(
        "fr", named="avant-hier|hier|aujourd['’]hui|après-demain|demain", lead="en",
        ago=r"il\sy\sa\s{count}\s(?:{units})", ahead=r"dans\s{count}\s(?:{units})",
        which="derni[eè]re?|passée?|prochaine?", units="jours|jour|semaines|semaine|mois|années|année|ans|an|week-?end",
        weekdays="lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche",
        months="janvier|février|mars|avril|mai|juin|juillet|août|septembre|octobre|novembre|décembre",
    ),
    _tongue(
        "es", named="anteayer|ayer|anoche|hoy|mañana", lead="en", ago=r"hace\s{count}\s(?:{units})",
        ahead=r"(?:dentro\sde|en)\s{count}\s(?:{units})", which="pasad[oa]|próxim[oa]|que\\sviene",
        units="días|día|semanas|semana|meses|mes|años|año|fin\\sde\\ssemana",
        weekdays="lunes|martes|miércoles|jueves|viernes|sábado|domingo",
        months="enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre|octubre|noviembre|diciembre",
    ),
    _tongue(
        "it", named="l['’]altro\\sieri|ieri|oggi|domani|stasera|stamattina", lead="a", ago=r"{count}\s(?:{units})\sfa",
        ahead=r"(?:tra|fra)\s{count}\s(?:{units})", which="scors[oa]|prossim[oa]|passat[oa]",
        units="giorni|giorno|settimane|settimana|mesi|mese|anni|anno|fine\\ssettimana|weekend",
        weekdays="lunedì|martedì|mercoledì|giovedì|venerdì|sabato|domenica",
        months="gennaio|febbraio|marzo|aprile|maggio|giugno|luglio|agosto|settembre|ottobre|novembre|dicembre",
    ),
    _tongue(
        "pt", named="anteontem|ontem|hoje|amanhã", lead="em", ago=r"(?:há\s{count}\s(?:{units})|{count}\s(?:{units})\satrás)",
        ahead=r"(?:daqui\sa|em)\s{count}\s(?:{units})", which="passad[oa]|próxim[oa]|que\\svem",
        units="dias|dia|semanas|semana|meses|mês|anos|ano|fim\\sde\\ssemana",
        weekdays="segunda-feira|terça-feira|quarta-feira|quinta-feira|sexta-feira|sábado|domingo",
        months="janeiro|fevereiro|março|abril|maio|junho|julho|agosto|setembro|outubro|novembro|dezembro",
    ),
    _tongue(
        "nl", named="eergisteren|gisteravond|gisteren|vandaag|overmorgen|morgen", lead="in", ago=r"{count}\s(?:{units})\sgeleden",
        ahead=r"over\s{count}\s(?:{units})", which="vorige?|afgelopen|volgende?|komende?|aanstaande|deze",
        units="dagen|dag|weekend|weken|week|maanden|maand|jaren|jaar",
        weekdays="maandag|dinsdag|woensdag|donderdag|vrijdag|zaterdag|zondag",
        months="januari|februari|maart|april|mei|juni|juli|augustus|september|oktober|november|december",
    ),
)  # fmt: skip
WORDS: Final = frozenset().union(*(tongue.words for tongue in TONGUES))
FRENCH: Final = re.compile(r"\b(?:je|j['’]|tu|nous|vous|il|elle|on|est|était|ai|le|les|des|du|et|une)\b", re.I)


def found(text: str, now: datetime, *, words: frozenset[str]) -> Iterator[tuple[int, int, Interval]]:
    """Expressions of these languages that a text holds, with what they mean; `words` are the text's own."""
    taken: list[tuple[int, int]] = []
    for tongue in TONGUES:
        if tongue.words.isdisjoint(words):
            continue
        for match in tongue.expression.finditer(text):
            start, stop = match.span()
            if any(start < last and first < stop for first, last in taken):  # a word of two languages
                continue
            interval = _meaning(tongue, match, text, now)
            if interval is not None:
                taken.append((start, stop))
                yield start, stop, interval


def _meaning(tongue: Tongue, match: re.Match[str], text: str, now: datetime) -> Interval | None:
    said = match.groupdict()
    which = said["which"] or said["which2"] or ""
    unit = (said["unit"] or said["unit2"] or said["weekday"] or "").lower()
    try:
        if said["named"]:
            return _named(said["named"], said["part"] or "", text, match.start(), now)
        if said["count"]:
            return _parsed(match[0], tongue.code, now, prefer="past")
        if said["date"] or said["weekday"]:
            told = PAST.search(text[max(0, match.start() - AROUND) : match.end() + AROUND])
            return _parsed(said["date"] or unit, tongue.code, now, prefer="past" if told else "future")
        return _adjacent(unit, which.lower(), tongue.code, now)
    except (ValueError, OverflowError):
        return None


def _named(said: str, part_of_day: str, text: str, start: int, now: datetime) -> Interval | None:
    """Yesterday, tomorrow, last night."""
    name = said.lower().replace("’", "'").split()[0]
    if name == "hier" and not FRENCH.search(text):  # which is German for "here"
        return None
    if name in ("morgen", "mañana") and (said[0].isupper() or MORNING.search(text[max(0, start - 8) : start])):
        return None  # the morning
    whole = day(now, NAMED[name])
    of_day = name if name in WITH_PART else part_of_day.lower()
    for kind, pattern in PARTS:
        if re.search(pattern, of_day):
            return part(whole.since, kind)
    return whole


def _adjacent(unit: str, which: str, code: str, now: datetime) -> Interval | None:
    """The last, this or the next of a unit, or of a weekday."""
    step = -1 if re.match(LASTS, which) else 1 if re.match(NEXTS, which) else 0
    if not step and not which.startswith(("dies", "deze")):
        return None
    for grain, pattern in GRAINS:
        if re.match(pattern, unit):
            if grain == "weekend":
                return weekend(now, step if step >= 0 or now.weekday() >= 5 else -1)
            return around(shifted(around(now, grain).since, step, grain), grain)
    if re.match(r"d[ií]as?\b|jours?\b|tag|dag|giorn", unit):
        return day(now, step)
    return _parsed(unit, code, now, prefer="past" if step < 0 else "future")


def _parsed(expression: str, code: str, now: datetime, *, prefer: str) -> Interval | None:
    """What dateparser makes of a few words of a known language."""
    plain = re.sub(r"[^\W\d_]+", lambda match: str(NUMBERS.get(match[0].lower(), match[0])), expression[:LONGEST])
    read = _parser(code, prefer, now.replace(second=0, microsecond=0)).get_date_data(plain)
    if read.date_obj is None:
        return None
    moment = read.date_obj.replace(tzinfo=None)
    if prefer == "future" and moment.date() == now.date() and read.period == "day" and expression.isalpha():
        moment += 7 * DAY  # said on a Tuesday, a Tuesday to come is the next one
    return around(moment, read.period or "day")


def _parser(code: str, prefer: str, now: datetime) -> DateDataParser:
    from dateparser.date import DateDataParser  # late: it takes half a second, and most texts never need it

    settings = {"RELATIVE_BASE": now, "PREFER_DATES_FROM": prefer, "TIMEZONE": "UTC", "PREFER_DAY_OF_MONTH": "first"}
    return DateDataParser(languages=[code], settings=settings)
