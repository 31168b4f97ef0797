"""Pearson's, Spearman's and Kendall's correlations, with intervals that suit a dozen systems."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from polypaca.core.results import Result

if TYPE_CHECKING:
    from collections.abc import Sequence

Kind = Literal["pearson", "spearman", "kendall"]
KINDS: tuple[Kind, ...] = ("pearson", "spearman", "kendall")


class Correlation(Result):
    """A correlation with its interval; None where the data give none."""

    value: float | None
    low: float | None
    high: float | None
    note: str = ""


def correlation(
    kind: Kind, a: Sequence[float], b: Sequence[float], confidence: float
) -> Correlation:
    """The correlation of two raters' totals over systems, tau-b for Kendall's.

    The interval is Fisher's z +- q x error, brought back. The error of z: 1 / sqrt(n - 3)
    (Pearson; Fisher 1921), sqrt((1 + r^2 / 2) / (n - 3)) (Spearman; Bonett & Wright 2000,
    Psychometrika 65:23-28), sqrt(0.437 / (n - 4)) (Kendall; Fieller, Hartley & Pearson 1957,
    Biometrika 44:470-481). The quantile q is normal, for Kendall Student's with n - 2 degrees of
    freedom. A bootstrap over a dozen systems has ties that the data lack, which biases ranks.
    """
    from scipy import stats

    n = len(a)
    if n < 3:
        return _none(f"{n} system{'' if n == 1 else 's'}: at least 3 are needed")
    if len(set(a)) == 1 or len(set(b)) == 1:
        return _none("all totals of one side are equal")
    x, y = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    if kind == "pearson":
        found = float(stats.pearsonr(x, y).statistic)
    elif kind == "spearman":
        found = float(stats.spearmanr(x, y).statistic)
    else:
        found = float(stats.kendalltau(x, y).statistic)
    value = max(-1.0, min(1.0, found))
    if n < 5:
        note = f"{n} systems: too few for an interval"
        return Correlation(value=value, low=None, high=None, note=note)
    if abs(value) > 1 - 1e-12:
        return _perfect(kind, round(value), n, confidence)
    low, high = _fisher(kind, value, n, confidence)
    return Correlation(value=value, low=low, high=high)


def _fisher(kind: Kind, value: float, n: int, confidence: float) -> tuple[float, float]:
    variance = {
        "pearson": 1 / (n - 3),
        "spearman": (1 + value * value / 2) / (n - 3),
        "kendall": 0.437 / (n - 4),
    }[kind]
    level = (1 + confidence) / 2
    if kind == "kendall":
        from scipy import stats

        # With the normal quantile it undercovers for a dozen systems: benchmarks/stats.py.
        quantile = float(stats.t.ppf(level, n - 2))
    else:
        quantile = NormalDist().inv_cdf(level)
    reach = quantile * math.sqrt(variance)
    z = math.atanh(value)
    return math.tanh(z - reach), math.tanh(z + reach)


def _perfect(kind: Kind, sign: int, n: int, confidence: float) -> Correlation:
    """Where all agree Fisher's z is infinite: the end is that of one exchange of neighbours."""
    if kind == "pearson":
        note = "the totals lie on one line: no interval"
        return Correlation(value=float(sign), low=None, high=None, note=note)
    step = 12 / (n * (n * n - 1)) if kind == "spearman" else 4 / (n * (n - 1))
    end = _fisher(kind, 1 - step, n, confidence)[0]
    low, high = (end, 1.0) if sign > 0 else (-1.0, -end)
    note = "perfect: the interval is that of one exchange of neighbours"
    return Correlation(value=float(sign), low=low, high=high, note=note)


def _none(note: str) -> Correlation:
    return Correlation(value=None, low=None, high=None, note=note)
