"""The table of figures.

To add one, write it in a file of its own and give it a row; page and files then have it, and the
contract test in `tests/reporting/test_figures.py` covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.reporting import robustness_figure, score_figure
from polypaca.reporting.bars import to_pdf, to_svg
from polypaca.reporting.figure import combined_chart

if TYPE_CHECKING:
    from polypaca.core.results import Analysis
    from polypaca.reporting.figure import Figure

FIGURES: dict[str, Figure] = {
    "scores": score_figure.FIGURE,
    "robustness": robustness_figure.FIGURE,
}


def figure_files(analysis: Analysis) -> dict[str, bytes]:
    """All figures as files, by name: `scores.svg`, `scores.pdf`, ...; those without a panel not."""
    files = {}
    for name, figure in FIGURES.items():
        chart = combined_chart(figure, analysis)
        if chart is not None:
            files[f"{name}.svg"] = to_svg(chart).encode()
            files[f"{name}.pdf"] = to_pdf(chart)
    return files
