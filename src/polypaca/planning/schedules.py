"""Rows and steps of cells before rows are drawn, and warm-ups that would not end within them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError, UserError
from polypaca.planning.local_files import available_rows
from polypaca.study.grid import cells, given_languages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.planning.local_files import Rows
    from polypaca.study import Study
    from polypaca.study.grid import Cell, Mixture

_LONG_ROW = 4000  # bytes that a row is taken to have at most, to see that there are many


def one_budget_rows(study: Study, rows: Rows) -> int | None:
    """Training rows that every language has: one budget, as `mix` will count it."""
    if rows.shared is None:
        return None
    held_out = study.data.validation if study.data.split == "source" else 0
    count = min(rows.shared, study.data.rows or rows.shared) - held_out
    if count < 1:
        raise DataError(
            f"{held_out} validation examples leave none of the {count + held_out} shared sources "
            "to train on",
            hint="lower data.validation, raise data.rows, or check that the files' ids agree",
        )
    return count


def mixture_budgets(mixture: Mixture, one_budget: int | None) -> float | None:
    """A mixture's size in budgets; an amount in tokens or FLOPs is known once `mix` has counted."""
    if mixture.budgets is not None or mixture.sampling.examples is None or not one_budget:
        return mixture.budgets
    return mixture.sampling.examples / one_budget


def cell_rows(study: Study, cell: Cell, one_budget: int | None) -> int | None:
    """The rows of a cell's mixture, where the number is known before they are drawn."""
    budgets, sampling = mixture_budgets(cell.mixture, one_budget), cell.mixture.sampling
    if sampling.examples:
        return sampling.examples
    if one_budget and budgets and study.budget.unit == "examples":
        return round(one_budget * budgets)
    return None


def cell_steps(study: Study, cell: Cell, rows: int | None) -> int | None:
    """The optimizer steps of a cell over its epochs of `rows`."""
    from polypaca.training.steps import total_steps

    method = study.methods[cell.method]
    return total_steps(rows, method.batch_size, method.epochs) if rows else None


def warmup_notes(study: Study, steps: Iterable[tuple[str, str, int | None]]) -> list[str]:
    """Sentences on warm-ups that do not end; `steps` are (cell, method, steps of its schedule)."""
    short: dict[str, dict[str, int]] = {}
    for cell, method, count in steps:
        warmup = study.methods[method].warmup_steps
        if warmup and count is not None and warmup >= count:
            short.setdefault(method, {})[cell] = count
    return [_warmup_note(study, method, steps_by_cell) for method, steps_by_cell in short.items()]


def _warmup_note(study: Study, method: str, steps_by_cell: dict[str, int]) -> str:
    least, most = min(steps_by_cell.values()), max(steps_by_cell.values())
    counts = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    cell, more = next(iter(steps_by_cell)), len(steps_by_cell) - 1
    others = f" and {more} more" if more else ""
    return (
        f"methods.{method}: training ends after {counts} steps ({cell}{others}), before the warm-up"
        f" of {study.methods[method].warmup_steps:,} steps does: the learning rate is never "
        "reached. Lower warmup_steps, or give a warmup_ratio"
    )


def schedule_notes(study: Study, out: Path) -> list[str]:
    """Notes of `validate` on warm-ups; only local data is read."""
    if not _may_be_short(study):
        return []
    try:
        rows = one_budget_rows(study, available_rows(study, out, []))
        steps = [
            (c.id, c.method, cell_steps(study, c, cell_rows(study, c, rows))) for c in cells(study)
        ]
        return warmup_notes(study, steps)
    except UserError as error:
        reason = str(error).split("\n")[0]
        return [f"could not check whether warm-ups end in time: {reason}"]


def _may_be_short(study: Study) -> bool:
    """Whether files may be so small that it is worth reading them."""
    most = max(
        (method.warmup_steps or 0) * method.batch_size / method.epochs
        for method in study.methods.values()
    )
    if not most or not cells(study):
        return False
    files = [
        Path(study.data.instructions.replace("{language}", code)) for code in given_languages(study)
    ]
    sizes = [file.stat().st_size for file in files if file.is_file()]
    smallest = min((cell.mixture.budgets or 0.0) for cell in cells(study))
    if not sizes or not smallest:
        return True
    return min(sizes) / _LONG_ROW * smallest < most
