from __future__ import annotations

import os
from pathlib import Path

import pytest

from polypaca.core.cache import cache_folder
from polypaca.core.errors import UserError
from polypaca.workflow.shared_cache import ensure_cache

# Nothing can be written below these, not even by root.
NO_FOLDERS = ("/dev/null/x", "/proc/nowhere")


def test_a_cache_that_can_be_written_to_is_used_without_a_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    assert ensure_cache(tmp_path / "out") == ""
    assert cache_folder() == tmp_path / "cache"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("home", NO_FOLDERS)
def test_without_a_home_the_cache_is_a_folder_of_the_study(
    home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", "")
    monkeypatch.setenv("HOME", home)
    said = ensure_cache(tmp_path / "out")
    assert f"{home}/.cache/polypaca cannot be written to" in said
    assert "POLYPACA_CACHE" in said
    # For the processes of jobs too.
    assert os.environ["POLYPACA_CACHE"] == str(tmp_path / "out" / ".run" / "cache")


@pytest.mark.parametrize("folder", NO_FOLDERS)
def test_a_cache_that_was_asked_for_is_not_replaced(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", folder)
    with pytest.raises(UserError, match=f"POLYPACA_CACHE: {folder} cannot be written to"):
        ensure_cache(tmp_path / "out")
