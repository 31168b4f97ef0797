"""What there is in a cleaned answer to tell a language by.

The definitions are stated for users in docs/language-gate.md.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from polypaca.core import languages

if TYPE_CHECKING:
    from collections.abc import Callable

_NO_LETTER_OR_DIGIT = re.compile(r"[\W_]+")
_LETTERS = re.compile(r"[^\W\d_]+")

# Scripts written without spaces, and about how many of their characters make a word.
_IDEOGRAPHS_AND_KANA = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")
_SOUTH_EAST_ASIAN = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
_IDEOGRAPHS_A_WORD = 2
_LETTERS_A_WORD = 4

_SHORTEST_LOOP = 20  # letters and digits
_LONGEST_UNIT = 20
_REPEATS = 8
_PROBE = 100

_MOST_NAMES = 30
_MOST_CAPITALS = 3

_FEW_WORDS = 3

_NOT_LATIN = re.compile(r"[^A-Za-z]+")
_ASCII_WITHOUT_LETTERS = bytes(sign for sign in range(128) if not chr(sign).isalpha())
# A letter of these says as much as so many of English: their share of FLORES' characters.
_LETTERS_OF_ENGLISH = {"Hans": 3, "Hant": 3, "Jpan": 2, "Kore": 2}

# What ISO 15924 has one code for and Unicode several.
_SCRIPTS = {
    "Hans": ("Hani",),
    "Hant": ("Hani",),
    "Jpan": ("Hani", "Hira", "Kana"),
    "Kore": ("Hang", "Hani"),
}


def word_count(text: str) -> int:
    """How many words have a letter; in scripts without spaces, about how many there are.

    There two ideographs or kana, and four letters of Thai, Lao, Khmer or Burmese, are a word.
    """
    ideographs = len(_IDEOGRAPHS_AND_KANA.findall(text))
    south_east = len(_SOUTH_EAST_ASIAN.findall(text))
    if ideographs:
        text = _IDEOGRAPHS_AND_KANA.sub(" ", text)
    if south_east:
        text = _SOUTH_EAST_ASIAN.sub(" ", text)
    spaced = sum(1 for word in text.split() if any(map(str.isalpha, word)))
    return spaced + ideographs // _IDEOGRAPHS_A_WORD + south_east // _LETTERS_A_WORD


def is_loop(text: str) -> bool:
    """Whether a text says one short thing over and over.

    Of its letters and digits, all but the first tenth are one unit of at most 20 of them, with a
    letter among them, at least eight times over; the last time may be cut off. Numbered lists
    are none, nor is anything of fewer than 20 letters and digits.
    """
    # A loop is one in its middle too: that spares nearly all texts the rest.
    middle = _signs(text[len(text) // 2 :][:_PROBE])
    if len(middle) > 2 * _LONGEST_UNIT and not _unit(middle, _LONGEST_UNIT):
        return False
    signs = _signs(text)
    if len(signs) < _SHORTEST_LOOP:
        return False
    body = signs[len(signs) // 10 :]
    return any(map(str.isalpha, _unit(body, min(_LONGEST_UNIT, len(body) // _REPEATS))))


def _signs(text: str) -> str:
    return _NO_LETTER_OR_DIGIT.sub("", text).casefold()


def _unit(signs: str, longest: int) -> str:
    """What is repeated from the beginning to the end, the last time perhaps in part."""
    size = 0
    while 0 < (size := signs.find(signs[:1], size + 1)) <= longest:
        if signs.startswith(signs[size:]):
            return signs[:size]
    return ""


def is_names(text: str) -> bool:
    """Whether a text may be names alone: two to 30 words, all with a capital letter first.

    Of words in capitals alone, which may be a sentence, at most three. In scripts without
    capitals nothing is taken for a name.
    """
    words = capitals = 0
    for match in _LETTERS.finditer(text):
        word = match[0]
        words += 1
        capitals += len(word) > 1 and word.isupper()
        if not _is_capitalised(word) or words > _MOST_NAMES or capitals > _MOST_CAPITALS:
            return False
    return words >= 2


def _is_capitalised(word: str) -> bool:
    return word[0].isupper() and all(letter.isupper() or letter.islower() for letter in word)


def is_short(text: str) -> bool:
    """Whether a text has three words or fewer: too few for a detector."""
    return len(text) < 200 and word_count(text) <= _FEW_WORDS


def in_script_of(text: str, language: str) -> bool:
    """Whether most letters of a text are in the script that the language is mostly written in.

    Raises:
        ValueError: if `language` is not a language code.
    """
    letters = sum(map(str.isalpha, text))
    return 2 * _counter(languages.script(language))(text) > letters


def latin_part(text: str, language: str) -> str | None:
    """The words in Latin letters of a text in another script, if they are more than half of it.

    None for languages in Latin letters, for texts of three words or fewer, and for texts without
    any letter of the language's script, as Serbian has them. An ideograph counts for three
    letters, kana and hangul for two.

    Raises:
        ValueError: if `language` is not a language code.
    """
    script = languages.script(language)
    latin = 0 if script == "Latn" else _latin_letters(text)
    if not latin:
        return None
    letters = _counter(script)(text) * _LETTERS_OF_ENGLISH.get(script, 1)
    if not 0 < letters < latin or is_short(text):
        return None
    return _NOT_LATIN.sub(" ", text).strip()


def _latin_letters(text: str) -> int:
    return len(text.encode("ascii", "ignore").translate(None, _ASCII_WITHOUT_LETTERS))


@lru_cache(maxsize=64)
def _counter(script: str) -> Callable[[str], int]:
    """Counts letters of a script, with the vowel signs that Indian ones write around them."""
    import regex

    names = "".join(rf"\p{{Script={name}}}" for name in _SCRIPTS.get(script, (script,)))
    try:
        pattern = regex.compile(rf"[{names}&&[\p{{L}}\p{{M}}]]+", regex.VERSION1)
    except regex.error:  # CLDR names no script, or one that Unicode has not
        return lambda text: 0
    # To take them out is quicker than to find each.
    return lambda text: len(text) - len(pattern.sub("", text))
