"""report: one page, its figures and its tables, from the analysis.

report/   index.html, figures/*.svg, figures/*.pdf, scores.csv
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.files import read_jsonl, write_text
from polypaca.core.folders import ReportFolder
from polypaca.core.results import Analysis, ScoredResponse
from polypaca.core.work import Context, Facts, SingleWork
from polypaca.reporting.figures import figure_files
from polypaca.reporting.page import render_page
from polypaca.reporting.tables import to_csv

if TYPE_CHECKING:
    from polypaca.core.folders import AnalysisFolder


@dataclass(frozen=True, kw_only=True)
class WriteReport(SingleWork[ReportFolder]):
    """The page and, for papers and spreadsheets, its figures and scores as files."""

    step, stage, format_number = "report", "report", 5
    makes = ReportFolder

    analysis: AnalysisFolder

    def run(self, context: Context) -> Facts:
        """Write them."""
        found = Analysis.model_validate_json(self.analysis.analysis.read_bytes())
        responses = list(read_jsonl(self.analysis.scores, ScoredResponse))
        context.progress(0.1, "drawing")
        figures = context.folder / "figures"
        figures.mkdir(exist_ok=True)
        for name, content in figure_files(found).items():
            (figures / name).write_bytes(content)
        write_text(context.folder / "scores.csv", to_csv(found))
        context.progress(0.7, "writing the page")
        write_text(context.folder / "index.html", render_page(found, responses))
        return Facts(summary=str(context.folder / "index.html"))
