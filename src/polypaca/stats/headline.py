"""The answer in words, and the caveats beside it.

Words follow the intervals, never the totals alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.results import TOTAL_PROMPTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Comparison, Interval, RowLabel, Score

_PHRASES = {
    "monolingual": "one model per language",
    "multilingual": "one multilingual model",
    "downsampled": "a downsampled multilingual model",
    "english": "English alone",
}

_WORTH_SAYING = 5.0  # points of 150


def sentences(
    rows: Sequence[RowLabel],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    *,
    rated: bool,
) -> list[str]:
    """One sentence for each model and method: which recipe leads over the seen languages."""
    found = []
    for model, method in dict.fromkeys(
        (r.model, r.method) for r in rows if r.recipe and not r.control
    ):
        group = [
            r for r in rows if (r.model, r.method) == (model, method) and r.recipe and not r.control
        ]
        found.append(f"On {model} with {method}, {_sentence(group, scores, comparisons, rated)}")
    return found


def _sentence(
    group: Sequence[RowLabel],
    scores: Sequence[Score],
    comparisons: Sequence[Comparison],
    rated: bool,
) -> str:
    measured = {s.row: s for s in scores if s.scope == "seen"}
    ranked = [(row, measured[row.id]) for row in group if row.id in measured]
    if not ranked:
        return "no recipe answers in every seen language."
    if not rated:
        ranked.sort(key=lambda pair: -pair[1].gate.value)
        parts = [f"{phrase(row)} {100 * score.gate.value:.0f} %" for row, score in ranked]
        return (
            "answers are in the language of the prompt, over the seen languages: "
            + ", ".join(parts)
            + ". Nothing was rated: this says nothing of quality."
        )
    totals = [(row, score.after) for row, score in ranked if score.after]
    lost = [(row, score.robustness) for row, score in ranked if score.robustness]
    totals.sort(key=lambda pair: -pair[1].value)
    if not totals:
        return "no recipe has a rated answer in every seen language."
    (best, top), others = totals[0], totals[1:]
    ties: list[str] = []
    behind: list[str] = []
    for row, total in others:
        shown = f"{phrase(row)} {total.value:.1f}"
        (behind if _is_above(best, row, comparisons) else ties).append(shown)
    text = f"{phrase(best)} scores {top.value:.1f} of 150 over the seen languages"
    if behind:
        text += f", ahead of {_and(behind)}"
    if ties:
        text += f"; no difference is shown to {_and(ties)}"
    row, taken = max(lost, key=lambda pair: pair[1].value)
    if taken.low > _WORTH_SAYING:
        text += f". The gate takes {taken.value:.1f} points from {phrase(row)}"
    return f"{text}."


def phrase(row: RowLabel) -> str:
    """A recipe in words, with what it costs: `one model per language (4 budgets)`."""
    words = _PHRASES.get(row.recipe or "", row.name)
    if row.budgets is None:
        return words
    return f"{words} ({row.budgets:.3g} budget{'' if row.budgets == 1 else 's'})"


def control_note(
    row: RowLabel, control: RowLabel, mine: Interval, theirs: Interval, difference: Interval
) -> str:
    """What a control says of a row's answers in the languages it was not tuned on."""
    verdict = "above" if difference.low > 0 else "below" if difference.high < 0 else "not above"
    return (
        f"Before the gate, in languages it was not tuned on, {row.id} totals {mine.value:.1f}, "
        f"{verdict} the control {control.name} at {theirs.value:.1f} "
        f"(difference {difference.value:+.1f}, {difference.low:+.1f} to {difference.high:+.1f})."
    )


def caveats(
    prompts: int,
    seeds: int,
    confidence: float,
    scores: Sequence[Score],
    *,
    judge: str,
    rated: bool,
) -> list[str]:
    """What a reader must know to read the numbers right."""
    found = []
    if judge.startswith("chrF++"):
        found.append(
            "Ratings are chrF++ against a reference answer in the language of the answer, mapped "
            "to 1..3: shared wording, not a judgement of quality."
        )
    kind = "bootstrap" if rated else "Wilson"
    found += [
        f"Intervals are {100 * confidence:g} % {kind} intervals over {prompts} prompts, "
        "not adjusted for the number of comparisons."
    ]
    if seeds == 1:
        found.append("One training seed: this holds for these checkpoints; other seeds may differ.")
    if rated and prompts != TOTAL_PROMPTS:
        found.append(
            f"Totals are {TOTAL_PROMPTS} times the mean over {prompts} prompts, "
            "so that they compare with the paper's 0..150."
        )
    failed = sum(score.failed for score in scores if score.scope == "language")
    if failed:
        found.append(f"{failed} answers have no rating, since their judgement failed.")
    return found


def _is_above(a: RowLabel, b: RowLabel, comparisons: Sequence[Comparison]) -> bool:
    for c in comparisons:
        if c.scope == "seen" and c.measure == "after":
            if (c.a, c.b) == (a.id, b.id):
                return c.difference.low > 0
            if (c.a, c.b) == (b.id, a.id):
                return c.difference.high < 0
    return False


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
