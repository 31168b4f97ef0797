"""The tasks of a study: which folders there are, and what each is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.study.grid import (
    Cell,
    System,
    cells,
    given,
    model_folder,
    recipes,
    supported,
    systems,
    translated,
)
from polypaca.study.judge import LlmJudge
from polypaca.workflow.steps import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
            self._generate,
            self._judge,
            self._analyze,
            self._report,
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
            },
            {"prompts": prompts} if data.contaminated != "keep" else {},
            pins={**self._pins(data.instructions, languages), **pins},
            options={"source": data.instructions, "sha256": data.sha256},
            group="prepare",
        )
        for model in study.models:
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
                yield self._translation(code, engines[code].model_dump())
                continue
            yield Task(
                f"translations/{code}",
                "given",
                {"language": code},
                {"instructions": self.made["data/instructions"]},
                group="translate",
            )

    def _translation(self, code: str, engine: dict[str, Any]) -> Task:
        study, translate = self.study, self.study.data.translate
        assert translate is not None
        pins, options = {}, {}
        if engine["kind"] in ("bergamot", "ctranslate2"):
            folder = str(model_folder(engine.pop("model"), translate.source, code))
            pins = {"model": self._pins(folder)}
            options["model"] = folder
        for key in ("api_key_env", "concurrency", "timeout_seconds", "device"):
            if key in engine:
                options[key] = engine.pop(key)
        inputs = {"instructions": self.made["data/instructions"]}
        # Only prompts in this very language can be found in its translations.
        if study.data.contaminated != "keep" and code in study.languages.test:
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

    def _generate(self) -> Iterator[Task]:
        for system in systems(self.study):
            if system.shuffled:
                source = self.made[f"systems/{system.shuffled.id}/responses"]
                yield Task(
                    f"systems/{system.id}/responses",
                    "shuffle",
                    {"system": system.id, "seed": 1},
                    {"responses": source},
                    group="shuffle",
                )
            else:
                yield self._answers(system)

    def _answers(self, system: System) -> Task:
        study, cell = self.study, system.cell
        inputs = {"prompts": self.made["data/prompts"], "base": self.made[f"bases/{system.model}"]}
        if cell:
            inputs["checkpoint"] = self.made[f"cells/{cell.id}/train"]
        # An untuned base is asked in the words that the study's first method trains with.
        method = study.methods[cell.method] if cell else next(iter(study.methods.values()))
        settings = study.generate.model_dump(exclude={"batch_size", "backend"})
        return Task(
            f"systems/{system.id}/responses",
            "generate",
            {
                **settings,
                "system": system.id,
                "languages": list(system.languages),
                "template": method.template,
            },
            inputs,
            options={"batch_size": study.generate.batch_size},
            group=f"generate-{system.model}",
            cost=len(system.languages),
        )

    def _judge(self) -> Iterator[Task]:
        for system in systems(self.study):
            inputs = {
                "responses": self.made[f"systems/{system.id}/responses"],
                "prompts": self.made["data/prompts"],
            }
            settings, options = _judge_settings(self.study)
            folder = f"systems/{system.id}"
            yield Task(
                f"{folder}/verdicts", "judge", settings, inputs, options=options, group="judge"
            )
            gate = {"detector": self.study.gate.detector}
            yield Task(f"{folder}/gate", "gate", gate, inputs, group="judge")

    def _analyze(self) -> Iterator[Task]:
        study = self.study
        inputs = {
            "prompts": self.made["data/prompts"],
            "instructions": self.made["data/instructions"],
            "budgets": self.made["mixtures/ledger"],
        }
        for code in study.languages.train:
            inputs[f"translations/{code}"] = self.made[f"translations/{code}"]
        for system in systems(study):
            for part in ("responses", "verdicts", "gate"):
                inputs[f"{part}/{system.id}"] = self.made[f"systems/{system.id}/{part}"]
        for cell in cells(study):
            inputs[f"cells/{cell.id}"] = self.made[f"cells/{cell.id}/train"]
        settings = {
            **study.analyze.model_dump(),
            "study": study.name,
            "train_languages": study.languages.train,
            "test_languages": study.languages.test,
            "recipes": list(recipes(study)),
            "systems": [_describe(study, system) for system in systems(study)],
            "generate": study.generate.model_dump(exclude={"batch_size"}),
        }
        yield Task("analysis", "analyze", settings, inputs, group="analyze")

    def _report(self) -> Iterator[Task]:
        yield Task("report", "report", {}, {"analysis": self.made["analysis"]}, group="analyze")


def _judge_settings(study: Study) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the judge's section affects verdicts, and what does not."""
    judge = study.judge
    settings = judge.model_dump()
    options: dict[str, Any] = {}
    if isinstance(judge, LlmJudge):
        options = {
            key: settings.pop(key) for key in ("api_key_env", "concurrency", "timeout_seconds")
        }
    if judge.kind == "reference":
        # This judge looks for the answer's language; the gate's detector is the one to ask.
        settings["detector"] = study.gate.detector
    return settings, options


def _describe(study: Study, system: System) -> dict[str, Any]:
    """What the analysis must know of a system."""
    cell = system.cell or system.shuffled
    recipes = [system.recipe] if system.recipe else list(cell.recipes) if cell else []
    return {
        "system": system.id,
        "model": system.model,
        "method": cell.method if cell else None,
        "recipes": recipes,
        "mixture": cell.mixture.name if cell else None,
        "languages": list(system.languages),
        "seed": cell.seed if cell else None,
        "budgets": cell.mixture.budgets if cell else None,
        "tuned_on": list(cell.mixture.languages) if cell else [],
        "kind": "cell" if system.cell else "shuffled" if system.shuffled else "base",
    }
