from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import PromptsFolder, ResponsesFolder
from polypaca.core.records import GateResult, Prompt, Response
from polypaca.core.work import Context
from polypaca.langid import detectors, lid176
from polypaca.langid.settings import GateSettings
from polypaca.stages.gate import CheckLanguage

ENGLISH = "The old house stands by the river, and the children play in the garden every day."
RUSSIAN = "Каждое утро я пью чай и читаю новости у окна на кухне."

# prompt id, language, whether it is gated, answer -> gate, reason, by line, by word
CASES = [
    ("1", "en", True, ENGLISH, 1, "language", 1, None),
    ("1", "ru", True, ENGLISH, 0, "language", 0, None),
    ("2", "ru", True, RUSSIAN, 1, "language", 1, 1),
    ("2", "en", False, RUSSIAN, 1, "exempt", None, None),
    ("3", "ru", True, f"{RUSSIAN[:-1]} indeed.", 1, "language", 1, 0),
    ("4", "ru", True, f"{RUSSIAN}\n{RUSSIAN}\n{RUSSIAN}\n{ENGLISH}", 1, "language", 0, 0),
    ("5", "en", True, "", 0, "empty", None, None),
    ("6", "en", True, "no " * 40, 0, "degenerate", None, None),
    ("7", "en", True, "`x = 1`", 1, "undetermined", None, None),
]


def _check(fraction: float, text: str) -> None:
    assert 0 <= fraction <= 1


def _gate(folder: Path, **gate: Any) -> dict[str, Any]:
    """The facts of a check in a folder with prompts and responses."""
    work = CheckLanguage(
        responses=ResponsesFolder(folder / "responses"),
        prompts=PromptsFolder(folder / "prompts"),
        gate=GateSettings(**gate),
    )
    return work.run(Context(folder / "gate", progress=_check)).recorded()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for code in ("en", "ru"):
        prompts = [
            Prompt(id=key, language=code, prompt="Tell me of the house.", gate=required)
            for key, language, required, *_ in CASES
            if language == code
        ]
        write_jsonl(tmp_path / "prompts" / f"{code}.jsonl", prompts)
    answers = [
        Response(system="s", prompt_id=key, language=code, response=text, finish_reason="stop")
        for key, code, _, text, *_ in CASES
    ]
    write_jsonl(tmp_path / "responses" / "responses.jsonl", answers)
    return tmp_path


def test_every_answer_has_its_gate_its_reason_and_its_confusion(folder: Path) -> None:
    facts = _gate(folder)
    found = list(read_jsonl(folder / "gate" / "gate.jsonl", GateResult))
    assert [(r.prompt_id, r.language) for r in found] == [case[:2] for case in CASES]
    assert [(r.gate, r.reason, r.line_gate, r.word_gate) for r in found] == [c[4:] for c in CASES]
    assert facts["passed"] == 6
    assert facts["reasons"] == {
        "degenerate": 1, "empty": 1, "exempt": 1, "language": 5, "undetermined": 1
    }  # fmt: skip
    assert (facts["line_passed"], facts["line_told"]) == (3, 5)
    # The answer that fails by line is not counted by word.
    assert (facts["word_passed"], facts["word_told"]) == (1, 2)


def test_a_model_file_can_be_given(folder: Path) -> None:
    path = lid176.model_path()
    facts = _gate(folder, detector="openlid", model=str(path))
    assert facts["detector"] == detectors.signature("openlid", path)
    assert facts["passed"] == 6


def test_a_passage_of_the_prompt_does_not_count(tmp_path: Path) -> None:
    prompt = Prompt(id="1", language="ru", prompt=f"Объясни: {ENGLISH} {ENGLISH}")
    write_jsonl(tmp_path / "prompts" / "ru.jsonl", [prompt])
    text = f"Тут сказано: {ENGLISH} {ENGLISH} Это значит, что дом стоит у реки."
    answer = Response(system="s", prompt_id="1", language="ru", response=text, finish_reason="stop")
    write_jsonl(tmp_path / "responses" / "responses.jsonl", [answer])
    assert _gate(tmp_path)["passed"] == 1
