"""Intervals for means over prompts, chosen by the data, never of zero width.

The resampled unit is the prompt: one draw of prompts serves every score and difference of an
analysis, in all languages and systems at once, so translations of one prompt and all answers to it
stay together (paired bootstrap; Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
ch. 13). Two methods, and why these: docs/statistics.md, which tabulates their coverage.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from polypaca.core.results import Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

BOOTSTRAP = "bootstrap-t"
GAFFKE = "Gaffke's bound"

# The bootstrap has nominal coverage where this share of the values, and so many of them, differ
# from the commonest one; where fewer do, a sample may miss what is rare altogether. Chosen by
# simulation: benchmarks/stats.py.
ENOUGH_SHARE, ENOUGH_VALUES = 1 / 8, 5

_AT_ONCE = 256  # columns; bounds the memory to about 8 x 256 x resamples x 4 bytes
_EQUAL = 1e-9  # of values that differ by rounding alone


@dataclass(frozen=True)
class Sample:
    """What a mean is taken of, and between what bounds a value lies."""

    columns: Array  # shape (prompts, languages); NaN where there is no value
    low: float
    high: float
    scale: float = 1.0  # of the mean: 50 makes a total

    @property
    def empty(self) -> bool:
        """True if some language has no value at all, so that there is no mean."""
        return not bool((~np.isnan(self.columns)).any(axis=0).all())


@dataclass(frozen=True)
class Resampling:
    """The random weights that all intervals of an analysis share."""

    bootstrap: Array  # shape (resamples, prompts): how often each is drawn
    dirichlet: Array  # shape (resamples, prompts + 1): uniform over the simplex
    confidence: float


def resampling(prompts: int, resamples: int, confidence: float, seed: int) -> Resampling:
    """Draw the weights; the same arguments give the same weights."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(prompts, np.full(prompts, 1 / prompts), size=resamples)
    gaps = generator.standard_exponential((resamples, prompts + 1))
    return Resampling(drawn.astype(np.float64), gaps / gaps.sum(axis=1, keepdims=True), confidence)


def mean_over_languages(columns: Array) -> float:
    """The mean over languages of each language's mean over the prompts that it has."""
    return float(np.nanmean(columns, axis=0).mean())


def per_prompt(columns: Array) -> Array:
    """One value per prompt, with the mean `mean_over_languages(columns)`; NaN where there is none.

    Without missing values it is the prompt's mean over languages. With them it is the statistic
    plus the prompt's influence on it, the linear part of a ratio estimator (Efron & Tibshirani
    1993, ch. 22.6), so that each language keeps its own number of prompts.
    """
    present = ~np.isnan(columns)
    if present.all():
        plain: Array = columns.mean(axis=1)
        return plain
    counts = present.sum(axis=0)
    filled = np.where(present, columns, 0.0)
    means = filled.sum(axis=0) / counts
    some = present.any(axis=1)
    influence = np.where(present, columns - means, 0.0) / counts
    values = means.mean() + some.sum() / len(means) * influence.sum(axis=1)
    return np.where(some, values, np.nan)


def is_varied(columns: Array) -> bool:
    """True if enough prompts differ from the commonest value for the bootstrap.

    A prompt's value here is its mean over the languages that it has.
    """
    present = ~np.isnan(columns)
    some = present.any(axis=1)
    rows = np.where(present, columns, 0.0)[some].sum(axis=1) / present[some].sum(axis=1)
    counts = np.unique(np.round(rows, 9), return_counts=True)[1]
    others = len(rows) - int(counts.max())
    return others >= max(ENOUGH_SHARE * len(rows), ENOUGH_VALUES)


def intervals(samples: Sequence[Sample], drawn: Resampling) -> list[Interval]:
    """The scaled mean of each sample with its interval; none of the samples may be empty.

    Raises:
        ValueError: if a sample has a language without any value.
    """
    if any(sample.empty for sample in samples):
        raise ValueError("no value to average")
    varied = [is_varied(sample.columns) for sample in samples]
    found: dict[int, Interval] = {}
    for method, wanted in ((BOOTSTRAP, True), (GAFFKE, False)):
        places = [place for place, enough in enumerate(varied) if enough is wanted]
        for start in range(0, len(places), _AT_ONCE):
            chunk = places[start : start + _AT_ONCE]
            chosen = [samples[place] for place in chunk]
            ends = _bootstrap_t(chosen, drawn) if wanted else _gaffke(chosen, drawn)
            for place, sample, low, high in zip(chunk, chosen, *ends, strict=True):
                found[place] = _interval(sample, low, high, method)
    return [found[place] for place in range(len(samples))]


def _interval(sample: Sample, low: float, high: float, method: str) -> Interval:
    value = mean_over_languages(sample.columns)
    low, high = max(sample.low, min(low, value)), min(sample.high, max(high, value))
    scale = sample.scale
    return Interval(value=scale * value, low=scale * low, high=scale * high, method=method)


def _bootstrap_t(samples: Sequence[Sample], drawn: Resampling) -> tuple[Array, Array]:
    """Studentised bootstrap, its quantiles averaged with those of Student's t.

    Bootstrap-t corrects for skewness, which few values show badly: alone it undercovers in sparse
    symmetric data, Student's t in skewed data. Half of the correction holds in both.
    """
    from scipy import stats

    means, errors, sizes, ratios = studentised(samples, drawn.bootstrap)
    tail = (1 - drawn.confidence) / 2
    at = round(tail * (len(ratios) + 1))
    below, above = max(at - 1, 0), min(len(ratios) - at, len(ratios) - 1)
    ordered = np.partition(ratios, (below, above), axis=0)
    student = stats.t.ppf(1 - tail, sizes - 1)
    low = means - errors * (ordered[above] + student) / 2
    high = means - errors * (ordered[below] - student) / 2
    return low, high


def studentised(samples: Sequence[Sample], weights: Array) -> tuple[Array, Array, Array, Array]:
    """Means, standard errors, numbers of prompts, and (mean* - mean) / error* of each resample.

    All from weighted moments. A resample without any spread has an infinite ratio, which widens
    the interval, unless its mean is the sample's own.
    """
    values = np.stack([per_prompt(sample.columns) for sample in samples], axis=1)
    present = ~np.isnan(values)
    sizes = present.sum(axis=0).astype(np.float64)
    means = np.nanmean(values, axis=0)
    centred = np.where(present, values - means, 0.0)
    errors = np.sqrt((centred**2).sum(axis=0) / (sizes - 1) / sizes)
    if present.all():
        counts = np.full((1, len(samples)), float(len(values)))
    else:
        counts = np.maximum(weights @ present.astype(np.float64), 2.0)
    shifts = (weights @ centred) / counts
    variances = (weights @ centred**2) / counts - shifts**2
    flat = variances < _EQUAL**1.5
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = shifts / np.sqrt(np.maximum(variances, 0) / (counts - 1))
    ratios[flat] = np.where(np.abs(shifts) < _EQUAL, 0.0, np.copysign(np.inf, shifts))[flat]
    return means, errors, sizes, ratios


def _gaffke(samples: Sequence[Sample], drawn: Resampling) -> tuple[Array, Array]:
    """Gaffke's bounds, a one-sided one at each end.

    The quantile of sum w_i x_i + w_(n+1) b, with w uniform over the simplex and b the bound of a
    value (Gaffke 2005; Learned-Miller & Thomas 2020, arXiv:1905.06208). For data of 0 and 1 it is
    Clopper and Pearson's interval.
    """
    tail = (1 - drawn.confidence) / 2
    low = np.quantile(gaffke_means(samples, drawn.dirichlet, upper=False), tail, axis=0)
    high = np.quantile(gaffke_means(samples, drawn.dirichlet, upper=True), 1 - tail, axis=0)
    return low, high


def gaffke_means(samples: Sequence[Sample], weights: Array, *, upper: bool) -> Array:
    """The weighted means with one value more at a bound: shape (draws, samples).

    A language's missing prompts have no weight, so that each language has the weights of its own
    prompts, drawn together with the others'.
    """
    rest = weights[:, -1:]
    bounds = np.array([sample.high if upper else sample.low for sample in samples])
    whole = [place for place, s in enumerate(samples) if not np.isnan(s.columns).any()]
    means = np.empty((len(weights), len(samples)))
    if whole:
        values = np.stack([samples[place].columns.mean(axis=1) for place in whole], axis=1)
        means[:, whole] = weights[:, :-1] @ values + rest * bounds[whole]
    for place in set(range(len(samples))) - set(whole):
        columns = samples[place].columns
        present = ~np.isnan(columns)
        sums = weights[:, :-1] @ np.where(present, columns, 0.0) + rest * bounds[place]
        mass = weights[:, :-1] @ present.astype(np.float64) + rest
        means[:, place] = (sums / mass).mean(axis=1)
    return means
