"""The page's table of held-out losses: bits per byte of every cell in every training language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.reporting.layout import language_name, range_text, row_colours, row_groups

if TYPE_CHECKING:
    from polypaca.core.results import Analysis, CellCost, RowLabel
    from polypaca.reporting.layout import RowGroup

_DECIMALS = 3


def heldout_table(analysis: Analysis) -> dict[str, Any] | None:
    """The table, ready for the template; None where no loss was taken.

    The best of a column is marked under each base model, over all its methods: the measure compares
    across them. It is what is written that decides, and a column in which all are equal has no
    best.
    """
    cells = {cell.cell: cell for cell in analysis.ledger if cell.heldout}
    if not cells:
        return None
    languages = [code for code in analysis.train_languages if _having(code, cells)]
    tuned = _tuned_on(analysis)
    colours = row_colours(analysis)
    best = _best(analysis, cells, languages)
    groups: list[dict[str, Any]] = []
    for group in row_groups(analysis):
        rows = []
        for cell, row in _cells_of(group, cells):
            marks = best.get(row.model, {})
            own = tuned.get(cell.cell)
            rows.append(
                {
                    "name": _name(analysis, cell.cell, row),
                    "colour": colours[row.id],
                    "cells": [_cell(cell, code, marks.get(code), own) for code in languages],
                }
            )
        if rows:
            groups.append({"title": group.title, "rows": rows})
    return {
        "languages": [language_name(analysis, code) for code in languages],
        "groups": groups,
        "marked": any(best.values()),
        "greyed": any(
            cell["foreign"] for g in groups for row in g["rows"] for cell in row["cells"]
        ),
        "rows": _rows(cells),
        "uneven": [
            language_name(analysis, code)
            for code in languages
            if len({cell.heldout[code].bytes for cell in _having(code, cells)}) > 1
        ],
    }


def _having(code: str, cells: dict[str, CellCost]) -> list[CellCost]:
    return [cell for cell in cells.values() if code in cell.heldout]


def _cells_of(group: RowGroup, cells: dict[str, CellCost]) -> list[tuple[CellCost, RowLabel]]:
    """The group's cells, each once, with the first row that they are a part of."""
    if group.control:
        return []
    first: dict[str, RowLabel] = {}
    for row in group.rows:
        for system in row.systems:
            first.setdefault(system, row)
    return [(cells[system], row) for system, row in first.items() if system in cells]


def _name(analysis: Analysis, cell: str, row: RowLabel) -> str:
    """The cell's id without what its group's title says, and without the seed if there is one."""
    name = cell.removeprefix(f"{row.model}.{row.method}.")
    seeds = {seed for label in analysis.rows for seed in label.seeds}
    return name.removesuffix(f".s{next(iter(seeds))}") if len(seeds) == 1 else name


def _tuned_on(analysis: Analysis) -> dict[str, set[str]]:
    """The languages of each cell's training rows, where the analysis has them."""
    planned = analysis.budgets.cells if analysis.budgets else []
    return {
        cell.cell: {code for code, rows in cell.rows_by_language.items() if rows}
        for cell in planned
    }


def _cell(cell: CellCost, code: str, best: str | None, tuned: set[str] | None) -> dict[str, Any]:
    text = _text(cell, code)
    return {
        "text": text,
        "best": text is not None and text == best,
        "foreign": tuned is not None and code not in tuned,
    }


def _text(cell: CellCost, code: str) -> str | None:
    loss = cell.heldout.get(code)
    if loss is None or loss.bits_per_byte is None:
        return None
    return f"{loss.bits_per_byte:.{_DECIMALS}f}"


def _best(
    analysis: Analysis, cells: dict[str, CellCost], languages: list[str]
) -> dict[str, dict[str, str]]:
    """Per base model and language, the lowest value as it is written."""
    by_model: dict[str, list[CellCost]] = {}
    for group in row_groups(analysis):
        for cell, row in _cells_of(group, cells):
            by_model.setdefault(row.model, []).append(cell)
    best: dict[str, dict[str, str]] = {}
    for model, members in by_model.items():
        best[model] = {}
        for code in languages:
            texts = {text for cell in members if (text := _text(cell, code)) is not None}
            if len(texts) > 1:
                best[model][code] = min(texts, key=float)
    return best


def _rows(cells: dict[str, CellCost]) -> str:
    """How many responses a language has, or from how many to how many."""
    return range_text([loss.rows for cell in cells.values() for loss in cell.heldout.values()])
