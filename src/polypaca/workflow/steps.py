"""Tasks: folders of a study's output, each with the work that fills it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.core.settings import Json
    from polypaca.core.work import Facts, SealedFolder, Work

STAGES = ("prepare", "translate", "mix", "train", "generate", "judge", "analyze", "report")


@dataclass(frozen=True)
class ProcessGroup:
    """Tasks that may share a process.

    Attributes:
        name: of the group.
        splits: whether its tasks are distributed over several processes, if there are.
    """

    name: str
    splits: bool = False


@dataclass(frozen=True)
class Task:
    """One folder of a study's output.

    Attributes:
        id: the folder, relative to the study's output folder.
        work: what fills it.
        inputs: the tasks whose folders it reads, by their role in the manifest.
        guards: tasks that must be done before this one begins, whatever their content.
        pins: what identifies the content of the user's own files.
        group: whose processes it may share.
        cost: relative, to divide a group evenly.
        all_cores: whether it runs alone.
    """

    id: str
    work: Work[SealedFolder[Facts]]
    inputs: Mapping[str, Task] = field(default_factory=dict)
    guards: tuple[Task, ...] = ()
    pins: Json = field(default_factory=dict)
    group: ProcessGroup = ProcessGroup("")
    cost: float = 1.0
    all_cores: bool = False

    @property
    def dependencies(self) -> tuple[Task, ...]:
        """The tasks that must be done first."""
        return (*self.inputs.values(), *self.guards)

    @property
    def step(self) -> str:
        """What is done, in one word."""
        return self.work.step

    @property
    def stage(self) -> str:
        """The stage that the task belongs to."""
        return self.work.stage

    @property
    def identity(self) -> str:
        """The identity that the folder's manifest has if the task is done."""
        return self.work.identity(self.pins)

    @property
    def recorded_settings(self) -> Json:
        """Everything but the inputs that determines the folder's content."""
        return self.work.recorded(self.pins)
