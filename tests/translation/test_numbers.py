"""Numbers are compared by value."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.translation.numbers import find_lost_number, number_values
from polypaca.translation.structure import NUMBER


def missing(before: str, after: str, language: str = "en") -> str | None:
    return find_lost_number(before, after, NUMBER, language)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1,000", "1.000"),
        ("1,000", "1000"),
        ("1,000", "1 000"),
        ("1,000", "1\u00a0000"),
        ("1,000", "1\u202f000"),
        ("1,000", "1’000"),
        ("1,000", "১,০০০"),
        ("1,000", "१०००"),
        ("1,000", "١٬٠٠٠"),
        ("100,000", "1,00,000"),
        ("1,234,567.89", "1.234.567,89"),
        ("1,234,567.89", "1 234 567,89"),
        ("3.5", "3,5"),
        ("3.5", "৩.৫"),
        ("3.5", "٣٫٥"),
        ("3.142", "3,142"),
        ("0.125", "0,125"),
        ("42", "४२"),
        ("10:30", "১০:৩০"),
        ("5 and 100", "100 y 5"),
        ("5 100 m races", "5 courses de 100 m"),
        ("14 schools", "14所学校"),
        ("2 apples", "2 manzanas, 3 peras"),
    ],
)
def test_another_form_of_the_value_is_no_loss(before: str, after: str) -> None:
    assert missing(before, after) is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("1,000", "1"),
        ("1,000", "100"),
        ("1,000", "10.000"),
        ("1,000", "1,001"),
        ("3.5", "35"),
        ("3.5", "3"),
        ("3.142", "3142"),
        ("2", "2.000"),
        ("42", "৪৩"),
        ("10:30", "10.31"),
        ("007", "7"),
        ("m²", "m2"),
        ("5 and 5", "5"),
        ("1,000 and 1.000", "1 000"),
        ("2020", "2021"),
    ],
)
def test_a_changed_value_is_a_loss(before: str, after: str) -> None:
    assert missing(before, after) is not None


def test_languages_that_write_a_comma() -> None:
    assert missing("3,5 y 1.000", "3.5 and 1,000", "es") is None
    assert missing("3,5", "35", "es") == "3,5"


@pytest.mark.parametrize(
    ("token", "point", "expected"),
    [
        ("1,000", True, {"1000"}),
        ("1.000", None, {"1000"}),
        ("1.500", None, {"1500", "1.5"}),
        ("1.500", True, {"1.5"}),
        ("2.10.3", None, {"2.10.3"}),
        ("1/2", None, {"1/2"}),
        ("²", None, {"²"}),
    ],
)
def test_readings(token: str, point: bool | None, expected: set[str]) -> None:
    assert number_values(token, point) == expected


NATIVE = [
    str.maketrans("0123456789", digits) for digits in ("০১২৩৪৫৬৭৮৯", "०१२३४५६७८९", "٠١٢٣٤٥٦٧٨٩")
]


AMOUNTS = st.decimals(0, 10**9, places=2)


@given(AMOUNTS, AMOUNTS, st.sampled_from([",", ".", "\u202f"]), st.sampled_from([None, *NATIVE]))
def test_in_whatever_form_another_value_is_a_loss_and_the_same_is_none(
    one: Decimal, other: Decimal, group: str, digits: dict[int, int] | None
) -> None:
    written = f"{other:,.2f}".replace(",", "g").replace(".", "," if group != "," else ".")
    written = written.replace("g", group)
    found = missing(f"{one:,.2f}", written.translate(digits) if digits else written)
    assert (found is None) == (one == other)
