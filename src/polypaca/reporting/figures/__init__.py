"""The table of figures.

To add one, write it in a file of its own and give it a row; page and files then have it, and the
contract test in `tests/reporting/test_figures.py` covers it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.reporting.figures import robustness, scores
from polypaca.reporting.figures.bars import to_pdf, to_svg
from polypaca.reporting.figures.contract import combined_chart

if TYPE_CHECKING:
    from polypaca.core.results import Analysis
    from polypaca.reporting.figures.contract import Figure

FIGURES: dict[str, Figure] = {
    "scores": scores.FIGURE,
    "robustness": robustness.FIGURE,
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
