"""Paired permutation tests, tests against a margin, and Holm's correction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polypaca.stats.intervals import gaffke_means, is_varied, studentised

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from polypaca.stats.intervals import Array, Sample

_ENUMERATED = 12  # prompts with a difference: 4,096 patterns of signs
_AT_ONCE = 10_000  # patterns
_EQUAL = 1e-9


def flip_p_values(samples: Sequence[Sample], flips: int, seed: int) -> list[float]:
    """Two-sided p-values of mean differences, from flipping the signs of whole prompts.

    If two systems are alike, each prompt's difference might as well have had the other sign, in
    all languages at once. Of `flips` random patterns of signs, b are at least as far from 0 as
    what was seen: p = (b + 1) / (flips + 1) (Phipson & Smyth 2010, doi:10.2202/1544-6115.1585).
    Where at most 12 prompts differ, all patterns are counted and p is exact. Dividing by the
    standard error of each pattern would order patterns alike, so that in large samples the test
    is one of the mean, whatever the shape of the differences (Janssen 1997, Stat. Probab. Lett.
    36:9-21).
    """
    shares = [_contributions(sample.columns) for sample in samples]
    found = [1.0] * len(samples)
    many = []
    for place, share in enumerate(shares):
        moved = share[np.abs(share) > _EQUAL]
        if len(moved) > _ENUMERATED:
            many.append(place)
        elif len(moved):
            found[place] = _exact(moved)
    if many:
        columns = np.stack([shares[place] for place in many], axis=1)
        for place, p in zip(many, _sampled(columns, flips, seed), strict=True):
            found[place] = float(p)
    return found


def _contributions(columns: Array) -> Array:
    """What each prompt adds to the mean over languages of the means over prompts."""
    present = ~np.isnan(columns)
    filled = np.where(present, columns, 0.0)
    shares: Array = (filled / present.sum(axis=0)).sum(axis=1) / columns.shape[1]
    return shares


def _exact(moved: Array) -> float:
    patterns = np.arange(2 ** len(moved))[:, None] >> np.arange(len(moved)) & 1
    sums = (2.0 * patterns - 1.0) @ moved
    return float((np.abs(sums) >= abs(moved.sum()) - _EQUAL).mean())


def _sampled(columns: Array, flips: int, seed: int) -> Array:
    generator = np.random.default_rng(seed)
    seen = np.abs(columns.sum(axis=0)) - _EQUAL
    beyond: NDArray[np.int64] = np.zeros(columns.shape[1], dtype=np.int64)
    for start in range(0, flips, _AT_ONCE):
        size = (min(_AT_ONCE, flips - start), len(columns))
        signs: Array = generator.integers(0, 2, size).astype(np.float64) * 2 - 1
        beyond += (np.abs(signs @ columns) >= seen).sum(axis=0)
    found: Array = (beyond.astype(np.float64) + 1) / (flips + 1)
    return found


def margin_p_values(samples: Sequence[Sample], margin: float, draws: int, seed: int) -> list[float]:
    """One-sided p-values of `mean difference <= -margin`, margin and mean in scaled points.

    Signs cannot be flipped around a margin where most differences are 0, so the tests are those of
    the intervals: where the differences vary enough, the greater of the p-values of bootstrap-t and
    Student's t; else Gaffke's bound.
    """
    found = [1.0] * len(samples)
    varied = [is_varied(sample.columns) for sample in samples]
    generator = np.random.default_rng(seed)
    for wanted in (True, False):
        places = [place for place, enough in enumerate(varied) if enough is wanted]
        chosen = [samples[place] for place in places]
        if chosen:
            test = _studentised_margin if wanted else _gaffke_margin
            for place, p in zip(places, test(chosen, margin, draws, generator), strict=True):
                found[place] = float(p)
    return found


def _studentised_margin(
    samples: Sequence[Sample], margin: float, draws: int, generator: np.random.Generator
) -> Array:
    from scipy import stats

    prompts = len(samples[0].columns)
    margins = np.array([margin / sample.scale for sample in samples])
    beyond = np.zeros(len(samples))
    seen = np.zeros(len(samples))
    sizes = np.full(len(samples), 2.0)
    for start in range(0, draws, _AT_ONCE):
        size = min(_AT_ONCE, draws - start)
        weights = generator.multinomial(prompts, np.full(prompts, 1 / prompts), size=size)
        means, errors, sizes, ratios = studentised(samples, weights.astype(np.float64))
        seen = (means + margins) / errors
        beyond += (ratios >= seen).sum(axis=0)
    found: Array = np.maximum((beyond + 1) / (draws + 1), stats.t.sf(seen, sizes - 1))
    return found


def _gaffke_margin(
    samples: Sequence[Sample], margin: float, draws: int, generator: np.random.Generator
) -> Array:
    prompts = len(samples[0].columns)
    margins = np.array([margin / sample.scale for sample in samples])
    beyond = np.zeros(len(samples))
    for start in range(0, draws, _AT_ONCE):
        gaps = generator.standard_exponential((min(_AT_ONCE, draws - start), prompts + 1))
        weights = gaps / gaps.sum(axis=1, keepdims=True)
        beyond += (gaffke_means(samples, weights, upper=False) <= -margins).sum(axis=0)
    found: Array = (beyond + 1) / (draws + 1)
    return found


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for all tests of a family (Holm 1979, Scand. J. Statist. 6:65-70)."""
    adjusted = [1.0] * len(p_values)
    reached = 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda at: p_values[at])):
        reached = max(reached, (len(p_values) - rank) * p_values[place])
        adjusted[place] = min(1.0, reached)
    return adjusted


def nonzero_share(columns: Array) -> float:
    """The share of prompts with a difference other than 0, over the languages that they have."""
    present = ~np.isnan(columns)
    some = present.any(axis=1)
    sums = np.where(present, columns, 0.0)[some].sum(axis=1)
    return float((np.abs(sums) > _EQUAL).mean())
