from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import StudyError
from polypaca.study import Study, cells, load_study, mixtures, systems
from polypaca.study.grid import (
    cell_test_languages,
    given_languages,
    matching_test_code,
    supported_count,
    translation_engines,
)
from polypaca.study.notices import notices
from polypaca.translation.apertium import ApertiumSettings

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
    languages = {cell.id: cell_test_languages(study, cell) for cell in cells(study)}
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


def _study(tmp_path: Path, more: str, text: str = TEXT) -> Study:
    path = tmp_path / "study.yaml"
    path.write_text(text + more)
    return load_study(path)


def test_a_sweep_gives_the_controls(tmp_path: Path) -> None:
    study = _study(tmp_path, "sweep: controls\n")
    found = {m.name: (m.languages, m.budgets, m.sampling.repeat) for m in mixtures(study)}
    assert found["english-3"] == (("en",), 3.0, True)
    assert found["downsampled-0.25"] == (("en", "es", "de"), 0.25, False)
    assert found["downsampled-2"] == (("en", "es", "de"), 2.0, False)
    assert found["multilingual-2"] == (("en", "es"), 2.0, False)
    # The first language alone on one budget is trained as monolingual already.
    assert "multilingual-1" not in found
    cell = next(c for c in cells(study) if c.id == "tiny-neox.lora.monolingual-en.s1")
    assert cell.recipes == ("monolingual", "english", "multilingual-1")
    assert supported_count(study, "english-3") == 3
    assert supported_count(study, "multilingual-2") == 2
    assert supported_count(study, "monolingual") == 2


def test_sizes_in_amounts_have_no_budgets(tmp_path: Path) -> None:
    text = TEXT.replace(
        "[monolingual, multilingual, downsampled, english]",
        "{english: {}, multilingual: {tokens: 5000}, some: {languages: [en, es], examples: 40}}",
    )
    found = {m.name: m for m in mixtures(_study(tmp_path, "", text))}
    assert found["multilingual"].budgets is None
    assert found["multilingual"].needs_tokens
    assert (found["some"].budgets, found["some"].needs_tokens) == (None, False)


TRANSLATED = TEXT.replace(
    'data: {instructions: "builtin:tiny"}',
    'data: {instructions: "builtin:tiny", translate: {source: en, engine: apertium, '
    "languages: {de: given}}}",
)


def test_who_is_translated_and_who_is_given(tmp_path: Path) -> None:
    study = _study(tmp_path, "", TRANSLATED)
    assert {code: engine.kind for code, engine in translation_engines(study).items()} == {
        "es": "apertium"
    }
    assert given_languages(study) == ["en", "de"]
    assert given_languages(_study(tmp_path, "")) == ["en", "es", "de"]


def test_an_engine_in_its_short_form_can_be_overridden(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(TRANSLATED)
    study = load_study(path, ["data.translate.engine.mode=eng-spa"])
    assert translation_engines(study)["es"] == ApertiumSettings(mode="eng-spa")


def test_mistakes_in_mixing_and_translating_are_reported_together(tmp_path: Path) -> None:
    text = (
        TRANSLATED.replace(
            "engine: apertium", 'engine: {kind: ctranslate2, model: "no/{language}"}'
        )
        .replace("de: given", "fr: given, en: apertium")
        .replace("[monolingual, multilingual, downsampled, english]",
                 "{english: {}, multilingual: {weights: {en: 1}}, downsampled: {budgets: 4}}")
    )  # fmt: skip
    path = tmp_path / "study.yaml"
    path.write_text(text + "sweep: {multilingual: [4]}\n")
    with pytest.raises(StudyError) as caught:
        load_study(path)
    found = str(caught.value)
    for what in (
        "no such file or folder for es", "no such file or folder for de",
        "languages.fr: is not in languages.train", "en: is the language that is translated from",
        "a weight for each of en, es, de", "4 budgets are more", "has only 3",
    ):  # fmt: skip
        assert what in found


RECIPES = "recipes: [monolingual, multilingual, english]\n"


def _bilingual(tmp_path: Path, train: str, test: str, rest: str = RECIPES) -> Path:
    folder = tmp_path / "study"
    folder.mkdir(exist_ok=True)
    for code in ("en", "nb", "nn", "no", "zh", "zh-TW", "hr", "sr"):
        (folder / f"a.{code}.jsonl").write_text("")
    path = folder / "study.yaml"
    path.write_text(
        f"name: b\nlanguages: {{train: [{train}], test: [{test}]}}\n"
        "data: {instructions: 'a.{language}.jsonl'}\nprompts: {source: 'a.{language}.jsonl'}\n"
        f"models: [builtin:tiny-neox]\nmethods: {{lora: {{}}}}\n{rest}"
    )
    return path


@pytest.mark.parametrize(
    ("train", "test"),
    [("nb", "no"), ("no", "nb"), ("nn", "no"), ("zh", "zh-TW"), ("zh-TW", "zh"), ("nb", "nb")],
)
def test_two_codes_of_one_language_are_one_in_the_grid(
    tmp_path: Path, train: str, test: str
) -> None:
    study = load_study(
        _bilingual(
            tmp_path,
            f"en, {train}",
            f"en, {test}",
            f"{RECIPES}systems: [{{shuffle: monolingual}}]\n",
        )
    )
    by_mixture = {cell.mixture.name: cell for cell in cells(study)}
    assert by_mixture[f"monolingual-{train}"].mixture.languages == (train,)
    assert cell_test_languages(study, by_mixture[f"monolingual-{train}"]) == (test,)
    assert matching_test_code(study, train) == test
    shuffled = [system for system in systems(study) if system.shuffled]
    assert (test,) in [system.languages for system in shuffled]


def test_two_codes_of_one_language_in_one_list_are_refused(tmp_path: Path) -> None:
    for train, test in (("en, nb, no", "en"), ("en", "en, zh, zh-TW")):
        with pytest.raises(StudyError, match="are one language"):
            load_study(_bilingual(tmp_path, train, test))
    with pytest.raises(StudyError, match="did you mean nb"):
        text = "recipes: {multilingual: {languages: [en, no]}}\n"
        load_study(_bilingual(tmp_path, "en, nb", "en, no", text))
    assert load_study(_bilingual(tmp_path, "en", "en, hr, sr"))


def test_a_translation_s_source_is_spelled_as_the_language_it_is(tmp_path: Path) -> None:
    path = _bilingual(tmp_path, "en, nb", "en")
    text = path.read_text().replace(
        "data: {instructions: 'a.{language}.jsonl'}",
        "data: {instructions: 'a.{language}.jsonl', translate: {source: 'no', engine: dummy}}",
    )
    path.write_text(text)
    with pytest.raises(StudyError, match="same language as nb"):
        load_study(path)


def test_what_the_detector_cannot_tell_is_said(tmp_path: Path) -> None:
    path = _bilingual(tmp_path, "en", "en, hr, sr")
    (found,) = notices(load_study(path))
    assert found.startswith("no detector can tell hr from sr")
    for code, reason in (("hi-Latn", "Latin script"), ("tlh", "does not know tlh")):
        (tmp_path / "study" / f"a.{code}.jsonl").write_text("")
        (found,) = notices(load_study(_bilingual(tmp_path, "en", f"en, {code}")))
        assert reason in found
    assert notices(load_study(_bilingual(tmp_path, "en", "en, no, zh-TW"))) == []
