"""Telling close languages apart by what only one of them writes.

Detectors confuse what is spelt nearly alike. Where the alphabet or the spelling of very common
words says which of two languages a text is in, that goes before the detector's guess. The rules
come from the languages' orthographies, not from any test set; docs/language-gate.md has what they
do to texts of both sides.
"""

from __future__ import annotations

import re

_LETTERS = re.compile(r"[^\W\d_]+")
_KANA = re.compile(r"[\u3040-\u30ff]")

# Letters of one alphabet that the other lacks.
_BULGARIAN = re.compile("[йщъьюяЙЩЪЬЮЯ]")
_MACEDONIAN = re.compile("[ѓѕјљњќџЃЅЈЉЊЌЏ]")

# Common words that are spelt so in one language and are no words, or very rare ones, in the other.
# Norwegian: Bokmål, then Nynorsk.
_NORWEGIAN_WORDS = """
    alltid av bli blir bruke bruker deg dere enn etter fikk gi gikk gir gjennom gjør gjøre hjelp
    hva igjen kjent litt meg mellom mer mot mye noe noen opp oss seg sitt språk sånn tilbake
    ut ute uten viktig vært åtte
    berre blei dei eg ein frå ikkje korleis kva kven kvifor mykje nokon vera vere
"""
_DANISH_WORDS = """
    af altid blev blive bliver bruge bruger dig efter end fik gennem gik giver gør gøre hjælp hvad
    hvornår igen jer jeres kendt lidt lige mellem mere mig mod noget nogen nogle nu op os otte
    sig sprog sådan tager tilbage ud ude uden vigtig været
"""
_NORWEGIAN = frozenset(_NORWEGIAN_WORDS.split())
_DANISH = frozenset(_DANISH_WORDS.split())


def settle(text: str, detected: str) -> str:
    """The language of `text`, which a detector took for `detected`.

    - `bg` and `mk`: letters that only one alphabet has, if only one kind of them occurs.
    - `da` and `no`: very common words that only one language spells so, whichever are more.
    - `ja` without any kana is `zh`.

    Any other language, and a text with no such sign, stays as detected.
    """
    if detected in ("bg", "mk"):
        bulgarian, macedonian = bool(_BULGARIAN.search(text)), bool(_MACEDONIAN.search(text))
        if bulgarian != macedonian:
            return "bg" if bulgarian else "mk"
    elif detected in ("da", "no"):
        words = _LETTERS.findall(text.lower())
        norwegian = sum(word in _NORWEGIAN for word in words)
        danish = sum(word in _DANISH for word in words)
        if norwegian != danish:
            return "no" if norwegian > danish else "da"
    elif detected == "ja" and not _KANA.search(text):
        return "zh"
    return detected
