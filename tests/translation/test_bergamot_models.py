"""Firefox's own English-Portuguese models, through the engine and the stage."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import InstructionsFolder
from polypaca.core.records import Example
from polypaca.core.work import Context
from polypaca.langid.settings import GateSettings
from polypaca.stages.translate import TranslateRows
from polypaca.translation import engines
from polypaca.translation.bergamot import BergamotSettings
from polypaca.translation.contract import Engine
from polypaca.translation.texts import translate_texts

pytestmark = pytest.mark.slow

ROWS = 40


def make(source: str, target: str, *, model: Path, threads: int = 1, **settings: Any) -> Engine:
    chosen = BergamotSettings(model=str(model), **settings)
    return engines.load(chosen, source, target, threads=threads)


@pytest.fixture
def models() -> Path:
    """The folder with `enpt` and `pten`."""
    pytest.importorskip("fxtranslate", reason="no fxtranslate: pip install 'polypaca[bergamot]'")
    cache = os.environ.get("POLYPACA_TEST_MODELS", "~/.cache/polypaca-models")
    folder = Path(cache).expanduser() / "bergamot"
    if not (folder / "enpt").is_dir():
        pytest.skip(f"no Bergamot models in {folder}: set POLYPACA_TEST_MODELS")
    return folder


def test_sentences_in_both_directions(models: Path) -> None:
    into = make("en", "pt", model=models / "enpt")
    back = make("pt", "en", model=models / "{source}{language}")
    try:
        (said,) = into.translate(["The cat sleeps on the table."])
        assert said == "O gato dorme na mesa."
        assert back.translate([str(said)]) == ["The cat sleeps on the table."]
    finally:
        into.close()
        back.close()


def test_processes_and_company_change_nothing(models: Path) -> None:
    texts = [f"There are {number} red apples in the old basket." for number in range(24)]
    one = make("en", "pt", model=models / "enpt")
    two = make("en", "pt", model=models / "enpt", threads=2)
    try:
        alone = [one.translate([text])[0] for text in texts]
        assert two.translate(texts) == one.translate(texts) == alone
    finally:
        one.close()
        two.close()


@pytest.mark.parametrize(
    "text",
    [
        "Run `make all` in /etc/app with --dry-run, then open https://x.org/a?b=c.",
        "Dear {name}, you owe us 1,000.50 dollars since 2024-03-05.",
        "Replace [Your Name] and __count__; {n, plural, one {# day} other {# days}} are left.",
        "See [the guide](docs/guide.md) for the file notes.txt in C:\\Users\\me.",
    ],
)
def test_what_must_survive_survives(models: Path, text: str) -> None:
    engine = make("en", "pt", model=models / "enpt")
    try:
        (done,) = translate_texts([text], engine, "en")
    finally:
        engine.close()
    assert done.text is not None
    for kept in re.findall(r"`.*?`|/etc/app|--dry-run|https\S+\w|\{.*\}|\[Your.*?\]|__count__"
                           r"|docs/guide.md|notes.txt|C:.*me|2024-03-05", text):  # fmt: skip
        assert done.text.count(kept) == 1
    assert done.text != text


@pytest.mark.data
def test_instruction_data_comes_through(
    models: Path, data_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    found = json.loads((data_folder / "instructions" / "alpaca.en.json").read_text())[:ROWS]
    rows = [
        Example(id=f"{n}.en", source=str(n), split="train", language="en",
                instruction=row["instruction"], input=row["input"], output=row["output"])
        for n, row in enumerate(found)
    ]  # fmt: skip
    write_jsonl(tmp_path / "data" / "en.jsonl", rows)
    work = TranslateRows(
        instructions=InstructionsFolder(tmp_path / "data"), source="en", language="pt",
        engine=BergamotSettings(model=str(models / "enpt")), untranslatable="keep",
        contaminated="keep", on_lost="pieces", filters=None, gate=GateSettings(),
        account=tmp_path / "spending.jsonl",
    )  # fmt: skip
    facts = work.run(Context(tmp_path / "pt", threads=2)).recorded()
    assert facts["rows"] >= 0.95 * ROWS
    accepted = list(read_jsonl(tmp_path / "pt" / "examples.jsonl", Example))
    changed = [row for row in accepted if row.instruction != found[int(row.source)]["instruction"]]
    assert len(changed) == len(accepted)
