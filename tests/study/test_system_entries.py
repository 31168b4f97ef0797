from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import StudyError
from polypaca.stages.answers import AskServer
from polypaca.study import Study, load_study, systems
from polypaca.study.load import save_study
from polypaca.study.system_entries import ServedSystem
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import study_tasks

TEXT = """\
name: small
languages: {train: [en, es], test: [en, es]}
data: {instructions: "builtin:tiny"}
prompts: builtin:tiny
models: [builtin:tiny-neox]
methods: {lora: {}}
recipes: [english]
"""
ROWS = """\
systems:
  - {base: all}
  - {shuffle: english}
  - {model: org/chat-7b, name: chat, revision: main}
  - {model: ./mine, name: mine, template: alpaca}
  - {url: "http://localhost:8000/v1", model: org/chat-7b, name: served, api_key_env: null, concurrency: 4}
  - {answers: "given.{language}.jsonl", name: given}
"""  # noqa: E501


def _load(folder: Path, text: str, *overrides: str) -> Study:
    path = folder / "study.yaml"
    path.write_text(text)
    return load_study(path, overrides)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    for code in ("en", "es"):
        (tmp_path / f"given.{code}.jsonl").write_text('{"id": "1", "response": "x"}')
    return _load(tmp_path, TEXT + ROWS)


def test_all_kinds_of_rows_stand_beside_the_cells(study: Study, tmp_path: Path) -> None:
    kinds = {system.id: system.kind for system in systems(study)}
    assert kinds == {
        "tiny-neox.lora.monolingual-en.s1": "cell",
        "tiny-neox.base": "base",
        "tiny-neox.lora.monolingual-en.s1.shuffled": "shuffled",
        "chat": "model",
        "mine": "model",
        "served": "served",
        "given": "given",
    }
    entries = {system.id: system.entry for system in systems(study)}
    served = entries["served"]
    assert isinstance(served, ServedSystem)
    assert served.served.base_url == "http://localhost:8000/v1"
    assert (served.served.concurrency, served.served.api_key_env) == (4, None)
    # A path of ours is made absolute, what a server calls its model is left alone.
    assert entries["mine"].model == str(tmp_path / "mine")  # type: ignore[union-attr]
    assert served.served.model == "org/chat-7b"


def test_the_frozen_study_is_the_same(study: Study, tmp_path: Path) -> None:
    save_study(study, tmp_path / "frozen" / "study.yaml")
    assert load_study(tmp_path / "frozen" / "study.yaml") == study


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("{nothing: 1}", "needs one of base, shuffle, answers, url, model"),
        ("{model: org/chat}", "name: is missing"),
        ("{model: org/chat, name: tiny-neox}", "'tiny-neox' is already the name of another model"),
        ("{base: other}", "'other' is not in the study"),
        ("{shuffle: englsh}", "did you mean english?"),
        ('{answers: "nowhere.{language}.jsonl", name: given}', "no file for en, es"),
        (
            '{url: "ftp://x", model: m, name: n}',
            "must begin with http:// or https:// and name a host",
        ),
        ('{url: "http://x/v1", model: m, name: n, concurency: 2}', "did you mean concurrency?"),
        ('{url: "http://x/v1", model: m, name: n, concurrency: 0}', "greater than or equal to 1"),
        ("{model: org/chat, name: n, template: chatml}", "'chatml' is not valid"),
    ],
)
def test_mistakes_are_named_once_with_their_line(tmp_path: Path, row: str, message: str) -> None:
    with pytest.raises(StudyError) as caught:
        _load(tmp_path, f"{TEXT}systems:\n  - {row}\n")
    assert len(caught.value.problems) == 1, caught.value
    assert message in str(caught.value)
    assert "study.yaml:9" in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["generate.backend=openai"], "need each other"),
        (["generate.temperature=0.7"], "beams cannot be sampled"),
        (
            ["generate.backend=openai", "generate.served={model: '{system}', api_key_env: null}"],
            "supports neither beam search nor no_repeat_ngram_size",
        ),
    ],
)
def test_decoding_that_cannot_be_is_refused(
    tmp_path: Path, overrides: list[str], message: str
) -> None:
    with pytest.raises(StudyError, match=message):
        _load(tmp_path, TEXT, *overrides)


SERVED = 'systems: [{url: "http://h/v1", model: o9, name: o9, api_key_env: null, %s}]\n'


@pytest.mark.parametrize(
    ("said", "sent"),
    [("concurrency: 4", 0.3), ("temperature: null", None), ("temperature: 1", 1.0)],
)
def test_a_served_model_may_take_no_temperature(
    tmp_path: Path, said: str, sent: float | None
) -> None:
    study = _load(
        tmp_path, TEXT + SERVED % said, "generate.num_beams=1", "generate.temperature=0.3"
    )
    save_study(study, tmp_path / "frozen.yaml")
    for each in (study, load_study(tmp_path / "frozen.yaml")):
        (task,) = (
            task
            for task in study_tasks(each, tmp_path, Fingerprints())
            if task.id == "systems/o9/responses"
        )
        assert isinstance(task.work, AskServer)
        assert task.work.temperature == sent
        assert task.recorded_settings["temperature"] == sent


def test_the_name_of_the_limit_and_what_is_tolerated_change_no_answer(tmp_path: Path) -> None:
    plain = _load(tmp_path, TEXT + SERVED % "concurrency: 4")
    changed = _load(
        tmp_path,
        TEXT + SERVED % "max_tokens_parameter: max_completion_tokens",
        "generate.missing=0.5",
        "analyze.seed=1",
    )
    one, other = (
        {task.id: task.identity for task in study_tasks(study, tmp_path, Fingerprints())}
        for study in (plain, changed)
    )
    assert one == other
