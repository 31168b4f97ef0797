"""report: one page, its figures and its tables, from the analysis.

report/   index.html, figures/*.svg, figures/*.pdf, scores.csv
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_jsonl, write_text
from polypaca.core.results import Analysis, ScoredResponse
from polypaca.reporting.figures import figure_files
from polypaca.reporting.page import render_page
from polypaca.reporting.tables import to_csv

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def report(
    folder: Path,
    *,
    analysis: Path,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Write the page and, for papers and spreadsheets, its figures and scores as files."""
    found = Analysis.model_validate_json((analysis / "analysis.json").read_bytes())
    responses = list(read_jsonl(analysis / "scores.jsonl", ScoredResponse))
    progress(0.1, "drawing")
    figures = folder / "figures"
    figures.mkdir(exist_ok=True)
    for name, content in figure_files(found).items():
        (figures / name).write_bytes(content)
    write_text(folder / "scores.csv", to_csv(found))
    progress(0.7, "writing the page")
    write_text(folder / "index.html", render_page(found, responses))
    return {"summary": str(folder / "index.html")}
