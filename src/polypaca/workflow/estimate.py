"""What a study will cost, before anything runs: examples, tokens and budgets of every cell."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import DataError, UserError
from polypaca.core.manifest import State, state_of
from polypaca.core.records import Example
from polypaca.study.grid import Cell, cells, recipe_mixtures, systems
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import tasks_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    budgets: float


@dataclass(frozen=True)
class Estimate:
    """A study before it runs."""

    study: str
    one_budget_rows: int | None
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
    notes: list[str] = []
    examples = _examples(study, out, notes)
    rows = _one_budget(study, examples)
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
        recipe_budgets={
            recipe: sum(mixture.budgets for mixture in recipe_mixtures(study, recipe))
            for recipe in study.recipes
        },
        cells=[_cell(study, cell, rows, lengths[cell.model, cell.method]) for cell in cells(study)],
        systems=len(systems(study)),
        responses=_responses(study),
        notes=notes,
    )


def _cell(
    study: Study, cell: Cell, one_budget: int | None, tokens: Mapping[str, float]
) -> CellEstimate:
    epochs = study.methods[cell.method].epochs
    examples = round(round(one_budget * cell.mixture.budgets) * epochs) if one_budget else None
    mean = [tokens[code] for code in cell.mixture.languages if code in tokens]
    return CellEstimate(
        cell=cell.id,
        model=cell.model,
        method=cell.method,
        recipes=cell.recipes,
        seed=cell.seed,
        examples=examples,
        tokens=round(examples * sum(mean) / len(mean)) if examples and mean else None,
        budgets=cell.mixture.budgets,
    )


def _examples(study: Study, out: Path, notes: list[str]) -> dict[str, list[Any]]:
    """Rows with instruction, input and output by language; empty where there is no file yet."""
    from polypaca.core.files import read_jsonl
    from polypaca.stages.prepare import read_instructions

    prepared = out / "data" / "instructions"
    source = study.data.instructions
    if source.startswith("hf:"):
        task = next(t for t in tasks_of(study, Fingerprints()) if t.id == "data/instructions")
        if state_of(prepared, task.identity) is not State.DONE:
            notes.append("examples are counted once `polypaca prepare` has downloaded the data")
            return {}
        return {
            code: list(read_jsonl(prepared / f"{code}.jsonl", Example))
            for code in study.languages.train
        }
    return {
        code: list(read_instructions(source, code, study.data.on_bad_row).items)
        for code in study.languages.train
    }


def _one_budget(study: Study, examples: Mapping[str, list[Any]]) -> int | None:
    """Training rows that every language has: what `mix` will call one budget."""
    if not examples:
        return None
    shared = set.intersection(*({row.source for row in rows} for rows in examples.values()))
    count = min(len(shared), study.data.rows or len(shared)) - study.data.validation
    if count < 1:
        raise DataError(
            f"{study.data.validation} validation examples leave none of the "
            f"{count + study.data.validation} shared sources to train on",
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

    from polypaca.models.templates import render

    try:
        tokenizer = Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises bare exceptions
        raise UserError(f"{file} is no tokenizer: {error}") from error
    chosen = study.methods[method]
    means = {}
    for code, rows in examples.items():
        texts = [
            render(chosen.template, row.instruction, row.input) + row.output
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
