"""What is in no language though it has letters: formulas, identifiers, file names, units.

The same words are neutral whatever language is asked for: nothing here knows the target. What is
taken out is in Latin letters: words in other scripts are of a language that uses them.
"""

from __future__ import annotations

import re

_TAG = r"[#@]\w[\w-]*"
_FLAG = r"(?<![^\s(\[])--[a-z][\w-]+(?:=\S+)?"
_PATH = r"(?<![\w.])(?:[A-Za-z]:\\|\.{0,2}/|~/|[\w.-]+/[\w.-]+/)[\w.~-]+(?:[\\/][\w.~-]*)*"
# e^(2x), N=1, a*b: an operator with a sign of a formula on both sides.
_TERM = r"(?<![!-~])[!-~]*[A-Za-z0-9)\]][=^*+]+[A-Za-z0-9(\[-][!-~]*"
# Letters that are no word of any language in Latin letters.
_LETTER = r"(?<![^\s\"'(\[,;])[B-DF-HJ-NP-Zbcdfghjlmnpqrtx](?![^\s\"')\],.;:])(?!['’])|\"[A-Za-z]\""
# example.org, notes.txt, os.path.join: a dot with no space behind it.
_DOTTED = r"\.?[A-Za-z0-9][\w-]*(?:\.[A-Za-z0-9][\w-]*)*\.[a-z][a-z0-9]{1,5}"
_ORDINAL = r"(?!(?:st|nd|rd|th|er|e|o|a|s)\b)"
_WITH_DIGIT = rf"[A-Za-z]+[0-9][A-Za-z0-9]*|[0-9]+{_ORDINAL}[A-Za-z][A-Za-z0-9]*"
_WITH_UNDERSCORE = r"[A-Za-z0-9]+(?:_+[A-Za-z0-9]+)+"
_INNER_CAPITAL = r"[A-Z]?[a-z0-9]+[A-Z][A-Za-z0-9]*"
_TOKEN = re.compile(
    rf"(?:{_TERM}|{_LETTER}|{_TAG}|{_FLAG}|{_PATH}|(?<![A-Za-z0-9_])(?:{_DOTTED}(?![A-Za-z0-9_-])"
    rf"|(?:{_WITH_UNDERSCORE}|{_WITH_DIGIT}|{_INNER_CAPITAL})(?![A-Za-z0-9_])))",
    re.ASCII,
)
_UNIT_NAMES = """
    km cm mm nm µm m kg g mg µg t ml l cl dl s ms min h hz khz mhz ghz kb mb gb tb kib mib gib w kw
    mw kwh wh v kv ma mah j kj kcal cal n pa kpa mpa bar hpa mol k c f mph kph rpm ft lb lbs oz yd
    mi px pt em rem dpi ppm db usd eur gbp jpy cny rub inr chf cad aud btc ha
"""
_UNITS = "|".join(sorted(_UNIT_NAMES.split(), key=len, reverse=True))
_UNIT = re.compile(
    rf"(?<=[0-9])\s?°?(?:{_UNITS})(?:[²³]|\^?[23])?(?:\s?/\s?[A-Za-z]{{1,3}}[²³]?)?(?![^\W\d_])",
    re.IGNORECASE,
)
# Without one of these there is nothing to take out: most texts have none.
_SIGN = re.compile(
    r"[A-Za-z][0-9_.][0-9A-Za-z_]|[0-9_.][A-Za-z]|[#@/\\]|--|[a-z][A-Z]|[A-Za-z0-9)\]][=^*+]"
    r"|\"[A-Za-z]\"|[0-9] ?°?[A-Za-zµ]|(?<![\w'’-])[B-DF-HJ-NP-Zb-df-hj-np-rtx](?![\w'’-])"
)

_WORD = re.compile(r"[^\W\d_]+")
_OPERATOR = re.compile(r"[=+*^<>/|&≈≠≤≥×÷·√∑∏∫∂∈→⇒±-]")
_FUNCTION_NAMES = """
    sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh log ln exp sqrt lim max min mod det
    gcd lcm sum prod abs const
"""
_FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_LONGEST_SYMBOL = 3
_LONGEST_ACRONYM = 4
_MOST_ACRONYMS = 3
_ROMAN = re.compile(r"M{0,4}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_BASES = re.compile("[ACGTUN]{6,}")
# Short words that are no abbreviation, even in capitals.
_SPOKEN_WORDS = "yes no not ok okay true and the you are can non nein ja si oui sim tak da"
_SPOKEN = frozenset(_SPOKEN_WORDS.split())
# Scripts of which one sign may be a word.
_SYLLABLES = re.compile("[\u0900-\u1fff\u3040-\ud7ff\U00020000-\U0003ffff]")
_LONG = 200


def without_neutral(text: str) -> str:
    """A cleaned text without identifiers, file names, tags, flags, paths, terms and units."""
    if not _SIGN.search(text):
        return text
    left = _UNIT.sub(" ", _TOKEN.sub(" ", text))
    return text if left == text else " ".join(left.split())


def has_words(text: str) -> bool:
    """Whether anything in a text is a word of some language.

    Single letters are none, nor are abbreviations in capitals, Roman numerals and symbols alone,
    nor the letters of a formula. A single ideograph or syllable is one.
    """
    if len(text) > _LONG:
        return any(map(str.isalpha, text))
    if not text.isascii() and _SYLLABLES.search(text):
        return True
    words = [word for word in _WORD.findall(text) if len(word) > 1]
    if not words or (_OPERATOR.search(text) and all(map(_is_symbol, words))):
        return False
    return len(words) > _MOST_ACRONYMS or not all(map(_is_abbreviation, words))


def _is_symbol(word: str) -> bool:
    return len(word) <= _LONGEST_SYMBOL or word.lower() in _FUNCTIONS


def _is_abbreviation(word: str) -> bool:
    if word.lower() in _SPOKEN:
        return False
    short = len(word) <= _LONGEST_ACRONYM and word.isupper()
    # Au, Si, pH: two letters of which one is a capital.
    symbol = len(word) == 2 and word[0].isupper()
    return short or symbol or bool(_ROMAN.fullmatch(word) or _BASES.fullmatch(word))
