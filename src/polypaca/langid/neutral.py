"""What is in no language though it has letters: formulas, identifiers, file names, units.

The same words are neutral whatever language is asked for: nothing here knows the target. What is
taken out is in Latin letters, but for tags: words in other scripts are of a language with that
script.
"""

from __future__ import annotations

import re

_ALONE = r"(?![A-Za-z0-9_])"
_ORDINAL = r"(?!(?:st|nd|rd|th|er|e|o|a|s)\b)"
_UNIT_NAMES = """
    km cm mm nm µm m kg g mg µg t ml l cl dl s ms min h hz khz mhz ghz kb mb gb tb kib mib gib w kw
    mw kwh wh v kv ma mah j kj kcal cal n pa kpa mpa bar hpa mol k c f mph kph rpm ft lb lbs oz yd
    mi px pt em rem dpi ppm db usd eur gbp jpy cny rub inr chf cad aud btc ha
"""
_DIGITS = "0123456789"
# What no tag holds, and how long one may be: a heading of Chinese may follow its # without a space.
_STOPS = r".,;:!?()\[\]{}\"'。，；：！？、」』）"
_LONGEST_TAG = 30
_UNITS = "|".join(sorted(_UNIT_NAMES.split(), key=len, reverse=True))
# Signs of which one must be there (none: any text), what shows that there may be one, which is
# quick to tell, and the pattern. In this order. Each begins where a run of its signs begins, so
# that the time is in proportion to the length.
_RULES = tuple(
    (needed, re.compile(sign, flags or re.ASCII), re.compile(pattern, flags or re.ASCII))
    for needed, sign, pattern, flags in (
        # A tag or a name, in any script: #BlueRiver, @someone.
        ("#@", r"[#@][^\W_]", rf"[#@][^\s#@{_STOPS}]{{1,{_LONGEST_TAG}}}", re.UNICODE),
        # A path.
        (
            "/",
            r"/\w",
            r"(?<![\w.~/-])(?:\.{0,2}/|~/|[\w.-]+/[\w.-]+/)[\w.~-]+(?:/[\w.~-]*)*",
            0,
        ),
        # An option of a command.
        ("-", r"--[a-z]", r"(?<![^\s(\[])--[a-z][\w-]+(?:=\S+)?", 0),
        # e^(2x), N=1, a*b: an operator with a sign of a formula on both sides.
        (
            "=^*+",
            r"[A-Za-z0-9)\]][=^*+]+[A-Za-z0-9(\[-]",
            r"(?<![!-~])[!-~]*[A-Za-z0-9)\]][=^*+]+[A-Za-z0-9(\[-][!-~]*",
            0,
        ),
        # example.org, notes.txt, os.path.join: a dot with no space behind it.
        (
            ".",
            r"\w\.[a-z]",
            r"(?<![\w.-])\.?[A-Za-z0-9][\w-]*(?:\.[A-Za-z0-9][\w-]*)*\.[a-z][a-z0-9]{1,5}(?![\w-])",
            0,
        ),
        ("_", r"[A-Za-z0-9]_", rf"(?<!\w)[A-Za-z0-9]+(?:_+[A-Za-z0-9]+)+{_ALONE}", 0),
        (
            _DIGITS,
            r"[0-9](?:(?<=[A-Za-z][0-9])|[A-Za-z])",
            rf"(?<!\w)(?:[A-Za-z]+[0-9][A-Za-z0-9]*|[0-9]+{_ORDINAL}[A-Za-z][A-Za-z0-9]*){_ALONE}",
            0,
        ),
        # iPhone, NaCl, nRT: a capital inside.
        ("", r"[A-Z](?<=[a-z][A-Z])", rf"(?<!\w)[A-Z]?[a-z0-9]+[A-Z][A-Za-z0-9]*{_ALONE}", 0),
        (
            _DIGITS,
            r"[0-9] ?°?[A-Za-z]",
            rf"(?<=[0-9])\s?°?(?:{_UNITS})(?:[²³]|\^?[23])?(?:\s?/\s?[A-Za-z]{{1,3}}[²³]?)?{_ALONE}",
            re.ASCII | re.IGNORECASE,
        ),
        # Letters that are no word of any language in Latin letters.
        (
            "",
            r"[ ([\"'][B-DF-HJ-NP-Zb-df-hjl-np-rtx][ )\]\"'.,;:]",
            r"(?<![^\s\"'(\[,;])[B-DF-HJ-NP-Zb-df-hjl-np-rtx](?![^\s\"')\],.;:])(?!['’])",
            0,
        ),
        ('"', r"\"[A-Za-z]\"", r"\"[A-Za-z]\"", 0),
    )
)

_NUMBER = re.compile("[0-9]")
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
    left = text
    numbers = _NUMBER.search(text) is not None
    for needed, sign, pattern in _RULES:
        some = numbers if needed is _DIGITS else not needed or any(map(left.__contains__, needed))
        if some and sign.search(left):
            left = pattern.sub(" ", left)
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
    formula = _OPERATOR.search(text) is not None
    words = [
        word for word in _WORD.findall(text) if len(word) > 1 and not (formula and _is_symbol(word))
    ]
    return len(words) > _MOST_ACRONYMS or not all(map(_is_abbreviation, words))


def _is_symbol(word: str) -> bool:
    return len(word) <= _LONGEST_SYMBOL or word.lower() in _FUNCTIONS


def _is_abbreviation(word: str) -> bool:
    if not word.isascii() or word.lower() in _SPOKEN:
        return False
    short = len(word) <= _LONGEST_ACRONYM and word.isupper()
    # Au, Si, pH: two letters of which one is a capital.
    symbol = len(word) == 2 and word[0].isupper()
    return short or symbol or bool(_ROMAN.fullmatch(word) or _BASES.fullmatch(word))
