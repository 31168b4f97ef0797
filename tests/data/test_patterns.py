from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from polypaca.core.errors import DataError
from polypaca.data.patterns import file_for, languages_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "with [odd] name*"
    for name in ("es/x.es.jsonl", "en/x.en.jsonl", "de/x.fr.jsonl", "y.en.json", "y.qqqq.json"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return folder


def test_the_file_of_a_language(folder: Path) -> None:
    pattern = folder / "{language}" / "x.{language}.jsonl"
    assert file_for(pattern, "en") == folder / "en" / "x.en.jsonl"
    assert file_for(folder / "y.en.json", "de") == folder / "y.en.json"


def test_languages_that_have_a_file(folder: Path) -> None:
    assert languages_of(folder / "{language}" / "x.{language}.jsonl") == ["en", "es"]
    assert languages_of(folder / "y.{language}.json") == ["en"]
    assert languages_of(folder / "y.en.json") == []


def test_a_missing_file_names_the_languages_there_are(folder: Path) -> None:
    pattern = folder / "{language}" / "x.{language}.jsonl"
    with pytest.raises(DataError) as caught:
        file_for(pattern, "de")
    message = str(caught.value)
    assert message.startswith(f"{pattern}: there is no file for language 'de' (x.de.jsonl)")
    assert "there are files for: en, es" in message


def test_a_missing_folder_and_a_missing_single_file(folder: Path) -> None:
    with pytest.raises(DataError, match="no language has a file; check the path"):
        file_for(folder / "nowhere" / "x.{language}.jsonl", "de")
    with pytest.raises(DataError, match=r"y\.de\.json: the file does not exist"):
        file_for(folder / "y.de.json", "de")


def test_patterns_may_be_relative(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    assert languages_of("y.{language}.json") == ["en"]
    assert file_for("y.{language}.json", "en").name == "y.en.json"
