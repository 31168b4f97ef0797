"""Rows and steps of cells before anything is drawn, and whether warm-ups end within them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError, UserError
from polypaca.planning.at_hand import rows_at_hand
from polypaca.study.grid import cells, given_languages

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.planning.at_hand import Rows
    from polypaca.study import Study
    from polypaca.study.grid import Cell, Mixture

_LONG_ROW = 4000  # bytes that a row is taken to have at most, to see that there are many


def one_budget_of(study: Study, rows: Rows) -> int | None:
    """Training rows that every language has: what `mix` will call one budget."""
    if rows.whole is None:
        return None
    held_out = study.data.validation if study.data.split == "source" else 0
    count = min(rows.whole, study.data.rows or rows.whole) - held_out
    if count < 1:
        raise DataError(
            f"{held_out} validation examples leave none of the {count + held_out} shared sources "
            "to train on",
            hint="lower data.validation, raise data.rows, or check that the files' ids agree",
        )
    return count


def budgets_of(mixture: Mixture, one_budget: int | None) -> float | None:
    """A mixture's size in budgets; an amount in tokens or FLOPs is known once `mix` has counted."""
    if mixture.budgets is not None or mixture.sampling.examples is None or not one_budget:
        return mixture.budgets
    return mixture.sampling.examples / one_budget


def rows_of(study: Study, cell: Cell, one_budget: int | None) -> int | None:
    """The rows of a cell's mixture, where they can be told before they are drawn."""
    budgets, sampling = budgets_of(cell.mixture, one_budget), cell.mixture.sampling
    if sampling.examples:
        return sampling.examples
    if one_budget and budgets and study.budget.unit == "examples":
        return round(one_budget * budgets)
    return None


def steps_of(study: Study, cell: Cell, rows: int | None) -> int | None:
    """The steps of a cell's schedule over so many rows."""
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
    return [_sentence(study, method, found) for method, found in short.items()]


def _sentence(study: Study, method: str, found: dict[str, int]) -> str:
    least, most = min(found.values()), max(found.values())
    counts = f"{most:,}" if least == most else f"{least:,} to {most:,}"
    cell, more = next(iter(found)), len(found) - 1
    others = f" and {more} more" if more else ""
    return (
        f"methods.{method}: the warm-up of {study.methods[method].warmup_steps:,} steps is not "
        f"over when training is, after {counts} steps ({cell}{others}): the learning rate is never "
        "reached. Lower warmup_steps, or give a warmup_ratio"
    )


def schedule_notes(study: Study, out: Path) -> list[str]:
    """What `validate` says of warm-ups; only data at hand is looked at."""
    if not _may_be_short(study):
        return []
    try:
        rows = one_budget_of(study, rows_at_hand(study, out, []))
        steps = [
            (c.id, c.method, steps_of(study, c, rows_of(study, c, rows))) for c in cells(study)
        ]
        return warmup_notes(study, steps)
    except UserError as error:
        reason = str(error).split("\n")[0]
        return [f"whether warm-ups end in time was not checked: {reason}"]


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
