from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.stats.intervals import Sample
from polypaca.stats.permutation import flip_p_values, holm, margin_p_values, nonzero_share


def _sample(values: Sequence[object] | np.ndarray, scale: float = 1.0) -> Sample:
    columns = np.array(values, dtype=np.float64)
    return Sample(columns[:, None] if columns.ndim == 1 else columns, -3, 3, scale)


def test_few_differences_are_enumerated() -> None:
    # Of the 8 patterns of signs of 1, 2, 3 two are as far from 0 as 6, and 1 + 2 - 3 = 0 never is.
    samples = [_sample([1, 2, 3, 0, 0, 0]), _sample([1, 2, -3, 0]), _sample([0.0] * 50)]
    assert flip_p_values(samples, 99, 1) == [0.25, 1, 1]


def test_sampled_p_values_agree_with_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(2).normal(0.25, 1, 50)
    (ours,) = flip_p_values([_sample(values)], 50_000, 1)
    theirs = stats.permutation_test(
        (values,), np.mean, permutation_type="samples", n_resamples=50_000, rng=3
    ).pvalue
    # Two standard errors of the difference of two such estimates, doubled.
    assert ours == pytest.approx(theirs, abs=4 * float(np.sqrt(2 * theirs / 50_000)))
    assert flip_p_values([_sample(values + 5)], 999, 1) == [1 / 1000]


def test_a_prompts_languages_are_flipped_together() -> None:
    # The languages cancel prompt by prompt: nothing is left to flip, though each alone is clear.
    values = np.ones(20)
    assert flip_p_values([_sample(np.stack([values, -values], axis=1))], 99, 1) == [1]
    (clear,) = flip_p_values([_sample(np.stack([values, values], axis=1))], 9999, 1)
    assert clear == pytest.approx(1e-4)


def test_missing_prompts_do_not_count_in_their_language() -> None:
    nan = np.nan
    # Contributions: 1/2 x 2/2, 1/2 x 4/2 and 1/2 x 3/1: only all alike reach 0.5 + 1 + 1.5.
    sample = _sample([[2, nan], [4, nan], [nan, 3]])
    assert flip_p_values([sample], 99, 1) == [0.25]


@pytest.mark.parametrize("shift", [-8.0, -5.0, 0.0])
def test_margin_by_students_t_where_data_are_normal(shift: float) -> None:
    from scipy import stats

    values = np.random.default_rng(4).normal(0, 0.3, 50) * 1.0
    values += shift / 50 - values.mean()
    (ours,) = margin_p_values([_sample(values, 50)], 5.0, 20_000, 1)
    theirs = stats.ttest_1samp(values, -5.0 / 50, alternative="greater").pvalue
    assert ours >= theirs - 1e-12
    assert ours == pytest.approx(theirs, abs=0.02)


def test_margin_where_nothing_differs_depends_on_what_was_not_seen() -> None:
    # P(3 w > m) for the last of 51 weights: (1 - m / 3) ** 50 with m = 5/50 and 15/50.
    samples = [_sample([0.0] * 50, 50)]
    assert margin_p_values(samples, 5.0, 20_000, 1)[0] == pytest.approx(0.1836, abs=0.01)
    assert margin_p_values(samples, 15.0, 20_000, 1)[0] == pytest.approx(0.0052, abs=0.002)


def test_holm_by_hand() -> None:
    # 3 x 0.01, 2 x 0.02 = 0.04, then 0.03 may not be under it.
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []
    assert holm([0.6, 0.9]) == [1, 1]


@given(st.lists(st.floats(0, 1), max_size=20))
def test_holm_keeps_the_order_between_raw_and_bonferroni(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, q in zip(p_values, adjusted, strict=True):
        assert p <= q <= min(1.0, len(p_values) * p) + 1e-12
    ranked = [q for _, q in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


def test_share_of_prompts_that_differ() -> None:
    nan = np.nan
    assert nonzero_share(np.array([[1.0, 0], [0, 0], [nan, nan], [0, nan], [0, 2]])) == 0.5
