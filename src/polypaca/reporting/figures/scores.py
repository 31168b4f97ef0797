"""Totals by language: what a row scores after the gate, paler what it was before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.results import TOTAL_PROMPTS
from polypaca.reporting.figures.bars import Panel, bar_values, bars, filled, spoken_values
from polypaca.reporting.figures.contract import Caption, Figure
from polypaca.reporting.layout import (
    DASH,
    confidence_level,
    panel_groups,
    row_names,
    score_columns,
    scores_by_key,
)

if TYPE_CHECKING:
    from polypaca.core.results import Analysis
    from polypaca.reporting.figures.contract import Mark

_PERCENT = (0, 25, 50, 75, 100)


def score_panels(analysis: Analysis) -> list[Panel]:
    """Per group and language: each row's total after the gate, paler what it was before.

    Without ratings: the share of answers that pass the gate.
    """
    scores = scores_by_key(analysis)
    top, ticks = (analysis.top, _totals(analysis.top)) if analysis.rated else (100.0, _PERCENT)
    panels = []
    for group in panel_groups(analysis):
        form = bars(row_names(group.rows), top, ticks, ghost=analysis.rated)
        for column in score_columns(analysis):
            if column.average:
                continue
            title = column.title if column.seen else f"{column.title} (unseen)"
            values = bar_values(analysis, group, scores, column.scope, column.language)
            if any(value["value"] is not None for value in values):
                panels.append(
                    Panel(
                        group.title,
                        title,
                        filled(form, values),
                        spoken_values(values, confidence_level(analysis)),
                    )
                )
    return panels


def _has_ghosts(analysis: Analysis) -> bool:
    """Whether any bar of the per-language figure has a visible paler part."""
    return analysis.rated and any(
        score.robustness is not None and score.robustness.value > 0.05 for score in analysis.scores
    )


def _totals(top: float) -> tuple[float, ...]:
    """Ticks of a scale of totals: whole points of the judge's scale, not more than five of them."""
    points = round(top / TOTAL_PROMPTS)
    each = -(-points // 5)
    return tuple(float(TOTAL_PROMPTS * point) for point in range(0, points + 1, each))


def _caption(analysis: Analysis) -> Caption:
    level = confidence_level(analysis)
    if not analysis.rated:
        passes = "share of answers that pass the gate, in percent"
        keys: list[tuple[Mark, str]] = [("solid", passes), ("whisker", f"{level} interval")]
        lines = [passes.capitalize(), f"Whiskers: {level} intervals"]
        return Caption("scores by language", lines, [*keys, ("", f"{DASH} not tested")])
    before = "what the gate takes: the bar ends at the total before it"
    keys = [("solid", "total after the gate")]
    keys += [("ghost", before)] if _has_ghosts(analysis) else []
    keys += [("whisker", f"{level} interval"), ("", f"{DASH} no score")]
    lines = [
        f"Total after the gate (solid) and before it (pale), 0 to {analysis.top:g}",
        f"Whiskers: {level} intervals",
    ]
    return Caption("scores by language", lines, keys)


FIGURE = Figure(
    "languages", "Language by language", "By language", score_panels, _caption, optional=False
)
