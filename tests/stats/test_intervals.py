from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polypaca.stats.intervals import (
    BOOTSTRAP,
    GAFFKE,
    Sample,
    intervals,
    is_varied,
    mean_over_languages,
    per_prompt,
    resampling,
    studentised,
)

NAN = np.nan
DRAWN = resampling(50, 4000, 0.95, 1)


def _column(*values: float) -> np.ndarray:
    return np.array(values, dtype=np.float64)[:, None]


def test_weights_are_resamples() -> None:
    drawn = resampling(50, 400, 0.95, seed=1)
    assert drawn.bootstrap.shape == (400, 50)
    assert (drawn.bootstrap.sum(axis=1) == 50).all()
    # Each prompt is drawn once on average; the standard error over 400 resamples is 0.05.
    assert drawn.bootstrap.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)
    assert drawn.dirichlet.sum(axis=1) == pytest.approx(np.ones(400))
    again = resampling(50, 400, 0.95, seed=1)
    assert (again.bootstrap == drawn.bootstrap).all()
    assert not (resampling(50, 400, 0.95, seed=2).bootstrap == drawn.bootstrap).all()


def test_per_prompt_values_have_the_mean_of_the_languages_means() -> None:
    # Means 2 and 1: together 1.5. Prompt 2 lacks the second language, prompt 3 both.
    columns = np.array([[1.0, 2.0], [2.0, 0.0], [3.0, NAN], [NAN, NAN]])
    assert mean_over_languages(columns) == 1.5
    values = per_prompt(columns)
    assert np.isnan(values[3])
    # 1.5 + 3/2 x ((1 - 2)/3 + (2 - 1)/2) and so on, by hand.
    assert values[:3] == pytest.approx([1.75, 0.75, 2.0])
    assert np.nanmean(values) == pytest.approx(1.5)


def test_studentised_moments_by_hand() -> None:
    # One resample of twice the first and once the second value; and one that is the sample.
    weights = np.array([[2.0, 1, 0], [1, 1, 1]])
    means, errors, sizes, ratios = studentised([Sample(_column(0, 3, 6), 0, 9)], weights)
    assert (means[0], errors[0], sizes[0]) == pytest.approx((3, 3 / np.sqrt(3), 3))
    # Values 0, 0, 3: mean 1, variance with n - 1: 3, error 1. (1 - 3) / 1 = -2.
    assert ratios[:, 0] == pytest.approx([-2, 0])


def test_resamples_without_spread_are_infinitely_far() -> None:
    weights = np.array([[3.0, 0, 0], [0, 0, 3], [1, 1, 1]])
    ratios = studentised([Sample(_column(0, 3, 6), 0, 9)], weights)[3][:, 0]
    assert ratios.tolist() == [-np.inf, np.inf, 0.0]


def test_bootstrap_t_agrees_with_a_plain_loop() -> None:
    from scipy import stats

    values = np.random.default_rng(3).choice([0.0, 1.0, 2.0, 3.0], size=50, p=[0.5, 0.2, 0.2, 0.1])
    (ours,) = intervals([Sample(values[:, None], 0, 3, 50)], resampling(50, 20_000, 0.95, 1))
    assert ours.method == BOOTSTRAP
    generator = np.random.default_rng(9)
    drawn = generator.choice(values, size=(20_000, 50))
    errors = drawn.std(axis=1, ddof=1) / np.sqrt(50)
    low, high = np.quantile((drawn.mean(axis=1) - values.mean()) / errors, [0.025, 0.975])
    error, student = values.std(ddof=1) / np.sqrt(50), stats.t.ppf(0.975, 49)
    assert ours.value == pytest.approx(50 * values.mean())
    # Two bootstraps of 20,000 resamples differ by a few hundredths of their standard error.
    assert ours.low == pytest.approx(
        50 * (values.mean() - error * (high + student) / 2), abs=50 * 0.05 * error
    )
    assert ours.high == pytest.approx(
        50 * (values.mean() - error * (low - student) / 2), abs=50 * 0.05 * error
    )


@pytest.mark.parametrize("hits", [0, 1, 3, 5, 46, 50])
def test_gaffkes_bound_of_zeros_and_ones_is_clopper_pearson(hits: int) -> None:
    from scipy import stats

    values = np.repeat([1.0, 0.0], [hits, 50 - hits])[:, None]
    (ours,) = intervals([Sample(values, 0, 1)], resampling(50, 40_000, 0.95, 2))
    exact = stats.binomtest(hits, 50).proportion_ci(0.95, method="exact")
    assert ours.method == GAFFKE
    assert (ours.low, ours.high) == pytest.approx((exact.low, exact.high), abs=0.004)


def test_differences_of_nothing_have_the_bound_of_what_was_not_seen() -> None:
    # The last of 51 uniform weights: its 97.5 % quantile is 1 - 0.025 ** (1/50) = 0.0711.
    (found,) = intervals([Sample(np.zeros((50, 1)), -3, 3, 50)], resampling(50, 40_000, 0.95, 1))
    assert found.value == 0
    assert (found.low, found.high) == pytest.approx((-10.7, 10.7), abs=0.25)


def test_missing_prompts_have_no_weight() -> None:
    some = np.full((50, 1), NAN)
    some[:30] = 0
    drawn = resampling(50, 40_000, 0.95, 1)
    (found,) = intervals([Sample(some, -3, 3, 1)], drawn)
    # As with 30 prompts alone: 3 x (1 - 0.025 ** (1/30)).
    assert (found.low, found.high) == pytest.approx((-0.347, 0.347), abs=0.01)
    varied = np.random.default_rng(1).normal(size=(30, 1))
    some[:30] = varied
    (ours,) = intervals([Sample(some, -9, 9)], drawn)
    (alone,) = intervals([Sample(varied, -9, 9)], resampling(30, 40_000, 0.95, 1))
    assert (ours.low, ours.high) == pytest.approx((alone.low, alone.high), abs=0.02)


def test_the_method_is_chosen_by_how_many_prompts_differ() -> None:
    # An eighth of 50 is 6.25; at 20 prompts it is the least number, 5.
    assert not is_varied(_column(*[1.0] * 6, *[0.0] * 44))
    assert is_varied(_column(*[1.0] * 7, *[0.0] * 43))
    assert not is_varied(_column(*[1.0] * 4, *[0.0] * 16))
    assert is_varied(_column(*[1.0] * 5, *[0.0] * 15))
    assert not is_varied(np.full((50, 1), 3.0)), "a constant difference has no spread"


def test_columns_are_resampled_together() -> None:
    values = np.random.default_rng(1).normal(size=(50, 1))
    shifted = np.hstack([values, 1 - values])
    # A column and its opposite always cancel, if the same prompts are drawn for both.
    (both,) = intervals([Sample(shifted, -5, 5)], DRAWN)
    assert both.value == pytest.approx(0.5)
    assert both.method == GAFFKE, "their means over languages do not differ at all"


@given(
    arrays(np.float64, (50, 2), elements=st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.0, NAN])),
    st.sampled_from([1, 50]),
)
def test_intervals_hold_the_value_within_the_bounds_and_have_a_width(
    columns: np.ndarray, scale: int
) -> None:
    sample = Sample(columns, 0, 3, scale)
    if sample.empty:
        with pytest.raises(ValueError, match="no value"):
            intervals([sample], DRAWN)
        return
    (found,) = intervals([sample], DRAWN)
    assert 0 <= found.low <= found.value <= found.high <= 3 * scale
    assert found.high - found.low > 0.01 * scale


def test_many_samples_at_once_are_as_one_by_one() -> None:
    generator = np.random.default_rng(5)
    samples = [
        Sample(generator.integers(0, 4, (50, 2)) * (generator.random((50, 1)) < share), 0, 3)
        for share in np.linspace(0, 1, 300)
    ]
    together = intervals(samples, DRAWN)
    assert {found.method for found in together} == {BOOTSTRAP, GAFFKE}
    for place in (0, 20, 150, 299):
        (alone,) = intervals([samples[place]], DRAWN)
        found = together[place]
        assert (found.low, found.high) == pytest.approx((alone.low, alone.high))
