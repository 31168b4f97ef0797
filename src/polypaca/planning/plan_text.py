"""Print a plan: a line per cell, sums by model and by recipe, totals, notes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.tables import Column, Grid, print_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from polypaca.planning.estimates import CellEstimate, CostSum, Estimate


def print_estimate(estimate: Estimate, console: Console) -> None:
    """Print the tables; `~` marks what was neither counted nor read, `?` what is not known."""
    hours, money = estimate.gpu is not None, estimate.price is not None
    console.print(_cells(estimate, hours=hours, money=money))
    for title, sums in (
        ("by model and method", estimate.by_model),
        ("by recipe; a cell of two recipes counts in both", estimate.by_recipe),
    ):
        if len(sums) > 1:
            console.print()
            console.print(_sums(title, sums, counted=estimate.counted, hours=hours, money=money))
    print_totals(estimate, console)


def print_totals(estimate: Estimate, console: Console) -> None:
    """Print the totals of a study, and its notes."""
    budgets = ", ".join(f"{name} {cost:g}" for name, cost in estimate.recipe_budgets.items())
    lines = [f"budgets to support the languages: {budgets}"]
    if estimate.one_budget_rows:
        mark = "~" if any(cell.examples_from == "assumed" for cell in estimate.cells) else ""
        lines[0] += f"; one budget is {mark}{estimate.one_budget_rows:,} rows"
    answers = "?" if estimate.responses is None else f"{estimate.responses:,}"
    lines.append(
        f"{len(estimate.cells)} cells, {_number(estimate.total.budgets)} budgets in total; "
        f"{estimate.systems} systems, {answers} responses"
    )
    if estimate.total.flops is not None:
        line = f"in total ~{estimate.total.flops:.2e} FLOPs"
        if estimate.gpu and estimate.total.gpu_hours is not None:
            line += f", ~{estimate.total.gpu_hours:,.0f} hours of one {estimate.gpu['name']}"
        if estimate.total.cost is not None:
            line += f", ~{estimate.total.cost:,.0f} at {estimate.price:g} per hour"
        if estimate.answering.gpu_hours is not None:
            hours = estimate.answering.gpu_hours
            line += f", of which at least ~{hours:,.1f} hours are for the responses"
        lines.append(line)
    if estimate.gpu:
        lines.append("GPUs: the fewest whose memory fits the cell; GPU-hours add up over them")
    for line in (*lines, *(f"note: {note}" for note in estimate.notes)):
        print_line(console, line)


def _cells(estimate: Estimate, *, hours: bool, money: bool) -> Grid:
    columns = ["examples", "tokens", "budgets"]
    columns += ["supervised", "steps"] if estimate.counted else []
    columns += ["FLOPs", *_columns(hours=hours, money=money)]
    title = f"{estimate.study}: {len(estimate.cells)} cells"
    grid = Grid(title, "cell", [Column(name) for name in columns])
    for cell in estimate.cells:
        examples = _exact(cell.examples)
        row = [
            f"~{examples}" if cell.examples_from == "assumed" else examples,
            _exact(cell.tokens) if cell.tokens_from == "counted" else _about(cell.tokens),
            _number(cell.budgets),
        ]
        row += [_exact(cell.supervised_tokens), _exact(cell.steps)] if estimate.counted else []
        row += [_flops(cell.flops, exact=cell.tokens_from == "counted")]
        grid.add(cell.cell, *row, *_device_costs(cell, hours=hours, money=money))
    return grid


def _sums(title: str, sums: Sequence[CostSum], *, counted: bool, hours: bool, money: bool) -> Grid:
    columns = ["cells", "budgets", "tokens", "FLOPs", *_columns(hours=hours, money=money)]
    grid = Grid(title, "", [Column(name) for name in columns])
    for group in sums:
        grid.add(
            group.name,
            f"{group.cells:,}",
            _number(group.budgets),
            _exact(group.tokens) if counted else _about(group.tokens),
            _flops(group.flops, exact=counted),
            *_device_costs(group, hours=hours, money=money),
        )
    return grid


def _columns(*, hours: bool, money: bool) -> list[str]:
    return [*(["GPUs", "GPU-hours"] if hours else []), *(["cost"] if money else [])]


def _device_costs(row: CellEstimate | CostSum, *, hours: bool, money: bool) -> list[str]:
    texts = []
    if hours:
        texts.append("?" if row.gpus is None else f"{row.gpus}+")
        texts.append("?" if row.gpu_hours is None else f"~{_short(row.gpu_hours)}")
    if money:
        texts.append("?" if row.cost is None else f"~{row.cost:,.2f}")
    return texts


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
