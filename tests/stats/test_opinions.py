from __future__ import annotations

import pytest

from polypaca.stats.alpha import alpha_interval
from polypaca.stats.opinions import agreement


def test_agreement_by_hand() -> None:
    import numpy as np

    keys = [(system, code, prompt) for system in "pqr" for code in ("en", "es") for prompt in "01"]
    level = {"p": 0.0, "q": 0.5, "r": 1.0}
    first = {key: level[key[0]] for key in keys}
    # The other judge is milder on q by half the scale, and has not seen one answer.
    second = {key: first[key] + (0.5 if key[0] == "q" else 0.0) for key in keys[1:]}
    found = agreement(
        {"a": first, "b": second}, ["en", "es"], confidence=0.95, resamples=200, seed=1
    )
    assert [(f.first, f.second, f.language) for f in found] == [
        ("a", "b", "en"), ("a", "b", "es"), ("a", "b", None),
    ]  # fmt: skip
    english, spanish, both = found
    assert (english.answers, spanish.answers, both.answers) == (5, 6, 11)
    assert spanish.equal == pytest.approx(4 / 6)
    assert spanish.difference == pytest.approx(1 / 6)
    table = np.array([[first[key], second.get(key, np.nan)] for key in keys])
    assert both.alpha == alpha_interval(table).value
    assert both.alpha_low is not None
    assert both.alpha is not None
    assert both.alpha_low <= both.alpha
    # Means 0, 0.5, 1 against 0, 1, 1.
    assert spanish.systems_pearson == pytest.approx(3**0.5 / 2)


def test_what_cannot_be_told_is_left_open() -> None:
    ratings = {("p", "en", "0"): 1.0, ("p", "en", "1"): 1.0}
    (one, every) = agreement(
        {"a": ratings, "b": ratings}, ["en"], confidence=0.95, resamples=100, seed=1
    )
    assert (one.equal, one.alpha, one.systems_pearson) == (1.0, None, None)
    assert every.language is None
