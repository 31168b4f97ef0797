"""mix: the lengths of rows, the rows of every mixture, and the cost of every cell.

lengths/<model>/                             <language>.jsonl
mixtures/<recipe>[-<language>].s<seed>/      train.jsonl, validation.jsonl
mixtures/heldout/                            <language>.jsonl
mixtures/ledger/                             ledger.json
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from polypaca.core.errors import DataError, UserError
from polypaca.core.files import atomic_write, read_jsonl, write_json, write_jsonl
from polypaca.core.folders import (
    HeldOutFacts,
    HeldOutFolder,
    LedgerFacts,
    LedgerFolder,
    LengthsFolder,
    MixtureFacts,
    MixtureFolder,
)
from polypaca.core.records import Example
from polypaca.core.results import BudgetLedger, CellBudget
from polypaca.core.work import INPUT, Context, Facts, SingleWork
from polypaca.data.budgets import (
    MixtureCost,
    RecipeCost,
    RowCost,
    flops_per_token,
    inequalities,
    mixture_cost,
    row_cost,
)
from polypaca.data.lengths import row_lengths
from polypaca.data.mixtures import (
    Draw,
    aligned,
    draw,
    normalised,
    one_budget,
    shares_by_temperature,
    split_at_random,
    total_cost,
    validation_rows,
)
from polypaca.models.loading import load_tokenizer
from polypaca.models.size import parameter_count
from polypaca.models.templates import load_template
from polypaca.training.steps import total_steps

_NOTABLE = 0.05  # a difference in tokens between recipes of equal examples

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import BaseFolder, TranslationFolder
    from polypaca.core.settings import Json
    from polypaca.data.budgets import Kind, LossOn, Unit
    from polypaca.data.mixtures import Align, Sampling


@dataclass(frozen=True, kw_only=True)
class MeasureLengths(SingleWork[LengthsFolder]):
    """How many tokens of a model's tokenizer every row has, uncut."""

    step, stage, format_number = "lengths", "mix", 2
    makes = LengthsFolder

    base: BaseFolder
    translations: Mapping[str, TranslationFolder]
    template: str

    def run(self, context: Context) -> Facts:
        """Write one file a language."""
        tokenizer = load_tokenizer(self.base.path)
        wording = load_template(self.template, tokenizer)
        for number, (language, given) in enumerate(self.translations.items()):
            context.progress(number / len(self.translations), language)
            rows = (
                (row.id, wording.render(row.instruction, row.input), row.output)
                for row in read_jsonl(given.examples, Example)
            )
            with atomic_write(context.folder / f"{language}.jsonl") as file:
                for length in row_lengths(
                    rows,
                    tokenizer.backend_tokenizer,
                    tokenizer.eos_token_id,
                    closing=wording.closing,
                    special_tokens=wording.special_tokens,
                ):
                    file.write(json.dumps(asdict(length), ensure_ascii=False) + "\n")
        return Facts(summary=f"rows of {len(self.translations)} languages measured")


@dataclass(frozen=True, kw_only=True)
class DrawMixture(SingleWork[MixtureFolder]):
    """The rows of one mixture.

    All training languages are read, since together they define a budget. `lengths` and
    `max_length` are needed where anything is counted in tokens, `base` and `kind` for FLOPs.
    """

    step, stage, format_number = "mix", "mix", 2
    makes = MixtureFolder

    translations: Mapping[str, TranslationFolder]
    lengths: LengthsFolder | None = field(default=None, metadata=INPUT)
    base: BaseFolder | None = field(default=None, metadata=INPUT)
    languages: Sequence[str]
    budgets: float | None
    sampling: Sampling
    align: Align
    random_validation: int | None  # rows drawn from the mixture itself; None: held-out sources
    unit: Unit
    seed: int
    max_length: int | None = None
    kind: Kind | None = None

    def decides(self) -> Json:
        """What is not needed where rows alone are counted is left out."""
        return {
            name: value
            for name, value in super().decides().items()
            if value is not None or name not in ("max_length", "kind")
        }

    def run(self, context: Context) -> MixtureFacts:
        """Sample it.

        Raises:
            DataError: if there are fewer rows than the recipe asks for.
        """
        context.progress(0.0, ", ".join(self.languages))
        examples = _examples(self.translations)
        rows = aligned(examples, self.align)
        tokens = None
        if self.lengths and self.max_length:
            tokens = _tokens(self.lengths.path, self.max_length)
        chosen = draw(
            rows, self.languages, self._draw(rows, tokens), self.seed, self._costs(tokens)
        )
        leaked = None
        if self.random_validation is None:
            train, validation = chosen, validation_rows(examples, self.languages, self.align)
        else:
            train, validation, leaked = split_at_random(chosen, self.random_validation, self.seed)
        if not validation:
            raise DataError(
                "no validation row is left", hint="see the rejected rows of `translate`"
            )
        write_jsonl(context.folder / "train.jsonl", train)
        write_jsonl(context.folder / "validation.jsonl", validation)
        counts = Counter(row.language for row in train)
        budgets = total_cost(train, tokens) / one_budget(rows, tokens)
        if self.unit == "examples":
            budgets = len(train) / one_budget(rows, None)
        return MixtureFacts(
            validation_sources_trained_on=leaked,
            rows=len(train),
            rows_by_language={code: counts[code] for code in self.languages},
            validation_rows=len(validation),
            one_budget_rows=one_budget(rows, None),
            budgets=budgets,
            summary=f"{len(train)} rows, {budgets:.4g} budgets",
        )

    def _costs(self, tokens: Mapping[str, int] | None) -> Mapping[str, int] | None:
        # An amount in rows stays one, whatever budgets are counted in.
        return None if self.sampling.examples else tokens

    def _draw(self, rows: Mapping[str, list[Example]], tokens: Mapping[str, int] | None) -> Draw:
        sampling = self.sampling
        amount: float | None = sampling.examples or sampling.tokens
        if sampling.flops and self.base and self.kind:
            amount = sampling.flops / _flops_per_token(self.base.path, self.kind)
        costs = self._costs(tokens)
        sizes = {code: float(total_cost(rows[code], costs)) for code in self.languages}
        return Draw(
            budgets=self.budgets,
            amount=amount,
            shares=_shares(sampling, sizes),
            one_language_per_source=sampling.one_language_per_source,
            repeat=sampling.repeat,
        )


@dataclass(frozen=True, kw_only=True)
class HoldOut(SingleWork[HeldOutFolder]):
    """The held-out sources in every training language: every cell's loss is taken on all of them.

    Under `data.split: random` no source is held out of every mixture, and there is no row.
    """

    step, stage, format_number = "heldout", "mix", 1
    makes = HeldOutFolder

    translations: Mapping[str, TranslationFolder]
    align: Align

    def run(self, context: Context) -> HeldOutFacts:
        """Write one file a language."""
        context.progress(0.0, "held-out rows")
        examples = _examples(self.translations)
        counts = {}
        for language in examples:
            if rows := validation_rows(examples, [language], self.align):
                counts[language] = write_jsonl(context.folder / f"{language}.jsonl", rows)
        total = sum(counts.values())
        return HeldOutFacts(rows=counts, summary=f"{total} rows in {len(counts)} languages")


@dataclass(frozen=True)
class PlannedCell:
    """A cell as the ledger needs it."""

    cell: str
    model: str
    method: str
    recipes: Sequence[str]
    seed: int
    budgets: float | None  # None where the size is an amount
    kind: Kind
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
        unequal = inequalities(recipes, self.unit, self.tolerance)
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
                for inequality in inequalities(recipes, "tokens", _NOTABLE)
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
        row_costs = cache(_row_costs)

        @cache
        def once(mixture: Path, measured: Path, max_length: int, loss_on: LossOn) -> MixtureCost:
            return mixture_cost(ids(mixture), row_costs(measured, max_length, loss_on))

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


def _examples(translations: Mapping[str, TranslationFolder]) -> dict[str, list[Example]]:
    """All rows of all training languages."""
    return {
        language: list(read_jsonl(given.examples, Example))
        for language, given in translations.items()
    }


def _ids(path: Path) -> list[tuple[str, str]]:
    """Id and language of each row, without the cost of making records of them."""
    with path.open("rb") as file:
        return [(row["id"], row["language"]) for row in map(json.loads, file)]


def _row_costs(folder: Path, max_length: int, loss_on: LossOn) -> dict[str, RowCost]:
    costs = {}
    for path in folder.glob("*.jsonl"):
        with path.open("rb") as file:
            for row in map(json.loads, file):
                costs[row["id"]] = row_cost(
                    row["prompt"], row["response"], max_length=max_length, loss_on=loss_on
                )
    return costs


def _tokens(folder: Path, max_length: int) -> dict[str, int]:
    """What each row costs in tokens; a row that is cut to nothing costs the whole limit."""
    costs = _row_costs(folder, max_length, "all")
    return {row_id: cost.tokens for row_id, cost in costs.items()}


def _flops_per_token(base: Path, kind: Kind) -> int:
    parameters = parameter_count(base)
    if parameters is None:
        raise UserError(
            f"{base.name}: `flops` needs the model's number of parameters, and it has no weights"
        )
    return flops_per_token(parameters, kind)


def _shares(sampling: Sampling, sizes: Mapping[str, float]) -> dict[str, float] | None:
    """The languages' exact shares, where the recipe wants such."""
    if sampling.weights:
        return normalised(sampling.weights)
    if sampling.temperature:
        return shares_by_temperature(sizes, sampling.temperature)
    return normalised(dict.fromkeys(sizes, 1.0)) if sampling.stratified else None


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
