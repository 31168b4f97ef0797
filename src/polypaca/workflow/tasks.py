"""The tasks of a study: which folders there are, and what each is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.settings import deciding, user_paths, with_slots
from polypaca.study.grid import (
    Cell,
    as_tested,
    base_models,
    cells,
    given,
    recipes,
    supported,
    translated,
)
from polypaca.workflow.evaluation import evaluation_tasks
from polypaca.workflow.steps import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.settings import Choice
    from polypaca.study.schema import Model, Study
    from polypaca.workflow.fingerprints import Fingerprints


def tasks_of(study: Study, fingerprints: Fingerprints) -> list[Task]:
    """All tasks of a study, every one after its inputs."""
    return list(_Builder(study, fingerprints).tasks())


class _Builder:
    """Builds the tasks stage by stage; later stages look earlier ones up."""

    def __init__(self, study: Study, fingerprints: Fingerprints) -> None:
        self.study, self.fingerprints = study, fingerprints
        self.made: dict[str, Task] = {}

    def tasks(self) -> Iterator[Task]:
        for stage in (
            self._prepare,
            self._translate,
            self._mix,
            self._train,
            lambda: evaluation_tasks(self.study, self.made, self._pins),
        ):
            for task in stage():
                self.made[task.id] = task
                yield task

    def _prepare(self) -> Iterator[Task]:
        study = self.study
        prompts = Task(
            "data/prompts",
            "prompts",
            {
                "languages": study.languages.test,
                "count": study.prompts.count,
                "on_bad_row": study.prompts.on_bad_row,
            },
            pins={
                **self._pins(study.prompts.source, study.languages.test),
                **({"sha256": study.prompts.sha256} if study.prompts.sha256 else {}),
            },
            options={"source": study.prompts.source, "sha256": study.prompts.sha256},
            group="prepare",
        )
        yield prompts
        data, languages = study.data, given(study)
        pins = {"sha256": data.sha256} if data.sha256 else {}
        yield Task(
            "data/instructions",
            "instructions",
            {
                "languages": languages,
                "format": data.format,
                "validation": data.validation if data.split == "source" else 0,
                "align": data.align,
                "rows": data.rows,
                "on_bad_row": data.on_bad_row,
                "contaminated": data.contaminated,
                "duplicates": data.duplicates,
                "truncated": data.truncated,
                "placeholders": data.placeholders,
                "entities": data.entities,
            },
            {"prompts": prompts} if data.contaminated != "keep" else {},
            pins={**self._pins(data.instructions, languages), **pins},
            options={"source": data.instructions, "sha256": data.sha256},
            group="prepare",
        )
        for model in base_models(study):
            yield self._base(model)

    def _base(self, model: Model) -> Task:
        pins = {
            key: self._pins(source)
            for key, source in (("source", model.source), ("tokenizer", model.tokenizer))
            if source
        }
        return Task(
            f"bases/{model.name}",
            "base",
            model.model_dump(exclude={"name", "source", "tokenizer"}),
            pins=pins,
            options={"source": model.source, "tokenizer": model.tokenizer},
            group=f"base-{model.name}",
            all_cores=True,
        )

    def _pins(self, source: str, languages: Sequence[str] = ("",)) -> dict[str, Any]:
        """What a source holds, as far as that can be known without reading it all again."""
        if source.startswith("builtin:"):
            from polypaca.builtin.catalog import settings_of

            return settings_of(source.removeprefix("builtin:"))
        hashes = self.fingerprints.of(source, languages)
        # Where a file lies does not matter, what is in it does; a Hub id is all there is.
        return {"sha256": hashes} if hashes else {"source": source}

    def _translate(self) -> Iterator[Task]:
        engines = translated(self.study)
        for code in self.study.languages.train:
            if code in engines:
                yield self._translation(code, engines[code])
                continue
            yield Task(
                f"translations/{code}",
                "given",
                {"language": code, "detector": self.study.gate.detector},
                {"instructions": self.made["data/instructions"]},
                group="translate",
            )

    def _translation(self, code: str, chosen: Choice) -> Task:
        study, translate = self.study, self.study.data.translate
        assert translate is not None
        filled = with_slots(chosen, {"source": translate.source, "language": code})
        engine = deciding(filled)
        options = {key: item for key, item in filled.model_dump().items() if key not in engine}
        pins = {key: self._pins(path) for key, path in user_paths(filled).items()}
        inputs = {"instructions": self.made["data/instructions"]}
        # Only prompts in this very language can be found in its translations.
        if study.data.contaminated != "keep" and as_tested(study, code):
            inputs["prompts"] = self.made["data/prompts"]
        return Task(
            f"translations/{code}",
            "translate",
            {
                "source": translate.source,
                "language": code,
                "engine": engine,
                "untranslatable": translate.untranslatable,
                "contaminated": study.data.contaminated,
                "on_lost": translate.on_lost,
                "filters": translate.filters,
                "detector": study.gate.detector,
            },
            inputs,
            pins=pins,
            options={"options": options},
            # Languages do not wait for one another, and an engine takes all the threads it gets.
            group=f"translate-{code}",
            all_cores=True,
        )

    def _mix(self) -> Iterator[Task]:
        translations = {
            f"translations/{code}": self.made[f"translations/{code}"]
            for code in self.study.languages.train
        }
        for cell in cells(self.study):
            lengths = Task(
                self._lengths_id(cell),
                "lengths",
                {"template": self.study.methods[cell.method].template},
                {**translations, "base": self.made[f"bases/{cell.model}"]},
                group="mix",
            )
            if lengths.id not in self.made:
                yield lengths
            mixture = self._mixture(cell, translations)
            if mixture.id not in self.made:
                yield mixture
        align = {"align": self.study.data.align}
        yield Task("mixtures/heldout", "heldout", align, translations, group="mix")
        yield self._ledger()

    def _mixture(self, cell: Cell, translations: dict[str, Task]) -> Task:
        study, mixture = self.study, cell.mixture
        inputs = dict(translations)
        settings: dict[str, Any] = {
            "languages": list(mixture.languages),
            "budgets": mixture.budgets,
            "sampling": mixture.recipe.model_dump(exclude={"languages", "budgets"}),
            "align": study.data.align,
            "random_validation": study.data.validation if study.data.split == "random" else None,
            "unit": study.budget.unit,
            "seed": cell.seed,
        }
        if self._counts_tokens(cell):
            method = study.methods[cell.method]
            inputs["lengths"] = self.made[self._lengths_id(cell)]
            settings["max_length"] = method.max_length
            if mixture.recipe.flops is not None:
                inputs["base"] = self.made[f"bases/{cell.model}"]
                settings["kind"] = method.kind
        return Task(self._mixture_id(cell), "mix", settings, inputs, group="mix")

    def _ledger(self) -> Task:
        study = self.study
        inputs = {}
        for cell in cells(study):
            inputs[f"mixtures/{cell.id}"] = self.made[self._mixture_id(cell)]
            inputs[f"lengths/{cell.id}"] = self.made[self._lengths_id(cell)]
            inputs[f"bases/{cell.model}"] = self.made[f"bases/{cell.model}"]
        settings = {
            **study.budget.model_dump(),
            "cells": [self._describe_cell(cell) for cell in cells(study)],
            "supported": {recipe: supported(study, recipe) for recipe in recipes(study)},
        }
        return Task("mixtures/ledger", "ledger", settings, inputs, group="mix")

    def _describe_cell(self, cell: Cell) -> dict[str, Any]:
        """What the ledger must know of a cell."""
        method = self.study.methods[cell.method]
        own = ("kind", "epochs", "batch_size", "max_length", "loss_on")
        return {
            "cell": cell.id,
            "model": cell.model,
            "method": cell.method,
            "recipes": list(cell.recipes),
            "seed": cell.seed,
            "budgets": cell.mixture.budgets,
            **method.model_dump(include=set(own)),
        }

    def _counts_tokens(self, cell: Cell) -> bool:
        return self.study.budget.unit != "examples" or cell.mixture.needs_tokens

    def _lengths_id(self, cell: Cell) -> str:
        template = self.study.methods[cell.method].template
        return f"lengths/{cell.model}" + ("" if template == "alpaca" else f".{template}")

    def _mixture_id(self, cell: Cell) -> str:
        name = f"mixtures/{cell.mixture.name}.s{cell.seed}"
        # A size in tokens differs between tokenizers, templates and length limits.
        return f"{name}.{cell.model}.{cell.method}" if self._counts_tokens(cell) else name

    def _train(self) -> Iterator[Task]:
        for cell in cells(self.study):
            method = self.study.methods[cell.method]
            settings = method.model_dump(exclude={"models", "recipes", "preset"})
            yield Task(
                f"cells/{cell.id}/train",
                "train",
                {**settings, "seed": cell.seed},
                {
                    "base": self.made[f"bases/{cell.model}"],
                    "mixture": self.made[self._mixture_id(cell)],
                    "heldout": self.made["mixtures/heldout"],
                },
                guards=(self.made["mixtures/ledger"],),
                options={"cell": cell.id, **self.study.train.model_dump()},
                group=f"train-{cell.model}",
                cost=(cell.mixture.budgets or 1.0) * method.epochs,
            )
