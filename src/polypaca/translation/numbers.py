"""Comparing numbers by what they are worth: `1.000`, `1 000` and `১,০০০` are `1,000`."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import product

# What languages put between thousands beside point and comma. The plain blank only perhaps: it may
# as well part two numbers.
_BLANKS = "\u00a0\u202f\u2009'’"
# Languages that write the decimal point; the others write a comma (CLDR 46, numbers/symbols). The
# thousands have the other sign, or a blank.
_POINT = re.compile(
    "am|bn|cy|en|fil|ga|gu|ha|he|hi|ig|ja|kn|ko|ml|mr|ms|mt|my|ne|or|pa|si|so|sw|ta|te|th|tl|ur|yo"
    "|zh|zu"
)
_WHOLE = re.compile(r"\d+")
# Groups of three, and India's groups of two before the last one.
_GROUPED = re.compile(r"[1-9]\d{0,2}(?:([.,])\d{3})(?:\1\d{3})*|[1-9]\d?(?:,\d{2})+,\d{3}")
_GROUPED_AND_DECIMAL = re.compile(
    r"([1-9]\d{0,2}(?:,\d{3})+|[1-9]\d?(?:,\d{2})+,\d{3})\.(\d+)|([1-9]\d{0,2}(?:\.\d{3})+),(\d+)"
)
_DECIMAL = re.compile(r"(\d+)[.,](\d+)")


def find_lost_number(before: str, after: str, number: re.Pattern[str], language: str) -> str | None:
    """The first number of a text whose value its translation lacks; None if all are there.

    Takes the square of how many numbers there are.

    Args:
        before: the text, in `language`.
        after: its translation, into any language.
        number: finds numbers, without blanks in them.
        language: code of the text's language: says what `1,000` means there.
    """
    point = _POINT.fullmatch(language.lower().partition("-")[0]) is not None
    first: str | None = None
    for plain_before, plain_after in product((False, True), repeat=2):
        missing = _missing(
            _tokens(before, number, plain_before), _tokens(after, number, plain_after), point
        )
        if missing is None:
            return None
        first = first or missing
    return first


def _missing(before: list[str], after: list[str], point: bool) -> str | None:
    remaining = list(after)
    changed = []
    for token in before:
        if token in remaining:
            remaining.remove(token)
        else:
            changed.append(token)
    for token in changed:
        values = number_values(token, point)
        same = next(
            (candidate for candidate in remaining if values & number_values(candidate)), None
        )
        if same is None:
            return token
        remaining.remove(same)
    return None


def _tokens(text: str, number: re.Pattern[str], plain_blanks: bool) -> list[str]:
    """The numbers of a text, those with blanks in them joined by the sign `,`."""
    blanks = _BLANKS + (" " if plain_blanks else "")
    return [match[0] for match in number.finditer(_joined(text, blanks))]


def _joined(text: str, blanks: str) -> str:
    grouped = re.compile(rf"(?<![\d.,])\d{{1,3}}(?:[{blanks}]\d{{3}})+(?!\d)")
    return grouped.sub(lambda match: re.sub(f"[{blanks}]", "", match[0]), text)


@lru_cache(maxsize=1024)
def number_values(token: str, point: bool | None = None) -> frozenset[str]:
    """What a number may be worth, digits and a point: `1.000` is 1000 and, where `point`, 1.

    Args:
        token: a number as it is written, in digits of any script.
        point: whether its language writes the decimal point; None if that is not known.
    """
    plain = "".join(map(_plain, token))
    if _WHOLE.fullmatch(plain):
        return frozenset({plain})
    if grouped_decimal := _GROUPED_AND_DECIMAL.fullmatch(plain):
        whole, part = (
            grouped_decimal[1] or grouped_decimal[3],
            grouped_decimal[2] or grouped_decimal[4],
        )
        return frozenset({_decimal(re.sub("[.,]", "", whole), part)})
    values = set()
    decimal = _DECIMAL.fullmatch(plain)
    grouped = _GROUPED.fullmatch(plain)
    if grouped:
        values.add(re.sub("[.,]", "", plain))
    if decimal and grouped and point:
        values = values if "," in plain else {_decimal(decimal[1], decimal[2])}
    elif decimal and (not grouped or decimal[2].strip("0")):
        # "1.000" for "1" would be a strange thing to write.
        values.add(_decimal(decimal[1], decimal[2]))
    return frozenset(values or {plain})


def _decimal(whole: str, part: str) -> str:
    part = part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _plain(sign: str) -> str:
    if sign in "٫٬":  # Arabic signs of decimals and thousands
        return "." if sign == "٫" else ","
    digit = unicodedata.decimal(sign, None)
    return sign if digit is None else str(digit)
