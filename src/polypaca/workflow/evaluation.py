"""The tasks of `generate` and after: responses, verdicts, gates, analysis and report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.missing import TOLERATED
from polypaca.judging.judges import JUDGES
from polypaca.judging.llm import LlmJudgeSettings
from polypaca.stages.analyze import AnalyzeStudy
from polypaca.stages.answers import AskServer, ShuffleAnswers, TakeAnswers
from polypaca.stages.gate import CheckLanguage
from polypaca.stages.generate import AnswerPrompts
from polypaca.stages.judge import JudgeAnswers
from polypaca.stages.pairs import ComparePairs
from polypaca.stages.report import WriteReport
from polypaca.study.grid import (
    judge_name,
    judges,
    matching_test_codes,
    pairs,
    recipes,
    system_label,
    systems,
)
from polypaca.study.system_entries import GivenSystem, ModelSystem, ServedSystem
from polypaca.workflow import layout
from polypaca.workflow.steps import ProcessGroup

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.core.folders import (
        CellFolder,
        GateFolder,
        PairsFolder,
        PromptsFolder,
        ResponsesFolder,
        VerdictsFolder,
    )
    from polypaca.core.settings import Choice
    from polypaca.llm.endpoint import ServedModel
    from polypaca.study.grid import RecipePair, System
    from polypaca.workflow.task_list import Cells, PreparedData, TaskList

_JUDGE = ProcessGroup("judge")
_ANALYZE = ProcessGroup("analyze")
_SHUFFLE_SEED = 1


def add_evaluation(tasks: TaskList, data: PreparedData, cells: Cells) -> None:
    """Add the tasks of `generate` and after."""
    study = tasks.study
    responses: dict[str, ResponsesFolder] = {}
    for system in systems(study):
        checkpoint = cells.trained[system.cell.id] if system.cell else None
        folder = _responses(tasks, system, data, checkpoint, responses)
        responses[system.id] = folder
    verdicts: dict[str, dict[str, VerdictsFolder]] = {name: {} for name in judges(study)}
    gates: dict[str, GateFolder] = {}
    for system in systems(study):
        answers = responses[system.id]
        for name, judge in judges(study).items():
            verdicts[name][system.id] = _verdicts(tasks, system, answers, data.prompts, name, judge)
        gates[system.id] = _gate(tasks, system, answers, data.prompts)
    compared = {pair.id: _pair(tasks, pair, responses, data.prompts) for pair in pairs(study)}
    first, *others = judges(study)
    work = AnalyzeStudy(
        prompts=data.prompts,
        instructions=data.instructions,
        translations=data.translations,
        budgets=cells.ledger,
        cells=cells.trained,
        responses=responses,
        verdicts=verdicts[first],
        gate=gates,
        opinions={name: verdicts[name] for name in others},
        pairs=compared,
        study=study.name,
        train_languages=matching_test_codes(study, study.languages.train),
        test_languages=study.languages.test,
        recipes=list(recipes(study)),
        systems=[system_label(study, system) for system in systems(study)],
        judges=[judge_name(judge) for judge in judges(study).values()],
        compared={pair.id: pair.rows for pair in pairs(study)},
        generate=study.generate,
        statistics=study.analyze,
    )
    analysis = tasks.add(layout.ANALYSIS, work, _ANALYZE)
    tasks.add(layout.REPORT, WriteReport(analysis=analysis), _ANALYZE)


def _responses(
    tasks: TaskList,
    system: System,
    data: PreparedData,
    checkpoint: CellFolder | None,
    responses: Mapping[str, ResponsesFolder],
) -> ResponsesFolder:
    study, entry, task_id = tasks.study, system.entry, layout.responses(system.id)
    if system.shuffled:
        source = responses[system.shuffled.id]
        shuffle = ShuffleAnswers(responses=source, system=system.id, seed=_SHUFFLE_SEED)
        return tasks.add(task_id, shuffle, ProcessGroup("shuffle"))
    if isinstance(entry, GivenSystem):
        take = TakeAnswers(
            prompts=data.prompts,
            source=entry.answers,
            system=system.id,
            languages=system.languages,
        )
        pins = tasks.source_pins(entry.answers, system.languages)
        return tasks.add(task_id, take, ProcessGroup("answers"), pins=pins)
    template = _template(tasks, system)
    served = _served(tasks, system)
    if served:
        ask = AskServer(
            prompts=data.prompts,
            checkpoint=checkpoint,
            system=system.id,
            languages=system.languages,
            served=served,
            template=template,
            generate=study.generate,
            account=tasks.out / layout.SPENDING,
        )
        return tasks.add(task_id, ask, ProcessGroup("ask"))
    assert template is not None
    answer = AnswerPrompts(
        prompts=data.prompts,
        base=data.bases[system.model],
        checkpoint=checkpoint,
        system=system.id,
        languages=system.languages,
        template=template,
        generate=study.generate,
    )
    return tasks.add(task_id, answer, ProcessGroup(f"generate-{system.model}"), all_cores=True)


def _served(tasks: TaskList, system: System) -> ServedModel | None:
    """The server of a system, if one answers for it."""
    if isinstance(system.entry, ServedSystem):
        served: ServedModel | None = system.entry.served
    else:
        served = None if system.entry else tasks.study.generate.served
    if served is None:
        return None
    return served.model_copy(update={"model": served.model.replace("{system}", system.id)})


def _template(tasks: TaskList, system: System) -> str | None:
    """The name of a system's prompt template; None leaves it to the server."""
    if isinstance(system.entry, (ModelSystem, ServedSystem)):
        return system.entry.template
    methods = tasks.study.methods
    # An untuned base gets the template that the study's first method trains with.
    first = next(iter(methods.values()))
    return (methods[system.cell.method] if system.cell else first).template


def _verdicts(
    tasks: TaskList,
    system: System,
    responses: ResponsesFolder,
    prompts: PromptsFolder,
    name: str,
    judge: Choice,
) -> VerdictsFolder:
    gate = tasks.study.gate
    work = JudgeAnswers(
        responses=responses,
        prompts=prompts,
        judge=judge,
        gate=gate,
        account=tasks.out / layout.SPENDING,
        missing=judge.missing if isinstance(judge, LlmJudgeSettings) else TOLERATED,
    )
    pins = tasks.settings_pins(judge)
    if JUDGES.row(judge.kind).uses_gate:
        pins.update(tasks.settings_pins(gate))
    return tasks.add(layout.verdicts(system, name), work, _JUDGE, pins=pins)


def _gate(
    tasks: TaskList, system: System, responses: ResponsesFolder, prompts: PromptsFolder
) -> GateFolder:
    gate = tasks.study.gate
    work = CheckLanguage(responses=responses, prompts=prompts, gate=gate)
    return tasks.add(
        layout.gate(system), work, ProcessGroup("gate"), pins=tasks.settings_pins(gate)
    )


def _pair(
    tasks: TaskList,
    pair: RecipePair,
    responses: Mapping[str, ResponsesFolder],
    prompts: PromptsFolder,
) -> PairsFolder:
    judge = tasks.study.judge
    assert isinstance(judge, LlmJudgeSettings)
    settings = judge.pairwise_settings
    answering = sorted({system for both in pair.systems.values() for system in both})
    work = ComparePairs(
        prompts=prompts,
        responses={system: responses[system] for system in answering},
        systems=pair.systems,
        judge=settings,
        account=tasks.out / layout.SPENDING,
    )
    pins = tasks.settings_pins(settings)
    return tasks.add(layout.pair(pair), work, _JUDGE, pins=pins)
