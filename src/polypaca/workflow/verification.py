"""`polypaca verify`: whether a study's output is complete and matches its manifests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import PolypacaError, UserError
from polypaca.core.manifest import MANIFEST, PARTIAL, verify
from polypaca.study.load import load_study
from polypaca.workflow.fingerprints import Fingerprints
from polypaca.workflow.tasks import study_tasks

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from polypaca.workflow.steps import Task

_NOT_TASKS = (".run", "logs")


@dataclass(frozen=True)
class Verification:
    """What was checked, and what is wrong with it.

    Attributes:
        sealed: folders with a manifest.
        changed: files that are missing or differ from a manifest.
        problems: all that is wrong, a line each.
        not_made: tasks of the study that are not done, and that nothing done depends on.
        note: what could not be checked, and why.
    """

    sealed: int
    changed: int
    problems: list[str]
    not_made: int
    note: str


def verify_output(out: Path) -> Verification:
    """Hash every file of a study's output, and look for folders without a manifest.

    Raises:
        UserError: if there is no manifest at all.
    """
    sealed = sorted(
        path.parent for path in out.rglob(MANIFEST) if ".run" not in path.relative_to(out).parts
    )
    if not sealed:
        raise UserError(f"{out} holds no manifest; give a study's output folder")
    changed = [folder / name for folder in sealed for name in verify(folder)]
    tasks, note = _tasks(out)
    unsealed = list(_without_manifest(out, out, {out / task.id for task in tasks}))
    problems = [f"changed or missing: {path}" for path in changed]
    problems += [f"no manifest: {folder} ({_why(folder)})" for folder in unsealed]
    absent = [
        task for task in tasks if not (out / task.id / MANIFEST).exists()
        and out / task.id not in unsealed
    ]  # fmt: skip
    followers = {
        source.id: task.id
        for task in tasks
        if (out / task.id / MANIFEST).exists()
        for source in task.inputs.values()
    }
    for task in absent:
        if task.id in followers:
            problems.append(f"missing: {out / task.id}, which {followers[task.id]} was made from")
    not_made = sum(task.id not in followers for task in absent)
    return Verification(len(sealed), len(changed), problems, not_made, note)


def _without_manifest(out: Path, folder: Path, tasks: set[Path]) -> Iterator[Path]:
    """Folders of tasks, or with files or nothing at all in them, that are in no sealed folder."""
    for path in sorted(folder.iterdir()):
        if not path.is_dir() or (folder == out and path.name in _NOT_TASKS):
            continue
        if (path / MANIFEST).exists():
            continue
        inside = list(path.iterdir())
        parent = inside and all(child.is_dir() for child in inside)
        # Files that lie beside sealed folders are somebody's own.
        if path not in tasks and (parent or any(path.rglob(MANIFEST))):
            yield from _without_manifest(out, path, tasks)
        else:
            yield path


def _why(folder: Path) -> str:
    if (folder / PARTIAL).exists():
        return "unfinished: run again, or wait if a run is still working on it"
    return "unknown content: run again, or delete it"


def _tasks(out: Path) -> tuple[Sequence[Task], str]:
    """The tasks of the study whose output this is, or none and why."""
    path = out / "study.resolved.yaml"
    try:
        known = Fingerprints(out / ".run" / "fingerprints.json")
        return study_tasks(load_study(path), out, known), ""
    except PolypacaError as error:
        reason = str(error).split("\n")[0]
        return [], f"could not check for missing folders: {path} cannot be used: {reason}"
