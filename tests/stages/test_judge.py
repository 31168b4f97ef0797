from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import PromptsFolder, ResponsesFolder, VerdictFacts
from polypaca.core.records import GateResult, Prompt, Response, Verdict
from polypaca.core.settings import Choice
from polypaca.core.work import Context
from polypaca.judging.llm import LlmJudgeSettings
from polypaca.judging.reference import ReferenceJudgeSettings
from polypaca.langid import lid176
from polypaca.langid.settings import GateSettings
from polypaca.stages.gate import CheckLanguage
from polypaca.stages.judge import JudgeAnswers

from ..llm.mock_server import Answer, serve  # noqa: TID252

ENGLISH = "The old house stands by the river, and the children play in the garden every day."
SPANISH = "La casa vieja está junto al río, y los niños juegan en el jardín todos los días."


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Prompts in two languages, and a system that always answers in English."""
    for code, reference in (("en", ENGLISH), ("es", SPANISH)):
        prompt = Prompt(id="1", language=code, prompt=f"Describe, {code}", reference=reference)
        write_jsonl(tmp_path / "prompts" / f"{code}.jsonl", [prompt])
    write_jsonl(tmp_path / "prompts" / "rejected.jsonl", [])
    answers = [
        Response(system="s", prompt_id="1", language=code, response=ENGLISH, finish_reason="stop")
        for code in ("en", "es")
    ]
    write_jsonl(tmp_path / "responses" / "responses.jsonl", answers)
    return tmp_path / "responses", tmp_path / "prompts"


def _judge(
    folder: Path, folders: tuple[Path, Path], judge: Choice, gate: GateSettings | None = None
) -> list[Verdict]:
    work = JudgeAnswers(
        responses=ResponsesFolder(folders[0]), prompts=PromptsFolder(folders[1]), judge=judge,
        gate=gate or GateSettings(), account=folder.parent / "spending.jsonl",
    )  # fmt: skip
    for index, result in JudgeAnswers.run_all([(work, Context(folder))]):
        assert index == 0
        if isinstance(result, Exception):
            raise result
        assert isinstance(result, VerdictFacts)
        assert result.verdicts == 2
    return list(read_jsonl(folder / "verdicts.jsonl", Verdict))


def test_quality_and_language_stay_separate(folders: tuple[Path, Path], tmp_path: Path) -> None:
    responses, prompts = folders
    verdicts = _judge(tmp_path / "v", folders, ReferenceJudgeSettings())
    check = CheckLanguage(
        responses=ResponsesFolder(responses), prompts=PromptsFolder(prompts), gate=GateSettings()
    )
    check.run(Context(tmp_path / "g"))
    gates = list(read_jsonl(tmp_path / "g" / "gate.jsonl", GateResult))
    # The English answer to the Spanish prompt is a perfect one, in the wrong language.
    assert [v.rating for v in verdicts] == pytest.approx([3.0, 3.0])
    assert "English reference" in verdicts[1].explanation
    assert [(g.detected, g.gate) for g in gates] == [("en", 1), ("en", 0)]


def test_the_gates_own_model_file_serves_the_reference_judge_too(
    folders: tuple[Path, Path], tmp_path: Path
) -> None:
    gate = GateSettings(detector="openlid", model=str(lid176.model_path()))
    verdicts = _judge(tmp_path / "v", folders, ReferenceJudgeSettings(), gate)
    assert "openlid-" in verdicts[0].judge


def test_many_failed_judgements_fail_the_stage_and_are_retried_alone(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    good = False

    def reply(number: int, body: str) -> Answer:
        rated = good or "Describe, en" in body
        return Answer(text="Fine. Rating: [[2.5]]" if rated else "I cannot say.")

    with serve(reply) as server:
        settings = LlmJudgeSettings(
            model="m", base_url=server.base_url, api_key_env=None, temperature=0.0, max_tokens=64
        )
        with pytest.raises(StageError, match=r"1 of 2 judgements failed.*run again"):
            _judge(tmp_path / "v", folders, settings)
        asked = len(server.requests)
        good = True
        verdicts = _judge(tmp_path / "v", folders, settings)
        assert len(server.requests) == asked + 1
    assert [v.rating for v in verdicts] == [2.5, 2.5]


def test_limits_hold_over_all_systems_and_runs(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    responses, prompts = folders
    other = [
        answer.model_copy(update={"system": "t", "response": f"{answer.response} Indeed."})
        for answer in read_jsonl(responses / "responses.jsonl", Response)
    ]
    write_jsonl(tmp_path / "others" / "responses.jsonl", other)

    def run(base_url: str, limit: int) -> list[object]:
        settings = LlmJudgeSettings(
            model="m", base_url=base_url, max_tokens=64, api_key_env=None, concurrency=1,
            token_limit=limit,
        )  # fmt: skip
        parts = [
            (
                JudgeAnswers(
                    responses=ResponsesFolder(answers), prompts=PromptsFolder(prompts),
                    judge=settings, gate=GateSettings(), account=tmp_path / "spending.jsonl",
                ),
                Context(tmp_path / f"v{number}"),
            )
            for number, answers in enumerate((responses, tmp_path / "others"))
        ]  # fmt: skip
        return [result for _, result in JudgeAnswers.run_all(parts)]

    with serve(lambda number, body: Answer(text="[[2]]")) as server:
        # One question is estimated as 321 tokens and turns out as 10: a third would be too much.
        results = run(server.base_url, 340)
        assert len(server.requests) == 2
        assert any("token_limit: 340 would be exceeded" in str(result) for result in results)
        assert len((tmp_path / "spending.jsonl").read_text().splitlines()) == 2
        # The same limit again: nothing is left of it, and what was judged costs nothing again.
        run(server.base_url, 340)
        assert len(server.requests) == 2
        results = run(server.base_url, 100_000)
        assert all(isinstance(result, VerdictFacts) for result in results)
        assert len(server.requests) == 4
