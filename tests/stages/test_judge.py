from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import StageError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.records import GateResult, Prompt, Response, Verdict
from polypaca.llm.mock_server import Answer, serve
from polypaca.stages.gate import gate
from polypaca.stages.judge import judge

ENGLISH = "The old house stands by the river, and the children play in the garden every day."
SPANISH = "La casa vieja está junto al río, y los niños juegan en el jardín todos los días."


def _ignore(fraction: float, text: str) -> None:
    pass


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


def test_quality_and_language_stay_separate(folders: tuple[Path, Path], tmp_path: Path) -> None:
    responses, prompts = folders
    judge(
        tmp_path / "v", responses=responses, prompts=prompts, kind="reference", detector="lid176",
        progress=_ignore,
    )  # fmt: skip
    gate(tmp_path / "g", responses=responses, prompts=prompts, detector="lid176", progress=_ignore)
    verdicts = list(read_jsonl(tmp_path / "v" / "verdicts.jsonl", Verdict))
    gates = list(read_jsonl(tmp_path / "g" / "gate.jsonl", GateResult))
    # The English answer to the Spanish prompt is a perfect one, in the wrong language.
    assert [v.rating for v in verdicts] == pytest.approx([3.0, 3.0])
    assert "English reference" in verdicts[1].explanation
    assert [(g.detected, g.gate) for g in gates] == [("en", 1), ("en", 0)]


def test_failed_judgements_fail_the_stage_and_are_retried_alone(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    responses, prompts = folders
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    good = False

    def reply(number: int, body: str) -> Answer:
        rated = good or "Describe, en" in body
        return Answer(text="Fine. Rating: [[2.5]]" if rated else "I cannot say.")

    with serve(reply) as server:
        settings = {
            "kind": "llm", "model": "m", "base_url": server.base_url, "api_key_env": None,
            "temperature": 0.0, "max_tokens": 64,
        }  # fmt: skip
        run = {"responses": responses, "prompts": prompts, "progress": _ignore, **settings}
        with pytest.raises(StageError, match=r"1 of 2 judgements failed.*run again"):
            judge(tmp_path / "v", **run)  # type: ignore[arg-type]
        asked = len(server.requests)
        good = True
        judge(tmp_path / "v", **run)  # type: ignore[arg-type]
        assert len(server.requests) == asked + 1
    verdicts = list(read_jsonl(tmp_path / "v" / "verdicts.jsonl", Verdict))
    assert [v.rating for v in verdicts] == [2.5, 2.5]
