"""A study with rows that were not trained in it, served models, and judges that fail at times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.files import read_jsonl
from polypaca.core.records import PairVerdict, Response, Verdict
from polypaca.core.results import Analysis

from ..llm.mock_server import Answer, MockServer, serve  # noqa: TID252

pytestmark = pytest.mark.slow

WORDS = {
    "en": ("Name the animal number", "The animal is the old cat of the house number", "."),
    "es": ("Nombra el animal número", "El animal es el gato viejo de la casa número", "."),
}
PROMPTS = 24
STUDY = """\
name: judged
languages: {train: [en, es], test: [en, es]}
data: {instructions: "data.{language}.jsonl", validation: 4}
prompts: "prompts.{language}.jsonl"
models:
  - name: tiny
    tokenizer: TOKENIZER
    config: {model_type: gpt_neox, hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2,
             intermediate_size: 64}
methods:
  lora: {learning_rate: 1e-2, batch_size: 8, epochs: 1, evaluations: 1}
recipes: [multilingual, english]
systems:
  - {base: tiny}
  - {model: MODEL, name: existing, template: alpaca}
  - {url: "URL", model: server-model, name: served, api_key_env: null}
  - {answers: "given.{language}.jsonl", name: given}
generate: {max_new_tokens: 6, num_beams: 1}
judge:
  - {kind: llm, model: judge-a, base_url: "URL", api_key_env: null, concurrency: 4, pairwise: {}}
  - {kind: llm, model: judge-b, base_url: "URL", api_key_env: null}
  - {kind: reference}
analyze: {resamples: 200}
"""
SYSTEMS = [
    "tiny.lora.multilingual.s1", "tiny.lora.monolingual-en.s1", "tiny.base", "existing", "served",
    "given",
]  # fmt: skip


@pytest.fixture
def study(
    tmp_path: Path, tokenizer_file: Path, tiny_model: Callable[[str], Path]
) -> Iterator[Callable[[Callable[[int, str], Answer]], tuple[Path, MockServer]]]:
    """Writes the study for a server that answers as it is told."""
    for code, (ask, say, end) in WORDS.items():
        rows = [
            {"id": n, "instruction": f"{ask} {n}{end}", "input": "", "output": f"{say} {n}{end}"}
            for n in range(28)
        ]
        _write(tmp_path / f"data.{code}.jsonl", rows)
        numbers = range(100, 100 + PROMPTS)
        prompts = [
            {"id": str(n), "prompt": f"{ask} {n}{end}", "reference": f"{say} {n}{end}"}
            for n in numbers
        ]
        _write(tmp_path / f"prompts.{code}.jsonl", prompts)
        given = [{"id": str(n), "response": f"{say} {n}{end}"} for n in numbers]
        _write(tmp_path / f"given.{code}.jsonl", given)
    servers = []

    def written(answer: Callable[[int, str], Answer]) -> tuple[Path, MockServer]:
        context = serve(answer)
        server = context.__enter__()
        servers.append(context)
        text = STUDY.replace("TOKENIZER", str(tokenizer_file)).replace("URL", server.base_url)
        path = tmp_path / "judged.yaml"
        path.write_text(text.replace("MODEL", str(tiny_model("llama"))))
        return path, server

    yield written
    for context in servers:
        context.__exit__(None, None, None)


def _write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _run(study: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    out = str(study.parent / "out")
    return subprocess.run(
        [sys.executable, "-m", "polypaca.cli", "run", str(study), "--out", out, *arguments],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, "POLYPACA_CACHE": str(study.parent / "cache")},
    )


def _says(number: int, message: str) -> Answer:
    """A server that answers in Spanish, and a judge that likes cats and the first of two."""
    if "[[A]]" in message:
        return Answer(text="The first. [[A]]")
    if "impartial judge" in message:
        return Answer(text=f"Hm. Rating: [[{3 if 'cat' in message else 1.5}]]")
    return Answer(text="El gato viejo está en la casa.")


def test_rows_judges_and_pairs_of_all_kinds(
    study: Callable[[Callable[[int, str], Answer]], tuple[Path, MockServer]],
) -> None:
    path, _ = study(_says)
    refused = _run(path)
    assert refused.returncode == 2
    for phrase in ("will answer as served", "judge-a", "judge-b", "will compare 1 pairs", "--yes"):
        assert phrase in refused.stderr.replace("\n", " "), refused.stderr

    result = _run(path, "--yes")
    assert result.returncode == 0, result.stdout + result.stderr
    out = path.parent / "out"
    for name in SYSTEMS:
        answers = list(read_jsonl(out / "systems" / name / "responses/responses.jsonl", Response))
        assert len(answers) == 2 * PROMPTS, name
        for folder in ("verdicts", "verdicts.judge-b", "verdicts.reference"):
            verdicts = read_jsonl(out / "systems" / name / folder / "verdicts.jsonl", Verdict)
            assert [v.status for v in verdicts] == ["ok"] * 2 * PROMPTS, (name, folder)
    verdict = next(read_jsonl(out / "systems/given/verdicts/verdicts.jsonl", Verdict))
    assert (verdict.rating, verdict.model, verdict.version) == (3.0, "judge-a", "mock-1.0")
    assert verdict.prompt_sha256

    pairs = list(
        read_jsonl(out / "pairs/tiny.lora.multilingual-vs-english.s1/pairs.jsonl", PairVerdict)
    )
    # One of the two is preferred whichever is shown first: that is no preference.
    assert {p.outcome for p in pairs} <= {"tie"}
    assert len(pairs) == 2 * PROMPTS

    analysis = Analysis.model_validate_json((out / "analysis/analysis.json").read_bytes())
    rows = {row.id: row for row in analysis.rows}
    assert {"existing", "served", "given"} <= set(rows)
    assert not rows["given"].control
    page = (out / "report/index.html").read_text()
    for text in ("existing", "served", "given", "judge-b"):
        assert text in page
    assert "nothing to do" in _run(path).stdout


def test_a_failed_judgement_is_reported_and_retried_alone(
    study: Callable[[Callable[[int, str], Answer]], tuple[Path, MockServer]],
) -> None:
    mended = False

    def says(number: int, message: str) -> Answer:
        if "impartial judge" in message and "casa número 110." in message and not mended:
            return Answer(text="I would rather not say.")
        return _says(number, message)

    path, server = study(says)
    text = path.read_text()
    only = text[: text.index("judge:")]
    path.write_text(
        f'{only}judge: {{kind: llm, model: judge-a, base_url: "{server.base_url}", '
        "api_key_env: null}\nanalyze: {resamples: 200}\n"
    )
    first = _run(path, "--yes")
    assert first.returncode == 0, first.stdout + first.stderr
    assert "1 of them failed: run again to retry them" in first.stdout.replace("\n", " ")
    out = path.parent / "out"
    analysis = Analysis.model_validate_json((out / "analysis/analysis.json").read_bytes())
    assert any("no rating" in note for note in analysis.notes), analysis.notes
    failed = [score for score in analysis.scores if score.failed and score.language == "es"]
    assert [(s.row, s.failed, s.rated) for s in failed] == [("given", 1, PROMPTS - 1)]

    mended = True
    asked = len(server.requests)
    second = _run(path, "--yes")
    assert second.returncode == 0, second.stdout + second.stderr
    assert len(server.requests) == asked + 1
    analysis = Analysis.model_validate_json((out / "analysis/analysis.json").read_bytes())
    assert not any(score.failed for score in analysis.scores)
    assert "nothing to do" in _run(path).stdout


def test_too_many_failures_stop_the_judging(
    study: Callable[[Callable[[int, str], Answer]], tuple[Path, MockServer]],
) -> None:
    path, server = study(lambda number, message: Answer(text="I would rather not say."))
    text = path.read_text()
    path.write_text(
        f"{text[: text.index('systems:')]}judge: {{kind: llm, model: judge-a, "
        f'base_url: "{server.base_url}", api_key_env: null}}\n'
        "generate: {max_new_tokens: 6, num_beams: 1}\n"
    )
    result = _run(path, "--yes")
    assert result.returncode == 1
    assert "judgements failed, the first: no [[rating]]" in result.stdout.replace("\n", " ")
    assert not (path.parent / "out/analysis").exists()
