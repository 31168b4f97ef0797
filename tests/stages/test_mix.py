from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import UserError
from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.folders import BaseFolder, LengthsFolder, MixtureFolder, TranslationFolder
from polypaca.core.manifest import begin, seal
from polypaca.core.records import Example
from polypaca.core.results import BudgetLedger
from polypaca.core.work import Context
from polypaca.data.mixtures import Sampling
from polypaca.stages.ledger import CountBudgets, PlannedCell
from polypaca.stages.mix import DrawMixture, MeasureLengths

ROWS, HELD_OUT = 30, 4
CELL: dict[str, Any] = {
    "model": "m", "method": "lora", "seed": 1, "kind": "lora", "epochs": 2, "batch_size": 8,
    "max_length": 256, "loss_on": "response",
}  # fmt: skip


@pytest.fixture
def translations(tmp_path: Path) -> dict[str, TranslationFolder]:
    """English and a language of far longer words."""
    folders = {}
    for code, word in (("en", "cat"), ("fi", "kissanomistajalleenko")):
        folders[code] = TranslationFolder(tmp_path / "translations" / code)
        rows = [
            Example(
                id=f"{n}.{code}", source=str(n), language=code, instruction=f"Say {n}.",
                split="validation" if n < HELD_OUT else "train",
                output=" ".join([word] * (2 + n % 5)),
            )
            for n in range(ROWS + HELD_OUT)
        ]  # fmt: skip
        write_jsonl(folders[code].examples, rows)
    return folders


def _mix(
    folder: Path, translations: dict[str, TranslationFolder], **changes: Any
) -> dict[str, Any]:
    sampling = Sampling(**changes.pop("recipe", {}))
    settings: dict[str, Any] = {
        "languages": ["en", "fi"], "budgets": 1.0, "align": "parallel", "unit": "examples",
        "random_validation": None, "seed": 1, "sampling": sampling,
    }  # fmt: skip
    begin(folder, "x", {})
    work = DrawMixture(translations=translations, **(settings | changes))
    facts = work.run(Context(folder)).recorded()
    seal(folder, stage="mix", format_number=1, settings={}, inputs={}, facts=facts)
    return facts


def _train(folder: Path) -> list[Example]:
    return list(read_jsonl(folder / "train.jsonl", Example))


def _ledger(
    tmp_path: Path, base: Path, mixtures: dict[str, tuple[Path, float]], **changes: Any
) -> BudgetLedger:
    """The ledger of recipes named as their mixtures, each supporting two languages."""
    settings: dict[str, Any] = {"unit": "examples", "tolerance": 0.01, "unequal": "error"}
    work = CountBudgets(
        mixtures={name: MixtureFolder(folder) for name, (folder, _) in mixtures.items()},
        lengths=dict.fromkeys(mixtures, LengthsFolder(tmp_path / "lengths")),
        bases={"m": BaseFolder(base)},
        cells=[
            PlannedCell(**CELL, cell=name, recipes=[name], budgets=budgets)
            for name, (_, budgets) in mixtures.items()
        ],
        supported=dict.fromkeys(mixtures, 2),
        **(settings | changes),
    )
    work.run(Context(tmp_path / "ledger"))
    text = (tmp_path / "ledger" / "ledger.json").read_text()
    return BudgetLedger.model_validate_json(text)


@pytest.fixture
def base(tiny_model: Any, translations: dict[str, TranslationFolder], tmp_path: Path) -> Path:
    folder: Path = tiny_model("gpt_neox")
    (tmp_path / "lengths").mkdir()
    work = MeasureLengths(base=BaseFolder(folder), translations=translations, template="alpaca")
    work.run(Context(tmp_path / "lengths"))
    return folder


def test_the_ledger_counts_the_whole_schedule(
    tmp_path: Path, translations: dict[str, TranslationFolder], base: Path
) -> None:
    _mix(tmp_path / "en", translations, languages=["en"])
    _mix(tmp_path / "both", translations)
    found = _ledger(
        tmp_path, base, {"english": (tmp_path / "en", 1), "mixed": (tmp_path / "both", 1)}
    )
    english, mixed = found.cells
    assert found.one_budget_rows == ROWS
    assert (english.examples, english.steps, english.budgets) == (60, 8, 1.0)
    measured = {
        row["id"]: row["prompt"] + row["response"]
        for row in map(json.loads, (tmp_path / "lengths" / "en.jsonl").open())
    }
    rows = [row.id for row in _train(tmp_path / "en")]
    assert english.tokens == 2 * sum(measured[name] for name in rows)
    assert english.flops is not None
    assert mixed.flops is not None
    assert mixed.flops / mixed.tokens == english.flops / english.tokens
    # Equal in rows, as declared; not in tokens, and that is said.
    assert len(found.notes) == 1
    assert "Equal in examples, not in tokens: on m with lora, seed 1: mixed costs" in found.notes[0]


def test_recipes_meant_to_be_equal_and_found_unequal_fail_the_study(
    tmp_path: Path, translations: dict[str, TranslationFolder], base: Path
) -> None:
    _mix(tmp_path / "en", translations, languages=["en"])
    _mix(tmp_path / "both", translations)
    mixtures = {"english": (tmp_path / "en", 1.0), "mixed": (tmp_path / "both", 1.0)}
    with pytest.raises(UserError, match=r"mixed costs 1\.\d+ times.*budget\.unequal: report"):
        _ledger(tmp_path, base, mixtures, unit="tokens")
    found = _ledger(tmp_path, base, mixtures, unit="tokens", unequal="report")
    assert found.notes[0].startswith("Declared unequal: on m with lora, seed 1: mixed costs")


def test_budgets_in_tokens_are_equal_in_tokens(
    tmp_path: Path, translations: dict[str, TranslationFolder], base: Path
) -> None:
    tokens = {"lengths": LengthsFolder(tmp_path / "lengths"), "max_length": 256, "unit": "tokens"}
    _mix(tmp_path / "en", translations, languages=["en"], **tokens)
    _mix(tmp_path / "both", translations, **tokens)
    mixtures = {"english": (tmp_path / "en", 1.0), "mixed": (tmp_path / "both", 1.0)}
    found = _ledger(tmp_path, base, mixtures, unit="tokens", tolerance=0.05)
    assert found.notes == []
    assert len(_train(tmp_path / "both")) < ROWS


def test_a_size_in_flops_is_one_in_tokens(
    tmp_path: Path, translations: dict[str, TranslationFolder], base: Path
) -> None:
    tokens = {"lengths": LengthsFolder(tmp_path / "lengths"), "max_length": 256}
    _mix(tmp_path / "t", translations, budgets=None, recipe={"tokens": 600}, **tokens)
    found = _ledger(tmp_path, base, {"t": (tmp_path / "t", 1.0)})
    assert found.cells[0].flops is not None
    per_token = found.cells[0].flops / found.cells[0].tokens
    _mix(
        tmp_path / "f", translations, budgets=None, recipe={"flops": 600 * per_token},
        base=BaseFolder(base),
        kind="lora", **tokens,
    )  # fmt: skip
    assert _train(tmp_path / "f") == _train(tmp_path / "t")
    longest = 40
    assert abs(found.cells[0].tokens / CELL["epochs"] - 600) < longest


def test_a_random_split_is_on_record(
    tmp_path: Path, translations: dict[str, TranslationFolder], base: Path
) -> None:
    for code, folder in translations.items():
        rows = [
            row.model_copy(update={"split": "train"})
            for row in read_jsonl(folder.examples, Example)
        ]
        write_jsonl(folder.examples, rows)
        assert len(rows) == ROWS + HELD_OUT, code
    facts = _mix(tmp_path / "both", translations, budgets=2.0, random_validation=10)
    assert (facts["rows"], facts["validation_rows"]) == (2 * (ROWS + HELD_OUT) - 10, 10)
    assert facts["validation_sources_trained_on"] >= 5
    found = _ledger(tmp_path, base, {"both": (tmp_path / "both", 2.0)})
    assert any("drawn at random from each mixture" in note for note in found.notes)


@pytest.mark.parametrize(
    ("recipe", "counts"),
    [
        ({"stratified": True}, {"en": 15, "fi": 15}),
        ({"weights": {"en": 2, "fi": 1}}, {"en": 20, "fi": 10}),
        ({"temperature": 5}, {"en": 15, "fi": 15}),
        ({"one_language_per_source": True, "stratified": True}, {"en": 15, "fi": 15}),
    ],
)
def test_shares(
    tmp_path: Path, translations: dict[str, TranslationFolder], recipe: Any, counts: dict[str, int]
) -> None:
    facts = _mix(tmp_path / "m", translations, recipe=recipe)
    assert facts["rows_by_language"] == counts
