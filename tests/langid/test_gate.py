from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polypaca.langid import detectors
from polypaca.langid.gate import best_among, check

if TYPE_CHECKING:
    from polypaca.langid.contract import Detector

CHINESE = "当然可以！请告诉我您打算什么时候搬家，以及新房子有多大。"
ENGLISH = "Of course! Please tell me when you are going to move and how big the new flat is."
SPANISH = "Claro que sí. Dime cuándo te mudas y cómo de grande es el piso nuevo."


@pytest.fixture(scope="module")
def detector() -> Detector:
    return detectors.load("lid176")


def test_a_good_answer_in_the_wrong_language_is_stopped(detector: Detector) -> None:
    # The kind of answer that the paper's table 2 shows: asked in Chinese, answered in English.
    detected, confidence, gate = check(ENGLISH, "zh", detector)
    assert (detected, gate) == ("en", 0)
    assert 0.5 < confidence <= 1
    assert check(CHINESE, "zh", detector)[::2] == ("zh", 1)


@pytest.mark.parametrize("code", ["no", "nb", "nn", "nob"])
def test_codes_of_one_language_are_one(detector: Detector, code: str) -> None:
    assert check("Vi gikk en tur i skogen og plukket blåbær i går.", code, detector).gate == 1


@pytest.mark.parametrize("code", ["zh", "zho_Hans", "cmn"])
def test_chinese_codes_are_one(detector: Detector, code: str) -> None:
    assert check(CHINESE, code, detector).gate == 1


def test_code_does_not_outweigh_the_words_around_it(detector: Detector) -> None:
    answer = (
        "Esta función suma los números de una lista:\n```python\n"
        + "def add_all(values):\n    '''Return the sum of all the given values.'''\n"
        + "    total = 0\n    for value in values:\n        total += value\n    return total\n" * 5
        + "```\nMás en https://example.org/how-to-add-all-the-numbers-of-a-list"
    )
    assert check(answer, "es", detector)[::2] == ("es", 1)
    assert check(answer, "en", detector).gate == 0


def test_the_whole_answer_counts_not_its_beginning(detector: Detector) -> None:
    answer = "Sure, here you go: " + (
        "Am Montag regnet es den ganzen Tag, und wir bleiben zu Hause. Am Dienstag scheint die "
        "Sonne, und alle Kinder spielen draußen im Garten."
    )
    assert check(answer, "de", detector).gate == 1


@pytest.mark.parametrize("answer", ["", "  \n ", "...", "42", "1. 2. 3. !!", "😀😀"])
def test_answers_without_letters_are_stopped(detector: Detector, answer: str) -> None:
    assert check(answer, "es", detector) == (None, 0.0, 0)
    assert check(answer, "es", detector, required=False) == (None, 0.0, 1)


@pytest.mark.parametrize("answer", ["```\nprint('hi')\n```", "`ls`", "https://example.org", "$x$"])
def test_code_alone_is_in_no_language_and_passes(detector: Detector, answer: str) -> None:
    assert check(answer, "es", detector) == (None, 0.0, 1)


def test_where_the_gate_is_not_required_the_language_is_still_told(detector: Detector) -> None:
    detected, confidence, gate = check(ENGLISH, "es", detector, required=False)
    assert (detected, gate) == ("en", 1)
    assert confidence > 0.5


def test_the_best_among_given_languages(detector: Detector) -> None:
    assert best_among(SPANISH, ["en", "es", "zh"], detector) == "es"
    assert best_among(SPANISH, ["en", "ru"], detector) in {"en", "ru"}
    assert best_among(CHINESE, ["en", "cmn"], detector) == "cmn"
    assert best_among("42", ["en", "es"], detector) is None
    assert best_among("```\nx = y\n```", ["en", "es"], detector) is None
    assert best_among(SPANISH, ["tlh"], detector) is None
    assert best_among(SPANISH, [], detector) is None


def test_a_language_that_does_not_exist_is_refused(detector: Detector) -> None:
    with pytest.raises(ValueError, match="not a language code"):
        check(ENGLISH, "xx-nowhere", detector)
