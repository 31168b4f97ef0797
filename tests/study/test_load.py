from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import StudyError
from polypaca.study import load_study
from polypaca.study.load import save_study
from polypaca.study.methods import LoraMethod
from polypaca.study.system_entries import GivenSystem
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import study_tasks

MINIMAL = """\
name: small
languages: {train: [en, es], test: [en, es, no]}
data: {instructions: "builtin:tiny"}
prompts: builtin:tiny
models: [builtin:tiny-neox]
methods:
  lora: {learning_rate: 3e-4}
recipes: [monolingual, multilingual, downsampled, english]
"""


def _write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "study.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def _problems(path: Path, *overrides: str) -> list[str]:
    with pytest.raises(StudyError) as caught:
        load_study(path, overrides)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def test_yaml_1_2_reads_no_as_norwegian_and_exponents_as_numbers(tmp_path: Path) -> None:
    study = load_study(_write(tmp_path, MINIMAL), ["languages.test=[en, no]", "seeds=[1, 2]"])
    assert study.languages.test == ["en", "no"]
    assert study.methods["lora"].learning_rate == 3e-4
    assert study.seeds == [1, 2]


def test_overrides_beat_the_file_and_the_file_beats_the_defaults(tmp_path: Path) -> None:
    path = _write(tmp_path, MINIMAL.replace("3e-4", "3e-4, rank: 4"))
    study = load_study(path)
    lora = study.methods["lora"]
    assert isinstance(lora, LoraMethod)
    assert (lora.rank, lora.alpha) == (4, 16)
    changed = load_study(path, ["methods.lora.rank=2", "prompts.count=5", "data.validation=7"])
    lora = changed.methods["lora"]
    assert isinstance(lora, LoraMethod)
    assert (lora.rank, lora.learning_rate) == (2, 3e-4)
    assert (changed.prompts.source, changed.prompts.count) == ("builtin:tiny", 5)
    assert changed.data.validation == 7


def test_six_mistakes_are_six_messages_with_their_lines(tmp_path: Path) -> None:
    path = _write(
        tmp_path,
        """\
name: bad
languages: {train: [en, spanish], test: [en, no]}
data: {instructions: "nowhere/alpaca.{language}.json", validatoin: 100}
prompts: builtin:tiny
models: [builtin:tiny-neo]
methods:
  lora: {rank: 0}
recipes: [monolingual, multilingaul]
""",
    )
    problems = _problems(path)
    assert len(problems) == 6
    expected = [
        (":2, languages.train[1]", "did you mean es?"),
        (":3, data.instructions", "no file for en"),
        (":3, data.validatoin", "did you mean validation?"),
        (":5, models[0]", "did you mean builtin:tiny-neox?"),
        (":7, methods.lora.rank", "greater than or equal to 1, got 0"),
        (":8, recipes.multilingaul", "did you mean multilingual?"),
    ]
    for problem, (where, what) in zip(sorted(problems), expected, strict=True):
        assert problem.startswith(where)
        assert what in problem


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        (("languages:", "langauges:"), ":2, langauges", "did you mean languages?"),
        (("builtin:tiny-neox", "/nowhere/model"), ":5, models[0]", "no such file or folder"),
        (("[en, es], test", "[es], test"), ":8, recipes.english", "needs en in"),
        (("[en, es], test", "[en, fr], test"), ":3, data.instructions", "has no fr"),
        (("3e-4", "3e-4, models: [gpt]"), ":7, methods.lora.models[0]", "not in the study"),
        (("3e-4", "3e-4, preset: paper"), ":7, methods.lora.preset", "did you mean paper-"),
        (("3e-4", "3e-4, preset: paper-full"), ":7, methods.lora", "paper-full needs `kind: full`"),
        (("3e-4", "3e-4, evaluations: 2, evaluate_every: 5"), ":7, methods.lora", "not both"),
        (("3e-4", "3e-4, warmup_steps: 1, warmup_ratio: 0.1"), ":7, methods.lora", "not both"),
        (("[en, es, no]", "[en, en]"), ":2, languages.test", "listed twice: en"),
        (("lora:", "lroa:"), ":7, methods.lroa", "kind"),
        (("name: small", "name: a/b"), ":1, name", "cannot name a folder"),
        (("lora: {learning_rate: 3e-4}", "lora: 3"), ":7, methods.lora", "valid dictionary"),
        (("[monolingual, multilingual,", "[[monolingual],"), ":8, recipes", "cannot name a folder"),
        (("3e-4", "3e-4, epochs: .inf"), ":7, methods.lora.epochs", "finite"),
        (("3e-4", "3e-4, recipes: []"), "", "no cell to train"),
        (
            ("[monolingual, multilingual,", "{monolingual: {budgets: 0.5}, english: {}} #"),
            ":8, recipes.english",
            "monolingual-en differs from that of another recipe",
        ),
        (
            ("[monolingual, multilingual,", "{english: {languages: [es]}} #"),
            ":8, recipes.english.languages",
            "English alone",
        ),
        (('"builtin:tiny"', '"hf:tatsu-lab/alpaca"'), ":3, data.instructions", "{language}"),
        (("recipes:", "seeds: [-1]\nrecipes:"), ":8, seeds[0]", "greater than or equal to 0"),
        (("recipes:", "judge: {}\nrecipes:"), ":8, judge", "reference, llm, none"),
        (
            ("recipes:", "systems: [{base: tiny-neox}, {base: tiny-neox}]\nrecipes:"),
            ":8, systems[1]",
            "listed twice",
        ),
    ],
)
def test_what_is_wrong_and_where(
    change: tuple[str, str], where: str, what: str, tmp_path: Path
) -> None:
    problems = _problems(_write(tmp_path, MINIMAL.replace(*change)))
    assert any(where in problem and what in problem for problem in problems), problems


def test_a_secret_in_the_judges_section_is_refused_and_not_repeated(tmp_path: Path) -> None:
    path = _write(tmp_path, MINIMAL)
    problems = _problems(
        path,
        "judge={kind: llm, model: m, base_url: 'https://me:hunter2@host/v1', "
        "api_key_env: sk-hunter2}",
    )
    assert len(problems) == 2
    assert not any("hunter2" in problem for problem in problems)


def test_problems_of_overrides_say_so(tmp_path: Path) -> None:
    problems = _problems(
        _write(tmp_path, MINIMAL), "methods.lora.rnk=3", "seeds=[x]", "nonsense", "gate.detector=ld"
    )
    assert len(problems) == 4
    assert all("command line" in problem for problem in problems)


@pytest.mark.parametrize(
    ("text", "what"),
    [("name: [", ":1"), ("- a\n- b\n", "not a study"), ("name: a\nname: b\n", "duplicate key")],
)
def test_what_is_not_a_study_at_all(text: str, what: str, tmp_path: Path) -> None:
    assert any(what in problem for problem in _problems(_write(tmp_path, text)))


def test_a_missing_file_is_an_error_in_words(tmp_path: Path) -> None:
    assert "No such file" in _problems(tmp_path / "none.yaml")[0]


def test_the_frozen_study_reads_back_the_same(tmp_path: Path) -> None:
    study = load_study(_write(tmp_path, MINIMAL), ["judge.kind=none"])
    save_study(study, tmp_path / "resolved.yaml")
    again = load_study(tmp_path / "resolved.yaml")
    assert again == study
    identities = [
        [task.identity for task in study_tasks(s, tmp_path, Fingerprints())] for s in (study, again)
    ]
    assert identities[0] == identities[1]


def test_paths_are_relative_to_the_study_file(tmp_path: Path) -> None:
    for code in ("en", "es"):
        (tmp_path / f"data.{code}.jsonl").write_text("{}")
    text = MINIMAL.replace('builtin:tiny"', 'data.{language}.jsonl"')
    study = load_study(_write(tmp_path, text))
    assert study.data.instructions == str(tmp_path / "data.{language}.jsonl")


@pytest.mark.parametrize("prefix", ["", "./", "../{folder}/"])
@pytest.mark.parametrize("name", ["data/all.jsonl", "data/all.{language}.jsonl", "all.jsonl"])
def test_a_data_path_is_relative_to_the_study_file_however_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str, name: str
) -> None:
    (tmp_path / "data").mkdir()
    for file in ("data/all.jsonl", "data/all.en.jsonl", "all.jsonl"):
        (tmp_path / file).write_text("{}")
    written = prefix.replace("{folder}", tmp_path.name) + name
    text = MINIMAL.replace("[en, es], test: [en, es, no]", "[en], test: [en]")
    text = text.replace('"builtin:tiny"', f'"{written}"').replace(
        "prompts: builtin:tiny", f'prompts: "{written}"'
    )
    text += f'systems: [{{answers: "{written}", name: given}}]\n'
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    study = load_study(_write(tmp_path, text))
    (system,) = study.systems
    assert isinstance(system, GivenSystem)
    for found in (study.data.instructions, study.prompts.source, system.answers):
        assert found == str(tmp_path / name)


def test_a_models_folder_beside_the_study_goes_before_a_name_of_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models" / "mine").mkdir(parents=True)
    monkeypatch.chdir(tmp_path.parent)
    text = MINIMAL.replace("[builtin:tiny-neox]", "[models/mine, models/theirs]")
    study = load_study(_write(tmp_path, text))
    sources = [model.source for model in study.models]
    assert sources == [str(tmp_path / "models" / "mine"), "models/theirs"]
    assert [model.name for model in study.models] == ["mine", "theirs"]


def test_a_data_set_of_the_hub_without_its_prefix_is_told_so(tmp_path: Path) -> None:
    text = MINIMAL.replace('builtin:tiny"', 'someone/set-{language}"')
    problems = _problems(_write(tmp_path, text))
    assert any("write a data set of the Hub as hf:NAME" in problem for problem in problems)


def test_a_missing_file_is_looked_for_beside_the_study(tmp_path: Path) -> None:
    text = MINIMAL.replace('builtin:tiny"', 'data/alpaca.{language}.json"')
    assert any(
        f"looked for {tmp_path}/data/alpaca.en.json" in problem
        for problem in _problems(_write(tmp_path, text))
    )
