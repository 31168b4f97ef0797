"""Paired differences between rows, their tests, and the families that tests are corrected in."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import TYPE_CHECKING, Literal

import numpy as np

from polypaca.core.results import TOTAL_PROMPTS, Comparison, MarginTest
from polypaca.stats.intervals import Sample, intervals, mean_over_languages
from polypaca.stats.permutation import flip_p_values, holm, margin_p_values, nonzero_share
from polypaca.stats.seeds import seeds_interval, seeds_p_value
from polypaca.stats.summary import common_seeds, resolution, seed_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.results import Family, Interval, RowLabel, Scope, Seeds
    from polypaca.stats.answers import Table
    from polypaca.stats.intervals import Resampling
    from polypaca.stats.summary import ScopeLanguages

Compared = Literal["after", "before", "gate"]

_HEADLINE: tuple[Scope, ...] = ("seen", "unseen")  # what the headline speaks of
_POWER = 0.8
_FLIPS = 9_999  # outside families
_MOST_FLIPS = 500_000


@dataclass(frozen=True)
class RowPair:
    """A comparison to make."""

    a: str
    b: str
    scope: Scope
    language: str | None
    languages: Sequence[str]
    measure: Compared
    family: Family | None


def recipe_pairs(
    rows: Sequence[RowLabel], scopes: Sequence[ScopeLanguages], measure: Compared
) -> Iterator[RowPair]:
    """Every two recipes of one model and method in every scope; the headline uses two of them."""
    recipes = [row for row in rows if row.recipe and not row.control]
    for a, b in combinations(recipes, 2):
        if (a.model, a.method) != (b.model, b.method):
            continue
        for scope, language, languages in scopes:
            family: Family | None = "headline" if scope in _HEADLINE else None
            yield RowPair(a.id, b.id, scope, language, languages, measure, family)


def system_pairs(
    rows: Sequence[RowLabel], scopes: Sequence[ScopeLanguages], measure: Compared
) -> Iterator[RowPair]:
    """Every recipe with every system that was not trained here and is no control."""
    recipes = [row for row in rows if row.recipe and not row.control]
    others = [row for row in rows if not row.recipe and not row.control]
    for a in recipes:
        for b in others:
            for scope, language, languages in scopes:
                family: Family | None = "systems" if scope == "seen" else None
                yield RowPair(a.id, b.id, scope, language, languages, measure, family)


def compare(
    pairs: Sequence[RowPair],
    table: Table,
    drawn: Resampling,
    *,
    top: float,
    margin: float | None,
    seed: int,
) -> list[Comparison]:
    """The differences of all pairs that have answers in every language of their scope.

    Within a family, p-values are adjusted by Holm's method; with a margin, the headline's family
    has a test against it for each pair as well.

    Args:
        pairs: what to compare.
        table: the answers.
        drawn: the weights of the intervals.
        top: of the judge's scale.
        margin: points of the total; None for no such test.
        seed: of the permutations.
    """
    made = [(pair, sample) for pair in pairs if (sample := _sample(pair, table, top))]
    spans = intervals([sample for _, sample in made], drawn)
    found: dict[int, Comparison] = {}
    families: tuple[Family | None, ...] = ("headline", "systems", "controls", None)
    for family in families:
        places = [place for place, (pair, _) in enumerate(made) if pair.family == family]
        own = [(*made[place], spans[place]) for place in places]
        points = margin if family == "headline" else None
        tested = _family(own, table, drawn.confidence, family, points, seed)
        found.update(zip(places, tested, strict=True))
    return [found[place] for place in range(len(made))]


def _sample(pair: RowPair, table: Table, top: float) -> Sample | None:
    mine, theirs = table[pair.a], table[pair.b]
    if not pair.languages or any(c not in mine or c not in theirs for c in pair.languages):
        return None
    columns = [
        mine[c].prompt_values(pair.measure) - theirs[c].prompt_values(pair.measure)
        for c in pair.languages
    ]
    bound, scale = (1.0, 1.0) if pair.measure == "gate" else (top, float(TOTAL_PROMPTS))
    sample = Sample(np.stack(columns, axis=1), -bound, bound, scale)
    return None if sample.empty else sample


def _family(
    own: Sequence[tuple[RowPair, Sample, Interval]],
    table: Table,
    confidence: float,
    family: Family | None,
    margin: float | None,
    seed: int,
) -> list[Comparison]:
    """The comparisons of one family, or of those outside any."""
    samples = [sample for _, sample, _ in own]
    margins = margin is not None and all(pair.measure != "gate" for pair, _, _ in own)
    tests = len(own) * (2 if margins else 1) if family else 1
    level = 1 - confidence
    # Enough for a p-value far enough below the strictest of Holm's levels.
    draws = min(_MOST_FLIPS, max(_FLIPS, math.ceil(20 * tests / level)))
    over_prompts = flip_p_values(samples, draws, seed)
    by_seed = [_seed_means(pair, sample, table) for pair, sample, _ in own]
    over_seeds = [seeds_p_value(means, step) for means, step in by_seed]
    worst = [max(p, q or 0.0) for p, q in zip(over_prompts, over_seeds, strict=True)]
    margin_tests: list[tuple[float, float | None]] = []
    if margins and margin is not None:
        margin_tests = _margin_tests(samples, by_seed, margin, draws, seed)
        worst += [max(p, q or 0.0) for p, q in margin_tests]
    adjusted = holm(worst) if family else []
    found = []
    for place, (pair, sample, span) in enumerate(own):
        means, step = by_seed[place]
        seeds = seeds_interval(means, confidence, step)
        found.append(
            Comparison(
                a=pair.a,
                b=pair.b,
                scope=pair.scope,
                language=pair.language,
                measure=pair.measure,
                difference=span,
                prompts=int((~np.isnan(sample.columns)).sum(axis=0).min()),
                languages=list(pair.languages),
                family=family,
                p=over_prompts[place],
                p_seeds=over_seeds[place],
                p_adjusted=adjusted[place] if family else None,
                shown=bool(family) and adjusted[place] <= level,
                nonzero=nonzero_share(sample.columns),
                detectable=detectable(span, seeds, confidence, tests),
                seeds=seeds,
                margin=_margin(margin, margin_tests, adjusted, place, level),
            )
        )
    return found


def _margin(
    margin: float | None,
    tests: Sequence[tuple[float, float | None]],
    adjusted: Sequence[float],
    place: int,
    level: float,
) -> MarginTest | None:
    if margin is None or not tests:
        return None
    p, p_seeds = tests[place]
    after = adjusted[len(tests) + place]
    return MarginTest(margin=margin, p=p, p_seeds=p_seeds, p_adjusted=after, shown=after <= level)


def _margin_tests(
    samples: Sequence[Sample],
    by_seed: Sequence[tuple[dict[int, float], float]],
    margin: float,
    draws: int,
    seed: int,
) -> list[tuple[float, float | None]]:
    """P-values, over prompts and seeds, that the lower scorer is worse by the margin or more.

    The data choose the direction, and one test a pair suffices: the two hypotheses cannot both be
    true, and to reject the false one is no error.
    """
    signs = [-1.0 if mean_over_languages(sample.columns) > 0 else 1.0 for sample in samples]
    turned = [
        Sample(sign * sample.columns, sample.low, sample.high, sample.scale)
        for sign, sample in zip(signs, samples, strict=True)
    ]
    over_prompts = margin_p_values(turned, margin, draws, seed)
    over_seeds = [
        seeds_p_value({s: sign * mean for s, mean in means.items()}, step, margin=margin)
        for sign, (means, step) in zip(signs, by_seed, strict=True)
    ]
    return list(zip(over_prompts, over_seeds, strict=True))


def _seed_means(pair: RowPair, sample: Sample, table: Table) -> tuple[dict[int, float], float]:
    """The difference by seed, over prompts that both have in that seed, and its resolution."""
    mine = [table[pair.a][code] for code in pair.languages]
    theirs = [table[pair.b][code] for code in pair.languages]
    means = {}
    seeds = common_seeds(mine, theirs)
    for seed in seeds if len(seeds) > 1 else []:
        columns = []
        for a, b in zip(mine, theirs, strict=True):
            left, right = (
                a.prompt_values_of_seed(pair.measure, seed),
                b.prompt_values_of_seed(pair.measure, seed),
            )
            columns.append(None if left is None or right is None else left - right)
        mean = seed_mean(columns)
        if seed is not None and mean is not None:
            means[seed] = sample.scale * mean
    return means, resolution(pair.measure, len(sample.columns), len(pair.languages))


def detectable(difference: Interval, seeds: Seeds | None, confidence: float, tests: int) -> float:
    """The true difference that the test finds with a power of 80 %.

    (q(1 - alpha / 2m) + q(0.8)) / q(1 - alpha / 2) times half the interval's width, with alpha =
    1 - confidence and m tests in the family, so that Holm's strictest level is assumed; q is the
    normal quantile, and Student's with seeds - 1 degrees of freedom for the interval over seeds,
    where there is one: the greater counts, since a claim needs both. (Cohen, Statistical Power
    Analysis for the Behavioral Sciences, 1988, ch. 2.)
    """
    alpha = 1 - confidence
    quantile = NormalDist().inv_cdf
    factor = (quantile(1 - alpha / (2 * tests)) + quantile(_POWER)) / quantile(1 - alpha / 2)
    needed = factor * (difference.high - difference.low) / 2
    if seeds is None:
        return needed
    from scipy import stats

    df = len(seeds.means) - 1
    levels = (1 - alpha / (2 * tests), _POWER, 1 - alpha / 2)
    strict, power, wide = (float(stats.t.ppf(level, df)) for level in levels)
    return max(needed, (strict + power) / wide * (seeds.high - seeds.low) / 2)
