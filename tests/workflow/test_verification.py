from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from polypaca.core.errors import UserError
from polypaca.core.manifest import MANIFEST, begin, seal
from polypaca.study.load import load_study, save_study
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.jobs import done_inputs
from polypaca.workflow.tasks import study_tasks
from polypaca.workflow.verification import verify_output

STUDY = Path(__file__).parents[2] / "studies" / "tiny.yaml"
CELL = "cells/tiny-neox.lora.multilingual.s1/train"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output of a study of which all is done."""
    study = load_study(STUDY)
    save_study(study, tmp_path / "study.resolved.yaml")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "a.log").write_text("said")
    (tmp_path / ".run" / "runs" / "one").mkdir(parents=True)
    for task in study_tasks(study, tmp_path, Fingerprints()):
        folder, inputs = tmp_path / task.id, done_inputs(tmp_path, task)
        assert inputs is not None
        begin(folder, task.identity, inputs)
        (folder / "sub").mkdir()
        (folder / "sub" / "file").write_text(task.id)
        seal(
            folder, stage=task.step, format_number=task.work.format_number,
            settings=task.recorded_settings, inputs=inputs, facts={},
        )  # fmt: skip
    return tmp_path


def test_a_whole_study_has_no_problems(out: Path) -> None:
    found = verify_output(out)
    assert found.problems == []
    assert found.sealed == len(list(out.rglob(MANIFEST)))
    assert (found.changed, found.not_made, found.note) == (0, 0, "")


def test_changed_files_are_named_though_size_and_time_are_kept(out: Path) -> None:
    path = out / CELL / "sub" / "file"
    stat = path.stat()
    path.write_text("x" * stat.st_size)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert verify_output(out).problems == [f"changed or missing: {path}"]


def test_folders_without_a_manifest_are_named(out: Path) -> None:
    (out / CELL / MANIFEST).unlink()
    begin(out / "mixtures" / "heldout", "identity", {})
    shutil.rmtree(out / "data" / "prompts")
    (out / "data" / "prompts").mkdir()
    (out / "systems" / "of-a-former-study" / "gate").mkdir(parents=True)
    (out / "systems" / "of-a-former-study" / "gate" / "x.jsonl").write_text("x")
    (out / "systems" / "my notes.txt").write_text("mine")
    named = [line.split(" (")[0] for line in verify_output(out).problems]
    assert sorted(named) == [
        f"no manifest: {out / folder}"
        for folder in (CELL, "data/prompts", "mixtures/heldout", "systems/of-a-former-study/gate")
    ]
    assert "unfinished: run again" in "".join(verify_output(out).problems)


def test_what_something_was_made_from_and_is_gone_is_named(out: Path) -> None:
    shutil.rmtree(out / "data" / "prompts")
    shutil.rmtree(out / "report")
    found = verify_output(out)
    assert len(found.problems) == 1
    assert found.problems[0].startswith(f"missing: {out / 'data' / 'prompts'}, which ")
    # Nothing was made from the page: the study may just not have come so far.
    assert found.not_made == 1


def test_without_its_study_a_folder_is_still_hashed(out: Path) -> None:
    (out / "study.resolved.yaml").write_text("languages: 3\n")
    (out / CELL / "sub" / "file").unlink()
    found = verify_output(out)
    assert found.problems == [f"changed or missing: {out / CELL / 'sub' / 'file'}"]
    assert "could not check for missing folders" in found.note


def test_a_folder_without_any_manifest_is_no_output(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no manifest"):
        verify_output(tmp_path)
