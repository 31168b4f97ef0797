from __future__ import annotations

import hashlib
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.cache import (
    HASHES,
    append_hash,
    cached_folder,
    damaged_files,
    is_intact_hub_file,
    locked,
    private_folder,
    set_aside,
    strip_hash,
    write_hashes,
)


def _entry(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "weights").write_bytes(bytes(range(256)) * 8)
    (folder / "config").write_text("{}")
    write_hashes(folder)
    return folder


@given(place=st.integers(0, 2047), value=st.integers(0, 255))
def test_any_changed_byte_is_noticed_though_size_and_time_are_kept(
    place: int, value: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    entry = _entry(tmp_path_factory.mktemp("kept") / "entry")
    assert damaged_files(entry) == []
    path = entry / "weights"
    stat, content = path.stat(), bytearray(path.read_bytes())
    changed = content[place] != value
    content[place] = value
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert damaged_files(entry) == (["weights"] if changed else [])


def test_a_file_too_few_or_too_many_is_damage_and_hidden_ones_are_not(tmp_path: Path) -> None:
    entry = _entry(tmp_path / "entry")
    (entry / ".DS_Store").write_text("the system's")
    assert damaged_files(entry) == []
    (entry / "more").write_text("x")
    (entry / "config").unlink()
    assert damaged_files(entry) == ["config", "more"]
    (entry / HASHES).write_text('"half')
    assert damaged_files(entry) == [HASHES]
    (entry / HASHES).unlink()
    assert damaged_files(entry) == [HASHES]


def test_what_is_set_aside_is_named_and_replaces_what_was_before(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for text in ("first", "second"):
        entry = _entry(tmp_path / "entry")
        (entry / "config").write_text(text)
        with caplog.at_level(logging.WARNING):
            set_aside(entry, damaged_files(entry), "it is built again")
        assert not entry.exists()
        assert (tmp_path / "entry.damaged" / "config").read_text() == text
    assert f"{tmp_path / 'entry'} (config: not what was kept)" in caplog.text
    assert "it is set aside as entry.damaged, and it is built again" in caplog.text
    # Gone meanwhile: another process was at the same.
    set_aside(tmp_path / "entry", [], "it is built again")


@given(lines=st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n\r"))))
def test_text_with_its_hash_comes_back_as_it_was(lines: list[str]) -> None:
    text = "".join(f"{line}\n" for line in lines)
    assert strip_hash(append_hash(text)) == text


@given(place=st.integers(0, 200), letter=st.sampled_from("ab\0\n"))
def test_changed_or_cut_text_is_not_what_was_kept(place: int, letter: str) -> None:
    kept = append_hash('{"row": 1}\n{"row": 2}\n')
    place %= len(kept)
    changed = kept[:place] + letter + kept[place + 1 :]
    assert (strip_hash(changed) is None) == (changed != kept)
    assert strip_hash(kept[:place]) is None


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
        assert is_intact_hub_file(tmp_path / "file")
        (blobs / name).write_bytes(bytes(len(right)))
        assert not is_intact_hub_file(tmp_path / "file")
    (tmp_path / "own").write_text("x")
    assert is_intact_hub_file(tmp_path / "own")


def test_who_finds_an_entry_locked_says_so_and_waits(tmp_path: Path) -> None:
    entry = tmp_path / "shelf" / "entry"
    told, done = threading.Event(), []

    def second() -> None:
        with locked(entry, told.set):
            done.append("second")

    with locked(entry, lambda: done.append("nobody has it")):
        other = threading.Thread(target=second)
        other.start()
        assert told.wait(10)
        done.append("first")
    other.join()
    assert done == ["first", "second"]


def test_a_killed_process_holds_no_lock(tmp_path: Path) -> None:
    entry = tmp_path / "entry"
    program = (
        "import sys, time; from pathlib import Path; from polypaca.core.cache import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(entry)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        process.kill()
    waited: list[bool] = []
    with locked(entry, lambda: waited.append(True)):
        assert not waited


def test_a_folder_is_built_once_and_again_after_damage(tmp_path: Path) -> None:
    entry = tmp_path / "shelf" / "entry"

    def build(folder: Path) -> None:
        (folder / "data").write_text("right")

    def fail(folder: Path) -> None:
        (folder / "data").write_text("half")
        raise RuntimeError("died")

    with (
        pytest.raises(RuntimeError, match="died"),
        cached_folder(entry, fail, again="it is built again"),
    ):
        pass
    (tmp_path / "shelf" / "entry.building-killed").mkdir()
    ways = []
    for content in ("right", "wrong", "right"):
        with cached_folder(entry, build, again="it is built again") as how:
            ways.append(how)
            assert (entry / "data").read_text() == "right"
        (entry / "data").write_text(content)
    assert ways == [
        "built",
        "taken from the cache",
        "built again, since what the cache held was damaged",
    ]
    names = sorted(path.name for path in entry.parent.iterdir())
    assert names == ["entry", "entry.damaged", "entry.lock"]


def _mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_what_is_made_is_for_its_owner_and_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    before = os.umask(0)
    try:
        private_folder(shared / "a" / "b" / "c")
        private_folder(shared / "a" / "b" / "c")
    finally:
        os.umask(before)
    assert _mode(shared) == 0o755
    for folder in ("a", "a/b", "a/b/c"):
        assert _mode(shared / folder) == 0o700
