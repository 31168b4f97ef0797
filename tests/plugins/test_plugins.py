"""Engines, judges and detectors of other packages."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from polypaca.core import rows
from polypaca.core.errors import StudyError, UserError
from polypaca.core.settings import Choice, user_paths
from polypaca.judging import judges
from polypaca.judging.contract import Item
from polypaca.langid import detectors
from polypaca.langid.settings import GateSettings
from polypaca.study import Study, load_study
from polypaca.study.grid import judge_name, translation_engines
from polypaca.study.load import save_study
from polypaca.translation import engines

from .installing import install, install_example

MODULE = "polypaca_example"
STUDY = """\
name: small
languages: {train: [en, es], test: [en, es]}
data:
  instructions: builtin:tiny
  translate: {engine: {kind: glossary, words: "words.{language}.json"}}
prompts: builtin:tiny
models: [builtin:tiny-neox]
methods: {lora: {}}
recipes: [multilingual]
judge: [{kind: length, enough: 20}, {kind: none}]
gate: {detector: articles}
"""


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose packages are installed as long as the test runs."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    _forget()
    yield folder
    monkeypatch.undo()
    _forget()


def _forget() -> None:
    importlib.invalidate_caches()
    rows.installed.cache_clear()
    detectors._loaded.cache_clear()
    sys.modules.pop(MODULE, None)


@pytest.fixture
def example(packages: Path) -> None:
    install_example(packages)


@pytest.fixture
def load(tmp_path: Path) -> Callable[..., Study]:
    (tmp_path / "words.es.json").write_text('{"the": "el", "cat": "gato"}')

    def loaded(text: str = STUDY) -> Study:
        (tmp_path / "study.yaml").write_text(text)
        return load_study(tmp_path / "study.yaml")

    return loaded


@pytest.mark.usefixtures("example")
def test_a_study_uses_what_a_package_brings(load: Callable[..., Study], tmp_path: Path) -> None:
    study = load()
    engine = engines.load(translation_engines(study)["es"], "en", "es")
    assert engine.translate(["the cat sleeps"]) == ["el gato sleeps"]
    judge = judges.load(study.judge, gate=study.gate)
    (verdict,) = judge.judge([Item("s", "p", "es", "?", "0123456789")])
    assert verdict.rating == 0.5
    assert judge_name(study.judge) == "length"
    detector = detectors.load(study.gate.detector, study.gate.model)
    assert detector.predict("el gato de la casa", 1) == [("es", 1.0)]
    save_study(study, tmp_path / "frozen.yaml")
    assert load_study(tmp_path / "frozen.yaml") == study


@pytest.mark.usefixtures("example")
def test_the_packages_version_signs_what_it_makes(load: Callable[..., Study]) -> None:
    study = load()
    package = "polypaca-example 1.0"
    engine = engines.load(translation_engines(study)["es"], "en", "es")
    judge = judges.load(study.judge, gate=study.gate)
    detector = detectors.load("articles")
    for made in (engine, judge, detector):
        assert made.signature.endswith(f"|package:{package}")
    assert detectors.signature("articles") == detector.signature == f"articles-1|package:{package}"
    (verdict,) = judge.judge([Item("s", "p", "es", "?", "x")])
    assert verdict.judge == f"{judge.signature}|v1" == f"length|enough:20|package:{package}|v1"
    # Identities have it too, so that another version does its work again.
    assert engines.ENGINES.decided(translation_engines(study)["es"])["package"] == package
    assert judges.JUDGES.decided(study.judge) == {
        "kind": "length",
        "enough": 20,
        "package": package,
    }
    assert detectors.decided(study.gate.detector) == f"articles of {package}"
    assert detectors.decided("lid176") == "lid176"


def test_another_version_signs_in_another_way(packages: Path) -> None:
    install_example(packages, "2.0")
    assert detectors.signature("articles") == "articles-1|package:polypaca-example 2.0"


@pytest.mark.usefixtures("example")
def test_a_package_is_not_imported_before_its_row_is_asked_for(
    load: Callable[..., Study],
) -> None:
    own = STUDY.replace("{kind: length, enough: 20}, ", "").replace("articles", "lid176")
    load(own.replace('{kind: glossary, words: "words.{language}.json"}', "dummy"))
    assert {"glossary", "dummy"} < set(engines.ENGINES)
    assert judges.JUDGES.version_of("length") == "polypaca-example 1.0"
    assert MODULE not in sys.modules
    load()
    assert MODULE in sys.modules


@pytest.mark.usefixtures("example")
def test_settings_of_a_package_are_read_like_polypacas_own(
    load: Callable[..., Study], tmp_path: Path
) -> None:
    assert user_paths(translation_engines(load())["es"]) == {
        "words": f"{tmp_path}/words.{{language}}.json"
    }
    wrong = STUDY.replace("enough: 20", "enouhg: 20").replace("words: ", "wrods: ")
    with pytest.raises(StudyError) as caught:
        load(wrong.replace("{kind: none}", "{kind: lenght}").replace("articles", "artcles"))
    said = str(caught.value)
    for part in (
        "study.yaml:5, data.translate.engine.wrods: unknown key; did you mean words?",
        "study.yaml:5, data.translate.engine.words: is missing",
        "study.yaml:10, judge[0].enouhg: unknown key; did you mean enough?",
        "study.yaml:10, judge[1]: unknown kind 'lenght'; did you mean length?",
        "study.yaml:11, gate.detector: unknown detector 'artcles'; did you mean articles?",
    ):
        assert part in said
    (tmp_path / "words.es.json").unlink()
    with pytest.raises(StudyError, match=r"engine\.words: no such file or folder for es: "):
        load()


def test_a_package_that_cannot_be_imported_is_named(
    packages: Path, load: Callable[..., Study]
) -> None:
    points = {"polypaca.judges": {"length": "gone_module:ROW"}}
    install(packages, "broken-package", "0.3", points)
    what = r"the judge 'length' of broken-package 0\.3 cannot be imported: ModuleNotFoundError"
    with pytest.raises(UserError, match=what):
        judges.load(Choice(kind="length"), gate=GateSettings())
    with pytest.raises(StudyError, match=rf"study\.yaml:10, judge\[0\]: {what}"):
        load()
    # Whoever does not ask for it is not troubled.
    theirs = ("  translate:", "judge:", "gate:")
    assert load("".join(line for line in STUDY.splitlines(True) if not line.startswith(theirs)))


def test_a_name_of_polypacas_own_is_not_given_away(packages: Path) -> None:
    install(packages, "greedy", "1", {"polypaca.engines": {"dummy": f"{MODULE}:GLOSSARY"}})
    with pytest.raises(UserError, match="'dummy' is polypaca's own, and greedy 1 would put"):
        engines.load(Choice(kind="dummy"), "en", "es")


def test_a_name_that_two_packages_want(packages: Path) -> None:
    for name in ("one", "two"):
        install(packages, name, "1", {"polypaca.judges": {"length": f"{MODULE}:LENGTH"}})
    with pytest.raises(UserError, match="'length' is in several packages: one 1, two 1"):
        judges.load(Choice(kind="length"), gate=GateSettings())


@pytest.mark.usefixtures("example")
def test_an_entry_point_that_gives_something_else(packages: Path) -> None:
    install(packages, "mistaken", "1", {"polypaca.judges": {"wrong": f"{MODULE}:GLOSSARY"}})
    with pytest.raises(UserError, match=r"of mistaken 1 is no JudgeRow, but .* gives a EngineRow"):
        judges.load(Choice(kind="wrong"), gate=GateSettings())
