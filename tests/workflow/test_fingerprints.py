from __future__ import annotations

import os
from pathlib import Path

import pytest

from polypaca.core.files import sha256_file
from polypaca.workflow import fingerprints as module
from polypaca.workflow.fingerprints import Fingerprints


def test_files_are_hashed_by_language_and_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.en.json").write_text("[]")
    (tmp_path / "a.es.json").write_text("[1]")
    pattern, store = str(tmp_path / "a.{language}.json"), tmp_path / "store.json"
    first = Fingerprints(store)
    hashes = first.hashes(pattern, ["en", "es", "fr"])
    assert hashes == {code: sha256_file(tmp_path / f"a.{code}.json") for code in ("en", "es")}
    first.save()

    hashed: list[Path] = []

    def count(path: Path) -> str:
        hashed.append(path)
        return sha256_file(path)

    monkeypatch.setattr(module, "sha256_file", count)
    assert Fingerprints(store).hashes(pattern, ["en", "es"]) == hashes
    assert hashed == []
    (tmp_path / "a.en.json").write_text("[2]")
    assert Fingerprints(store).hashes(pattern, ["en"]) != {"en": hashes["en"]}
    assert hashed == [tmp_path / "a.en.json"]
    os.utime(tmp_path / "a.es.json", ns=(1, 1))
    assert Fingerprints(store).hashes(pattern, ["es"]) == {"es": hashes["es"]}


def test_an_edit_that_keeps_size_and_mtime_is_seen(tmp_path: Path) -> None:
    path, store = tmp_path / "a.json", tmp_path / "store.json"
    path.write_text("[1]")
    first = Fingerprints(store)
    before = first.hashes(str(path), [""])
    first.save()
    stat = path.stat()
    path.write_text("[2]")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert Fingerprints(store).hashes(str(path), [""]) != before


def test_folders_are_hashed_file_by_file_and_names_are_not(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "config.json").write_text("{}")
    assert list(Fingerprints().hashes(str(tmp_path / "m"), [""])) == ["config.json"]
    assert Fingerprints().hashes("EleutherAI/pythia-70m", [""]) == {}
    assert Fingerprints().hashes("builtin:tiny", ["en"]) == {}
