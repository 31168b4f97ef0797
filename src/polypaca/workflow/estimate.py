"""What a study will cost, before anything runs: examples, tokens and budgets of every cell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import DataError, UserError
from polypaca.core.manifest import State, state_of
from polypaca.core.records import Example
from polypaca.core.results import BudgetLedger
from polypaca.study.grid import (
    Cell,
    Mixture,
    cells,
    given,
    recipe_mixtures,
    recipes,
    systems,
    translated,
)
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import current
from polypaca.workflow.tasks import tasks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.core.results import CellBudget
    from polypaca.study import Study

_SAMPLE = 300  # rows of a language that are tokenized to estimate its length


@dataclass(frozen=True)
class CellEstimate:
    """One cell before it is trained; None where the data or the tokenizer is not at hand."""

    cell: str
    model: str
    method: str
    recipes: tuple[str, ...]
    seed: int
    examples: int | None  # over all epochs
    tokens: int | None  # over all epochs, from a sample
    budgets: float | None  # None where the recipe gives an amount that is not known in budgets yet
    supervised_tokens: int | None = None  # as are steps and FLOPs: once `mix` has counted
    steps: int | None = None
    flops: float | None = None


@dataclass(frozen=True)
class Estimate:
    """A study before it runs."""

    study: str
    one_budget_rows: int | None
    counted: bool  # by `mix`, from all rows; else estimated from a sample
    recipe_budgets: dict[str, float]  # what supporting the study's languages costs
    cells: list[CellEstimate]
    systems: int
    responses: int
    notes: list[str]

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


def estimate(study: Study, out: Path) -> Estimate:
    """Count what can be counted from the study's files, or from what `prepare` left in `out`."""
    ledger = _ledger(study, out)
    notes: list[str] = list(ledger.notes) if ledger else []
    examples = {} if ledger else _examples(study, out, notes)
    rows = ledger.one_budget_rows if ledger else _one_budget(study, examples)
    lengths = {
        (model.name, method): _tokens_per_row(study, model.name, method, out, examples)
        for model in study.models
        for method in study.methods
    }
    if examples and not all(lengths.values()):
        notes.append("tokens are counted once `polypaca prepare` has made the tokenizers ready")
    untested = [code for code in study.languages.train if code not in study.languages.test]
    if untested and "monolingual" in study.recipes and not study.recipes["monolingual"].languages:
        notes.append(
            f"no monolingual cell for {', '.join(untested)}, since no prompt tests it; "
            "its budget is not counted"
        )
    return Estimate(
        study=study.name,
        one_budget_rows=rows,
        counted=ledger is not None,
        recipe_budgets={
            recipe: sum(
                _budgets(mixture, rows) or 0.0 for mixture in recipe_mixtures(study, recipe)
            )
            for recipe in recipes(study)
        },
        cells=[_counted(cell) for cell in ledger.cells]
        if ledger
        else [_cell(study, cell, rows, lengths[cell.model, cell.method]) for cell in cells(study)],
        systems=len(systems(study)),
        responses=_responses(study),
        notes=notes,
    )


def _cell(
    study: Study, cell: Cell, one_budget: int | None, tokens: Mapping[str, float]
) -> CellEstimate:
    epochs = study.methods[cell.method].epochs
    budgets = _budgets(cell.mixture, one_budget)
    in_rows = study.budget.unit == "examples" or cell.mixture.recipe.examples
    examples = None
    if one_budget and budgets and in_rows:
        examples = round(round(one_budget * budgets) * epochs)
    mean = [tokens[code] for code in cell.mixture.languages if code in tokens]
    return CellEstimate(
        cell=cell.id,
        model=cell.model,
        method=cell.method,
        recipes=cell.recipes,
        seed=cell.seed,
        examples=examples,
        tokens=round(examples * sum(mean) / len(mean)) if examples and mean else None,
        budgets=budgets,
    )


def _budgets(mixture: Mixture, one_budget: int | None) -> float | None:
    """A mixture's size in budgets; an amount in tokens or FLOPs is known once `mix` has counted."""
    if mixture.budgets is not None or mixture.recipe.examples is None or not one_budget:
        return mixture.budgets
    return mixture.recipe.examples / one_budget


def _ledger(study: Study, out: Path) -> BudgetLedger | None:
    """What `mix` counted, if that was done for the study as it is now."""
    fingerprints = Fingerprints(out / ".run" / "fingerprints.json")
    task = next(t for t in tasks_of(study, fingerprints) if t.step == "ledger")
    if current(out, task) is None:
        return None
    return BudgetLedger.model_validate_json((out / task.id / "ledger.json").read_bytes())


def _counted(cell: CellBudget) -> CellEstimate:
    return CellEstimate(
        cell=cell.cell,
        model=cell.model,
        method=cell.method,
        recipes=tuple(cell.recipes),
        seed=cell.seed,
        examples=cell.examples,
        tokens=cell.tokens,
        budgets=cell.budgets,
        supervised_tokens=cell.supervised_tokens,
        steps=cell.steps,
        flops=cell.flops,
    )


def _examples(study: Study, out: Path, notes: list[str]) -> dict[str, list[Any]]:
    """Rows with instruction, input and output by language; empty where there is no file yet."""
    from polypaca.core.files import read_jsonl
    from polypaca.stages.prepare import read_instructions

    prepared = out / "data" / "instructions"
    source = study.data.instructions
    engines = translated(study)
    if engines:
        notes.append(
            f"{', '.join(engines)}: translated from {given(study)[0]}, so rows and tokens are "
            "estimated from that until `polypaca mix` has counted them"
        )
    if source.startswith(("hf:", "http://", "https://")):
        task = next(t for t in tasks_of(study, Fingerprints()) if t.id == "data/instructions")
        if state_of(prepared, task.identity) is not State.DONE:
            notes.append("examples are counted once `polypaca prepare` has downloaded the data")
            return {}
        rows: dict[str, list[Any]] = {
            code: list(read_jsonl(prepared / f"{code}.jsonl", Example)) for code in given(study)
        }
    else:
        rows = {
            code: list(
                read_instructions(source, code, study.data.on_bad_row, study.data.format).items
            )
            for code in given(study)
        }
    return {code: rows.get(code, rows[given(study)[0]]) for code in study.languages.train}


def _one_budget(study: Study, examples: Mapping[str, list[Any]]) -> int | None:
    """Training rows that every language has: what `mix` will call one budget."""
    if not examples:
        return None
    if study.data.align == "none":
        whole = min(len(rows) for rows in examples.values())
    else:
        whole = len(set.intersection(*({row.source for row in r} for r in examples.values())))
    held_out = study.data.validation if study.data.split == "source" else 0
    count = min(whole, study.data.rows or whole) - held_out
    if count < 1:
        raise DataError(
            f"{held_out} validation examples leave none of the {count + held_out} shared sources "
            "to train on",
            hint="lower data.validation, raise data.rows, or check that the files' ids agree",
        )
    return count


def _tokens_per_row(
    study: Study, model: str, method: str, out: Path, examples: Mapping[str, list[Any]]
) -> dict[str, float]:
    """Mean tokens of a training row by language, as far as a tokenizer file is at hand."""
    source = next(m for m in study.models if m.name == model)
    given = Path(source.tokenizer or source.source or "")
    files = [out / "bases" / model / "tokenizer.json", given / "tokenizer.json", given]
    file = next((file for file in files if file.is_file()), None)
    if file is None or not examples:
        return {}
    from tokenizers import Tokenizer

    from polypaca.models.templates import TEMPLATES

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare exceptions
        raise UserError(f"{file} is no tokenizer: {error}") from error
    chosen = study.methods[method]
    # A chat template comes with the model; until then it is taken to be as long as Alpaca's.
    template = TEMPLATES.get(chosen.template, TEMPLATES["alpaca"])
    means = {}
    for code, rows in examples.items():
        texts = [
            template.render(row.instruction, row.input) + row.output
            for row in rows[:: max(1, len(rows) // _SAMPLE)]
        ]
        lengths = [
            min(chosen.max_length, len(encoding.ids) + 1)  # and the end-of-sequence token
            for encoding in tokenizer.encode_batch(texts)
        ]
        means[code] = sum(lengths) / len(lengths)
    return means


def _responses(study: Study) -> int:
    """Answers that all systems will give together."""
    from polypaca.stages.prepare import read_prompts

    asked = study.prompts
    prompts = read_prompts(
        asked.source, study.languages.test, asked.count, asked.on_bad_row
    ).prompts
    return sum(len(prompts[code]) for system in systems(study) for code in system.languages)
