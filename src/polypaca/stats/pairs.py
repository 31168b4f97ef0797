"""Preferences between two recipes' answers: wins, ties, and their net share with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from polypaca.core.results import Preferences
from polypaca.stats.answers import nanmean
from polypaca.stats.intervals import Sample, intervals
from polypaca.stats.permutation import flip_p_values, holm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polypaca.core.records import PairVerdict
    from polypaca.stats.answers import Array
    from polypaca.stats.intervals import Resampling
    from polypaca.stats.summary import ScopeLanguages

_VALUES = {"a": 1.0, "b": -1.0, "tie": 0.0}
_FLIPS = 9_999

Gates = dict[tuple[str, str, str], int]  # (system, language, prompt id) -> 0 or 1
Measure = Literal["before", "after"]


def preferences(
    verdicts: Mapping[tuple[str, str], Sequence[Sequence[PairVerdict]]],
    gates: Gates,
    ids: Sequence[str],
    scopes: Sequence[ScopeLanguages],
    drawn: Resampling,
    *,
    seed: int,
) -> list[Preferences]:
    """What the judge preferred, by pair of rows and scope, before and after the gate.

    After the gate an answer in the wrong language loses to one in the right one, and two in the
    wrong one tie, whatever the judge said. A pair's value at a prompt is 1, 0 or -1, averaged over
    training seeds; the net share is their mean over prompts, and over languages as elsewhere. The
    p-values of the seen languages, after the gate, are adjusted together (Holm).

    Args:
        verdicts: by ids of the two rows, one list of verdicts a training seed.
        gates: of every answer that was compared.
        ids: the study's prompts.
        scopes: what to average over.
        drawn: the weights of the intervals.
        seed: of the permutations.
    """
    samples: list[Sample] = []
    found: list[Preferences] = []
    measures: tuple[Measure, ...] = ("before", "after")
    for (a, b), by_seed in verdicts.items():
        for measure in measures:
            columns = {
                code: _column([_of(part, code) for part in by_seed], gates, ids, measure)
                for code in dict.fromkeys(v.language for part in by_seed for v in part)
            }
            for scope, language, languages in scopes:
                if any(code not in columns for code in languages):
                    continue
                sample = Sample(np.stack([columns[code] for code in languages], axis=1), -1.0, 1.0)
                if sample.empty:
                    continue
                own = [v for part in by_seed for v in part if v.language in languages]
                samples.append(sample)
                found.append(_summary(a, b, (scope, language, languages), measure, sample, own))
    spans = intervals(samples, drawn)
    p_values = flip_p_values(samples, _FLIPS, seed)
    found = [
        one.model_copy(update={"net": span, "p": p})
        for one, span, p in zip(found, spans, p_values, strict=True)
    ]
    family = [i for i, one in enumerate(found) if (one.scope, one.measure) == ("seen", "after")]
    adjusted = holm([p_values[place] for place in family])
    for place, p in zip(family, adjusted, strict=True):
        shown = p <= 1 - drawn.confidence
        found[place] = found[place].model_copy(update={"p_adjusted": p, "shown": shown})
    return found


def _of(verdicts: Sequence[PairVerdict], language: str) -> list[PairVerdict]:
    return [verdict for verdict in verdicts if verdict.language == language]


def _column(
    by_seed: Sequence[Sequence[PairVerdict]], gates: Gates, ids: Sequence[str], measure: Measure
) -> Array:
    """One value a prompt, the mean over seeds; NaN where no seed has one."""
    place = {prompt: index for index, prompt in enumerate(ids)}
    values = np.full((len(by_seed), len(ids)), np.nan)
    for number, verdicts in enumerate(by_seed):
        for verdict in verdicts:
            if verdict.outcome is not None:
                values[number, place[verdict.prompt_id]] = preference_value(verdict, gates, measure)
    return nanmean(values)


def preference_value(verdict: PairVerdict, gates: Gates, measure: Measure) -> float:
    """1 if a wins, -1 if b does, 0 for a tie; `verdict` must have an outcome."""
    if measure == "after":
        gate_a = gates[verdict.system_a, verdict.language, verdict.prompt_id]
        gate_b = gates[verdict.system_b, verdict.language, verdict.prompt_id]
        if not (gate_a and gate_b):
            return float(gate_a - gate_b)
    assert verdict.outcome is not None
    return _VALUES[verdict.outcome]


def _summary(
    a: str,
    b: str,
    scope: ScopeLanguages,
    measure: Measure,
    sample: Sample,
    verdicts: Sequence[PairVerdict],
) -> Preferences:
    values = sample.columns[~np.isnan(sample.columns)]
    told = [verdict for verdict in verdicts if verdict.outcome is not None]
    agreeing = sum(verdict.a_first == verdict.b_first for verdict in told)
    return Preferences(
        a=a,
        b=b,
        scope=scope[0],
        language=scope[1],
        measure=measure,
        prompts=int((~np.isnan(sample.columns)).sum(axis=0).min()),
        wins=float((values > 0).mean()),
        losses=float((values < 0).mean()),
        ties=float((values == 0).mean()),
        net=None,
        p=None,
        consistent=agreeing / len(told) if told else None,
        failed=len(verdicts) - len(told),
    )
