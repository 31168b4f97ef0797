"""The estimated costs of a cell, of groups of cells, and of a study."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

Basis = Literal["counted", "read", "sampled", "assumed"]


@dataclass(frozen=True)
class CellEstimate:
    """One cell before it is trained; None where the data, tokenizer or model is not known.

    Attributes:
        cell: its id.
        model: the base model's name.
        method: the method's name.
        recipes: that it serves.
        seed: of its mixture and training.
        examples: over all epochs.
        examples_from: `counted` by `mix`, `read` from files, or `assumed` of a known data set.
        tokens: over all epochs, without padding.
        tokens_from: `counted` by `mix`, `sampled` with the tokenizer, or `assumed` from bytes.
        budgets: None where the recipe gives an amount that is not known in budgets yet.
        supervised_tokens: tokens with a label; known once `mix` has counted.
        steps: of the optimizer.
        flops: of training.
        evaluation_flops: of the held-out losses during and after training.
        gpu_hours: of one device, for both; None without a GPU.
        cost: of those hours; None without a price.
        memory: bytes that training takes at least.
        gpus: devices that have this memory together.
    """

    cell: str
    model: str
    method: str
    recipes: tuple[str, ...]
    seed: int
    examples: int | None
    tokens: int | None
    budgets: float | None
    examples_from: Basis | None = None
    tokens_from: Basis | None = None
    supervised_tokens: int | None = None
    steps: int | None = None
    flops: float | None = None
    evaluation_flops: float | None = None
    gpu_hours: float | None = None
    cost: float | None = None
    memory: float | None = None
    gpus: int | None = None


@dataclass(frozen=True)
class CostSum:
    """The costs of a group of cells, or of responses; None where a part of it is not known."""

    name: str
    cells: int
    budgets: float | None = None
    tokens: int | None = None
    flops: float | None = None
    gpu_hours: float | None = None
    cost: float | None = None
    gpus: int | None = None  # that the largest cell needs


@dataclass(frozen=True)
class Estimate:
    """The estimated costs of a study."""

    study: str
    one_budget_rows: int | None
    counted: bool  # by `mix`, from all rows
    recipe_budgets: dict[str, float]  # what supporting the study's languages costs
    cells: list[CellEstimate]
    systems: int
    responses: int | None
    notes: list[str]
    by_model: list[CostSum]  # and method
    by_recipe: list[CostSum]  # a cell that serves two recipes counts in both
    answering: CostSum  # all systems' answers, at least; its FLOPs and hours are not in the cells'
    total: CostSum  # training, its evaluations, and answering
    gpu: dict[str, Any] | None
    price: float | None  # of a device's hour
    assumptions: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def costs_by(
    cells: Sequence[CellEstimate], names: Callable[[CellEstimate], Iterable[str]]
) -> list[CostSum]:
    """The costs of cells grouped by the names that `names` gives each, in order of appearance."""
    groups: dict[str, list[CellEstimate]] = {}
    for cell in cells:
        for name in names(cell):
            groups.setdefault(name, []).append(cell)
    return [_sum(name, group) for name, group in groups.items()]


def _sum(name: str, group: Sequence[CellEstimate]) -> CostSum:
    needed = [cell.gpus for cell in group if cell.gpus is not None]
    tokens = _added(cell.tokens for cell in group)
    return CostSum(
        name=name,
        cells=len(group),
        budgets=_added(cell.budgets for cell in group),
        tokens=None if tokens is None else round(tokens),
        flops=_added(cell.flops for cell in group),
        gpu_hours=_added(cell.gpu_hours for cell in group),
        cost=_added(cell.cost for cell in group),
        gpus=max(needed) if needed else None,
    )


def total_costs(cells: Sequence[CellEstimate], answering: CostSum) -> CostSum:
    """All cells, their held-out losses and the answers together."""
    trained = _sum("total", cells)
    return CostSum(
        name="total",
        cells=trained.cells,
        budgets=trained.budgets,
        tokens=trained.tokens,
        flops=_added((trained.flops, answering.flops, *(cell.evaluation_flops for cell in cells))),
        gpu_hours=_added((trained.gpu_hours, answering.gpu_hours)),
        cost=_added((trained.cost, answering.cost)),
        gpus=trained.gpus,
    )


def _added(values: Iterable[float | None]) -> float | None:
    """The sum; None where any part is not known, so that no sum looks smaller than it is."""
    addends = list(values)
    known = [value for value in addends if value is not None]
    return sum(known) if len(known) == len(addends) and addends else None
