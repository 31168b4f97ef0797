from __future__ import annotations

import math

import numpy as np
import pytest

from polypaca.stats.correlations import KINDS, Kind, correlation

# Fractions by hand: ranks of B against A = 1..8 are exchanged in three places.
A = [1.0, 2, 3, 4, 5, 6, 7, 8]
B = [2.0, 1, 3, 4, 6, 5, 8, 7]


def test_values_by_hand() -> None:
    # Three exchanged neighbours: sum d^2 = 6, 1 - 6 x 6 / (8 x 63); tau: 3 of 28 pairs discordant.
    assert correlation("spearman", A, B, 0.95).value == pytest.approx(1 - 36 / 504)
    assert correlation("pearson", A, B, 0.95).value == pytest.approx(1 - 36 / 504)
    assert correlation("kendall", A, B, 0.95).value == pytest.approx(22 / 28)


def test_pearsons_interval_agrees_with_scipy() -> None:
    from scipy import stats

    ours = correlation("pearson", A, B, 0.95)
    theirs = stats.pearsonr(A, B).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_intervals_of_ranks_by_hand() -> None:
    # Spearman: atanh(0.92857) = 1.6475, error sqrt((1 + 0.4311) / 5) = 0.5350.
    spearman = correlation("spearman", A, B, 0.95)
    assert (spearman.low, spearman.high) == pytest.approx(
        (math.tanh(1.6475 - 1.96 * 0.5350), math.tanh(1.6475 + 1.96 * 0.5350)), abs=1e-3
    )
    # Kendall: atanh(0.78571) = 1.0602, error sqrt(0.437 / 4) = 0.3305, t(6) 2.4469.
    kendall = correlation("kendall", A, B, 0.95)
    assert (kendall.low, kendall.high) == pytest.approx(
        (math.tanh(1.0602 - 2.4469 * 0.3305), math.tanh(1.0602 + 2.4469 * 0.3305)), abs=1e-3
    )


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_cover_at_twelve_systems(kind: Kind) -> None:
    true = {
        "pearson": 0.8,
        "spearman": 6 / math.pi * math.asin(0.4),
        "kendall": 2 / math.pi * math.asin(0.8),
    }[kind]
    generator = np.random.default_rng(7)
    held = 0
    for _ in range(400):
        x = generator.normal(size=12)
        y = 0.8 * x + 0.6 * generator.normal(size=12)
        found = correlation(kind, list(x), list(y), 0.95)
        assert found.low is not None
        assert found.high is not None
        held += found.low <= true <= found.high
    # 0.95 of 400, four standard errors down.
    assert held / 400 >= 0.95 - 4 * 0.011


@pytest.mark.parametrize(
    ("a", "b", "note"),
    [
        ([1.0, 2], [1.0, 2], "at least 3"),
        ([1.0, 1, 1, 1, 1], [1.0, 2, 3, 4, 5], "all totals of one side are equal"),
    ],
)
def test_some_data_have_no_correlation(a: list[float], b: list[float], note: str) -> None:
    for kind in KINDS:
        found = correlation(kind, a, b, 0.95)
        assert found.value is None
        assert note in found.note


def test_perfect_ranks_have_an_interval_all_the_same() -> None:
    up, bent = [1.0, 2, 3, 4, 5, 6], [1.0, 4, 9, 16, 25, 36]
    for kind in ("spearman", "kendall"):
        found = correlation(kind, up, bent, 0.95)
        turned = correlation(kind, up, [-value for value in bent], 0.95)
        assert found.value == found.high == 1
        assert found.low is not None
        assert 0 < found.low < 0.95
        assert turned.high == pytest.approx(-found.low)
        assert turned.low == turned.value == -1
    line = correlation("pearson", up, up, 0.95)
    assert (line.value, line.low) == (1, None)
    assert "on one line" in line.note
