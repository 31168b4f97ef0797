from __future__ import annotations

import numpy as np
import pytest

from polypaca.core.results import Comparison, Interval, RowLabel, Score
from polypaca.stats.bootstrap import resampling_weights
from polypaca.stats.headline import caveats, sentences
from polypaca.stats.summary import comparison, merge_seeds, scope_list, scores

NAN = np.nan


def test_seeds_are_averaged_prompt_by_prompt() -> None:
    merged = merge_seeds(
        [
            (np.array([3.0, 2.0, NAN]), np.array([1.0, 0.0, 1.0])),
            (np.array([1.0, NAN, NAN]), np.array([1.0, 1.0, 0.0])),
        ]
    )
    assert merged.rating[:2] == pytest.approx([2.0, 2.0])
    assert np.isnan(merged.rating[2])
    assert merged.score[:2] == pytest.approx([2.0, 0.0])
    assert merged.gate == pytest.approx([1.0, 0.5, 0.5])
    assert (merged.rated, merged.failed) == (3, 3)


def test_scopes() -> None:
    assert scope_list(["en", "es"], ["en", "no", "es"]) == [
        ("language", "en", ["en"]),
        ("language", "no", ["no"]),
        ("language", "es", ["es"]),
        ("seen", None, ["en", "es"]),
        ("unseen", None, ["no"]),
        ("all", None, ["en", "no", "es"]),
    ]


def test_totals_by_hand() -> None:
    english = merge_seeds([(np.array([3.0, 3.0, 2.0, 2.0]), np.ones(4))])
    spanish = merge_seeds([(np.array([3.0, 3.0, 3.0, 3.0]), np.array([1.0, 0, 0, 0]))])
    table = {"en": english, "es": spanish}
    weights = resampling_weights(4, 500, 1)
    scopes = scope_list(["en", "es"], ["en", "es"])
    found = {
        s.language or s.scope: s
        for s in scores("r", table, scopes, weights, confidence=0.95, rated=True)
    }
    assert found["en"].after is not None
    assert found["en"].after.value == 50 * 2.5
    assert found["es"].before is not None
    assert found["es"].after is not None
    assert found["es"].robustness is not None
    assert (found["es"].before.value, found["es"].after.value) == (150, 37.5)
    assert found["es"].robustness.value == 112.5
    assert found["es"].gate.value == 0.25
    assert found["seen"].after is not None
    assert found["seen"].after.value == (125 + 37.5) / 2
    assert found["seen"].gate.value == (1 + 0.25) / 2


def test_unrated_answers_have_a_gate_and_nothing_else() -> None:
    table = {"en": merge_seeds([(np.full(4, NAN), np.array([1.0, 1, 0, 1]))])}
    (found, *_) = scores(
        "r", table, scope_list(["en"], ["en"]), resampling_weights(4, 100, 1),
        confidence=0.95, rated=False,
    )  # fmt: skip
    assert (found.before, found.after, found.robustness, found.failed) == (None, None, None, 0)
    assert found.gate.value == 0.75


def test_a_row_without_a_language_has_no_average_over_it() -> None:
    table = {"en": merge_seeds([(np.ones(4), np.ones(4))])}
    found = list(
        scores(
            "r", table, scope_list(["en", "es"], ["en", "es"]), resampling_weights(4, 100, 1),
            confidence=0.95, rated=True,
        )
    )  # fmt: skip
    assert [score.language for score in found] == ["en"]


def test_differences_are_paired_over_the_prompts_that_both_have() -> None:
    a = merge_seeds([(np.array([3.0, 2.0, NAN, 1.0]), np.ones(4))])
    b = merge_seeds([(np.array([2.0, 1.0, 3.0, NAN]), np.ones(4))])
    weights = resampling_weights(4, 500, 1)
    found = comparison(
        "a", "b", {"a": {"en": a}, "b": {"en": b}}, "language", "en", ["en"], "after", weights,
        confidence=0.95,
    )  # fmt: skip
    assert found is not None
    assert found.prompts == 2
    assert found.difference == Interval(value=50, low=50, high=50)
    missing = comparison(
        "a", "b", {"a": {"en": a}, "b": {}}, "language", "en", ["en"], "after", weights,
        confidence=0.95,
    )  # fmt: skip
    assert missing is None


def _row(recipe: str, budgets: float) -> RowLabel:
    return RowLabel(
        id=recipe, model="m", method="lora", recipe=recipe, name=recipe, control=False,
        budgets=budgets, systems=[recipe], seeds=[1],
    )  # fmt: skip


def _score(row: str, total: float) -> Score:
    interval = Interval(value=total, low=total - 1, high=total + 1)
    lost = (
        Interval(value=60, low=50, high=70)
        if row == "english"
        else Interval(value=0, low=0, high=0)
    )
    return Score(
        row=row, scope="seen", language=None, prompts=50, rated=50, failed=0, before=interval,
        after=interval, robustness=lost, gate=Interval(value=0.9, low=0.8, high=1.0),
    )  # fmt: skip


def _difference(a: str, b: str, low: float, high: float) -> Comparison:
    return Comparison(
        a=a, b=b, scope="seen", language=None, measure="after", prompts=50,
        difference=Interval(value=(low + high) / 2, low=low, high=high),
    )  # fmt: skip


def test_the_sentence_follows_the_intervals() -> None:
    rows = [_row("monolingual", 4), _row("multilingual", 4), _row("english", 1)]
    totals = [_score("monolingual", 100), _score("multilingual", 105), _score("english", 40)]
    differences = [
        _difference("monolingual", "multilingual", -12, 2),
        _difference("multilingual", "english", 50, 80),
        _difference("monolingual", "english", 45, 75),
    ]
    (said,) = sentences(rows, totals, differences, rated=True)
    assert said == (
        "On m with lora, one multilingual model (4 budgets) scores 105.0 of 150 over the seen "
        "languages, ahead of English alone (1 budget) 40.0; no difference is shown to one model "
        "per language (4 budgets) 100.0. The gate takes 60.0 points from English alone (1 budget)."
    )
    clear = [_difference("monolingual", "multilingual", -12, -2), *differences[1:]]
    (said,) = sentences(rows, totals, clear, rated=True)
    assert "ahead of one model per language (4 budgets) 100.0 and English alone" in said
    (unrated,) = sentences(rows, totals, differences, rated=False)
    assert "says nothing of quality" in unrated


def test_caveats_name_what_limits_the_numbers() -> None:
    found = " ".join(caveats(20, 1, 0.95, [_score("a", 1)], judge="chrF++ judge", rated=True))
    assert "not a judgement of quality" in found
    assert "over 20 prompts" in found
    assert "One training seed" in found
    assert "Totals are 50 times the mean over 20 prompts" in found
    assert "One training seed" not in " ".join(
        caveats(50, 3, 0.95, [], judge="llm judge", rated=True)
    )
