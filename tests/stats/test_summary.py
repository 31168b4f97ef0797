from __future__ import annotations

import numpy as np
import pytest

from polypaca.core.results import TOTAL_PROMPTS, Score
from polypaca.stats.answers import Answers, Seed, stack_answers
from polypaca.stats.intervals import resampling
from polypaca.stats.summary import common_seeds, scores, study_scopes

NAN = np.nan


def _part(
    rating: list[float], gate: list[float] | None = None, determined: list[float] | None = None
) -> dict[str, np.ndarray]:
    ones = [1.0] * len(rating)
    given = {"rating": rating, "gate": gate or ones, "determined": determined or ones}
    more = {"line_gate": gate or ones, "word_gate": [NAN] * len(rating)}
    return {name: np.array(values) for name, values in (given | more).items()}


def _answers(rating: list[float], gate: list[float] | None = None, seed: Seed = 1) -> Answers:
    return stack_answers({seed: _part(rating, gate)})


def _scores(
    by_language: dict[str, Answers], *, rated: bool = True, train: tuple[str, ...] = ("en", "es")
) -> dict[str, Score]:
    size = len(next(iter(by_language.values())).prompt_values("gate"))
    scopes = study_scopes(train, ["en", "es"])
    drawn = resampling(size, 400, 0.95, 1)
    found = scores({"r": by_language}, scopes, drawn, top=3, rated=rated)
    return {score.language or score.scope: score for score in found}


def test_seeds_are_averaged_prompt_by_prompt() -> None:
    merged = stack_answers(
        {
            1: _part([3.0, 2.0, NAN], [1.0, 0.0, 1.0]),
            2: _part([1.0, NAN, NAN], [1.0, 1.0, 0.0]),
        }
    )
    assert merged.prompt_values("before")[:2] == pytest.approx([2.0, 2.0])
    assert np.isnan(merged.prompt_values("before")[2])
    assert merged.prompt_values("after")[:2] == pytest.approx([2.0, 0.0])
    assert merged.prompt_values("gate") == pytest.approx([1.0, 0.5, 0.5])
    assert (merged.rated, merged.failed) == (3, 3)


def test_scopes() -> None:
    assert study_scopes(["en", "es"], ["en", "no", "es"]) == [
        ("language", "en", ["en"]),
        ("language", "no", ["no"]),
        ("language", "es", ["es"]),
        ("seen", None, ["en", "es"]),
        ("unseen", None, ["no"]),
        ("all", None, ["en", "no", "es"]),
    ]


def test_totals_by_hand() -> None:
    found = _scores(
        {"en": _answers([3.0, 3, 2, 2]), "es": _answers([3.0, 3, 3, 3], [1.0, 0, 0, 0])}
    )
    assert found["en"].after is not None
    assert found["en"].after.value == 50 * 2.5
    spanish = found["es"]
    assert spanish.before is not None
    assert spanish.after is not None
    assert spanish.robustness is not None
    assert (spanish.before.value, spanish.after.value) == (150, 37.5)
    assert spanish.robustness.value == 112.5
    assert spanish.gate.value == 0.25
    assert spanish.line_gate is not None
    assert spanish.line_gate.value == 0.25
    assert spanish.word_gate is None, "where no script tells, there is no share"
    assert found["seen"].after is not None
    assert found["seen"].after.value == (125 + 37.5) / 2
    assert found["seen"].gate.value == (1 + 0.25) / 2
    assert (found["seen"].prompts, found["seen"].of) == (4, 4)


def test_missing_prompts_rescale_the_total_and_are_counted() -> None:
    found = _scores({"en": _answers([3.0, NAN, 1, NAN]), "es": _answers([2.0, 2, 2, 2])})
    assert found["en"].after is not None
    assert found["en"].after.value == TOTAL_PROMPTS * 2
    assert (found["en"].prompts, found["en"].of, found["en"].failed) == (2, 4, 2)
    assert (found["seen"].prompts, found["seen"].rated) == (2, 6)


def test_undetermined_answers_pass_and_are_counted_0_beside() -> None:
    answers = stack_answers({1: _part([3.0, 2, 2, 1], determined=[1.0, 0, 1, 1])})
    found = _scores({"en": answers, "es": _answers([2.0, 2, 2, 2])})
    assert found["en"].after is not None
    assert found["en"].strict is not None
    assert (found["en"].after.value, found["en"].strict.value) == (100, 75)
    assert found["en"].undetermined == 1
    assert found["es"].strict is None
    assert found["seen"].strict is not None
    assert found["seen"].strict.value == (75 + 100) / 2


def test_seed_means_have_an_interval_of_their_own() -> None:
    two = stack_answers({1: _part([3.0, 1, 1, 1]), 2: _part([2.0, 2, 2, 2])})
    found = _scores({"en": two, "es": two})
    # Seed means 75 and 100; t(1) at 97.5 % is 12.706: 87.5 +- 12.706 x 17.678 / sqrt(2).
    seeds = found["en"].seeds["after"]
    assert seeds.means == {"1": 75, "2": 100}
    assert (seeds.low, seeds.high) == pytest.approx((87.5 - 158.8, 87.5 + 158.8), abs=0.1)
    assert set(found["en"].seeds) == {"after", "before", "robustness", "gate"}
    assert _scores({"en": _answers([3.0, 1, 1, 1])})["en"].seeds == {}


def test_seeds_are_those_that_every_language_has() -> None:
    one = stack_answers({1: _part([1.0]), 2: _part([1.0])})
    other = stack_answers({2: _part([1.0]), 3: _part([1.0])})
    untrained = _answers([1.0], seed=None)
    assert common_seeds([one, other]) == [2]
    assert common_seeds([one], [untrained]) == [1, 2]
    assert common_seeds([untrained]) == []


def test_unrated_answers_have_a_gate_and_nothing_else() -> None:
    found = _scores({"en": _answers([NAN] * 4, [1.0, 1, 0, 1])}, rated=False)["en"]
    assert (found.before, found.after, found.robustness, found.failed) == (None, None, None, 0)
    assert found.gate.value == 0.75
    assert (found.prompts, found.rated) == (4, 0)


def test_a_row_without_a_language_has_no_average_over_it() -> None:
    assert list(_scores({"en": _answers([1.0] * 4)})) == ["en"]
