"""The plan as people read it: a line a cell, sums by model and by recipe, totals, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.tables import Column, Grid, print_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from polypaca.planning.estimated import CellEstimate, Estimate, Sum


def print_estimate(found: Estimate, console: Console) -> None:
    """Print the tables; `~` marks what was neither counted nor read, `?` what is not known."""
    hours, money = found.gpu is not None, found.price is not None
    console.print(_cells(found, hours=hours, money=money))
    for title, sums in (
        ("by model and method", found.by_model),
        ("by recipe; a cell that serves two is in both", found.by_recipe),
    ):
        if len(sums) > 1:
            console.print()
            console.print(_sums(title, sums, counted=found.counted, hours=hours, money=money))
    print_totals(found, console)


def print_totals(found: Estimate, console: Console) -> None:
    """Print what the study costs as a whole, and what to know about it."""

    def say(text: str) -> None:
        print_line(console, text)

    budgets = ", ".join(f"{name} {cost:g}" for name, cost in found.recipe_budgets.items())
    mark = "~" if any(cell.examples_from == "assumed" for cell in found.cells) else ""
    rows = f"; one budget is {mark}{found.one_budget_rows:,} rows" if found.one_budget_rows else ""
    say(f"budgets to support the languages: {budgets}{rows}")
    answers = "?" if found.responses is None else f"{found.responses:,}"
    say(
        f"{len(found.cells)} cells of {_number(found.total.budgets)} budgets together; "
        f"{found.systems} systems, {answers} responses"
    )
    if found.total.flops is not None:
        line = f"in all ~{found.total.flops:.2e} FLOPs"
        if found.gpu and found.total.gpu_hours is not None:
            line += f", ~{found.total.gpu_hours:,.0f} hours of one {found.gpu['name']}"
        if found.total.cost is not None:
            line += f", ~{found.total.cost:,.0f} at {found.price:g} an hour"
        if found.answering.gpu_hours is not None:
            line += f"; of it at least ~{found.answering.gpu_hours:,.1f} hours for the answers"
        say(line)
    if found.gpu:
        say("GPUs: how many must share a cell's memory at least; hours are added over them")
    for note in found.notes:
        say(f"note: {note}")


def _cells(found: Estimate, *, hours: bool, money: bool) -> Grid:
    columns = ["examples", "tokens", "budgets"]
    columns += ["supervised", "steps"] if found.counted else []
    columns += ["FLOPs", *_columns(hours=hours, money=money)]
    title = f"{found.study}: {len(found.cells)} cells"
    grid = Grid(title, "cell", [Column(name) for name in columns])
    for cell in found.cells:
        examples = _exact(cell.examples)
        row = [
            f"~{examples}" if cell.examples_from == "assumed" else examples,
            _exact(cell.tokens) if cell.tokens_from == "counted" else _about(cell.tokens),
            _number(cell.budgets),
        ]
        row += [_exact(cell.supervised_tokens), _exact(cell.steps)] if found.counted else []
        row += [_flops(cell.flops, exact=cell.tokens_from == "counted")]
        grid.add(cell.cell, *row, *_spent(cell, hours=hours, money=money))
    return grid


def _sums(title: str, sums: Sequence[Sum], *, counted: bool, hours: bool, money: bool) -> Grid:
    columns = ["cells", "budgets", "tokens", "FLOPs", *_columns(hours=hours, money=money)]
    grid = Grid(title, "", [Column(name) for name in columns])
    for each in sums:
        grid.add(
            each.name,
            f"{each.cells:,}",
            _number(each.budgets),
            _exact(each.tokens) if counted else _about(each.tokens),
            _flops(each.flops, exact=counted),
            *_spent(each, hours=hours, money=money),
        )
    return grid


def _columns(*, hours: bool, money: bool) -> list[str]:
    return [*(["GPUs", "GPU-hours"] if hours else []), *(["cost"] if money else [])]


def _spent(of: CellEstimate | Sum, *, hours: bool, money: bool) -> list[str]:
    found: list[Any] = []
    if hours:
        found.append("?" if of.gpus is None else f"{of.gpus}+")
        found.append("?" if of.gpu_hours is None else f"~{_short(of.gpu_hours)}")
    if money:
        found.append("?" if of.cost is None else f"~{of.cost:,.2f}")
    return found


def _exact(value: int | None) -> str:
    return "?" if value is None else f"{value:,}"


def _about(value: float | None) -> str:
    # An estimate has no more than three digits that mean anything.
    return "?" if value is None else f"~{float(f'{value:.3g}'):,.0f}"


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"


def _flops(value: float | None, *, exact: bool = False) -> str:
    # From counted tokens the figure is arithmetic, otherwise it is as good as they are.
    return "?" if value is None else f"{'' if exact else '~'}{value:.2e}"


def _short(hours: float) -> str:
    return f"{hours:,.2f}" if hours < 10 else f"{hours:,.0f}"
