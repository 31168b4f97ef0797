"""mix: how long rows are, the rows of every mixture, and what every cell will cost.

lengths/<model>/                             <language>.jsonl
mixtures/<recipe>[-<language>].s<seed>/      train.jsonl, validation.jsonl
mixtures/heldout/                            <language>.jsonl
mixtures/ledger/                             ledger.json
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import DataError, UserError
from polypaca.core.files import atomic_write, read_jsonl, write_json, write_jsonl
from polypaca.core.manifest import read_manifest
from polypaca.core.records import Example
from polypaca.core.results import BudgetLedger, CellBudget
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

_WORTH_SAYING = 0.05  # a difference in tokens between recipes of equal examples

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from polypaca.data.mixtures import Align


def lengths(
    folder: Path,
    *,
    base: Path,
    translations: Mapping[str, Path],
    template: str,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Count every row's tokens with a model's tokenizer, uncut."""
    tokenizer = load_tokenizer(base)
    wording = load_template(template, tokenizer)
    for number, (language, path) in enumerate(translations.items()):
        progress(number / len(translations), language)
        rows = (
            (row.id, wording.render(row.instruction, row.input), row.output)
            for row in read_jsonl(path / "examples.jsonl", Example)
        )
        with atomic_write(folder / f"{language}.jsonl") as file:
            for length in row_lengths(
                rows,
                tokenizer.backend_tokenizer,
                tokenizer.eos_token_id,
                closing=wording.closing,
                special_tokens=wording.special_tokens,
            ):
                file.write(json.dumps(asdict(length), ensure_ascii=False) + "\n")
    return {"summary": f"rows of {len(translations)} languages measured"}


def mix(
    folder: Path,
    *,
    translations: Mapping[str, Path],
    lengths: Path | None = None,
    base: Path | None = None,
    languages: Sequence[str],
    budgets: float | None,
    sampling: Mapping[str, Any],
    align: Align,
    random_validation: int | None,
    unit: Literal["examples", "tokens", "flops"],
    seed: int,
    max_length: int | None = None,
    kind: Literal["lora", "full"] | None = None,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Sample one mixture; all training languages are read, since together they define a budget.

    Raises:
        DataError: if there are fewer rows than the recipe asks for.
    """
    progress(0.0, ", ".join(languages))
    examples = _examples(translations)
    rows = aligned(examples, align)
    tokens = _tokens(lengths, max_length) if lengths and max_length else None
    # An amount in rows stays one, whatever budgets are counted in.
    costs = None if sampling["examples"] else tokens
    amount = sampling["examples"] or sampling["tokens"]
    if sampling["flops"] and base and kind:
        amount = sampling["flops"] / _flops_per_token(base, kind)
    sizes = {code: float(total_cost(rows[code], costs)) for code in languages}
    how = Draw(
        budgets=budgets,
        amount=amount,
        shares=_shares(sampling, sizes),
        one_language_per_source=sampling["one_language_per_source"],
        repeat=sampling["repeat"],
    )
    chosen = draw(rows, languages, how, seed, costs)
    facts: dict[str, Any] = {}
    if random_validation is None:
        train, validation = chosen, validation_rows(examples, languages, align)
    else:
        train, validation, leaked = split_at_random(chosen, random_validation, seed)
        facts["validation_sources_trained_on"] = leaked
    if not validation:
        raise DataError("no validation row is left", hint="check the rejected rows of translate")
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "validation.jsonl", validation)
    counts = Counter(row.language for row in train)
    found = total_cost(train, tokens) / one_budget(rows, tokens)
    if unit == "examples":
        found = len(train) / one_budget(rows, None)
    return {
        **facts,
        "rows": len(train),
        "rows_by_language": {code: counts[code] for code in languages},
        "validation_rows": len(validation),
        "one_budget_rows": one_budget(rows, None),
        "budgets": found,
        "summary": f"{len(train)} rows, {found:.4g} budgets",
    }


def heldout(
    folder: Path,
    *,
    translations: Mapping[str, Path],
    align: Align,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """The held-out sources in every training language: every cell's loss is taken on all of them.

    Under `data.split: random` no source is held out of every mixture, and there is no row.
    """
    progress(0.0, "held-out rows")
    examples = _examples(translations)
    counts = {}
    for language in examples:
        if rows := validation_rows(examples, [language], align):
            counts[language] = write_jsonl(folder / f"{language}.jsonl", rows)
    return {"rows": counts, "summary": f"{sum(counts.values())} rows in {len(counts)} languages"}


def ledger(
    folder: Path,
    *,
    mixtures: Mapping[str, Path],
    lengths: Mapping[str, Path],
    bases: Mapping[str, Path],
    cells: Sequence[Mapping[str, Any]],
    supported: Mapping[str, int],
    unit: Literal["examples", "tokens", "flops"],
    tolerance: float,
    unequal: Literal["error", "report"],
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Count what every cell will cost, and compare recipes that are meant to cost the same.

    Raises:
        UserError: if they do not, and the study does not say that they may.
    """
    facts = _mixture_facts(mixtures)
    parameters = {model: parameter_count(path) for model, path in bases.items()}
    rows: dict[Path, list[tuple[str, str]]] = {}
    costs: dict[tuple[Any, ...], dict[str, RowCost]] = {}
    once: dict[tuple[Any, ...], MixtureCost] = {}
    found = []
    for number, cell in enumerate(cells):
        progress(number / len(cells), cell["cell"])
        mixture, measured = mixtures[cell["cell"]], lengths[cell["cell"]]
        limits = (measured, cell["max_length"], cell["loss_on"])
        if mixture not in rows:
            rows[mixture] = _ids(mixture / "train.jsonl")
        if limits not in costs:
            costs[limits] = _row_costs(*limits)
        if (mixture, *limits) not in once:
            once[mixture, *limits] = mixture_cost(rows[mixture], costs[limits])
        found.append(
            _cell_budget(
                cell,
                facts[cell["cell"]]["budgets"],
                once[mixture, *limits],
                parameters[cell["model"]],
            )
        )
    recipes = _recipe_costs(cells, found, supported)
    unequal_ones = inequalities(recipes, unit, tolerance)
    if unequal_ones and unequal == "error":
        dropped = sum(sum(cell.dropped_rows.values()) for cell in found)
        why = f" ({dropped} rows have no response within max_length)" if dropped else ""
        raise UserError(
            f"recipes that are meant to cost the same do not{why}: "
            + "; ".join(map(str, unequal_ones))
            + "; say budget.unequal: report to go on all the same, or raise budget.tolerance"
        )
    notes = [f"Declared unequal: {inequality}." for inequality in unequal_ones]
    if unit == "examples":
        # Equal examples are not equal tokens: one script needs more of them than another.
        notes += [
            f"Equal in examples, not in tokens: {inequality}."
            for inequality in inequalities(recipes, "tokens", _WORTH_SAYING)
        ]
    notes += _leaks(facts)
    one = next(iter(facts.values()))["one_budget_rows"]
    result = BudgetLedger(unit=unit, one_budget_rows=one, cells=found, notes=notes)
    write_json(folder / "ledger.json", result.model_dump(mode="json"))
    tokens = sum(cell.tokens for cell in found)
    return {"notes": notes, "summary": f"{len(found)} cells, {tokens:,} tokens to train on"}


def _examples(translations: Mapping[str, Path]) -> dict[str, list[Example]]:
    """All rows of all training languages."""
    return {
        language: list(read_jsonl(path / "examples.jsonl", Example))
        for language, path in translations.items()
    }


def _ids(path: Path) -> list[tuple[str, str]]:
    """Id and language of each row, without the cost of making records of them."""
    with path.open("rb") as file:
        return [(row["id"], row["language"]) for row in map(json.loads, file)]


def _row_costs(
    folder: Path, max_length: int, loss_on: Literal["all", "response"]
) -> dict[str, RowCost]:
    found = {}
    for path in folder.glob("*.jsonl"):
        with path.open("rb") as file:
            for row in map(json.loads, file):
                found[row["id"]] = row_cost(
                    row["prompt"], row["response"], max_length=max_length, loss_on=loss_on
                )
    return found


def _tokens(folder: Path, max_length: int) -> dict[str, int]:
    """What each row costs in tokens; a row that is cut to nothing costs the whole limit."""
    costs = _row_costs(folder, max_length, "all")
    return {row_id: cost.tokens for row_id, cost in costs.items()}


def _flops_per_token(base: Path, kind: Literal["lora", "full"]) -> int:
    parameters = parameter_count(base)
    if parameters is None:
        raise UserError(
            f"{base.name}: a size in FLOPs needs the model's size, and it has no weights"
        )
    return flops_per_token(parameters, kind)


def _shares(sampling: Mapping[str, Any], sizes: Mapping[str, float]) -> dict[str, float] | None:
    """The languages' exact shares, where the recipe wants such."""
    if sampling["weights"]:
        return normalised(sampling["weights"])
    if sampling["temperature"]:
        return shares_by_temperature(sizes, sampling["temperature"])
    return normalised(dict.fromkeys(sizes, 1.0)) if sampling["stratified"] else None


def _cell_budget(
    cell: Mapping[str, Any], budgets: float, once: MixtureCost, parameters: int | None
) -> CellBudget:
    epochs = cell["epochs"]
    tokens = round(once.tokens * epochs)
    flops = flops_per_token(parameters, cell["kind"]) * tokens if parameters else None
    return CellBudget(
        cell=cell["cell"],
        model=cell["model"],
        method=cell["method"],
        recipes=cell["recipes"],
        seed=cell["seed"],
        budgets=budgets,
        examples=round(once.rows * epochs),
        tokens=tokens,
        supervised_tokens=round(once.supervised * epochs),
        steps=total_steps(once.rows, cell["batch_size"], epochs),
        flops=flops,
        rows_by_language=once.rows_by_language,
        tokens_by_language=once.tokens_by_language,
        cut_rows=once.cut,
        dropped_rows=once.dropped,
    )


def _recipe_costs(
    cells: Sequence[Mapping[str, Any]], found: Sequence[CellBudget], supported: Mapping[str, int]
) -> list[RecipeCost]:
    """The cells of each recipe, model, method and seed added up."""
    groups: dict[tuple[str, str, str, int], list[int]] = {}
    for number, cell in enumerate(cells):
        for recipe in cell["recipes"]:
            key = (cell["model"], cell["method"], recipe, cell["seed"])
            groups.setdefault(key, []).append(number)
    costs = []
    for (model, method, recipe, seed), members in groups.items():
        declared = [cells[number]["budgets"] for number in members]
        costs.append(
            RecipeCost(
                model=model,
                method=method,
                recipe=recipe,
                seed=seed,
                declared=None if None in declared else sum(declared),
                supported=supported[recipe],
                examples=sum(sum(found[n].rows_by_language.values()) for n in members),
                tokens=sum(sum(found[n].tokens_by_language.values()) for n in members),
            )
        )
    return costs


def _mixture_facts(mixtures: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    manifests = {cell: read_manifest(path) for cell, path in mixtures.items()}
    return {cell: manifest.facts for cell, manifest in manifests.items() if manifest}


def _leaks(facts: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """What a random split let through."""
    leaked = {
        cell: (fact["validation_sources_trained_on"], fact["validation_rows"])
        for cell, fact in facts.items()
        if fact.get("validation_sources_trained_on")
    }
    if not leaked:
        return []
    cell, (count, of) = max(leaked.items(), key=lambda item: item[1][0] / item[1][1])
    return [
        "Validation rows were drawn at random from each mixture (data.split: random), so that "
        f"translations of them are trained on: {count} of {of} in {cell}. Validation losses are "
        "too low there, and no measure for the choice of a checkpoint."
    ]
