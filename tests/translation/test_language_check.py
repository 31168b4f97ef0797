"""Rows that were given for a language, and are in another one."""

from __future__ import annotations

from polypaca.core.records import Example
from polypaca.langid import detectors
from polypaca.translation.language_check import LanguageCheck, check_language, language_notice

DETECTOR = detectors.load("lid176")
SPANISH = "Un río lleva arena y piedras desde las montañas hasta el mar."
ENGLISH = "A river carries sand and stones from the mountains down to the sea."


def row(instruction: str, output: str) -> Example:
    return Example(
        id="1", source="1", split="train", language="es", instruction=instruction, output=output
    )


def test_each_field_is_judged_by_itself() -> None:
    rows = [row(SPANISH, SPANISH), row(SPANISH, ENGLISH), row(ENGLISH, SPANISH), row("Hola", "5")]
    assert check_language(rows, "es", DETECTOR) == LanguageCheck(
        3, 2, {"output": 1, "instruction": 1}
    )


def test_the_notice_says_how_many() -> None:
    assert language_notice(LanguageCheck(7, 5, {"output": 5}), "es") == (
        "most of es is not in Spanish (5 of 7 rows whose language is clear; by field: output 5)"
    )
    assert (language_notice(LanguageCheck(100, 6, {"input": 6}), "es") or "").startswith(
        "part of es"
    )
    assert language_notice(LanguageCheck(100, 4, {"output": 4}), "es") is None
    assert language_notice(LanguageCheck(1, 1, {"output": 1}), "es") is None
    assert language_notice(LanguageCheck(0, 0, {}), "es") is None
