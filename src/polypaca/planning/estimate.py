"""What a study will cost, before anything runs: budgets, tokens, FLOPs, GPU-hours and money."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.folders import LedgerFolder
from polypaca.core.results import BudgetLedger
from polypaca.data.budgets import flops_per_token
from polypaca.planning import costs
from polypaca.planning.assumptions import FAMILIES, tokenizer_family
from polypaca.planning.estimates import CellEstimate, CostSum, Estimate, costs_by, total_costs
from polypaca.planning.judging_costs import judging_notes
from polypaca.planning.local_files import (
    Lengths,
    available_config,
    available_rows,
    response_count,
    translation_notices,
)
from polypaca.planning.schedules import (
    cell_rows,
    cell_steps,
    mixture_budgets,
    one_budget_rows,
    warmup_notes,
)
from polypaca.study.grid import (
    base_models,
    cells,
    matching_test_code,
    recipe_mixtures,
    recipes,
    systems,
)
from polypaca.workflow import layout
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import done_input
from polypaca.workflow.tasks import study_tasks

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from polypaca.core.results import CellBudget
    from polypaca.planning.hardware import Gpu
    from polypaca.planning.local_files import Rows
    from polypaca.study import Study
    from polypaca.study.grid import Cell


def estimate(
    study: Study, out: Path, gpu: Gpu | None = None, price: float | None = None
) -> Estimate:
    """Count what can be counted from files at hand and estimate the rest; nothing is downloaded.

    Args:
        study: the study.
        out: its output folder: what `prepare` and `mix` left there is used.
        gpu: the device to estimate hours and memory for.
        price: of one hour of it, in any currency; costs are in the same.

    Raises:
        UserError: if there is a price but no GPU, or the files at hand cannot be used.
    """
    if price is not None and gpu is None:
        raise UserError("--price needs --gpu: it is the price of one hour of that GPU")
    ledger = _ledger(study, out)
    notes: list[str] = [*ledger.notes, *translation_notices(study, out)] if ledger else []
    planner = _Planner(study, out, gpu, price, ledger, notes)
    estimates = [planner.cell(cell) for cell in cells(study)]
    notes += warmup_notes(study, ((cell.cell, cell.method, cell.steps) for cell in estimates))
    untested = [code for code in study.languages.train if not matching_test_code(study, code)]
    if untested and "monolingual" in study.recipes and not study.recipes["monolingual"].languages:
        notes.append(
            f"no monolingual cell for {', '.join(untested)}, which no test prompt is in; "
            "its budget is not counted"
        )
    answers = response_count(study, out, notes)
    answering = planner.answering(answers)
    notes += [] if answers is None else judging_notes(study, answers)
    return Estimate(
        study=study.name,
        one_budget_rows=planner.one_budget,
        counted=ledger is not None,
        recipe_budgets={
            recipe: sum(
                mixture_budgets(mixture, planner.one_budget) or 0.0
                for mixture in recipe_mixtures(study, recipe)
            )
            for recipe in recipes(study)
        },
        cells=estimates,
        systems=len(systems(study)),
        responses=answers,
        notes=notes,
        by_model=costs_by(estimates, lambda cell: [f"{cell.model} · {cell.method}"]),
        by_recipe=costs_by(estimates, lambda cell: list(cell.recipes)),
        answering=answering,
        total=total_costs(estimates, answering),
        gpu=asdict(gpu) if gpu else None,
        price=price,
        assumptions=_assumptions(study, planner.rows),
    )


class _Planner:
    """Estimates cells one by one; what they share is computed once."""

    def __init__(
        self,
        study: Study,
        out: Path,
        gpu: Gpu | None,
        price: float | None,
        ledger: BudgetLedger | None,
        notes: list[str],
    ) -> None:
        from polypaca.models.size import config_parameters, lora_parameters, parameter_count

        self.study, self.gpu, self.price = study, gpu, price
        self.rows: Rows | None = None
        self._counted = {cell.cell: cell for cell in ledger.cells} if ledger else {}
        self._lengths: dict[tuple[str, str], dict[str, tuple[float, bool]]] = {}
        if ledger:
            self.one_budget: int | None = ledger.one_budget_rows
            self._lengths = _measured(ledger)
        else:
            self.rows = available_rows(study, out, notes)
            self.one_budget = one_budget_rows(study, self.rows)
            lengths = Lengths(study, out, self.rows)
            self._lengths = {
                (model.name, method): lengths.of(model, method)
                for model in study.models
                for method in study.methods
            }
            short = [len(means) < len(study.languages.train) for means in self._lengths.values()]
            if self.rows.shared and any(short):
                notes.append(
                    "tokens are counted once `polypaca prepare` has prepared the tokenizers"
                )
        self._parameters: dict[str, int | None] = {}
        self._adapters: dict[tuple[str, str], int] = {}
        for model in base_models(study):
            config = available_config(model, out)
            size = config_parameters(config) if config else None
            self._parameters[model.name] = size or parameter_count(out / "bases" / model.name)
            for name, method in study.methods.items():
                if method.kind == "lora" and config:
                    count = lora_parameters(config, method.rank)
                    self._adapters[model.name, name] = count or 0
        unknown = [name for name, size in self._parameters.items() if size is None]
        if unknown:
            notes.append(
                f"{', '.join(unknown)}: FLOPs are known once `polypaca prepare` has prepared it"
            )

    def cell(self, cell: Cell) -> CellEstimate:
        """One cell, as `mix` counted it or as it is likely to be."""
        counted = self._counted.get(cell.id)
        values = _from_ledger(counted) if counted else self._estimated(cell)
        return CellEstimate(
            cell=cell.id,
            model=cell.model,
            method=cell.method,
            recipes=cell.recipes,
            seed=cell.seed,
            **values,
            **self._device_costs(cell, values),
        )

    def _estimated(self, cell: Cell) -> dict[str, Any]:
        method, sampling = self.study.methods[cell.method], cell.mixture.sampling
        budgets = mixture_budgets(cell.mixture, self.one_budget)
        rows = cell_rows(self.study, cell, self.one_budget)
        mean, sampled = self._mean(cell, cell.mixture.languages, sampling.weights)
        tokens = round(round(rows * method.epochs) * mean) if rows and mean else None
        assumed = self.rows is not None and self.rows.data_set is not None
        parameters = self._parameters[cell.model]
        each = flops_per_token(parameters, method.kind) if parameters else None
        if sampling.tokens:
            tokens = round(sampling.tokens * method.epochs)
        elif sampling.flops and each:
            tokens = round(sampling.flops / each * method.epochs)
        return {
            "examples": round(rows * method.epochs) if rows else None,
            "examples_from": ("assumed" if assumed else "read") if rows else None,
            "tokens": tokens,
            "tokens_from": ("sampled" if sampled else "assumed") if tokens else None,
            "budgets": budgets,
            "steps": cell_steps(self.study, cell, rows),
            "flops": float(each * tokens) if each and tokens else None,
        }

    def _mean(
        self, cell: Cell, languages: Iterable[str], weights: Mapping[str, float] | None = None
    ) -> tuple[float | None, bool]:
        """Mean tokens of a row over languages, and whether all were tokenized."""
        means = self._lengths.get((cell.model, cell.method), {})
        chosen = list(languages)
        if not chosen or not all(code in means for code in chosen):
            return None, False
        shares = weights or dict.fromkeys(chosen, 1.0)
        mean = sum(means[code][0] * shares[code] for code in chosen) / sum(shares.values())
        return mean, all(means[code][1] for code in chosen)

    def _device_costs(self, cell: Cell, values: Mapping[str, Any]) -> dict[str, Any]:
        """Evaluation FLOPs, memory and, with a GPU, devices, hours and money."""
        kind = self.study.methods[cell.method].kind
        parameters = self._parameters[cell.model]
        if parameters is None:
            return {}
        evaluation = self._evaluation_flops(cell, values["steps"], parameters)
        adapters = self._adapters.get((cell.model, cell.method), 0)
        memory = costs.training_bytes(parameters, adapters, kind)
        device: dict[str, Any] = {"evaluation_flops": evaluation, "memory": memory}
        if self.gpu:
            device["gpus"] = costs.gpus_needed(memory, self.gpu)
            if values["flops"]:
                hours = costs.gpu_hours(values["flops"] + (evaluation or 0.0), kind, self.gpu)
                device["gpu_hours"] = hours
                device["cost"] = hours * self.price if self.price is not None else None
        return device

    def _evaluation_flops(self, cell: Cell, steps: int | None, parameters: int) -> float | None:
        """Forward passes over held-out rows: as training goes, and once in every language."""
        from polypaca.training.steps import evaluation_interval

        study, method = self.study, self.study.methods[cell.method]
        every = study.languages.train
        mean, _ = self._mean(cell, cell.mixture.languages)
        final, _ = self._mean(cell, every)
        if steps is None or mean is None or final is None:
            return None
        interval = evaluation_interval(steps, method.evaluations, method.evaluate_every)
        # Languages of a mixture take turns: every evaluation is on each held-out source once.
        tokens = math.ceil(steps / interval) * study.data.validation * mean
        if study.data.split == "source":
            tokens += study.data.validation * len(every) * final
        return costs.forward_flops(parameters, tokens)

    def answering(self, answers: int | None) -> CostSum:
        """All systems' responses, each as long as it may be; hours are a lower bound."""
        decoding, study = self.study.generate, self.study
        local = [system for system in systems(study) if system.model in self._parameters]
        local = [system for system in local if not system.shuffled]
        sizes = [self._parameters[system.model] for system in local]
        name, known = "answering", [size for size in sizes if size is not None]
        if answers is None or not known or len(known) < len(sizes):
            return CostSum(name, 0)
        # Prompts are parallel: a system answers its share of them.
        tested = sum(len(system.languages) for system in systems(study))
        counts = [round(answers * len(system.languages) / tested) for system in local]
        new = decoding.max_new_tokens * decoding.num_beams
        flops = sum(
            costs.forward_flops(size, count * new)
            for size, count in zip(known, counts, strict=True)
        )
        if self.gpu is None:
            return CostSum(name, 0, flops=flops)
        hours = sum(
            costs.answering_hours(
                size, count, decoding.batch_size, decoding.max_new_tokens, self.gpu
            )
            for size, count in zip(known, counts, strict=True)
        )
        cost = hours * self.price if self.price is not None else None
        return CostSum(name, 0, flops=flops, gpu_hours=hours, cost=cost)


def _ledger(study: Study, out: Path) -> BudgetLedger | None:
    """What `mix` counted, if it was run for the study as it is now."""
    fingerprints = Fingerprints(out / ".run" / "fingerprints.json")
    task = next(t for t in study_tasks(study, out, fingerprints) if t.id == layout.LEDGER)
    if done_input(out, task) is None:
        return None
    ledger = LedgerFolder(out / layout.LEDGER)
    return BudgetLedger.model_validate_json(ledger.file.read_bytes())


def _from_ledger(cell: CellBudget) -> dict[str, Any]:
    return {
        "examples": cell.examples,
        "examples_from": "counted",
        "tokens": cell.tokens,
        "tokens_from": "counted",
        "budgets": cell.budgets,
        "supervised_tokens": cell.supervised_tokens,
        "steps": cell.steps,
        "flops": cell.flops,
    }


def _measured(ledger: BudgetLedger) -> dict[tuple[str, str], dict[str, tuple[float, bool]]]:
    """Mean tokens of a row by model, method and language, over all cells that were counted."""
    sums: dict[tuple[str, str], dict[str, list[int]]] = {}
    for cell in ledger.cells:
        by_language = sums.setdefault((cell.model, cell.method), {})
        for code, tokens in cell.tokens_by_language.items():
            pair = by_language.setdefault(code, [0, 0])
            pair[0] += tokens
            pair[1] += cell.rows_by_language[code]
    return {
        key: {code: (tokens / rows, True) for code, (tokens, rows) in by_language.items() if rows}
        for key, by_language in sums.items()
    }


def _assumptions(study: Study, rows: Rows | None) -> dict[str, Any]:
    """All that the estimate assumes, with its sources."""
    kinds = sorted({method.kind for method in study.methods.values()})
    used: dict[str, Any] = {
        "utilisation": {kind: asdict(costs.UTILISATION[kind]) for kind in kinds},
        "memory_over_states": {kind: asdict(costs.OVERHEAD[kind]) for kind in kinds},
        "flops_per_token": "6 N, or 4 N with frozen weights: arXiv 2001.08361, section 2.1",
        "answering": "2 N a token, every answer of full length; at least the time to read the "
        "weights at each step: arXiv 2211.05102, section 2",
    }
    if rows is not None:
        families = {tokenizer_family(model.source) for model in study.models} - {None}
        used["tokenizers"] = {
            name: family.source for name, family in FAMILIES.items() if name in families
        }
        if rows.data_set:
            used["data"] = {"rows": rows.data_set.rows, "source": rows.data_set.source}
    return used
