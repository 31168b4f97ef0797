from __future__ import annotations

import pytest

from polypaca.stats.seeds import seeds_interval, seeds_p_value


def test_interval_by_hand() -> None:
    # Mean 4, standard deviation 2, t(2) at 97.5 %: 4.3027: 4 +- 4.3027 x 2 / sqrt(3).
    found = seeds_interval({1: 2.0, 2: 4.0, 5: 6.0}, 0.95, 0.01)
    assert found is not None
    assert (found.value, found.low, found.high) == pytest.approx((4, -0.968, 8.968), abs=1e-3)
    assert found.means == {"1": 2.0, "2": 4.0, "5": 6.0}


def test_p_values_agree_with_scipy() -> None:
    from scipy import stats

    values = [1.0, 2.5, 1.5, 4.0]
    means = dict(enumerate(values))
    assert seeds_p_value(means, 1e-9) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert seeds_p_value(means, 1e-9, margin=1.0) == pytest.approx(
        stats.ttest_1samp(values, -1, alternative="greater").pvalue
    )


def test_one_seed_tells_nothing_of_training() -> None:
    assert seeds_interval({1: 3.0}, 0.95, 0.1) is None
    assert seeds_p_value({1: 3.0}, 0.1) is None


def test_equal_seeds_have_an_interval_as_wide_as_one_answer_moves_it() -> None:
    # 12.7062 x 0.1 / sqrt(2) on either side.
    found = seeds_interval({1: 3.0, 2: 3.0}, 0.95, 0.1)
    assert found is not None
    assert found.high - found.value == pytest.approx(0.898, abs=1e-3)
    assert seeds_p_value({1: 0.0, 2: 0.0}, 0.1) == 1
