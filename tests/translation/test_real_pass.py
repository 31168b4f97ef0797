"""Real instruction data through the stage, with every engine that is at hand."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import InstructionsFolder
from polypaca.core.records import Example, Rejected
from polypaca.core.settings import Choice
from polypaca.core.work import Context
from polypaca.langid.settings import GateSettings
from polypaca.stages.translate import TranslateRows
from polypaca.translation.apertium import ApertiumSettings
from polypaca.translation.bergamot import BergamotSettings
from polypaca.translation.ctranslate2 import CTranslate2Settings
from polypaca.translation.llm import LlmTranslatorSettings

pytestmark = [pytest.mark.data, pytest.mark.slow]

FENCE = re.compile(r"^```.*?^```[ \t]*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"(?<!`)`[^`\n]+`(?!`)|https?://[^\s)>\]]+")
ROWS = 200


@pytest.fixture
def instructions(data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """200 rows of Alpaca: those with code blocks first, which are rare, then the first ones."""
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    found = json.loads((data_folder / "instructions" / "alpaca.en.json").read_text())
    found = [row for row in found if row["output"].strip()]
    found.sort(key=lambda row: "```" not in row["output"])
    write_jsonl(
        tmp_path / "data" / "en.jsonl",
        [
            Example(id=f"{n}.en", source=str(n), split="train", language="en",
                    instruction=row["instruction"], input=row["input"], output=row["output"])
            for n, row in enumerate(found[:ROWS])
        ],
    )  # fmt: skip
    return tmp_path / "data"


def _translate(
    folder: Path, instructions: Path, language: str, engine: Choice, filters: list[str] | None
) -> dict[str, Any]:
    work = TranslateRows(
        instructions=InstructionsFolder(instructions), source="en", language=language,
        engine=engine, untranslatable="flag", contaminated="keep", on_lost="pieces",
        filters=filters, gate=GateSettings(), account=folder.parent / "spending.jsonl",
    )  # fmt: skip
    return work.run(Context(folder, threads=2)).recorded()


def _pass(
    folder: Path,
    instructions: Path,
    language: str,
    engine: Choice,
    filters: list[str] | None = None,
) -> dict[str, Any]:
    """Translate, and check what holds for every engine."""
    facts = _translate(folder, instructions, language, engine, filters)
    accepted = {row.source: row for row in read_jsonl(folder / "examples.jsonl", Example)}
    rejected = list(read_jsonl(folder / "rejected.jsonl", Rejected))
    assert len(accepted) == facts["rows"]
    assert len(rejected) == sum(facts["rejected"].values())
    assert all(row.reason for row in rejected)
    source = {row.source: row for row in read_jsonl(instructions / "en.jsonl", Example)}
    refused = {json.loads(row.row)["source"] for row in rejected}
    assert accepted.keys() | refused == source.keys()
    assert not accepted.keys() & refused
    assert list(accepted) == [name for name in source if name in accepted]
    for name, row in accepted.items():
        for field in ("instruction", "input", "output"):
            before, after = getattr(source[name], field), getattr(row, field)
            assert FENCE.findall(after) == FENCE.findall(before)
            assert sorted(SPAN.findall(after)) == sorted(SPAN.findall(before))
            assert after.count("\n") == before.count("\n")
    assert any(FENCE.search(row.output) for row in accepted.values())
    return facts


def test_apertium_into_spanish(instructions: Path, tmp_path: Path) -> None:
    if shutil.which("apertium") is None:
        pytest.skip("no Apertium: apt install apertium apertium-eng-spa")
    facts = _pass(tmp_path / "es", instructions, "es", ApertiumSettings())
    assert facts["rows"] > 0.9 * ROWS
    again = _pass(tmp_path / "again", instructions, "es", ApertiumSettings())
    assert again == facts
    for name in ("examples.jsonl", "rejected.jsonl"):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "es" / name).read_bytes()


def test_ctranslate2_after_conversion(
    instructions: Path, tmp_path: Path, ctranslate2_model: Path
) -> None:
    # The model has learnt nothing to speak of: with the filters on, all its rows are rejected.
    engine = CTranslate2Settings(model=str(ctranslate2_model), beam_size=1, max_length=24)
    facts = _pass(tmp_path / "es", instructions, "es", engine, filters=[])
    assert facts["sentences"] > ROWS


def test_bergamot(instructions: Path, tmp_path: Path, bergamot_model: Path) -> None:
    rows = list(read_jsonl(instructions / "en.jsonl", Example))[:30]
    write_jsonl(tmp_path / "short" / "en.jsonl", rows)
    engine = BergamotSettings(model=str(bergamot_model))
    facts = _pass(tmp_path / "es", tmp_path / "short", "es", engine, filters=[])
    assert facts["engine"].startswith("bergamot")


def test_a_served_model(
    instructions: Path, tmp_path: Path, transformers_server: tuple[str, str]
) -> None:
    rows = list(read_jsonl(instructions / "en.jsonl", Example))[:6]
    plain = Example(
        id="p.en", source="p", split="train", language="en", instruction="1 + 1", output="2"
    )
    write_jsonl(tmp_path / "short" / "en.jsonl", [*rows, plain])
    url, model = transformers_server
    engine = LlmTranslatorSettings(model=model, max_tokens=8, base_url=url, api_key_env=None)
    facts = _translate(tmp_path / "es", tmp_path / "short", "es", engine, None)
    # Random weights do not end: every row with prose is rejected, and says so.
    assert facts["rows"] >= 1
    rejected = list(read_jsonl(tmp_path / "es" / "rejected.jsonl", Rejected))
    assert len(rejected) == 7 - facts["rows"]
    assert rejected
    assert any("cut off at max_tokens" in row.reason for row in rejected)
