from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sacrebleu.metrics.chrf import CHRF

from polypaca.core.errors import UserError
from polypaca.judging import judges
from polypaca.judging.contract import Item, Judge
from polypaca.judging.reference import ReferenceJudgeSettings
from polypaca.langid import detectors
from polypaca.langid.settings import GateSettings

from ..langid.fasttext_format import write_model  # noqa: TID252

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.core.records import Verdict

REFERENCES = {
    "en": "The shop opens at nine o'clock and closes at six in the evening.",
    "es": "La tienda abre a las nueve de la mañana y cierra a las seis de la tarde.",
    "de": "Der Laden öffnet um neun Uhr morgens und schließt um sechs Uhr abends.",
    "zh": "商店早上九点开门，晚上六点关门。",
}


@pytest.fixture(scope="module")
def judge() -> Judge:
    return judges.load(ReferenceJudgeSettings(), gate=GateSettings())


def item(response: str, language: str = "es", **references: str) -> Item:
    return Item("s", "p1", language, "¿Cuándo abre?", response, references or REFERENCES)


def only(judge: Judge, one: Item) -> Verdict:
    (verdict,) = judge.judge([one])
    return verdict


@pytest.mark.parametrize("language", sorted(REFERENCES))
def test_the_reference_itself_is_rated_3(judge: Judge, language: str) -> None:
    verdict = only(judge, item(REFERENCES[language], language))
    assert verdict.rating == pytest.approx(3.0)
    assert verdict.explanation.startswith("chrF++ 100.0 against the ")


@pytest.mark.parametrize(
    "answer",
    [
        "La tienda abre a las ocho.",
        "La tienda cierra por la tarde, a las seis, y abre por la mañana.",
        "No lo sé, lo siento mucho, de verdad.",
    ],
)
def test_ratings_are_sacrebleus_own_numbers(judge: Judge, answer: str) -> None:
    score = CHRF(word_order=2).sentence_score(answer, [REFERENCES["es"]]).score
    verdict = only(judge, item(answer))
    assert verdict.rating == pytest.approx(1 + 2 * score / 100)
    assert verdict.explanation == f"chrF++ {score:.1f} against the Spanish reference"


def test_an_answer_is_compared_in_the_language_it_is_in(judge: Judge) -> None:
    # Quality and language stay separate: the gate, not the judge, sees to the language.
    verdict = only(judge, item(REFERENCES["en"], "es"))
    assert verdict.rating == pytest.approx(3.0)
    assert "the English reference" in verdict.explanation
    assert verdict.language == "es"


def test_only_languages_with_a_reference_are_considered(judge: Judge) -> None:
    verdict = only(judge, item(REFERENCES["es"], en=REFERENCES["en"], es="  "))
    assert "the English reference" in verdict.explanation
    assert verdict.rating is not None
    assert verdict.rating < 2


@pytest.mark.parametrize("answer", ["", " \n\t "])
def test_an_empty_answer_is_rated_1(judge: Judge, answer: str) -> None:
    verdict = only(judge, item(answer))
    assert (verdict.rating, verdict.explanation) == (1.0, "empty answer")


def test_an_answer_in_no_language_is_compared_in_the_prompts(judge: Judge) -> None:
    verdict = only(judge, item("42", "nb", en="forty-two", no="42"))
    assert verdict.rating == pytest.approx(3.0)
    assert "Norwegian reference" in verdict.explanation


def test_prompts_without_references_are_the_users_error(judge: Judge) -> None:
    items = [item("x"), *(Item("s", f"q{i}", "es", "?", "x", {}) for i in range(7))]
    with pytest.raises(UserError) as error:
        list(judge.judge(items + items))
    assert "7 prompts have none in any language: q0, q1, q2, q3, q4, …" in str(error.value)
    assert "judge: {kind: none}" in str(error.value)


def test_it_is_named_as_what_it_is(judge: Judge) -> None:
    assert judge.signature.startswith("chrF++ reference judge|nrefs:1|")
    assert "|nw:2|" in judge.signature
    assert "|version:" in judge.signature
    assert "|language:lid176-" in judge.signature


def test_the_gates_own_model_file_finds_the_language(tmp_path: Path) -> None:
    own = write_model(tmp_path / "own.bin", {"spa_Latn": REFERENCES["en"], "eng_Latn": "zzz"})
    judge = judges.load(
        ReferenceJudgeSettings(), gate=GateSettings(detector="openlid", model=str(own))
    )
    assert judge.signature.endswith(f"|language:{detectors.signature('openlid', own)}")
    # By that file, what is English is Spanish.
    assert "the Spanish reference" in only(judge, item(REFERENCES["en"], "en")).explanation
