"""What the gate takes: the points that a row loses in the wrong language."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.reporting.figures.bars import Panel, bar_values, bars, filled, spoken_values
from polypaca.reporting.figures.contract import Caption, Figure
from polypaca.reporting.layout import confidence_level, panel_groups, row_names, scores_by_key

if TYPE_CHECKING:
    from polypaca.core.results import Analysis


def robustness_panels(analysis: Analysis) -> list[Panel]:
    """Per group: the points that the gate takes, averaged over the seen languages."""
    if not analysis.rated:
        return []
    scores = scores_by_key(analysis)
    found = []
    for group in panel_groups(analysis):
        values = bar_values(analysis, group, scores, "seen", None, "robustness")
        if any(value["value"] is not None for value in values):
            found.append((group, values))
    highs = [v["high"] for _, values in found for v in values if v["value"] is not None]
    top = max([1.0, *highs])
    panels = []
    for group, values in found:
        # Linear and from zero: a log scale, as in the paper's Figure 4, has no place for a
        # recipe that loses nothing, and that is the best result there is.
        chart = filled(bars(row_names(group.rows), top), values)
        panels.append(
            Panel(
                group.title, group.title, chart, spoken_values(values, confidence_level(analysis))
            )
        )
    return panels


def _caption(analysis: Analysis) -> Caption:
    level = confidence_level(analysis)
    lines = [
        "Points lost at the gate (total before minus after), averaged over seen languages",
        f"Linear scale; less is better; whiskers: {level} intervals",
    ]
    text = (
        "Points lost at the gate: the total before it minus the total after, averaged over the "
        f"seen languages. Less is better. Whiskers: {level} intervals. The scale is linear: a "
        "logarithmic one, as in the paper’s Figure 4, could not show a recipe that loses nothing."
    )
    return Caption("language robustness", lines, [], text)


FIGURE = Figure(
    "robustness", "What the gate takes", "Robustness", robustness_panels, _caption, columns=2
)
