"""Work that tests of the workflow can make tasks of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.work import (
    HOW_TO_RUN,
    Context,
    Facts,
    SealedFolder,
    SharedWork,
    SingleWork,
)
from polypaca.workflow.steps import ProcessGroup, Task

if TYPE_CHECKING:
    from polypaca.core.work import Outcomes


def _nothing(folder: Path) -> None:
    pass


@dataclass(frozen=True, kw_only=True)
class Stand(SingleWork[SealedFolder[Facts]]):
    """Stands for a step: `settings` decide what it makes, `does` is called with the folder."""

    step: str = "step"  # type: ignore[misc]
    stage: str = "mix"  # type: ignore[misc]
    format_number = 1
    makes = SealedFolder

    settings: dict[str, Any] = field(default_factory=dict)
    does: Callable[[Path], None] = field(default=_nothing, metadata=HOW_TO_RUN)

    def decides(self) -> dict[str, Any]:
        """The settings."""
        return self.settings

    def run(self, context: Context) -> Facts:
        """Fill the folder."""
        self.does(context.folder)
        return Facts()


def task(
    task_id: str,
    stage: str,
    inputs: Mapping[str, Task] | None = None,
    *,
    group: str = "",
    does: Callable[[Path], None] = _nothing,
    settings: dict[str, Any] | None = None,
    **more: Any,
) -> Task:
    """A task of a stage; those of `train` may be dealt out to several processes."""
    work = Stand(step=task_id, stage=stage, settings=settings or {}, does=does)
    return Task(
        task_id, work, inputs or {}, group=ProcessGroup(group, splits=stage == "train"), **more
    )


@dataclass(frozen=True, kw_only=True)
class StandTogether(SharedWork[SealedFolder[Facts]]):
    """Stands for a step on many folders: those whose name is among `fails` fail."""

    step, stage, format_number = "together", "generate", 1
    makes = SealedFolder

    fails: tuple[str, ...] = ()
    breaks: bool = False  # after the first folder

    @classmethod
    def run_all(cls, parts: Sequence[tuple[StandTogether, Context]]) -> Outcomes:
        """Fill the folders in reverse order, so that none depends on it."""
        for index, (work, context) in reversed(list(enumerate(parts))):
            if context.folder.name in work.fails:
                yield index, StageError(f"{context.folder.name} cannot be filled")
                continue
            (context.folder / "file").write_text("filled")
            yield index, Facts(summary="filled")
            if work.breaks:
                raise StageError("the model is gone")
