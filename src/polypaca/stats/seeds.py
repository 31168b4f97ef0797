"""Training seeds: intervals and tests over seed means, never by resampling.

Prompts tell how well a checkpoint's score is known; only seeds tell how much another training run
would differ.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from polypaca.core.results import Seeds

if TYPE_CHECKING:
    from collections.abc import Mapping


def seeds_interval(
    means: Mapping[int, float], confidence: float, resolution: float
) -> Seeds | None:
    """Student's t-interval over the means of seeds (df = seeds - 1); None with fewer than two.

    Args:
        means: a score or difference by seed.
        confidence: such as 0.95.
        resolution: what half a point on one answer moves a mean by. The standard deviation is
            taken to be no less, since equal seed means do not show that seeds never differ.
    """
    if len(means) < 2:
        return None
    from scipy import stats

    value, error, df = _moments(means, resolution)
    half = float(stats.t.ppf((1 + confidence) / 2, df)) * error
    return Seeds(
        value=value,
        low=value - half,
        high=value + half,
        means={str(seed): mean for seed, mean in means.items()},
    )


def seeds_p_value(
    means: Mapping[int, float], resolution: float, *, margin: float | None = None
) -> float | None:
    """The p-value of a difference over seeds; None with fewer than two.

    Two-sided against 0; with a margin one-sided against `difference <= -margin`.
    """
    if len(means) < 2:
        return None
    from scipy import stats

    value, error, df = _moments(means, resolution)
    if margin is None:
        return float(2 * stats.t.sf(abs(value) / error, df))
    return float(stats.t.sf((value + margin) / error, df))


def _moments(means: Mapping[int, float], resolution: float) -> tuple[float, float, int]:
    count = len(means)
    value = sum(means.values()) / count
    variance = sum((mean - value) ** 2 for mean in means.values()) / (count - 1)
    return value, max(math.sqrt(variance), resolution) / math.sqrt(count), count - 1
