from __future__ import annotations

import json
from pathlib import Path

import pytest

from polypaca.data.duplicates import find_duplicates


def test_the_same_task_in_another_form() -> None:
    rows = [
        ("7", "Name three animals.", ""),
        ("2", "Translate:", "Hello there"),
        ("9", "name  three ANIMALS", ""),
        ("1", "Name four animals.", ""),
        ("3", "Translate: hello", "there!"),
        ("4", "Name three animals", ""),
    ]
    assert find_duplicates(rows) == {"9": "7", "3": "2", "4": "7"}
    # The first of the order in which rows come is kept.
    assert find_duplicates(reversed(rows)) == {"9": "4", "7": "4", "2": "3"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("What is 5 - 3?", "What is 5 + 3?"),
        ("What is 6/3?", "What is 6*3?"),
        ("Solve 2x - 1 = 0", "Solve 2x + 1 = 0"),
        ("Convert 5 $", "Convert 5 €"),
        ("Explain C++.", "Explain C#."),
        ("What does 😊 mean?", "What does 😡 mean?"),
    ],
)
def test_tasks_that_differ_in_a_sign(one: str, other: str) -> None:
    assert find_duplicates([("1", one, ""), ("2", other, "")]) == {}


def test_inputs_of_punctuation_alone_differ() -> None:
    rows = [("1", "Name this sign.", "!"), ("2", "Name this sign.", "?")]
    assert find_duplicates(rows) == {}


def test_no_rows() -> None:
    assert find_duplicates([]) == {}


@pytest.mark.data
@pytest.mark.parametrize(("name", "count"), [("alpaca.en", 14), ("alpaca.zh", 8)])
def test_real_duplicates(name: str, count: int, data_folder: Path) -> None:
    text = (data_folder / "instructions" / f"{name}.json").read_text("utf-8")
    rows = [
        (str(number), row["instruction"], row["input"])
        for number, row in enumerate(json.loads(text))
    ]
    found = find_duplicates(rows)
    assert len(found) == count
    # In these files they are so to the letter.
    for source, first in found.items():
        assert rows[int(source)][1:3] == rows[int(first)][1:3]
        assert int(first) < int(source)
