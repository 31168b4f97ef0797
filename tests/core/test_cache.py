from __future__ import annotations

import hashlib
import logging
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.cache import (
    HASHES,
    damaged,
    hub_file_is_whole,
    keep_hashes,
    set_aside,
    with_hash,
    without_hash,
)


def _entry(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(256)) * 8)
    (folder / "config").write_text("{}")
    keep_hashes(folder)
    return folder


@given(place=st.integers(0, 2047), value=st.integers(0, 255))
def test_any_changed_byte_is_noticed_though_size_and_time_are_kept(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    entry = _entry(tmp_path_factory.mktemp("kept") / "entry")
    assert damaged(entry) == []
    path = entry / "weights"
    stat, content = path.stat(), bytearray(path.read_bytes())
    changed = content[place] != value
    content[place] = value
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert damaged(entry) == (["weights"] if changed else [])


def test_a_file_too_few_or_too_many_is_damage_and_hidden_ones_are_not(tmp_path: Path) -> None:
    entry = _entry(tmp_path / "entry")
    (entry / ".DS_Store").write_text("the system's")
    assert damaged(entry) == []
    (entry / "more").write_text("x")
    (entry / "config").unlink()
    assert damaged(entry) == ["config", "more"]
    (entry / HASHES).write_text('"half')
    assert damaged(entry) == [HASHES]
    (entry / HASHES).unlink()
    assert damaged(entry) == [HASHES]


def test_what_is_set_aside_is_named_and_replaces_what_was_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("first", "second"):
        entry = _entry(tmp_path / "entry")
        (entry / "config").write_text(text)
        with caplog.at_level(logging.WARNING):
            set_aside(entry, damaged(entry), "it is built again")
        assert not entry.exists()
        assert (tmp_path / "entry.damaged" / "config").read_text() == text
    assert f"{tmp_path / 'entry'} (config: not what was kept)" in caplog.text
    assert "it is set aside as entry.damaged, and it is built again" in caplog.text
    # Gone meanwhile: another process was at the same.
    set_aside(tmp_path / "entry", [], "it is built again")


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"))))
def test_text_with_its_hash_comes_back_as_it_was(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    assert without_hash(with_hash(text)) == text


@given(place=st.integers(0, 200), letter=st.sampled_from("ab\0\n"))
def test_changed_or_cut_text_is_not_what_was_kept(place: int, letter: str) -> None:
    kept = with_hash('{"row": 1}\n{"row": 2}\n')
    place %= len(kept)
    changed = kept[:place] + letter + kept[place + 1 :]
    assert (without_hash(changed) is None) == (changed != kept)
    assert without_hash(kept[:place]) is None


def test_files_of_the_hubs_cache_are_what_their_names_say(tmp_path: Path) -> None:
    blobs = tmp_path / "blobs"
    blobs.mkdir()
    content = b"weights" * 100
    # As git names it: `printf 'weights' | git hash-object --stdin` and the like.
    small = hashlib.sha1(b"blob 2\0{}", usedforsecurity=False).hexdigest()
    assert small == "9e26dfeeb6e641a33dae4961196235bdb965b21b"
    for name, right in ((hashlib.sha256(content).hexdigest(), content), (small, b"{}")):
        (tmp_path / "file").unlink(missing_ok=True)
        (tmp_path / "file").symlink_to(blobs / name)
        (blobs / name).write_bytes(right)
        assert hub_file_is_whole(tmp_path / "file")
        (blobs / name).write_bytes(bytes(len(right)))
        assert not hub_file_is_whole(tmp_path / "file")
    (tmp_path / "own").write_text("x")
    assert hub_file_is_whole(tmp_path / "own")
