from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.stats.bootstrap import (
    mean_interval,
    proportion_interval,
    resampled_means,
    resampling_weights,
)


def test_weights_are_resamples() -> None:
    weights = resampling_weights(50, 400, seed=1)
    assert weights.shape == (400, 50)
    assert (weights.sum(axis=1) == 50).all()
    # Each prompt is drawn once on average; the standard error over 400 resamples is 0.05.
    assert weights.mean(axis=0) == pytest.approx(np.ones(50), abs=0.25)
    assert (resampling_weights(50, 400, seed=1) == weights).all()
    assert not (resampling_weights(50, 400, seed=2) == weights).all()


def test_means_by_hand_with_a_missing_value() -> None:
    weights = np.array([[1.0, 1, 1], [3, 0, 0], [0, 2, 1], [0, 0, 3]])
    means = resampled_means(np.array([1.0, 2.0, np.nan]), weights)
    assert means[:3] == pytest.approx([1.5, 1.0, 2.0])
    assert np.isnan(means[3])


def test_intervals_agree_with_scipy() -> None:
    from scipy import stats

    values = np.random.default_rng(3).choice([0.0, 1.0, 2.0, 3.0], size=50)
    ours = mean_interval([values], resampling_weights(50, 20_000, 1), 0.95, 50)
    theirs = stats.bootstrap(
        (values * 50,), np.mean, n_resamples=20_000, method="percentile", rng=2
    ).confidence_interval
    assert ours.value == pytest.approx(50 * values.mean())
    # Two bootstraps of 20,000 resamples differ by a few hundredths of their standard error.
    error = 50 * values.std(ddof=1) / np.sqrt(50)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.1 * error)


def test_columns_are_resampled_together() -> None:
    weights = resampling_weights(40, 2000, 1)
    values = np.random.default_rng(1).normal(size=40)
    # A column and its opposite always cancel, if the same prompts are drawn for both.
    both = mean_interval([values, -values], weights, 0.95, 1.0)
    assert (both.low, both.high) == pytest.approx((0, 0), abs=1e-12)


def test_wilson_by_published_example() -> None:
    # 81 of 263 at 95 %: 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17:857-872).
    found = proportion_interval(81 / 263, 263, 0.95)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    # And 0 of 29: 0 to 0.1170, never of zero width.
    none = proportion_interval(0.0, 29, 0.95)
    assert (none.low, none.high) == pytest.approx((0, 0.1170), abs=5e-5)


@given(share=st.floats(0, 1), count=st.integers(1, 1000))
def test_wilson_stays_between_0_and_1_around_the_share(share: float, count: int) -> None:
    found = proportion_interval(share, count, 0.95)
    assert 0 <= found.low <= share + 1e-9
    assert share - 1e-9 <= found.high <= 1
