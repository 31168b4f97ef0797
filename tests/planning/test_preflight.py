"""What is refused before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from polypaca.core.errors import UserError
from polypaca.planning import preflight
from polypaca.study import load_study
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import tasks_of


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
        for task in tasks_of(study, tmp_path / "out", Fingerprints())
        if task.step == "generate"
    ]
    if refused:
        with pytest.raises(UserError, match=r"prompt long \(es\) has [\d,]+ tokens, more than 300"):
            preflight.check(study, tasks, tmp_path / "out")
    else:
        preflight.check(study, tasks, tmp_path / "out")
