from __future__ import annotations

import os
import shutil
from pathlib import Path

from polypaca.core.manifest import (
    MANIFEST,
    Input,
    State,
    begin,
    identity_of,
    read_manifest,
    seal,
    state_of,
    verify,
)

SETTINGS = {"rate": 1.0}
IDENTITY = identity_of("train", 1, SETTINGS)


def _sealed(folder: Path, text: str = "hello") -> None:
    begin(folder, IDENTITY, {})
    (folder / "a.txt").write_text(text)
    seal(folder, stage="train", format_number=1, settings=SETTINGS, inputs={}, facts={"n": 1})


def test_identity_depends_on_stage_settings_and_format_but_not_on_key_order() -> None:
    same = identity_of("train", 1, {"b": 2, "a": 1})
    assert identity_of("train", 1, {"a": 1, "b": 2}) == same
    assert identity_of("judge", 1, {"a": 1, "b": 2}) != same
    assert identity_of("train", 2, {"a": 1, "b": 2}) != same
    assert identity_of("train", 1, {"a": 1, "b": 3}) != same


def test_a_folder_is_done_only_once_it_is_sealed(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    assert state_of(folder, IDENTITY) is State.MISSING
    begin(folder, IDENTITY, {})
    assert state_of(folder, IDENTITY) is State.PARTIAL
    assert state_of(folder, "another") is State.STALE
    _sealed(folder)
    assert state_of(folder, IDENTITY) is State.DONE
    assert state_of(folder, "another") is State.STALE


def test_changed_files_are_noticed_and_copied_folders_are_not_redone(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    _sealed(folder)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy, copy_function=shutil.copyfile)
    assert state_of(copy, IDENTITY) is State.DONE
    stat = (folder / "a.txt").stat()
    (folder / "a.txt").write_text("HELLO")
    assert state_of(folder, IDENTITY) is State.DAMAGED
    # The same size and time: only `verify`, which hashes, can know.
    os.utime(folder / "a.txt", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert state_of(folder, IDENTITY) is State.DONE
    assert verify(folder) == ["a.txt"]
    (folder / "a.txt").unlink()
    assert state_of(folder, IDENTITY) is State.DAMAGED


def test_a_follower_is_stale_when_its_input_came_out_different(tmp_path: Path) -> None:
    source, follower = tmp_path / "source", tmp_path / "follower"
    _sealed(source)
    first = read_manifest(source)
    assert first is not None
    inputs = {"source": first.as_input()}
    identity = identity_of("judge", 1, {})
    begin(follower, identity, inputs)
    seal(follower, stage="judge", format_number=1, settings={}, inputs=inputs, facts={})
    assert state_of(follower, identity, inputs) is State.DONE

    (source / MANIFEST).unlink()
    _sealed(source)
    again = read_manifest(source)
    assert again is not None
    assert state_of(follower, identity, {"source": again.as_input()}) is State.DONE

    _sealed(source, "another text")
    other = read_manifest(source)
    assert other is not None
    assert state_of(follower, identity, {"source": other.as_input()}) is State.STALE


def test_work_begun_on_other_inputs_is_not_gone_on_with(tmp_path: Path) -> None:
    inputs = {"source": Input(identity="a", digest="b")}
    begin(tmp_path / "f", IDENTITY, inputs)
    assert state_of(tmp_path / "f", IDENTITY, inputs) is State.PARTIAL
    other = {"source": Input(identity="a", digest="c")}
    assert state_of(tmp_path / "f", IDENTITY, other) is State.STALE


def test_leftovers_of_a_killed_write_are_neither_kept_nor_sealed(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    (folder / ".a.txt.x1.tmp").write_text("half")
    begin(folder, IDENTITY, {})
    assert not (folder / ".a.txt.x1.tmp").exists()
    (folder / ".a.txt.x2.tmp").write_text("half")
    seal(folder, stage="train", format_number=1, settings=SETTINGS, inputs={}, facts={})
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest.outputs == {}
