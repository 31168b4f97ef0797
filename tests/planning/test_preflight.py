"""What is refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from polypaca.core.errors import UserError
from polypaca.langid import detectors
from polypaca.planning import preflight
from polypaca.study import Study, load_study
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.steps import Task
from polypaca.workflow.tasks import study_tasks


def _study(folder: Path, tokenizer: Path, generate: str) -> Path:
    for code in ("en", "es"):
        row = json.dumps({"id": "r", "instruction": "Say it.", "output": "It."})
        (folder / f"data.{code}.jsonl").write_text(row + "\n")
        prompts = [{"id": "short", "prompt": "Say it."}, {"id": "long", "prompt": "animals " * 400}]
        lines = [json.dumps(prompt) + "\n" for prompt in prompts[: 1 if code == "en" else 2]]
        (folder / f"prompts.{code}.jsonl").write_text("".join(lines))
    path = folder / "study.yaml"
    path.write_text(
        dedent(f"""\
            name: long
            languages: {{train: [en], test: [en, es]}}
            data: {{instructions: "./data.{{language}}.jsonl", validation: 1}}
            prompts: {{source: "./prompts.{{language}}.jsonl"}}
            models: [{{name: nano, config: {{model_type: llama}}, tokenizer: {tokenizer}}}]
            methods: {{lora: {{}}}}
            recipes: [monolingual]
            generate: {{{generate}}}
            judge: {{kind: none}}
            """)
    )
    return path


@pytest.mark.parametrize(
    ("generate", "refused"),
    [
        ("max_prompt_tokens: 300", True),
        ("max_prompt_tokens: 300, on_long_prompt: cut", False),
        ("max_prompt_tokens: 3000", False),
        ("", False),
    ],
)
def test_a_prompt_that_is_too_long_is_named_before_anything_is_trained(
    generate: str, refused: bool, tmp_path: Path, tokenizer_file: Path
) -> None:
    study = load_study(_study(tmp_path, tokenizer_file, generate))
    tasks = [
        task
        for task in study_tasks(study, tmp_path / "out", Fingerprints())
        if task.step == "generate"
    ]
    if refused:
        with pytest.raises(UserError, match=r"prompt long \(es\) has [\d,]+ tokens, more than 300"):
            preflight.check(study, tasks, tmp_path / "out")
    else:
        preflight.check(study, tasks, tmp_path / "out")


TINY = Path(__file__).parents[2] / "studies" / "tiny.yaml"
SERVER = 'base_url: "http://127.0.0.1:9/v1"'


def _pending(out: Path, *changes: str, steps: set[str] | None = None) -> tuple[Study, list[Task]]:
    study = load_study(TINY, list(changes))
    tasks = study_tasks(study, out, Fingerprints())
    return study, [task for task in tasks if steps is None or task.step in steps]


def test_who_will_be_asked_for_what_is_counted(tmp_path: Path) -> None:
    _, tasks = _pending(
        tmp_path,
        f"judge={{kind: llm, model: j, {SERVER}, pairwise: {{}}, money_limit: 2, price_input: 1, "
        "price_output: 1}",
        f"data.translate={{engine: {{kind: llm, model: t, {SERVER}}}}}",
        "generate={backend: openai, num_beams: 1, no_repeat_ngram_size: 0, "
        f'served: {{model: "m-{{system}}", {SERVER}}}}}',
        "systems=[{url: 'http://127.0.0.1:9/v1', model: o, name: theirs}]",
    )
    cells = sum(task.step == "train" for task in tasks)
    pairs = sum(task.step == "pairs" for task in tasks)
    server = "http://127.0.0.1:9/v1"
    assert preflight.paid_requests(tasks) == [
        *(f"t at {server} will translate into {code}" for code in ("es", "de", "zh")),
        f"{server} will answer for {cells} cells",
        f"o at {server} will answer as theirs",
        f"j at {server}, spending 2 at most, will judge {cells + 1} systems",
        f"j at {server}, spending 2 at most, will compare {pairs} pairs of recipes",
    ]
    assert preflight.paid_requests(_pending(tmp_path)[1]) == []


def test_a_key_that_is_not_set_is_named_unless_nobody_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    change = f"judge={{kind: llm, model: j, {SERVER}, api_key_env: A_KEY}}"
    study, tasks = _pending(tmp_path, change)
    with pytest.raises(UserError, match="A_KEY"):
        preflight.check(study, tasks, tmp_path)
    preflight.check(*_pending(tmp_path, change, steps={"prompts", "train"}), tmp_path)


def test_a_detector_is_made_ready_for_all_that_use_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ensured: list[tuple[str, str | None]] = []
    monkeypatch.setattr(detectors, "ensure_model", lambda *args: ensured.append(args))
    for step in ("given", "judge", "gate"):
        study, tasks = _pending(tmp_path, "gate.detector=openlid", steps={step})
        preflight.check(study, tasks, tmp_path)
        assert ensured.pop() == ("openlid", None)
    preflight.check(*_pending(tmp_path, "gate.detector=openlid", steps={"train"}), tmp_path)
    assert ensured == []


def test_prompts_without_a_reference_are_refused_before_training(tmp_path: Path) -> None:
    for code in ("en", "es"):
        (tmp_path / f"prompts.{code}.jsonl").write_text('{"id": "1", "prompt": "Say it."}\n')
    study, tasks = _pending(
        tmp_path,
        f"prompts={tmp_path}/prompts.{{language}}.jsonl",
        "languages.test=[en, es]",
        steps={"judge"},
    )
    with pytest.raises(UserError, match="1 prompt has none in any language: 1"):
        preflight.check(study, tasks, tmp_path)
