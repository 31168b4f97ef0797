"""From a study to the work that its stages take."""

from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core import folders
from polypaca.core.manifest import seal
from polypaca.core.work import SharedWork, SingleWork
from polypaca.judging import judges
from polypaca.langid import detectors, lid176
from polypaca.stages.analyze import AnalyzeStudy
from polypaca.stages.gate import CheckLanguage
from polypaca.stages.judge import JudgeAnswers
from polypaca.stages.translate import PassOn, TranslateRows
from polypaca.study import load_study
from polypaca.translation.engines import ENGINES
from polypaca.workflow import layout
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.steps import STAGES, Task
from polypaca.workflow.tasks import study_tasks

STUDY = Path(__file__).parents[2] / "studies" / "tiny.yaml"
SERVER = 'base_url: "http://127.0.0.1:9/v1", api_key_env: null'
OWN_FILE = f"{{detector: openlid, model: {lid176.model_path()}}}"

VARIANTS: dict[str, list[str]] = {
    "as it is": [],
    "tokens": ["budget.unit=tokens"],
    "FLOPs": ["recipes.downsampled={flops: 1.0e12, languages: [en, es, de, zh]}"],
    "random split": ["data.split=random"],
    "contaminated rows kept": ["data.contaminated=keep"],
    "a detector's own file": [f"gate={OWN_FILE}"],
    "no judge": ["judge={kind: none}"],
    "a served judge, and pairs": [f"judge={{kind: llm, model: m, {SERVER}, pairwise: {{}}}}"],
    "two judges": [f"judge=[{{kind: reference}}, {{kind: llm, model: m, {SERVER}}}]"],
    "served cells": [
        "generate={backend: openai, num_beams: 1, no_repeat_ngram_size: 0, "
        f'served: {{model: "m-{{system}}", {SERVER}}}}}'
    ],
    "translated": ["data.translate={engine: dummy}"],
    "translated by a server": [f"data.translate={{engine: {{kind: llm, model: m, {SERVER}}}}}"],
    "translated, a detector's own file": ["data.translate={engine: dummy}", f"gate={OWN_FILE}"],
    "controls": ["sweep=controls"],
    "two seeds": ["seeds=[1, 2]"],
    "other systems": [
        'systems=[{base: all}, {shuffle: english}, {model: "hf/m", name: theirs}, '
        "{url: 'http://127.0.0.1:9/v1', model: m, name: served, api_key_env: null}]"
    ],
}


def _tasks(out: Path, *changes: str) -> list[Task]:
    return study_tasks(load_study(STUDY, list(changes)), out, Fingerprints())


@pytest.fixture(params=list(VARIANTS.values()), ids=list(VARIANTS))
def tasks(request: pytest.FixtureRequest, tmp_path: Path) -> list[Task]:
    """The tasks of a variant of the study."""
    return _tasks(tmp_path, *request.param)


def test_every_task_reads_earlier_folders_of_the_kinds_that_their_work_fills(
    tasks: list[Task], tmp_path: Path
) -> None:
    seen: set[str] = set()
    for task in tasks:
        sealed = task.work.inputs()
        assert sealed.keys() == task.inputs.keys()
        for role, folder in sealed.items():
            source = task.inputs[role]
            assert source.id in seen
            assert folder.path == tmp_path / source.id
            assert type(folder) is source.work.makes
        seen.add(task.id)
        assert task.stage in STAGES
        assert isinstance(task.work, (SingleWork, SharedWork))
    assert {task.id for task in tasks} == seen
    assert [task.id for task in tasks[-2:]] == [layout.ANALYSIS, layout.REPORT]


def test_every_judge_engine_and_detector_can_be_made_before_anything_is_trained(
    tasks: list[Task], tmp_path: Path
) -> None:
    for task in tasks:
        work = task.work
        if isinstance(work, JudgeAnswers):
            judge = judges.load(work.judge, gate=work.gate, cache=None, account=work.account)
            assert judge.signature
        if isinstance(work, TranslateRows):
            assert isinstance(work.engine, ENGINES.row(work.engine.kind).settings)
            assert work.account == tmp_path / layout.SPENDING
        if isinstance(work, (CheckLanguage, PassOn, TranslateRows)):
            detector = detectors.load(work.gate.detector, work.gate.model)
            assert detector.name == work.gate.detector


def test_what_a_detectors_own_file_holds_is_known_wherever_it_is_used(tmp_path: Path) -> None:
    changes = ["data.translate={engine: dummy, languages: {de: given}}", f"gate={OWN_FILE}"]
    using = (JudgeAnswers, CheckLanguage, PassOn, TranslateRows)
    for task in _tasks(tmp_path, *changes):
        if isinstance(task.work, using):
            assert "sha256" in str(task.pins), task.id
            assert str(lid176.model_path()) not in str(task.recorded_settings)


# What only says how to run: a study with it makes the same folders.
RUN_ONLY = [
    ("as it is", "generate.batch_size=3"),
    ("as it is", "generate.batch_tokens=4096"),
    ("as it is", "generate.missing=0.5"),
    ("as it is", "train.micro_batch_tokens=64"),
    ("as it is", "train.report_to=[tensorboard]"),
    ("a served judge, and pairs", "judge.max_retries=1"),
    ("a served judge, and pairs", "judge.concurrency=2"),
    ("a served judge, and pairs", "judge.missing=0.5"),
    ("a served judge, and pairs", "judge.token_limit=1000"),
    ("served cells", "generate.served.timeout_seconds=5"),
    ("translated by a server", "data.translate.engine.max_retries=1"),
    ("translated by a server", "data.translate.engine.requests_per_minute=5"),
    ("translated by a server", "data.translate.engine.token_limit=1000"),
    ("translated by a server", "data.translate.engine.price_input=1"),
    ("translated by a server", "data.translate.engine.api_key_env=OTHER"),
]


@pytest.mark.parametrize(("variant", "change"), RUN_ONLY)
def test_how_to_run_is_part_of_no_identity(variant: str, change: str, tmp_path: Path) -> None:
    before = {task.id: task.identity for task in _tasks(tmp_path, *VARIANTS[variant])}
    after = {task.id: task.identity for task in _tasks(tmp_path, *VARIANTS[variant], change)}
    assert after == before


# What decides a result, with the stages whose folders have it in their identity.
DECIDING = [
    ("as it is", "generate.num_beams=2", {"generate", "analyze"}),
    ("as it is", "methods.lora.rank=2", {"train"}),
    ("as it is", "gate.detector=lingua", {"translate", "judge"}),
    ("as it is", "analyze.resamples=100", {"analyze"}),
    ("as it is", "data.validation=20", {"prepare"}),
    ("a served judge, and pairs", "judge.temperature=1", {"judge"}),
    ("translated by a server", "data.translate.engine.max_tokens=99", {"translate"}),
]


@pytest.mark.parametrize(("variant", "change", "stages"), DECIDING)
def test_what_decides_a_result_is_in_the_identity(
    variant: str, change: str, stages: set[str], tmp_path: Path
) -> None:
    before = {task.id: task.identity for task in _tasks(tmp_path, *VARIANTS[variant])}
    after = _tasks(tmp_path, *VARIANTS[variant], change)
    assert {task.stage for task in after if task.identity != before[task.id]} == stages


def test_work_is_the_same_wherever_the_output_is(tasks: list[Task], tmp_path: Path) -> None:
    for task in tasks:
        assert str(tmp_path) not in str(task.recorded_settings)


def test_each_system_answers_for_its_recipes_in_their_languages(tmp_path: Path) -> None:
    (work,) = (t.work for t in _tasks(tmp_path) if isinstance(t.work, AnalyzeStudy))
    labels = {label.system: label for label in work.systems}
    spanish = labels["tiny-neox.lora.monolingual-es.s1"]
    assert spanish.answers_for == {"monolingual": ("es",)}
    english = labels["tiny-neox.lora.monolingual-en.s1"]
    assert english.answers_for["monolingual"] == ("en",)
    assert english.answers_for["english"] == tuple(work.test_languages)


def test_facts_are_read_as_they_were_sealed_and_older_ones_have_defaults(tmp_path: Path) -> None:
    kinds = [kind for name, kind in vars(folders).items() if name.endswith("Folder")]
    for kind in kinds:
        folder = tmp_path / kind.__name__
        folder.mkdir()
        assert kind(folder).facts == kind.kept()
        facts = kind.kept(summary="told", failed=2)
        seal(folder, stage="s", format_number=1, settings={}, inputs={}, facts=facts.recorded())
        assert kind(folder).facts == facts
