"""mix, the ledger: what every cell will cost, counted before anything is trained.

mixtures/ledger/   ledger.json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Literal

from polypaca.core.errors import UserError
from polypaca.core.files import write_json
from polypaca.core.folders import LedgerFacts, LedgerFolder
from polypaca.core.results import BudgetLedger, CellBudget
from polypaca.core.work import Context, SingleWork
from polypaca.data.budgets import (
    MixtureCost,
    RecipeCost,
    find_inequalities,
    flops_per_token,
    mixture_cost,
)
from polypaca.data.lengths import row_costs
from polypaca.models.size import parameter_count
from polypaca.training.steps import total_steps

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import BaseFolder, LengthsFolder, MixtureFacts, MixtureFolder
    from polypaca.data.budgets import LossOn, MethodKind, Unit

_NOTABLE = 0.05  # a difference in tokens between recipes of equal examples


@dataclass(frozen=True)
class PlannedCell:
    """A cell as the ledger needs it."""

    cell: str
    model: str
    method: str
    recipes: Sequence[str]
    seed: int
    budgets: float | None  # None where the size is an amount
    kind: MethodKind
    epochs: float
    batch_size: int
    max_length: int
    loss_on: LossOn


@dataclass(frozen=True, kw_only=True)
class CountBudgets(SingleWork[LedgerFolder]):
    """The cost of every cell; recipes that should cost the same are compared.

    `mixtures` and `lengths` are by cell, `bases` by model, `supported` languages by recipe.
    """

    step, stage, format_number = "ledger", "mix", 1
    makes = LedgerFolder

    mixtures: Mapping[str, MixtureFolder]
    lengths: Mapping[str, LengthsFolder]
    bases: Mapping[str, BaseFolder]
    cells: Sequence[PlannedCell]
    supported: Mapping[str, int]
    unit: Unit
    tolerance: float  # share of the cost
    unequal: Literal["error", "report"]

    def run(self, context: Context) -> LedgerFacts:
        """Count and compare.

        Raises:
            UserError: if recipes that should cost the same do not, and the study forbids that.
        """
        facts = {cell: mixture.facts for cell, mixture in self.mixtures.items()}
        counted = self._counted(facts, context)
        recipes = _recipe_costs(self.cells, counted, self.supported)
        unequal = find_inequalities(recipes, self.unit, self.tolerance)
        if unequal and self.unequal == "error":
            dropped = sum(sum(cell.dropped_rows.values()) for cell in counted)
            why = f" ({dropped} rows have no response within max_length)" if dropped else ""
            raise UserError(
                f"recipes that are meant to cost the same do not{why}: "
                + "; ".join(map(str, unequal))
                + "; set budget.unequal: report to go on anyway, or raise budget.tolerance"
            )
        notes = [f"Declared unequal: {inequality}." for inequality in unequal]
        if self.unit == "examples":
            # Equal examples are not equal tokens: one script needs more of them than another.
            notes += [
                f"Equal in examples, not in tokens: {inequality}."
                for inequality in find_inequalities(recipes, "tokens", _NOTABLE)
            ]
        notes += _leaks(facts)
        one = next(iter(facts.values())).one_budget_rows
        result = BudgetLedger(unit=self.unit, one_budget_rows=one, cells=counted, notes=notes)
        write_json(context.folder / "ledger.json", result.model_dump(mode="json"))
        tokens = sum(cell.tokens for cell in counted)
        summary = f"{len(counted)} cells, {tokens:,} tokens to train on"
        return LedgerFacts(notes=notes, summary=summary)

    def _counted(self, facts: Mapping[str, MixtureFacts], context: Context) -> list[CellBudget]:
        """Every cell's cost; cells share rows, lengths and what comes of both."""
        parameters = {model: parameter_count(base.path) for model, base in self.bases.items()}
        ids = cache(_ids)
        costs = cache(row_costs)

        @cache
        def once(mixture: Path, measured: Path, max_length: int, loss_on: LossOn) -> MixtureCost:
            return mixture_cost(ids(mixture), costs(measured, max_length, loss_on))

        counted = []
        for number, cell in enumerate(self.cells):
            context.progress(number / len(self.cells), cell.cell)
            cost = once(
                self.mixtures[cell.cell].train,
                self.lengths[cell.cell].path,
                cell.max_length,
                cell.loss_on,
            )
            budgets = facts[cell.cell].budgets
            counted.append(_cell_budget(cell, budgets, cost, parameters[cell.model]))
        return counted


def _ids(path: Path) -> list[tuple[str, str]]:
    """Id and language of each row, without the cost of making records of them."""
    with path.open("rb") as file:
        return [(row["id"], row["language"]) for row in map(json.loads, file)]


def _cell_budget(
    cell: PlannedCell, budgets: float, once: MixtureCost, parameters: int | None
) -> CellBudget:
    tokens = round(once.tokens * cell.epochs)
    flops = flops_per_token(parameters, cell.kind) * tokens if parameters else None
    return CellBudget(
        cell=cell.cell,
        model=cell.model,
        method=cell.method,
        recipes=list(cell.recipes),
        seed=cell.seed,
        budgets=budgets,
        examples=round(once.rows * cell.epochs),
        tokens=tokens,
        supervised_tokens=round(once.supervised * cell.epochs),
        steps=total_steps(once.rows, cell.batch_size, cell.epochs),
        flops=flops,
        rows_by_language=once.rows_by_language,
        tokens_by_language=once.tokens_by_language,
        cut_rows=once.cut,
        dropped_rows=once.dropped,
    )


def _recipe_costs(
    cells: Sequence[PlannedCell], counted: Sequence[CellBudget], supported: Mapping[str, int]
) -> list[RecipeCost]:
    """The cells of each recipe, model, method and seed added up."""
    groups: dict[tuple[str, str, str, int], list[int]] = {}
    for number, cell in enumerate(cells):
        for recipe in cell.recipes:
            key = (cell.model, cell.method, recipe, cell.seed)
            groups.setdefault(key, []).append(number)
    costs = []
    for (model, method, recipe, seed), members in groups.items():
        declared = [cells[number].budgets for number in members]
        known = [budgets for budgets in declared if budgets is not None]
        costs.append(
            RecipeCost(
                model=model,
                method=method,
                recipe=recipe,
                seed=seed,
                declared=sum(known) if len(known) == len(declared) else None,
                supported=supported[recipe],
                examples=sum(sum(counted[n].rows_by_language.values()) for n in members),
                tokens=sum(sum(counted[n].tokens_by_language.values()) for n in members),
            )
        )
    return costs


def _leaks(facts: Mapping[str, MixtureFacts]) -> list[str]:
    """A note on translations of validation rows that a random split leaves in training."""
    leaked = {
        cell: (fact.validation_sources_trained_on, fact.validation_rows)
        for cell, fact in facts.items()
        if fact.validation_sources_trained_on
    }
    if not leaked:
        return []
    cell, (count, of) = max(leaked.items(), key=lambda item: item[1][0] / item[1][1])
    return [
        "Validation rows were drawn at random from each mixture (data.split: random), so "
        f"translations of them are trained on: {count} of {of} in {cell}. Validation losses are "
        "too low there, and not fit for the choice of a checkpoint."
    ]
