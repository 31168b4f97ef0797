from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.stats.proportions import clopper_pearson, share_interval, wilson


def test_wilson_by_published_example() -> None:
    # 81 of 263 at 95 %: 0.2553 to 0.3662 (Newcombe 1998, Statistics in Medicine 17:857-872).
    found = wilson(81 / 263, 263, 0.95)
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)


def test_clopper_pearson_by_published_example() -> None:
    # The same source, method 5: 15 of 148 at 95 %: 0.0578 to 0.1617.
    found = clopper_pearson(15 / 148, 148, 0.95)
    assert (found.low, found.high) == pytest.approx((0.0578, 0.1617), abs=5e-5)
    # And 0 of 20: 0 to 0.1684.
    assert clopper_pearson(0.0, 20, 0.95).high == pytest.approx(0.1684, abs=5e-5)


@pytest.mark.parametrize(
    ("share", "method"),
    [(0, "Clopper-Pearson"), (0.08, "Clopper-Pearson"), (0.5, "Wilson"), (1, "Clopper-Pearson")],
)
def test_few_of_either_kind_have_the_exact_interval(share: float, method: str) -> None:
    assert share_interval(share, 50, 0.95).method == method


@given(share=st.floats(0, 1), count=st.integers(1, 1000))
def test_intervals_stay_between_0_and_1_around_the_share(share: float, count: int) -> None:
    found = share_interval(share, count, 0.95)
    assert 0 <= found.low <= share + 1e-9
    assert share - 1e-9 <= found.high <= 1
    assert found.high > found.low
