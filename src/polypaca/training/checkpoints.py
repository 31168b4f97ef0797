"""Which checkpoint a killed training goes on from: the newest whole one."""

from __future__ import annotations

import shutil
from pathlib import PurePath
from typing import TYPE_CHECKING

from polypaca.core.cache import damaged_files
from polypaca.core.files import read_json
from polypaca.core.notices import notice

if TYPE_CHECKING:
    from pathlib import Path


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint to go on from, if any: whole, as the best one so far must be."""
    whole = {path.name: path for path in folder.glob("checkpoint-*") if not damaged_files(path)}
    usable = []
    for path in whole.values():
        state = read_json(path / "trainer_state.json")
        best = PurePath(state.get("best_model_checkpoint") or path).name
        if best in whole:
            usable.append((state["global_step"], path))
    return max(usable)[1] if usable else None


def drop_unusable(folder: Path, last: Path | None) -> None:
    """Delete checkpoints that are damaged or lead to a damaged one, with a notice."""
    step = _step(last) if last else 0
    for path in sorted(folder.glob("checkpoint-*"), key=_step):
        wrong = damaged_files(path)
        if not wrong and _step(path) <= step:
            continue
        why = f"is damaged ({', '.join(wrong)})" if wrong else "lacks the best one before it"
        where = f"from {last.name}" if last else "from the beginning"
        notice(f"{path.name} {why} and is deleted: training continues {where}")
        shutil.rmtree(path, ignore_errors=True)


def _step(checkpoint: Path) -> int:
    number = checkpoint.name.removeprefix("checkpoint-")
    return int(number) if number.isdecimal() else 0
