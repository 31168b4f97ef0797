"""The page's tables of costs and of training data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.reporting.layout import DASH, duration, plain_number

if TYPE_CHECKING:
    from polypaca.core.results import Analysis, CellBudget, LanguageData


def ledger_table(analysis: Analysis) -> dict[str, Any]:
    """What every cell cost: rows of texts, and their sums."""
    cells = analysis.ledger
    planned = {cell.cell: cell for cell in analysis.budgets.cells} if analysis.budgets else {}
    return {
        "rows": [
            {
                "cell": cell.cell,
                "numbers": [
                    f"{cell.examples:,}",
                    f"{cell.tokens:,}",
                    f"{cell.supervised_tokens:,}",
                    f"{cell.steps:,}",
                    _flops(planned.get(cell.cell)),
                    plain_number(cell.budgets, 2),
                    f"{cell.validation_loss:.3f}" if cell.validation_loss < float("inf") else DASH,
                    duration(cell.wall_seconds),
                ],
            }
            for cell in cells
        ],
        "total": [
            "",
            f"{sum(cell.tokens for cell in cells):,}",
            f"{sum(cell.supervised_tokens for cell in cells):,}",
            f"{sum(cell.steps for cell in cells):,}",
            "",
            plain_number(sum(cell.budgets for cell in cells), 2),
            "",
            duration(sum(cell.wall_seconds for cell in cells)),
        ],
    }


def data_table(analysis: Analysis) -> list[dict[str, str]]:
    """What became of each training language's rows."""
    return [_data_row(analysis, data) for data in analysis.data]


def _data_row(analysis: Analysis, data: LanguageData) -> dict[str, str]:
    cells = analysis.budgets.cells if analysis.budgets else []
    rows = sum(cell.rows_by_language.get(data.language, 0) for cell in cells)
    tokens = sum(cell.tokens_by_language.get(data.language, 0) for cell in cells)
    cut = sum(cell.cut_rows.get(data.language, 0) for cell in cells)
    rejected = ", ".join(f"{reason} {count:,}" for reason, count in data.rejected.items())
    return {
        "language": analysis.language_names.get(data.language, data.language),
        "rows": f"{data.rows:,}",
        "origin": f"{data.engine} ({data.source_rows:,} rows)" if data.engine else "given",
        "rejected": rejected or "none",
        "flagged": f"{data.flagged:,}",
        "tokens": f"{tokens / rows:.0f}" if rows else DASH,
        "cut": f"{100 * cut / rows:.1f} %" if rows else DASH,
    }


def _flops(cell: CellBudget | None) -> str:
    return f"{cell.flops:.1e}" if cell and cell.flops is not None else DASH
