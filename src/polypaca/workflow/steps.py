"""What a task is: one folder of a study's output, what fills it, and from what.

A task's `settings` are the keyword arguments of its stage function that affect results. With its
`pins` (hashes of the user's files and the like) they make its identity; what its inputs hold is
compared besides. Its `options` are passed to the function too, and affect nothing; a path among
them is relative to the study's output folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from polypaca.core.manifest import identity_of

STAGES = ("prepare", "translate", "mix", "train", "generate", "judge", "analyze", "report")


@dataclass(frozen=True)
class Step:
    """A stage function: where it lives, and the format number of what it writes.

    A function that works `together` fills the folders of all tasks of a job in one call: it takes a
    list of its module's `Part`, whose fields are a folder and what the function of a single folder
    would take as arguments. It yields pairs of a part's index and the facts of its folder, which is
    then sealed, or the error that this part failed with.
    """

    stage: str
    function: str  # `module:name` below polypaca.stages
    format: int  # raised when the function's output changes its meaning
    together: bool = False


STEPS = {
    "instructions": Step("prepare", "prepare:prepare_instructions", 3),
    "prompts": Step("prepare", "prepare:prepare_prompts", 2),
    "base": Step("prepare", "prepare:prepare_base", 1),
    "given": Step("translate", "translate:given", 2),
    "translate": Step("translate", "translate:translate", 3),
    "lengths": Step("mix", "mix:lengths", 2),
    "mix": Step("mix", "mix:mix", 2),
    "heldout": Step("mix", "mix:heldout", 1),
    "ledger": Step("mix", "mix:ledger", 1),
    "train": Step("train", "train:train", 3),
    "generate": Step("generate", "generate:generate", 3, together=True),
    "ask": Step("generate", "answers:ask", 2),
    "answers": Step("generate", "answers:given", 2),
    "shuffle": Step("generate", "answers:shuffle", 1),
    "judge": Step("judge", "judge:judge", 3, together=True),
    "pairs": Step("judge", "pairs:pairs", 2, together=True),
    "gate": Step("judge", "gate:gate", 3),
    "analyze": Step("analyze", "analyze:analyze", 6),
    "report": Step("report", "report:report", 4),
}


@dataclass(frozen=True)
class Task:
    """One folder of a study's output."""

    id: str  # the folder, relative to the study's output folder
    step: str
    settings: dict[str, Any]
    inputs: dict[str, Task] = field(default_factory=dict)  # role, or role/key for a mapping
    guards: tuple[Task, ...] = ()  # must be done before this one is begun
    pins: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    group: str = ""  # tasks of one group may share a process
    cost: float = 1.0  # relative, to divide a group evenly
    all_cores: bool = False

    @property
    def before(self) -> tuple[Task, ...]:
        """The tasks that must be done first."""
        return (*self.inputs.values(), *self.guards)

    @property
    def stage(self) -> str:
        """The stage that the task belongs to."""
        return STEPS[self.step].stage

    @property
    def identity(self) -> str:
        """What the folder's manifest must say for the task to be done."""
        return identity_of(self.step, STEPS[self.step].format, self.recorded_settings)

    @property
    def recorded_settings(self) -> dict[str, Any]:
        """Everything but the inputs that determines the folder's content."""
        return {**self.settings, "pins": self.pins} if self.pins else self.settings
