from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.stats.csv_files import NumberRow
from polypaca.stats.spellings import item_key, language_key, name_key, unify_spellings

NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), min_size=1)


@given(NAMES)
def test_a_name_is_one_in_any_case_form_and_spacing(name: str) -> None:
    for form in ("NFC", "NFD"):
        assert name_key(unicodedata.normalize(form, name)) == name_key(name)
        assert item_key(unicodedata.normalize(form, name)) == item_key(name)
    assert name_key(f" {name}\u200b ") == name_key(name)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("LLaMA 7B", "llama 7b"),
        ("LLaMA 7B", "LLaMA\u00a07B"),
        ("LLaMA 7B", "LLaMA7B"),
        ("é", "e\u0301"),
    ],
)
def test_names_that_differ_in_form_alone(one: str, other: str) -> None:
    assert name_key(one) == name_key(other)


def test_items_that_differ_in_case_are_two() -> None:
    assert item_key("aB") != item_key("Ab")
    assert name_key("gpt-4") != name_key("gpt-4o")


@pytest.mark.parametrize(
    "same",
    [
        ("en", "EN", "eng", "eng_Latn", "English"), ("no", "nb", "nn", "Norwegian"),
        ("zh", "zho_Hans", "Chinese"), ("zh-TW", "zh_tw"), ("sr-Latn", "srp_Latn"),
        ("old tongue", "Old  Tongue"),
    ],
)  # fmt: skip
def test_spellings_of_a_language(same: tuple[str, ...]) -> None:
    assert len({language_key(code) for code in same}) == 1


def test_regions_and_scripts_stay_apart() -> None:
    codes = ["zh", "zh-TW", "zh-Hant", "pt", "pt-BR", "sr", "sr-Latn", "hr"]
    assert len({language_key(code) for code in codes}) == len(codes)


def test_the_first_spelling_stands_for_all_and_each_other_is_noted_once() -> None:
    rows = [
        NumberRow(n, {"system": name}) for n, name in enumerate(["A b", "a b", "A  b", "a b"], 2)
    ]
    found, notes = unify_spellings(rows, {"system": name_key})
    assert {row.text("system") for row in found} == {"A b"}
    assert notes == [
        "Line 3, column system: 'a b' and 'A b' (line 2) are two spellings of one system; read as "
        "one.",
        "Line 4, column system: 'A  b' and 'A b' (line 2) are two spellings of one system, in "
        "spaces; read as one.",
    ]
