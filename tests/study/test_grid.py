from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.study import Study, cells, load_study, mixtures, systems
from polypaca.study.grid import answers

TEXT = """\
name: small
seeds: [1, 2]
languages: {train: [en, es, de], test: [en, es, no]}
data: {instructions: "builtin:tiny"}
prompts: builtin:tiny
models: [builtin:tiny-neox, builtin:tiny-bloom]
methods:
  lora: {}
  full: {models: [tiny-bloom], recipes: [english, multilingual]}
recipes: [monolingual, multilingual, downsampled, english]
systems: [{base: tiny-neox}, {shuffle: english}]
"""


@pytest.fixture
def study(tmp_path: Path) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(TEXT)
    return load_study(path)


def test_budgets_are_n_n_1_1(study: Study) -> None:
    budgets = {mixture.name: mixture.budgets for mixture in mixtures(study)}
    # German is no test language, so no monolingual cell is trained for it.
    assert budgets == {
        "monolingual-en": 1,
        "monolingual-es": 1,
        "multilingual": 3,
        "downsampled": 1,
    }


def test_cells_have_readable_ids_and_english_is_trained_once(study: Study) -> None:
    ids = [cell.id for cell in cells(study)]
    assert len(ids) == len(set(ids)) == 2 * 2 * 4 + 2 * 2
    assert "tiny-neox.lora.monolingual-es.s2" in ids
    assert "tiny-bloom.full.multilingual.s1" in ids
    assert not any(name.startswith("tiny-neox.full") for name in ids)
    english = next(c for c in cells(study) if c.id == "tiny-neox.lora.monolingual-en.s1")
    assert english.recipes == ("monolingual", "english")


def test_who_answers_what(study: Study) -> None:
    languages = {cell.id: answers(study, cell) for cell in cells(study)}
    assert languages["tiny-neox.lora.monolingual-es.s1"] == ("es",)
    assert languages["tiny-neox.lora.monolingual-en.s1"] == ("en", "es", "no")
    assert languages["tiny-neox.lora.multilingual.s1"] == ("en", "es", "no")


def test_systems_are_cells_and_controls(study: Study) -> None:
    found = {system.id: system for system in systems(study)}
    assert found["tiny-neox.base"].languages == ("en", "es", "no")
    shuffled = [system for system in found.values() if system.shuffled]
    # English cells: two models with LoRA and one in full, two seeds each.
    assert len(shuffled) == 6
    assert len(found) == len(cells(study)) + 1 + 6


def test_all_bases_are_the_bases_of_the_study(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(TEXT.replace("{base: tiny-neox}, ", "{base: all}, {base: tiny-neox}, "))
    found = [system.id for system in systems(load_study(path)) if system.id.endswith(".base")]
    assert found == ["tiny-neox.base", "tiny-bloom.base"]


def test_mixtures_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    own = "{pair: {languages: [en, es], budgets: 1}, triple: {languages: [de, en, es]}}"
    path.write_text(
        TEXT.replace("[monolingual, multilingual, downsampled, english]", own)
        .replace(", recipes: [english, multilingual]", "")
        .replace(", {shuffle: english}", "")
    )
    found = {
        mixture.name: (mixture.languages, mixture.budgets) for mixture in mixtures(load_study(path))
    }
    assert found == {"pair": (("en", "es"), 1.0), "triple": (("de", "en", "es"), 3.0)}
