"""How long a text is, whatever its language and script: in English characters."""

from __future__ import annotations

import re
from functools import lru_cache

from polypaca.core import languages

# How many characters a translation of 1000 English characters has: medians over FLORES-200 dev and
# test (https://github.com/facebookresearch/flores). Other languages fall back on their script.
_LENGTH = {
    "bg": 1040,
    "bn": 975,
    "cs": 965,
    "de": 1160,
    "en": 1000,
    "es": 1185,
    "fi": 1055,
    "fr": 1185,
    "hi": 1000,
    "no": 1005,
    "ru": 1080,
}

# Latn: the middle of the languages above. The others: medians over the message catalogues of
# Django 5.2 (https://github.com/django/django). Where both have a language that is written in
# letters, catalogues and FLORES are within 8 % of each other.
_LENGTH_BY_SCRIPT = {"Arab": 920, "Hebr": 830, "Latn": 1060, "Thai": 860}

# Scripts whose characters say more than a letter does, and how many English characters each is
# worth: fitted to FLORES (zh) and Django's catalogues (ja, ko). Weighing the characters, not the
# language, keeps the measure right for Chinese sentences with names in Latin letters.
_DENSE = (
    (3.4, re.compile("[\u3400-\u9fff\uf900-\ufaff、。，！？；：「」（）]")),  # Han, its punctuation
    (1.7, re.compile("[\u3041-\u30ff]")),  # kana
    (2.0, re.compile("[\uac00-\ud7a3]")),  # Hangul
)


def english_size(text: str, language: str) -> float:
    """How long `text` would be in English, in characters, from how languages usually compare.

    Raises:
        ValueError: if `language` is not a language code.
    """
    dense = [(weight, len(pattern.findall(text))) for weight, pattern in _DENSE]
    plain = len(text) - sum(count for _, count in dense)
    return plain * _plain_weight(language) + sum(weight * count for weight, count in dense)


@lru_cache(maxsize=256)
def _plain_weight(language: str) -> float:
    import langcodes

    code = languages.canonical(language)
    script = langcodes.Language.get(code).maximize().script or ""
    return 1000 / _LENGTH.get(code, _LENGTH_BY_SCRIPT.get(script, 1000))
