"""Text as it is compared: without case, punctuation and spacing."""

from __future__ import annotations

import functools
import itertools
import re
import unicodedata
from typing import TYPE_CHECKING

from polypaca.core.unspaced import EAST_ASIAN, SOUTHEAST_ASIAN, character_class

if TYPE_CHECKING:
    from collections.abc import Sequence

# How many characters are as long as a word. Han: 1.60 by the parallel sentences of FLORES-200's dev
# set, English and Chinese (arXiv 2207.04672). Thai and its like: twice that, not measured.
_HAN_A_WORD, _THAI_A_WORD = 1.6, 3.2
# Dashes that stand for minus, and the signs that people type for times and divided by.
_SIGNS = str.maketrans({"–": "-", "−": "-", "×": "*", "·": "*", "⋅": "*", "÷": "/"})
_LAST_WRITTEN = 0x323AF  # the last block of Han; no script has characters behind it
_VARIATIONS_AND_TAGS = range(0xE0000, 0xE01F0)

# An operator stands behind no word (COVID-19, and/or) and before a number or a variable.
_OPERATOR = r"(?<![^\W\d_]{2})[-*/^<>≤≥≠±]+(?=\s?\d|[a-z]\b)"
_SIGN = r"[+=%]+|(?<=\b[a-z])#"
_ASCII = re.compile("|".join(("[a-z0-9]+", _OPERATOR, _SIGN, r"\$")))


def normalise(text: str) -> str:
    """The tokens of `text`, joined by single spaces: equal where two texts differ in form only.

    A text of nothing but punctuation is kept, its white space folded, so that two such texts are
    not taken for one.
    """
    return " ".join(split_tokens(text)) or " ".join(text.split())


def split_tokens(text: str) -> list[str]:
    """The words of `text` in lower case, without punctuation.

    Compatibility forms are folded (NFKC) and so is case. A word is a run of letters, marks and
    digits; in scripts without spaces (Han, Kana, Thai, Lao, Khmer, Myanmar) it is one character
    with its marks. Punctuation and symbols (Unicode categories P and S) separate words and are
    gone, but for what two different tasks may differ in alone: operators before a number or a
    variable (5-3, 5/3), `+`, `=`, `%`, the `#` of C#, currency signs, and pictures such as emoji.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    if folded.isascii():  # twice as fast
        return _ASCII.findall(folded)
    invisible, pattern = _patterns()
    return pattern.findall(invisible.sub("", folded.translate(_SIGNS)))


def tokens_per_word(tokens: Sequence[str]) -> float:
    """How many tokens are as long as a word, by the script of most of them; at least 1."""
    for blocks, count in ((EAST_ASIAN, _HAN_A_WORD), (SOUTHEAST_ASIAN, _THAI_A_WORD)):
        if 2 * sum(_within(token, blocks) for token in tokens) > len(tokens):
            return count
    return 1.0


def _within(token: str, blocks: tuple[tuple[int, int], ...]) -> bool:
    return any(first <= ord(token[0]) <= last for first, last in blocks)


@functools.cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """What is deleted (soft hyphens, joiners), and what is a token."""
    codes: dict[str, list[int]] = {"M": [], "S": [], "Cf": []}
    for code in itertools.chain(range(_LAST_WRITTEN + 1), _VARIATIONS_AND_TAGS):
        category = unicodedata.category(chr(code))
        kind = {"Mn": "M", "Mc": "M", "Me": "M", "Sc": "S", "So": "S"}.get(category, category)
        if kind in codes:
            codes[kind].append(code)
    marks, pictures, invisible = (
        character_class((code, code) for code in part) for part in codes.values()
    )
    unspaced = character_class(EAST_ASIAN + SOUTHEAST_ASIAN)
    # A negated class, since `\w` is a fast test and a class of all letters a slow one.
    word = rf"[^\W_{unspaced}]+(?:[{marks}]+[^\W_{unspaced}]*)*"
    character = rf"[{unspaced}][{marks}]*"
    parts = (word, character, _OPERATOR, _SIGN, f"[{pictures}]")
    return re.compile(f"[{invisible}]+"), re.compile("|".join(parts))
