"""The scores as rows, as CSV, and as a table for the terminal."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from polypaca.core.tables import Column, Grid
from polypaca.reporting.layout import (
    DASH,
    format_value,
    get_interval,
    row_groups,
    row_names,
    score_columns,
    scores_by_key,
)

if TYPE_CHECKING:
    from polypaca.core.results import Analysis, Interval, Score

Cell = str | int | float | bool | None

_TOTALS = ("after", "before", "robustness", "strict")
_INTERVALS = ("after", "before", "robustness", "gate", "strict", "line_gate", "word_gate")


def score_table(analysis: Analysis) -> list[dict[str, Cell]]:
    """The scores in tidy form: one row per row label, scope and language.

    Every measure has three columns: `after`, `after_low`, `after_high`, and so on. `n` counts the
    prompts per language, `rated` and `failed` the responses.
    """
    order = {row.id: row for row in analysis.rows}
    place = {row.id: number for number, row in enumerate(analysis.rows)}
    tidy = []
    for score in sorted(analysis.scores, key=lambda score: place.get(score.row, len(place))):
        label = order.get(score.row)
        line: dict[str, Cell] = {
            "row": score.row,
            "name": label.name if label else score.row,
            "model": label.model if label else None,
            "method": label.method if label else None,
            "recipe": label.recipe if label else None,
            "control": label.control if label else None,
            "budgets": label.budgets if label else None,
            "scope": score.scope,
            "language": score.language,
            "n": score.prompts,
            "rated": score.rated,
            "failed": score.failed,
        }
        for measure in _INTERVALS:
            line.update(_three(measure, getattr(score, measure)))
        tidy.append(line)
    return tidy


def _three(measure: str, interval: Interval | None) -> dict[str, Cell]:
    # Six decimals are finer than any interval and keep the last bits' noise out of a diff.
    if interval is None:
        return {measure: None, f"{measure}_low": None, f"{measure}_high": None}
    return {
        measure: round(interval.value, 6),
        f"{measure}_low": round(interval.low, 6),
        f"{measure}_high": round(interval.high, 6),
    }


def to_csv(analysis: Analysis) -> str:
    """`score_table` as CSV with a header; what is unknown is empty."""
    rows = score_table(analysis)
    columns = list(rows[0]) if rows else ["row", "scope", "language"]
    if not analysis.rated:
        # Columns that can only be empty would look like lost data.
        columns = [c for c in columns if c.split("_")[0] not in _TOTALS]
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({k: str(v).lower() if isinstance(v, bool) else v for k, v in row.items()})
    return out.getvalue()


def to_text(analysis: Analysis) -> Grid:
    """The main table for the terminal: totals after the gate, and the gate pass rate dimmed."""
    columns = score_columns(analysis)
    scores = scores_by_key(analysis)
    caption = (
        f"total after the gate (0..{analysis.top:g}), below it the share that passes the gate; "
        f"{DASH} not tested"
        if analysis.rated
        else f"no judge: the share of answers that pass the gate; {DASH} not tested"
    )
    titles = [column.language or ("seen" if column.seen else "unseen") for column in columns]
    grid = Grid(
        analysis.study,
        "",
        [
            Column("budgets"),
            *(
                Column(title, strong=column.average)
                for title, column in zip(titles, columns, strict=True)
            ),
        ],
        caption,
    )
    for group in row_groups(analysis):
        grid.add_heading(group.title)
        for row, name in zip(group.rows, row_names(group.rows), strict=True):
            cells = [_cell(scores.get((row.id, c.scope, c.language))) for c in columns]
            budgets = DASH if row.budgets is None else f"{row.budgets:.3g}"
            grid.add(name, budgets, *cells, dim=group.control)
    return grid


def _cell(score: Score | None) -> tuple[str, str]:
    """A total, and below it the share, so that ten columns fit a terminal of eighty."""
    after, gate = get_interval(score, "after"), get_interval(score, "gate")
    total = format_value(after.value, "after") if after else ""
    share = format_value(gate.value, "gate").replace("\u00a0", "") if gate else ""
    return (total, share) if total else (share or DASH, "")
