"""The plan's numbers, by hand arithmetic; the paper's grid; what is marked as an estimate."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import UserError
from polypaca.core.files import write_json
from polypaca.judging.prompts import load_prompt
from polypaca.planning import local_files
from polypaca.planning.assumptions import DATA_SETS, estimated_tokens
from polypaca.planning.estimate import estimate
from polypaca.planning.estimates import CellEstimate
from polypaca.planning.hardware import GPUS
from polypaca.study import Study, load_study

STUDIES = Path(__file__).parents[2] / "studies"
PAPER = STUDIES / "paper.yaml"
BLOOM_560M = 559_214_592


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*arguments: Any) -> None:
        raise AssertionError("a plan must not go online")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def paper() -> Study:
    return load_study(PAPER)


@pytest.mark.usefixtures("offline")
class TestThePapersGrid:
    def test_it_is_168_cells_and_30450_responses(self, paper: Study, tmp_path: Path) -> None:
        found = estimate(paper, tmp_path)
        assert len(found.cells) == 168
        assert found.responses == 30_450
        assert found.recipe_budgets == {
            "monolingual": 6.0, "multilingual": 9.0, "downsampled": 1.0, "english": 1.0,
        }  # fmt: skip
        assert found.one_budget_rows == 50_760  # 51,760 less 1,000 held out
        assert found.total.budgets == 21 * (6 + 9 + 1)
        assert not list(tmp_path.iterdir())

    def test_one_cell_by_hand(self, paper: Study, tmp_path: Path) -> None:
        found = estimate(paper, tmp_path, GPUS["a100-80gb"], 2.0)
        cells = {cell.cell: cell for cell in found.cells}
        cell = cells["bloom-560m.lora.monolingual-en.s1"]
        assert cell.examples == 50_760 * 5
        assert cell.tokens is not None
        assert cell.steps == 397 * 5  # ceil(50,760 / 128) batches an epoch
        assert cell.flops == 4.0 * BLOOM_560M * cell.tokens
        # Ten evaluations of 1,000 rows (each 200 steps, and the last); then nine languages once.
        own = cell.tokens / cell.examples
        every = (cells["bloom-560m.lora.multilingual.s1"].tokens or 0) / (50_760 * 9 * 5)
        expected = 2 * BLOOM_560M * (10 * 1000 * own + 9 * 1000 * every)
        assert cell.evaluation_flops == pytest.approx(expected, rel=1e-6)
        hours = (cell.flops + expected) / (312e12 * 0.27) / 3600
        assert cell.gpu_hours == pytest.approx(hours, rel=1e-6)
        assert cell.cost == pytest.approx(2 * hours, rel=1e-6)
        full = cells["bloom-560m.full.monolingual-en.s1"]
        assert full.tokens is not None
        assert full.flops == 6.0 * BLOOM_560M * full.tokens
        assert full.examples == 50_760 * 3

    def test_memory_says_how_many_gpus(self, paper: Study, tmp_path: Path) -> None:
        found = estimate(paper, tmp_path, GPUS["rtx-3090"])
        cells = {cell.cell: cell for cell in found.cells}
        adapters = 3_932_160
        lora = cells["bloom-7b1.lora.multilingual.s1"]
        assert lora.memory == pytest.approx((2 * 7_069_016_064 + 16 * adapters) * 1.32)
        assert lora.gpus == 1
        assert cells["bloom-7b1.full.multilingual.s1"].gpus == 6  # 135.7 GB of 24 each
        assert found.total.gpus == 6

    def test_everything_assumed_is_marked_and_has_its_source(
        self, paper: Study, tmp_path: Path
    ) -> None:
        found = estimate(paper, tmp_path)
        assert {(cell.examples_from, cell.tokens_from) for cell in found.cells} == {
            ("assumed", "assumed")
        }
        assert set(found.assumptions["tokenizers"]) == {
            "pythia", "llama", "openllama", "bloom", "baichuan2",
        }  # fmt: skip
        assert found.assumptions["data"]["rows"] == 51_760
        assert found.assumptions["utilisation"]["lora"]["source"]
        assert all(cell.gpu_hours is None and cell.gpus is None for cell in found.cells)
        assert any("assumed" in note for note in found.notes)

    def test_sums_are_those_of_their_cells(self, paper: Study, tmp_path: Path) -> None:
        found = estimate(paper, tmp_path, GPUS["h100"], 3.0)
        trained = sum(cell.gpu_hours or 0 for cell in found.cells)
        assert sum(part.gpu_hours or 0 for part in found.by_model) == pytest.approx(trained)
        answering = found.answering.gpu_hours or 0
        assert found.total.gpu_hours == pytest.approx(trained + answering)
        parts = [(cell.flops, cell.evaluation_flops) for cell in found.cells]
        flops = sum((one or 0) + (other or 0) for one, other in parts)
        assert found.total.flops == pytest.approx(flops + (found.answering.flops or 0))
        assert any(
            note.startswith("gpt-3.5-turbo judges 30,450 responses; set `price_input`")
            for note in found.notes
        )
        assert found.total.cost == pytest.approx(3 * (trained + answering))
        english = next(part for part in found.by_recipe if part.name == "english")
        assert (english.cells, english.budgets) == (21, 21)


SMALL = """\
name: small
languages: {train: [en, es], test: [en, es]}
data: {instructions: "builtin:tiny", rows: 100, validation: 20}
prompts: builtin:tiny
models: [MODEL]
methods: {lora: {batch_size: 16, epochs: 2, max_length: 64}}
recipes: [multilingual]
"""


def _study(tmp_path: Path, model: str, *overrides: str) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(SMALL.replace("MODEL", model))
    return load_study(path, overrides)


def _only(study: Study, out: Path) -> CellEstimate:
    (cell,) = estimate(study, out).cells
    return cell


def test_rows_at_hand_are_counted_and_tokens_of_a_known_family_assumed(tmp_path: Path) -> None:
    cell = _only(_study(tmp_path, "EleutherAI/pythia-70m-deduped"), tmp_path / "out")
    assert cell.examples == 2 * 2 * 80
    assert (cell.examples_from, cell.tokens_from) == ("read", "assumed")
    assert 0 < (cell.tokens or 0) <= 64 * 320
    assert cell.flops == 4.0 * 70_426_624 * (cell.tokens or 0)


def test_what_is_not_known_is_left_open(tmp_path: Path) -> None:
    study = _study(tmp_path, "someone/else", "prompts.count=3")
    found = estimate(study, tmp_path / "out", GPUS["l4"], 1.0)
    (cell,) = found.cells
    assert (cell.tokens, cell.flops, cell.gpu_hours, cell.cost, cell.gpus) == (None,) * 5
    assert found.total.gpu_hours is None
    assert [note for note in found.notes if "else" in note]
    nowhere = _study(tmp_path, "someone/else", "data.instructions=hf:some/set-{language}")
    assert _only(nowhere, tmp_path / "out").examples is None


def test_a_tokenizer_in_the_hubs_cache_is_used(
    tmp_path: Path, tokenizer_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    folder = tmp_path / "hub" / "models--someone--else"
    snapshot = folder / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    (snapshot / "tokenizer.json").write_bytes(tokenizer_file.read_bytes())
    config = {"model_type": "gpt_neox", "hidden_size": 8, "num_hidden_layers": 1,
              "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 400}  # fmt: skip
    write_json(snapshot / "config.json", config)
    cell = _only(_study(tmp_path, "someone/else"), tmp_path / "out")
    assert (cell.tokens_from, cell.examples) == ("sampled", 320)
    assert cell.tokens
    assert cell.flops


def test_amounts_of_tokens_are_amounts_of_tokens(tmp_path: Path) -> None:
    recipes = "recipes={multilingual: {tokens: 5000}}"
    cell = _only(_study(tmp_path, "EleutherAI/pythia-70m-deduped", recipes), tmp_path / "out")
    assert (cell.examples, cell.tokens) == (None, 10_000)


def test_a_price_needs_a_gpu(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--price needs --gpu"):
        estimate(_study(tmp_path, "builtin:tiny-neox"), tmp_path, price=1.0)


def test_translated_rows_grow_as_languages_do(tmp_path: Path) -> None:
    rows = local_files.Rows(10, {"en": [_Row("a" * 100)]})
    study = _study(tmp_path, "EleutherAI/pythia-70m-deduped", "methods.lora.max_length=4096")
    lengths = local_files.Lengths(study, tmp_path, rows).of(study.models[0], "lora")
    from polypaca.models.templates import TEMPLATES

    for code, ratio in (("en", 1.0), ("es", 312_067 / 257_386)):
        expected = estimated_tokens(
            [(100 * ratio, 0.0)],
            family="pythia",
            language=code,
            template=TEMPLATES["alpaca"],
            max_length=4096,
        )
        mean, sampled = lengths[code]
        assert mean == pytest.approx(expected)
        assert not sampled


def test_prepared_rows_are_scanned_and_sampled(tmp_path: Path) -> None:
    path = tmp_path / "en.jsonl"
    row = '{{"id": "{0}.en", "source": "{1}", "split": "train", "language": "en", '
    rest = '"instruction": "i", "input": "", "output": "o", "origin": ["x"]}}\n'
    path.write_text("".join((row + rest).format(n, n if n else 'a\\"b') for n in range(10)))
    sources, sample = local_files._prepared_rows(path, 4)
    assert sources == ['a"b', *map(str, range(1, 10))]
    assert [example.id for example in sample] == ["0.en", "4.en", "8.en"]


def test_given_rows_in_another_language_are_told_before_anything_runs(tmp_path: Path) -> None:
    english = "A river carries sand and stones from the mountains down to the sea."
    rows = [
        {"id": str(n), "instruction": f"Describe river {n} in a sentence.", "output": english}
        for n in range(40)
    ]
    for code in ("en", "es"):
        (tmp_path / f"d.{code}.json").write_text(json.dumps(rows))
    changes = [f"data.instructions={tmp_path}/d.{{language}}.json", "data.validation=4"]
    study = load_study(STUDIES / "tiny.yaml", [*changes, "languages.train=[en, es]"])
    notes = estimate(study, tmp_path / "out").notes
    told = [note for note in notes if "is not in" in note]
    assert len(told) == 1
    assert "most of es is not in Spanish (40 of 40 rows" in told[0]


def test_the_known_data_set_has_the_size_that_is_published() -> None:
    known = DATA_SETS["hf:pinzhenchen/alpaca-cleaned-{language}"]
    assert sum(known.sizes) / len(known.sizes) == pytest.approx(
        778 - 12, rel=0.03
    )  # 4 bytes of offset a column


class _Row:
    """A row of instruction data, as far as lengths look at it."""

    def __init__(self, text: str) -> None:
        self.instruction, self.input, self.output = text, "", ""


def test_a_judges_price_by_hand(tmp_path: Path) -> None:
    judge = (
        "judge={kind: llm, model: m, api_key_env: null, price_input: 2, price_output: 8, "
        "votes: 3, temperature: 1, max_tokens: 100, money_limit: 5, pairwise: {}}"
    )
    study = load_study(
        PAPER.with_name("tiny.yaml"),
        [judge, "recipes=[multilingual, english]", "methods.full.recipes=[english]"],
    )
    notes = estimate(study, tmp_path).notes
    prompt = len(load_prompt("paper").text("en")) / 4
    # Cells: lora multilingual and english, full english; base; two shuffled: 50 prompts each.
    answers = 6 * 5 * 50
    tokens = prompt + 100 + study.generate.max_new_tokens
    money = 3 * answers * (tokens * 2 + 100 * 8) / 1e6
    assert (
        f"m judges {answers:,} responses, 3 times each, for about {money:,.2f} "
        "if all texts are of maximum length; it stops at 5"
    ) in notes
    # One pair under lora, in five languages, in both orders.
    assert any(note.startswith("m compares 1 pairs of recipes, 500 requests, ") for note in notes)
