from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from polypaca.stats.alpha import Metric, alpha_interval

N = np.nan
# Krippendorff (2011), example C: four observers, twelve units; alpha interval 0.849, ordinal 0.815.
PUBLISHED = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
        [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
    ]
).T


def _alpha(ratings: np.ndarray, metric: Metric = "interval") -> float | None:
    return alpha_interval(ratings, metric, resamples=1).value


def test_published_example() -> None:
    assert _alpha(PUBLISHED, "interval") == pytest.approx(0.849, abs=5e-4)
    assert _alpha(PUBLISHED, "ordinal") == pytest.approx(0.815, abs=5e-4)


def test_two_raters_by_hand() -> None:
    ratings = np.array([[1.0, 2], [2, 2], [3, 3]])
    # Observed: 2 x 1 / 6. Expected: sum over ordered pairs of (a - b)^2 / (6 x 5):
    # 1-2 three times 1, 1-3 twice 4, 2-3 six times 1: 17, both orders: 34 / 30.
    assert _alpha(ratings) == pytest.approx(1 - (2 / 6) / (34 / 30))


@given(
    arrays(np.float64, st.tuples(st.integers(2, 12), st.integers(2, 4)),
           elements=st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, N])),
    st.sampled_from(["interval", "ordinal"]),
)  # fmt: skip
def test_agrees_with_the_package(ratings: np.ndarray, metric: Metric) -> None:
    theirs = pytest.importorskip("krippendorff")
    ours = _alpha(ratings, metric)
    kept = ratings[(~np.isnan(ratings)).sum(axis=1) > 1]
    if len(np.unique(kept[~np.isnan(kept)])) < 2:
        assert ours is None
        return
    assert ours is not None
    expected = theirs.alpha(reliability_data=ratings.T, level_of_measurement=metric)
    assert ours == pytest.approx(expected, abs=1e-9)


@given(st.permutations(range(4)), st.floats(-5, 5), st.floats(0.1, 10))
def test_alpha_knows_no_order_of_raters_nor_unit(
    order: list[int], shift: float, factor: float
) -> None:
    moved = shift + factor * PUBLISHED[:, order]
    assert _alpha(moved) == pytest.approx(_alpha(PUBLISHED) or 0)
    # A rising function of the ratings leaves ranks as they are.
    assert _alpha(np.exp(PUBLISHED), "ordinal") == pytest.approx(_alpha(PUBLISHED, "ordinal") or 0)


def test_interval_covers_and_narrows() -> None:
    generator = np.random.default_rng(3)
    truth = generator.normal(size=(400, 1))
    ratings = truth + 0.5 * generator.normal(size=(400, 2))
    few, many = alpha_interval(ratings[:50]), alpha_interval(ratings)
    # Alpha of interval data with equal noise is the intraclass correlation: 1 / 1.25.
    for found in (few, many):
        assert found.low is not None
        assert found.high is not None
        assert found.low < 0.8 < found.high
    assert (few.high or 0) - (few.low or 0) > 2 * ((many.high or 0) - (many.low or 0))
    assert (many.items, many.ratings) == (400, 800)


def test_items_of_a_group_are_drawn_together() -> None:
    generator = np.random.default_rng(5)
    once = generator.normal(size=(30, 2)) + generator.normal(size=(30, 1))
    copies, groups = np.repeat(once, 10, axis=0), np.repeat(np.arange(30), 10)
    alone = alpha_interval(once)
    grouped = alpha_interval(copies, groups=groups)
    apart = alpha_interval(copies)
    # Ten copies say no more than one; drawn apart they seem to.
    width = (alone.high or 0) - (alone.low or 0)
    assert (grouped.high or 0) - (grouped.low or 0) == pytest.approx(width, rel=0.15)
    assert (apart.high or 0) - (apart.low or 0) < 0.5 * width


def test_without_pairs_or_differences_there_is_no_alpha() -> None:
    assert _alpha(np.full((5, 2), 3.0)) is None
    assert _alpha(np.array([[1.0, N], [N, 2.0]])) is None
    found = alpha_interval(np.array([[1.0, N], [N, 2.0]]))
    assert (found.value, found.low, found.items) == (None, None, 0)
