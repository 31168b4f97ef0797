"""Intervals for shares of prompts."""

from __future__ import annotations

import math

from polypaca.core.results import Interval

WILSON = "Wilson"
CLOPPER_PEARSON = "Clopper-Pearson"
_FEW = 5  # expected of either kind; below it Wilson's coverage drops under the nominal one


def share_interval(share: float, count: int, confidence: float) -> Interval:
    """An interval for a share of `count` prompts: Wilson's, or Clopper and Pearson's near 0 and 1.

    For a mean of per-prompt shares, such as over languages or seeds, it is conservative: among
    values in [0, 1] with one mean, those that are all 0 or 1 vary the most.
    """
    if min(share, 1 - share) * count < _FEW:
        return clopper_pearson(share, count, confidence)
    return wilson(share, count, confidence)


def wilson(share: float, count: int, confidence: float) -> Interval:
    """Wilson's score interval (Wilson 1927, JASA 22:209-212)."""
    from statistics import NormalDist

    z = NormalDist().inv_cdf((1 + confidence) / 2)
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = (
        z
        / (1 + z * z / count)
        * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    )
    return Interval(
        value=share, low=max(0.0, centre - half), high=min(1.0, centre + half), method=WILSON
    )


def clopper_pearson(share: float, count: int, confidence: float) -> Interval:
    """The exact interval (Clopper & Pearson 1934, Biometrika 26:404-413).

    The number of successes, share x count, need not be whole.
    """
    from scipy import special

    tail = (1 - confidence) / 2
    hits = share * count
    low = special.betaincinv(hits, count - hits + 1, tail) if hits > 0 else 0.0
    high = special.betaincinv(hits + 1, count - hits, 1 - tail) if hits < count else 1.0
    return Interval(value=share, low=float(low), high=float(high), method=CLOPPER_PEARSON)
