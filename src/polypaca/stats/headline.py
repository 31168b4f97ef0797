"""The answer in words.

Words follow the adjusted tests, never the totals alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from polypaca.core.results import Comparison, RowLabel, Score

_PHRASES = {
    "monolingual": "one model per language",
    "multilingual": "one multilingual model",
    "downsampled": "a downsampled multilingual model",
    "english": "English alone",
}

ONE_SEED = "for these checkpoints; training variance unknown"

_WORTH_SAYING = 1 / 30  # of the highest total; 5 points of 150


def sentences(
    rows: Sequence[RowLabel],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    *,
    rated: bool,
    top: float,
) -> list[str]:
    """One sentence for each model and method: which recipe leads over the seen languages.

    Args:
        rows: of the analysis.
        scores: of the rows.
        comparisons: of the rows; those of the family `headline` decide what is claimed.
        rated: false where only gate pass rates are known.
        top: the highest total that there could be.
    """
    measured = {score.row: score for score in scores if score.scope == "seen"}
    tested = {frozenset((c.a, c.b)): c for c in comparisons if c.family == "headline"}
    recipes = [row for row in rows if row.recipe and not row.control]
    found = []
    for model, method in dict.fromkeys((row.model, row.method) for row in recipes):
        group = [
            (row, measured[row.id])
            for row in recipes
            if (row.model, row.method) == (model, method) and row.id in measured
        ]
        said = _ranking(group, tested, top) if rated else _gates(group)
        found.append(f"On {model} with {method}, {said}")
    return found


def _gates(group: Sequence[tuple[RowLabel, Score]]) -> str:
    if not group:
        return "no recipe answers in every seen language."
    ranked = sorted(group, key=lambda pair: -pair[1].gate.value)
    parts = [f"{phrase(row)} {100 * score.gate.value:.0f} %" for row, score in ranked]
    return (
        "answers are in the language of the prompt, over the seen languages: "
        + ", ".join(parts)
        + ". Nothing was rated: this says nothing of quality."
    )


def _ranking(
    group: Sequence[tuple[RowLabel, Score]],
    tested: Mapping[frozenset[str], Comparison],
    top: float,
) -> str:
    if not group:
        return "no recipe answers in every seen language."
    totals = [(row, score.after.value) for row, score in group if score.after]
    lost = [(row, score.robustness) for row, score in group if score.robustness]
    totals.sort(key=lambda pair: -pair[1])
    if not totals:
        return "no recipe has a rated answer in every seen language."
    best, highest = totals[0]
    text = f"{phrase(best)} scores {highest:.1f} of {top:g} over the seen languages"
    text += _others(best, totals[1:], tested)
    row, taken = max(lost, key=lambda pair: pair[1].value)
    if taken.low > _WORTH_SAYING * top:
        text += f". The gate takes {taken.value:.1f} points from {phrase(row)}"
    # What a claim of difference rests on is said with it.
    if any(len(row.seeds) < 2 for row, _ in totals):
        text += f". This is {ONE_SEED}"
    return f"{text}."


def _others(
    best: RowLabel,
    others: Sequence[tuple[RowLabel, float]],
    tested: Mapping[frozenset[str], Comparison],
) -> str:
    """Whom the best is ahead of, who is as good within the margin, and where nothing is shown."""
    tests = {row.id: tested.get(frozenset((best.id, row.id))) for row, _ in others}
    kinds = {row: _kind(test) for row, test in tests.items()}
    shown = {
        kind: [f"{phrase(row)} {total:.1f}" for row, total in others if kinds[row.id] == kind]
        for kind in ("behind", "within", "tied")
    }
    text = f", ahead of {_and(shown['behind'])}" if shown["behind"] else ""
    if shown["within"]:
        margin = next(test.margin.margin for test in tests.values() if test and test.margin)
        verb = "is" if len(shown["within"]) == 1 else "are"
        text += f"; as good as that, to within {margin:g} points, {verb} {_and(shown['within'])}"
    if shown["tied"]:
        text += f"; no difference shown to {_and(shown['tied'])}"
        found = [t.detectable for row, t in tests.items() if t and kinds[row] == "tied"]
        if any(found):
            most = max(points or 0.0 for points in found)
            text += f" (a true one of {most:.1f} points would be found 4 times in 5)"
    return text


def _kind(test: Comparison | None) -> str:
    if test and test.shown:
        return "behind"
    return "within" if test and test.margin and test.margin.shown else "tied"


def phrase(row: RowLabel) -> str:
    """A recipe in words, with what it costs: `one model per language (4 budgets)`."""
    words = _PHRASES.get(row.recipe or "", row.name)
    if row.budgets is None:
        return words
    return f"{words} ({row.budgets:.3g} budget{'' if row.budgets == 1 else 's'})"


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
