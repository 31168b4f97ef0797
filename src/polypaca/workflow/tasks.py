"""The tasks of a study: its folders, and what each is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.settings import with_slots
from polypaca.stages.ledger import CountBudgets, PlannedCell
from polypaca.stages.mix import DrawMixture, HoldOut, MeasureLengths
from polypaca.stages.prepare import PrepareBase, PrepareInstructions, PreparePrompts
from polypaca.stages.train import TrainCell
from polypaca.stages.translate import PassOn, TranslateRows
from polypaca.study.grid import (
    base_models,
    cells,
    given_languages,
    matching_test_code,
    recipes,
    supported_count,
    translation_engines,
)
from polypaca.workflow import layout
from polypaca.workflow.evaluation import add_evaluation
from polypaca.workflow.steps import ProcessGroup
from polypaca.workflow.task_list import Cells, PreparedData, TaskList

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polypaca.core.folders import (
        BaseFolder,
        CellFolder,
        HeldOutFolder,
        InstructionsFolder,
        LedgerFolder,
        LengthsFolder,
        MixtureFolder,
        PromptsFolder,
        TranslationFolder,
    )
    from polypaca.core.settings import Json
    from polypaca.study.grid import Cell
    from polypaca.study.schema import Model, Study
    from polypaca.workflow.fingerprints import Fingerprints
    from polypaca.workflow.steps import Task

_PREPARE, _MIX = ProcessGroup("prepare"), ProcessGroup("mix")


def study_tasks(study: Study, out: Path, fingerprints: Fingerprints) -> list[Task]:
    """All tasks of a study whose output folder is `out`, every one after its inputs."""
    tasks = TaskList(study, out, fingerprints)
    data = _data(tasks)
    add_evaluation(tasks, data, _cells(tasks, data))
    return list(tasks)


def _data(tasks: TaskList) -> PreparedData:
    study = tasks.study
    prompts = _prompts(tasks)
    instructions = _instructions(tasks, prompts)
    bases = {model.name: _base(tasks, model) for model in base_models(study)}
    translations = {
        code: _translation(tasks, code, prompts, instructions) for code in study.languages.train
    }
    return PreparedData(prompts, instructions, bases, translations)


def _prompts(tasks: TaskList) -> PromptsFolder:
    prompts, languages = tasks.study.prompts, tasks.study.languages.test
    work = PreparePrompts(
        source=prompts.source,
        sha256=prompts.sha256,
        languages=languages,
        count=prompts.count,
        on_bad_row=prompts.on_bad_row,
    )
    pins = {**tasks.source_pins(prompts.source, languages), **_sha256(prompts.sha256)}
    return tasks.add(layout.PROMPTS, work, _PREPARE, pins=pins)


def _instructions(tasks: TaskList, prompts: PromptsFolder) -> InstructionsFolder:
    data, languages = tasks.study.data, given_languages(tasks.study)
    work = PrepareInstructions(
        prompts=prompts if data.contaminated != "keep" else None,
        source=data.instructions,
        sha256=data.sha256,
        languages=languages,
        format=data.format,
        validation=data.validation if data.split == "source" else 0,
        align=data.align,
        rows=data.rows,
        on_bad_row=data.on_bad_row,
        contaminated=data.contaminated,
        duplicates=data.duplicates,
        truncated=data.truncated,
        placeholders=data.placeholders,
        entities=data.entities,
    )
    pins = {**tasks.source_pins(data.instructions, languages), **_sha256(data.sha256)}
    return tasks.add(layout.INSTRUCTIONS, work, _PREPARE, pins=pins)


def _sha256(hashes: Mapping[str, str]) -> Json:
    return {"sha256": dict(hashes)} if hashes else {}


def _base(tasks: TaskList, model: Model) -> BaseFolder:
    sources = {"source": model.source, "tokenizer": model.tokenizer}
    work = PrepareBase(**sources, revision=model.revision, config=model.config, seed=model.seed)
    pins: Json = {key: tasks.source_pins(source) for key, source in sources.items() if source}
    group = ProcessGroup(f"base-{model.name}")
    return tasks.add(layout.base(model.name), work, group, pins=pins, all_cores=True)


def _translation(
    tasks: TaskList, code: str, prompts: PromptsFolder, instructions: InstructionsFolder
) -> TranslationFolder:
    study, translate = tasks.study, tasks.study.data.translate
    gate = tasks.settings_pins(study.gate)
    engine = translation_engines(study).get(code)
    if translate is None or engine is None:
        passed = PassOn(instructions=instructions, language=code, gate=study.gate)
        group = ProcessGroup("translate")
        return tasks.add(layout.translation(code), passed, group, pins=gate)
    engine = with_slots(engine, {"source": translate.source, "language": code})
    # Only prompts in this very language can be found in its translations.
    screened = study.data.contaminated != "keep" and matching_test_code(study, code)
    work = TranslateRows(
        instructions=instructions,
        prompts=prompts if screened else None,
        source=translate.source,
        language=code,
        engine=engine,
        untranslatable=translate.untranslatable,
        contaminated=study.data.contaminated,
        on_lost=translate.on_lost,
        filters=translate.filters,
        gate=study.gate,
        account=tasks.out / layout.SPENDING,
    )
    pins = tasks.settings_pins(engine)
    if gate:
        pins["gate"] = gate
    # Languages do not wait for one another, and an engine uses all threads.
    group = ProcessGroup(f"translate-{code}")
    return tasks.add(layout.translation(code), work, group, pins=pins, all_cores=True)


def _cells(tasks: TaskList, data: PreparedData) -> Cells:
    study = tasks.study
    mixtures: dict[str, MixtureFolder] = {}
    lengths: dict[str, LengthsFolder] = {}
    for cell in cells(study):
        lengths[cell.id] = _lengths(tasks, cell, data)
        mixtures[cell.id] = _mixture(tasks, cell, data, lengths[cell.id])
    work = HoldOut(translations=data.translations, align=study.data.align)
    heldout = tasks.add(layout.HELD_OUT, work, _MIX)
    ledger = _ledger(tasks, data, mixtures, lengths)
    trained = {
        cell.id: _trained(tasks, cell, data.bases[cell.model], mixtures[cell.id], heldout)
        for cell in cells(study)
    }
    return Cells(mixtures, ledger, trained)


def _lengths(tasks: TaskList, cell: Cell, data: PreparedData) -> LengthsFolder:
    template = tasks.study.methods[cell.method].template
    work = MeasureLengths(
        base=data.bases[cell.model], translations=data.translations, template=template
    )
    return tasks.add(layout.lengths(cell.model, template), work, _MIX)


def _mixture(
    tasks: TaskList, cell: Cell, data: PreparedData, lengths: LengthsFolder
) -> MixtureFolder:
    study, mixture, method = tasks.study, cell.mixture, tasks.study.methods[cell.method]
    # A size in tokens differs between tokenizers, templates and length limits.
    counts_tokens = study.budget.unit != "examples" or mixture.needs_tokens
    counts_flops = counts_tokens and mixture.sampling.flops is not None
    work = DrawMixture(
        translations=data.translations,
        lengths=lengths if counts_tokens else None,
        base=data.bases[cell.model] if counts_flops else None,
        languages=mixture.languages,
        budgets=mixture.budgets,
        sampling=mixture.sampling,
        align=study.data.align,
        random_validation=study.data.validation if study.data.split == "random" else None,
        unit=study.budget.unit,
        seed=cell.seed,
        max_length=method.max_length if counts_tokens else None,
        kind=method.kind if counts_flops else None,
    )
    return tasks.add(layout.mixture(cell, of_cell=counts_tokens), work, _MIX)


def _ledger(
    tasks: TaskList,
    data: PreparedData,
    mixtures: Mapping[str, MixtureFolder],
    lengths: Mapping[str, LengthsFolder],
) -> LedgerFolder:
    study = tasks.study
    planned = [_planned(study, cell) for cell in cells(study)]
    work = CountBudgets(
        mixtures=mixtures,
        lengths=lengths,
        bases={cell.model: data.bases[cell.model] for cell in planned},
        cells=planned,
        supported={recipe: supported_count(study, recipe) for recipe in recipes(study)},
        unit=study.budget.unit,
        tolerance=study.budget.tolerance,
        unequal=study.budget.unequal,
    )
    return tasks.add(layout.LEDGER, work, _MIX)


def _planned(study: Study, cell: Cell) -> PlannedCell:
    method = study.methods[cell.method]
    return PlannedCell(
        cell=cell.id,
        model=cell.model,
        method=cell.method,
        recipes=cell.recipes,
        seed=cell.seed,
        budgets=cell.mixture.budgets,
        kind=method.kind,
        epochs=method.epochs,
        batch_size=method.batch_size,
        max_length=method.max_length,
        loss_on=method.loss_on,
    )


def _trained(
    tasks: TaskList,
    cell: Cell,
    base: BaseFolder,
    mixture: MixtureFolder,
    heldout: HeldOutFolder,
) -> CellFolder:
    method = tasks.study.methods[cell.method]
    work = TrainCell(
        base=base,
        mixture=mixture,
        heldout=heldout,
        method=method,
        seed=cell.seed,
        cell=cell.id,
        hardware=tasks.study.train,
    )
    return tasks.add(
        layout.trained(cell),
        work,
        ProcessGroup(f"train-{cell.model}", splits=True),
        guards=[layout.LEDGER],
        cost=(cell.mixture.budgets or 1.0) * method.epochs,
    )
