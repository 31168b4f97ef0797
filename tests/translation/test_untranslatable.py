from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.translation.untranslatable import (
    RULES,
    extract_request,
    rules_for,
    untranslatable_rules,
)

from ..growth import grows_with_the_size_only  # noqa: TID252

FIRE = {
    "correction": "Correct the grammar of this sentence: He go home.",
    "wording": "Rearrange the words to form a sentence: home / going / am / I",
    "grammar-form": "Rewrite the sentence in the passive voice.",
    "analysis": "Identify the verb in the sentence.",
    "word-relations": "Give three synonyms for 'happy'.",
    "sound": "Write a haiku about autumn.",
    "letters": "Name five animals whose name begins with the letter B.",
    "alphabet": "Sort these names in alphabetical order.",
    "counting": "How many letters are there in the word 'strawberry'?",
    "idiom": "Explain the idiom 'break a leg'.",
    "translation": "Translate the following sentence into French.",
    "code": "Write a Python function that sorts a list.",
    "program-text": "What does this print?\ndef add(a, b):\n    return a + b",
}


def test_every_rule_has_a_case_and_a_pattern() -> None:
    assert list(FIRE) == list(RULES)
    assert all(rule.request or rule.text for rule in RULES.values())


@pytest.mark.parametrize("name", FIRE)
def test_each_rule_fires(name: str) -> None:
    assert name in untranslatable_rules(FIRE[name], "", "", "en")


@pytest.mark.parametrize(
    "instruction",
    [
        "Describe how to make crepes.",
        "Name a famous Italian singer.",
        "Write a script of a sales call.",
        "Explain the functions of the liver.",
        "Plan a syllabus for a class on world history.",
        "List the main cities, separated by commas.",
        "Write some spells from the Harry Potter series.",
        "Who won the Limerick Senior Hurling Championship?",
        "Given a short story, describe its main character in two adjectives.",
        "Given a URL, explain what the web page is about.",
        "Write a short story of 100 words.",
        'Write a story that begins with the line "Correct your grammar, he said."',
    ],
)
def test_ordinary_tasks_are_left_alone(instruction: str) -> None:
    assert untranslatable_rules(instruction, "", "An answer.", "en") == []


def test_what_an_instruction_quotes_or_works_on_is_not_its_request() -> None:
    assert (
        untranslatable_rules("Summarize the text.", "Grammar is about verbs.", "Verbs.", "en") == []
    )
    assert extract_request("Say “please correct my grammar”\n politely") == 'Say "" politely'


def test_of_a_long_instruction_both_ends_are_the_request() -> None:
    passage = "The river rose. " * 200
    assert untranslatable_rules(passage + "Translate the text into German.", "", "", "en") == [
        "translation"
    ]
    assert untranslatable_rules(passage + "Write a haiku. " + passage, "", "", "en") == []


def test_a_fence_alone_is_no_program() -> None:
    assert untranslatable_rules("Multiply.", "", "```\n2 x 3 = 6\n```", "en") == []
    assert untranslatable_rules("Multiply.", "", "```python\n2 * 3\n```", "en") == ["program-text"]


def test_other_languages_get_only_the_rules_about_no_language() -> None:
    assert rules_for("de") == ["program-text"]
    assert rules_for("eng") == list(RULES)
    assert untranslatable_rules("Write a haiku", "", "", "de") == []
    assert untranslatable_rules("Was gibt das aus?", "print(1)", "1", "de") == ["program-text"]
    with pytest.raises(ValueError, match="language code"):
        untranslatable_rules("a", "b", "c", "no such")


@given(st.text(), st.text(), st.text())
def test_any_text_is_judged(instruction: str, given_input: str, output: str) -> None:
    found = untranslatable_rules(instruction, given_input, output, "en")
    assert set(found) <= set(RULES)


@pytest.mark.parametrize(
    "piece", ["write ", "word ", '"', "'a", "SELECT ", "SELECT a\n", "for a in ", "\n", " ", "if ("]
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    def work(size: int) -> None:
        text = piece * (size // len(piece))
        untranslatable_rules(text, text, text, "en")

    assert grows_with_the_size_only(work, 25_000)


@pytest.mark.data
def test_on_alpaca_about_one_row_in_six(data_folder: Path) -> None:
    rows = json.loads((data_folder / "instructions/alpaca.en.json").read_text(encoding="utf-8"))
    hits = sum(
        bool(untranslatable_rules(row["instruction"], row["input"], row["output"], "en"))
        for row in rows
    )
    assert 0.12 < hits / len(rows) < 0.18
