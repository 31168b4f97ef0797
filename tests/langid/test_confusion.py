from __future__ import annotations

import pytest

from polypaca.langid import detectors
from polypaca.langid.confusion import line_gate, long_lines, word_gate

SPANISH = "La casa vieja está junto al río, y los niños juegan en el jardín."
ENGLISH = "The old house stands by the river, and the children play in it."
RUSSIAN = "Каждое утро я пью чай и читаю новости у окна на кухне."
CHINESE = "昨天晚上下了一场大雨，所以我们没有去公园散步。"


def test_lines_of_fewer_than_five_words_do_not_count() -> None:
    assert long_lines("Uno dos tres cuatro\n\n1. Uno dos tres cuatro cinco") == [
        "1. Uno dos tres cuatro cinco"
    ]
    assert (
        long_lines("```sh\nfive words of code here now\n```\n> five words of quotation here") == []
    )


@pytest.mark.parametrize(
    ("answer", "language", "passes"),
    [
        (f"{SPANISH}\n\n{SPANISH}", "es", 1),
        (f"{SPANISH}\n{ENGLISH}", "es", 0),
        (f"{SPANISH}\nOf course!", "es", 1),
        (ENGLISH, "es", 0),
        ("Sí.\nNo.", "es", None),
        ("", "es", None),
        (f"{SPANISH}\n```python\nfor the old house in the list do\n```", "es", 1),
        # What a fence holds in words is read.
        (f"{SPANISH}\n```\nThe old house stands by the river\n```", "es", 0),
        # The line is mostly English, for all that a detector makes of one Cyrillic word.
        (f"{RUSSIAN}\nThe Russian word for a river is река", "ru", 0),
    ],
)
def test_every_long_line_must_be_in_the_language(
    answer: str, language: str, passes: int | None
) -> None:
    assert line_gate(answer, language, detectors.load("lid176")) == passes


@pytest.mark.parametrize(
    ("answer", "language", "passes"),
    [
        (RUSSIAN, "ru", 1),
        (f"{RUSSIAN[:-1]} with pleasure.", "ru", 0),
        (f"{RUSSIAN[:-1]} для iPhone, DNA, Python и km.", "ru", 1),
        (f"{RUSSIAN[:-1]} user_name, file.txt, `code` https://example.org/words", "ru", 1),
        (CHINESE, "zh", 1),
        (f"{CHINESE}然后sunshine来了", "zh", 0),
        (SPANISH, "es", None),
        (ENGLISH, "ru", None),
        ("Да", "ru", None),
        (f"{RUSSIAN}\nok then", "ru", 1),
        # A line that is mostly in Latin letters is the one to look at.
        (f"{RUSSIAN} {RUSSIAN}\nthe old house by the river стоит", "ru", 0),
    ],
)
def test_no_word_may_be_in_latin_letters(answer: str, language: str, passes: int | None) -> None:
    assert word_gate(answer, language) == passes
