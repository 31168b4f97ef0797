"""What a reader must know to read the numbers right: notes beside the answer."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from polypaca.core.results import TOTAL_PROMPTS
from polypaca.stats.headline import ONE_SEED
from polypaca.stats.intervals import GAFFKE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Comparison, RowLabel, Score

_NAMED = 12  # places that a note names before it counts the rest


def caveats(
    prompts: int,
    seeds: int,
    confidence: float,
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    *,
    judge: str,
    rated: bool,
    top: float,
) -> list[str]:
    """The notes: of the judge, the intervals, the tests, the seeds, and what is missing."""
    found = []
    if judge.startswith("chrF++"):
        found.append(
            "Ratings are chrF++ against a reference answer in the language of the answer, mapped "
            "to 1..3: shared wording, not a judgement of quality."
        )
    found.append(
        f"Intervals are {100 * confidence:g} % intervals over {prompts} prompts, each for itself; "
        "what is claimed follows tests that are adjusted for their number."
    )
    found += _families(comparisons, confidence)
    found += _seeds(seeds)
    if rated and prompts != TOTAL_PROMPTS:
        found.append(
            f"Totals are {TOTAL_PROMPTS} times the mean over {prompts} prompts, "
            f"so that they compare with 0..{top:g} over {TOTAL_PROMPTS}."
        )
    return found + _missing(scores, rated=rated) + _undetermined(scores) + _sparse(comparisons)


def control_note(
    row: RowLabel, control: RowLabel, mine: float, theirs: float, test: Comparison
) -> str:
    """What a control says of a row's answers in the languages it was not tuned on."""
    difference = test.difference
    above = difference.value > 0
    verdict = ("above" if above else "below") if test.shown else "with no difference shown to"
    return (
        f"Before the gate, in languages it was not tuned on, {row.id} totals {mine:.1f}, "
        f"{verdict} the control {control.name} at {theirs:.1f} "
        f"(difference {difference.value:+.1f}, {difference.low:+.1f} to {difference.high:+.1f})."
    )


def _families(comparisons: Sequence[Comparison], confidence: float) -> list[str]:
    sizes = Counter(c.family for c in comparisons if c.family == "headline")
    margins = sum(1 for c in comparisons if c.margin)
    if not sizes:
        return []
    tests = sizes["headline"] + margins
    return [
        f"The headline rests on {tests} test{'' if tests == 1 else 's'}, paired permutations of "
        f"prompts{' and tests against the margin' if margins else ''}; Holm's correction keeps "
        f"the chance of any false claim among them under {100 * (1 - confidence):.3g} %."
    ]


def _seeds(seeds: int) -> list[str]:
    if seeds < 2:
        return [f"One training seed: results are {ONE_SEED}."]
    return [
        f"{seeds} training seeds: a difference is claimed only where the test over prompts and "
        "the t-test over seed means both support it."
    ]


def _missing(scores: Sequence[Score], *, rated: bool) -> list[str]:
    found = []
    failed = sum(score.failed for score in scores if score.scope == "language")
    if failed:
        one = failed == 1
        found.append(
            f"{failed} answer{'' if one else 's'} {'has' if one else 'have'} no rating, since "
            f"{'its' if one else 'their'} judgement failed or is missing; no score was made up."
        )
    places = [
        f"{score.row} in {score.language} ({score.prompts} of {score.of})"
        for score in scores
        if score.scope == "language" and score.prompts < score.of
    ]
    if places:
        what = f"totals, {TOTAL_PROMPTS} times the mean," if rated else "shares"
        found.append(f"Prompts are missing, so {what} are over fewer: {_listed(places)}.")
    return found


def _undetermined(scores: Sequence[Score]) -> list[str]:
    places = [
        f"{score.row} in {score.language} {score.undetermined} "
        f"({score.after.value:.1f}, counted 0: {score.strict.value:.1f})"
        for score in scores
        if score.scope == "language" and score.strict and score.after
    ]
    if not places:
        return []
    return [
        "Answers of nothing but code, formulas, names or very few words have no language to tell; "
        f"they pass the gate, and totals are known with them counted 0 too: {_listed(places)}."
    ]


def _sparse(comparisons: Sequence[Comparison]) -> list[str]:
    count = sum(1 for c in comparisons if c.difference.method == GAFFKE)
    if not count:
        return []
    return [
        f"In {count} of {len(comparisons)} comparisons too few prompts differ for the bootstrap: "
        "their intervals are conservative bounds."
    ]


def _listed(places: Sequence[str]) -> str:
    text = ", ".join(places[:_NAMED])
    more = len(places) - _NAMED
    return f"{text}, and {more} more in analysis.json" if more > 0 else text
