"""The page's tables of costs and of training data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from polypaca.reporting.layout import DASH, duration, memory_size, plain_number, range_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Analysis, CellBudget, CellCost, LanguageData

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"))


def ledger_table(analysis: Analysis) -> dict[str, Any]:
    """What every cell cost: rows of numbers, each with what stands small below it; their sums."""
    cells = analysis.ledger
    planned = {cell.cell: cell for cell in analysis.budgets.cells} if analysis.budgets else {}
    flops = [_flops(cell, planned.get(cell.cell)) for cell in cells]
    seconds = [cell.training_seconds for cell in cells]
    return {
        "rows": [
            {
                "cell": cell.cell,
                "numbers": [
                    (f"{cell.examples:,}", ""),
                    (f"{cell.tokens:,}", f"{cell.supervised_tokens:,}"),
                    (f"{cell.steps:,}", ""),
                    (plain_number(cell.budgets, 2), ""),
                    (_power(own), ""),
                    (plain_number(_known(cell.tokens_per_second), 0), ""),
                    (DASH if cell.mfu is None else f"{100 * cell.mfu:.1f}\u00a0%", ""),
                    (memory_size(cell.peak_memory_bytes), ""),
                    (duration(_known(cell.training_seconds)), duration(cell.wall_seconds)),
                    _losses(cell, planned.get(cell.cell)),
                ],
            }
            for cell, own in zip(cells, flops, strict=True)
        ],
        "total": [
            ("", ""),
            (
                f"{sum(cell.tokens for cell in cells):,}",
                f"{sum(cell.supervised_tokens for cell in cells):,}",
            ),
            (f"{sum(cell.steps for cell in cells):,}", ""),
            (plain_number(sum(cell.budgets for cell in cells), 2), ""),
            (_power(_sum(flops)), ""),
            *[("", "")] * 3,
            (duration(_known(_sum(seconds))), duration(sum(cell.wall_seconds for cell in cells))),
            ("", ""),
        ],
        "rates": _rates(cells),
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


def _losses(cell: CellCost, planned: CellBudget | None) -> tuple[str, str]:
    """Bits per byte of the held-out text in the cell's own languages, and the loss per token.

    A token of one language holds more text than one of another, so that losses per token compare
    within a language alone.
    """
    loss = cell.validation_loss
    per_token = f"{loss:.3f}" if math.isfinite(loss) else ""
    own = {code for code, rows in planned.rows_by_language.items() if rows} if planned else set()
    known = [cell.heldout[code] for code in sorted(own) if code in cell.heldout]
    size = sum(part.bytes for part in known)
    nats = sum(part.nats for part in known)
    if len(known) < len(own) or not size or not math.isfinite(nats):
        return DASH, per_token
    return f"{nats / math.log(2) / size:.3f}", per_token


def _flops(cell: CellCost, planned: CellBudget | None) -> float | None:
    """As counted when the cell was trained; else as they were expected."""
    if cell.flops is not None:
        return cell.flops
    return planned.flops if planned else None


def _rates(cells: Sequence[CellCost]) -> str:
    """What utilisation is measured against, by precision: `61.2 to 64.0 GFLOP/s in float32`."""
    found: dict[str, list[float]] = {}
    for cell in cells:
        if cell.matmul_flops_per_second and cell.precision:
            found.setdefault(cell.precision, []).append(cell.matmul_flops_per_second)
    return "; ".join(f"{_rate(rates)} in {precision}" for precision, rates in found.items())


def _rate(rates: Sequence[float]) -> str:
    scale, prefix = next((p for p in _PREFIXES if max(rates) >= p[0]), (1.0, ""))
    return f"{range_text([rate / scale for rate in rates], decimals=1)} {prefix}FLOP/s"


def _power(value: float | None) -> str:
    return DASH if value is None else f"{value:.1e}"


def _sum(values: Sequence[float | None]) -> float | None:
    """The sum, where all are known: a part of it would be taken for the whole."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _known(value: float | None) -> float:
    return math.nan if value is None else value
