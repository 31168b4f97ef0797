from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import DataError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import InstructionsFolder, PromptsFolder
from polypaca.core.records import Example, Prompt, Rejected
from polypaca.core.work import Context
from polypaca.langid.settings import GateSettings
from polypaca.stages.translate import PassOn, TranslateRows
from polypaca.translation.dummy import DummySettings

CODE = "Here is a program that prints a greeting:\n\n```python\nprint('hello')  # 5\n```\n\nRun it."
ROWS = {
    "cat": ("Name the animal of the house.", "", "The animal of the house is the cat."),
    "code": ("Explain this.", "", CODE),
    "rhyme": ("Write a poem in which the lines rhyme.", "", "The cat sat on the mat."),
    "number": ("How many legs does a cat have?", "", "A cat has 4 legs, and 1 tail."),
}


@pytest.fixture
def instructions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    rows = [
        Example(
            id=f"{name}.en", source=name, split="train", language="en", instruction=one, input=two,
            output=three, origin=["mine"],
        )
        for name, (one, two, three) in ROWS.items()
    ]  # fmt: skip
    write_jsonl(tmp_path / "data" / "en.jsonl", rows)
    return tmp_path / "data"


def _translate(folder: Path, instructions: Path, **changes: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "source": "en", "language": "es", "engine": DummySettings(), "untranslatable": "flag",
        "contaminated": "drop", "on_lost": "pieces", "filters": ["empty", "repetition"],
        "gate": GateSettings(), "account": folder.parent / "spending.jsonl",
    }  # fmt: skip
    work = TranslateRows(instructions=InstructionsFolder(instructions), **(settings | changes))
    return work.run(Context(folder)).recorded()


def _rows(folder: Path) -> dict[str, Example]:
    return {row.source: row for row in read_jsonl(folder / "examples.jsonl", Example)}


def test_rows_are_translated_in_order_and_structure_stays(
    tmp_path: Path, instructions: Path
) -> None:
    facts = _translate(tmp_path / "es", instructions)
    found = _rows(tmp_path / "es")
    assert list(found) == list(ROWS)
    assert (facts["rows"], facts["rejected"], facts["flagged"]) == (4, {}, 2)
    assert found["code"].output.endswith("```python\nprint('hello')  # 5\n```\n\nRun-es it-es.")
    assert found["cat"].id == "cat.es"
    assert found["cat"].origin == ["mine", "dummy en-es"]
    assert found["cat"].flags == []
    assert found["rhyme"].flags
    assert found["rhyme"].flags[0].startswith("untranslatable: ")


def test_what_translation_destroys_may_be_dropped_or_kept(
    tmp_path: Path, instructions: Path
) -> None:
    dropped = _translate(tmp_path / "drop", instructions, untranslatable="drop")
    assert dropped["rejected"] == {"untranslatable": 2}
    assert set(_rows(tmp_path / "drop")) == {"cat", "number"}
    rejected = list(read_jsonl(tmp_path / "drop" / "rejected.jsonl", Rejected))
    assert [(row.file, row.line) for row in rejected] == [("en.jsonl", 2), ("en.jsonl", 3)]
    assert json.loads(rejected[1].row)["source"] == "rhyme"
    _translate(tmp_path / "keep", instructions, untranslatable="keep")
    assert not any(row.flags for row in _rows(tmp_path / "keep").values())


def test_filters_reject_with_a_reason_and_the_row(tmp_path: Path, instructions: Path) -> None:
    # Marked English words are no Spanish.
    facts = _translate(tmp_path / "es", instructions, filters=["empty"])
    assert facts["rejected"] == {}
    with pytest.raises(
        DataError, match=r"none of the 4 rows of en has a usable translation into zh"
    ):
        _translate(tmp_path / "zh", instructions, language="zh", filters=["wrong-language"])
    rejected = list(read_jsonl(tmp_path / "zh" / "rejected.jsonl", Rejected))
    assert len(rejected) == 4
    assert all(row.reason.startswith("wrong-language: ") for row in rejected)


def test_a_translation_that_is_a_test_prompt_is_not_trained_on(
    tmp_path: Path, instructions: Path
) -> None:
    prompt = Prompt(id="p", language="es", prompt="name-es the-es animal-es of-es the-es house-es")
    write_jsonl(tmp_path / "prompts" / "es.jsonl", [prompt])
    facts = _translate(tmp_path / "es", instructions, prompts=PromptsFolder(tmp_path / "prompts"))
    assert facts["rejected"] == {"contaminated": 1}
    (row,) = read_jsonl(tmp_path / "es" / "rejected.jsonl", Rejected)
    assert row.reason == "contaminated: is test prompt p (es)"
    prompts = PromptsFolder(tmp_path / "prompts")
    _translate(tmp_path / "flag", instructions, prompts=prompts, contaminated="flag")
    assert _rows(tmp_path / "flag")["cat"].flags == ["contaminated: is test prompt p (es)"]


def test_rows_given_in_another_language_are_passed_on_with_a_notice(
    tmp_path: Path, instructions: Path
) -> None:
    english = "A river carries sand and stones from the mountains down to the sea."
    rows = [
        Example(id=f"{n}.es", source=f"{n}", split="train", language="es",
                instruction="Nombra un animal.", output=english)
        for n in range(1500)
    ]  # fmt: skip
    write_jsonl(instructions / "es.jsonl", rows)
    work = PassOn(instructions=InstructionsFolder(instructions), language="es", gate=GateSettings())
    facts = work.run(Context(tmp_path / "es")).recorded()
    assert facts["rows"] == len(_rows(tmp_path / "es")) == 1500
    # By hand: every second row is looked at, so that at most 1000 are.
    assert facts["language_of_rows"] == {
        "looked_at": 750, "judged": 750, "wrong": 750, "fields": {"output": 750}
    }  # fmt: skip
    (notice,) = facts["notices"]
    assert notice.startswith("most of es is not in Spanish (750 of 750 rows")
    assert notice in facts["summary"]
