"""A study with rows that were not trained in it, served models, and judges that fail at times."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from polypaca.core.files import read_jsonl
from polypaca.core.records import PairVerdict, Response, Verdict
from polypaca.core.results import Analysis

from ..llm.mock_server import Answer, MockServer, serve  # noqa: TID252
from .conftest import Finished
from .studies import PROMPTS, copied, polypaca, study_text, write_data

pytestmark = pytest.mark.slow

STUDY = """\
name: judged
languages: {train: [en, es], test: [en, es]}
data: {instructions: "data.{language}.jsonl", validation: 4}
prompts: "prompts.{language}.jsonl"
MODELS
methods:
  lora: {learning_rate: 1e-2, batch_size: 8, epochs: 1, evaluations: 2}
recipes: [multilingual, english]
systems:
  - {base: tiny}
  - {model: READY, name: existing, template: alpaca}
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
Says = Callable[[int, str], Answer]


@dataclass
class Endpoint:
    """A server that answers as it is told, and the study's text for it."""

    server: MockServer
    text: str
    says: Says

    def write(self, folder: Path) -> Path:
        write_data(folder)
        path = folder / "judged.yaml"
        path.write_text(self.text)
        return path


@pytest.fixture(scope="module")
def served(tokenizer_file: Path, tiny_model: Callable[[str], Path]) -> Iterator[Endpoint]:
    def answer(number: int, message: str) -> Answer:
        return made.says(number, message)

    with serve(answer) as server:
        text = study_text(STUDY, tokenizer_file).replace("URL", server.base_url)
        made = Endpoint(server, text.replace("READY", str(tiny_model("llama"))), _says)
        yield made


@pytest.fixture(scope="module")
def answered(
    served: Endpoint, finished: Finished, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The study once all systems have answered; only to be copied.

    Its cells are some of those of another study.
    """
    folder = tmp_path_factory.mktemp("answered")
    copied(finished.study, folder, "analysis", "report")
    path = served.write(folder)
    result = _run(path, "--yes", verb="generate")
    assert result.returncode == 0, result.stdout + result.stderr
    return path


def _run(study: Path, *arguments: str, verb: str = "run") -> subprocess.CompletedProcess[str]:
    # A cache of its own, since a reply that is in it is not asked for again.
    env = {**os.environ, "POLYPACA_CACHE": str(study.parent / "cache")}
    return polypaca(study, *arguments, verb=verb, env=env)


def _says(number: int, message: str) -> Answer:
    """A server that answers in Spanish, and a judge that likes cats and the first of two."""
    if "[[A]]" in message:
        return Answer(text="The first. [[A]]")
    if "impartial judge" in message:
        return Answer(text=f"Hm. Rating: [[{3 if 'cat' in message else 1.5}]]")
    return Answer(text="El gato viejo está en la casa.")


def test_rows_judges_and_pairs_of_all_kinds(
    served: Endpoint, answered: Path, tmp_path: Path
) -> None:
    served.says = _says
    path = served.write(tmp_path)
    refused = _run(path)
    assert refused.returncode == 2
    for phrase in ("will answer as served", "judge-a", "judge-b", "will compare 1 pairs", "--yes"):
        assert phrase in refused.stderr.replace("\n", " "), refused.stderr

    path = copied(answered, tmp_path)
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
    served: Endpoint, answered: Path, tmp_path: Path
) -> None:
    mended = False

    def says(number: int, message: str) -> Answer:
        if "impartial judge" in message and "casa número 110." in message and not mended:
            return Answer(text="I would rather not say.")
        return _says(number, message)

    served.says, server = says, served.server
    path = copied(answered, tmp_path)
    only = served.text[: served.text.index("judge:")]
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
    served: Endpoint, answered: Path, tmp_path: Path
) -> None:
    served.says = lambda number, message: Answer(text="I would rather not say.")
    path = copied(answered, tmp_path)
    path.write_text(
        f"{served.text[: served.text.index('systems:')]}judge: {{kind: llm, model: judge-a, "
        f'base_url: "{served.server.base_url}", api_key_env: null}}\n'
        "generate: {max_new_tokens: 6, num_beams: 1}\n"
    )
    result = _run(path, "--yes")
    assert result.returncode == 1
    assert "judgements failed, the first: no [[rating]]" in result.stdout.replace("\n", " ")
    assert not (path.parent / "out/analysis").exists()
