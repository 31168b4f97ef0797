"""Telling close languages apart by what only one of them writes.

Detectors confuse what is spelt nearly alike. Where the alphabet or the spelling of very common
words says which of two languages a text is in, that goes before the detector's guess. The rules
come from the languages' orthographies, not from any test set; docs/language-gate.md has what they
do to texts of both sides.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_LETTERS = re.compile(r"[^\W\d_]+")
_KANA = re.compile(r"[\u3040-\u30ff]")

# Common words that are spelt so in one language and are no words, or very rare ones, in the other.
# Norwegian: Bokmål, then Nynorsk.
_NORWEGIAN_WORDS = """
    alltid av bli blir bruke bruker deg dere enn etter fikk gi gikk gir gjennom gjør gjøre hjelp
    hva igjen kjent litt meg mellom mer mot mye noe noen opp oss seg sitt språk sånn tilbake
    ut ute uten viktig vært åtte vet vann veldig kanskje uke uker kjøpe finnes trenger fortsatt lese
    bok gutt
    berre blei dei eg ein frå ikkje korleis kva kven kvifor mykje nokon vera vere
"""
_DANISH_WORDS = """
    af altid blev blive bliver bruge bruger dig efter end fik gennem gik giver gør gøre hjælp hvad
    hvornår igen jer jeres kendt lidt lige mellem mere mig mod noget nogen nogle nu op os otte
    sig sprog sådan tager tilbage ud ude uden vigtig været måske uge uger købe findes læse vand børn
    bog dreng
"""
_NORWEGIAN = frozenset(_NORWEGIAN_WORDS.split())
_DANISH = frozenset(_DANISH_WORDS.split())
_SWEDISH_LETTERS, _DANISH_LETTERS = re.compile("[äö]"), re.compile("[æø]")

_BULGARIAN_WORDS = """
    във ще това този тази тези което които както още когато повече защото бъде към че тя със също са
"""
_RUSSIAN_WORDS = """
    что чтобы это эти этот также только была были было быть был который которая которые его их если
    есть уже для очень когда где вы вам нет она они он
"""
_MACEDONIAN_WORDS = """
    во дека ќе оваа овој со нема многу бидејќи кој сѐ вашиот вашата еден една повеќе помалку биде
    денес
"""
_SERBIAN_WORDS = """
    је ће није који које шта због већ бити али један јер у са као нисте
    ово овом овај више мање буде данас
"""
_SLOVENE_WORDS = """
    in ki tudi bo bodo če še ni kot ter več lahko ali so sem
"""
_SERBO_CROATIAN_WORDS = """
    i u su koji koje koja će nije ili što šta kao već sa ako jer
"""
_CZECH_WORDS = """
    co jsem jsme jsou který která které nebo není jako protože při se tento také mezi být ve jen než
"""
_SLOVAK_WORDS = """
    sa sú som sme ktorý ktorá ktoré alebo nie ako pretože pri tiež medzi byť čo pre iba keď
"""
_INDONESIAN_WORDS = """
    bahwa bisa karena mobil nomor kantor uang butuh kalian beda cuma bicara sepeda pabrik silakan
"""
_MALAY_WORDS = """
    bahawa kerana nombor pejabat wang awak ialah iaitu mahu tiada pelbagai sila hendaklah
"""


class _Signs(NamedTuple):
    """What a text in a language has oftener than in its neighbours: letters, common words."""

    words: frozenset[str]
    letters: re.Pattern[str] | None = None


def _signs(words: str, letters: str = "") -> _Signs:
    return _Signs(frozenset(words.split()), re.compile(f"[{letters}]") if letters else None)


# Languages by group. What two languages of a group share counts for both, and decides nothing.
_GROUPS: tuple[dict[str, _Signs], ...] = (
    {
        "bg": _signs(_BULGARIAN_WORDS, "йщъьюя"),
        "ru": _signs(_RUSSIAN_WORDS, "йщъьюяыэё"),
        "uk": _signs("", "йщьюяіїєґ"),
        "be": _signs("", "йьюяыэёўі"),
        "sr": _signs("", "ђћјљњџ"),
        "mk": _signs("", "ѓѕќјљњџ"),
    },
    {"sr": _signs(_SERBIAN_WORDS, "ђћ"), "mk": _signs(_MACEDONIAN_WORDS, "ѓѕќ")},
    {"no": _signs(_NORWEGIAN_WORDS), "da": _signs(_DANISH_WORDS)},
    {"sl": _signs(_SLOVENE_WORDS), "sh": _signs(_SERBO_CROATIAN_WORDS, "ćđ")},
    {"cs": _signs(_CZECH_WORDS, "ěřů"), "sk": _signs(_SLOVAK_WORDS, "ľĺŕôä")},
    {"id": _signs(_INDONESIAN_WORDS), "ms": _signs(_MALAY_WORDS)},
)
# Detectors take Serbo-Croatian for languages that have no such letters.
_SERBO_CROATIAN = frozenset(_SERBO_CROATIAN_WORDS.split())
_SERBO_CROATIAN_LETTERS = re.compile("[ćđĆĐ]")
_WITH_SERBO_CROATIAN_LETTERS = frozenset({"sh", "hr", "sr", "bs", "sl", "pl", "hsb", "dsb", "vi"})
_LEAST_SIGNS = 0.1
# What a detector says of them besides.
_ALSO = {"hr": "sh", "bs": "sh", "sr": "sh"}


def has_distinctive_spelling(text: str, language: str) -> bool:
    """Whether spelling says which language of its group a text is in, as far as there are signs."""
    return any(len(_best_languages(text, group)) == 1 for group in _GROUPS if language in group)


def correct_by_spelling(text: str, detected: str) -> str:
    """The language of `text`, which a detector took for `detected`.

    Of a group of neighbours, the one whose letters and very common words occur most. A text that
    has as many of the detected one, or no sign, stays as detected, and so does one in any other
    language, but:

    - `sv` with letters of `da` and `no` alone is one of these, and the other way round;
    - `ja` without any kana is `zh`.
    """
    if detected == "ja":
        return detected if _KANA.search(text) else "zh"
    if detected in ("da", "no", "sv"):
        detected = _scandinavian(text, detected)
    elif detected not in _WITH_SERBO_CROATIAN_LETTERS and _is_serbo_croatian(text):
        return "sh"
    for group in _GROUPS:
        # Serbian is in two groups, by its scripts.
        member = _ALSO.get(detected, "") if detected not in group else detected
        if member in group:
            best = _best_languages(text, group)
            if best and member not in best:
                detected = best[0]
    return detected


def _is_serbo_croatian(text: str) -> bool:
    """Whether a text has letters that few languages have, and a tenth of it such signs."""
    if not _SERBO_CROATIAN_LETTERS.search(text):
        return False
    words = _LETTERS.findall(text.lower())
    common = sum(map(_SERBO_CROATIAN.__contains__, words))
    letters = len(_SERBO_CROATIAN_LETTERS.findall(text))
    return common > 0 and _LEAST_SIGNS * len(words) <= common + letters


def _scandinavian(text: str, detected: str) -> str:
    lower = text.lower()
    swedish, danish = _SWEDISH_LETTERS.search(lower), _DANISH_LETTERS.search(lower)
    if detected == "sv":
        return "no" if danish and not swedish else detected
    return "sv" if swedish and not danish else detected


def _best_languages(text: str, group: dict[str, _Signs]) -> list[str]:
    """The languages of a group that a text has most signs of; none if it has no sign."""
    lower = text.lower()
    words = _LETTERS.findall(lower)
    counts = {
        language: sum(map(signs.words.__contains__, words))
        + (len(signs.letters.findall(lower)) if signs.letters else 0)
        for language, signs in group.items()
    }
    most = max(counts.values())
    return [language for language, count in counts.items() if count == most and most]
