"""The list of a study's tasks while it is built, each after its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from polypaca.core.settings import user_paths
from polypaca.workflow.steps import ProcessGroup, Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.folders import (
        BaseFolder,
        CellFolder,
        InstructionsFolder,
        LedgerFolder,
        MixtureFolder,
        PromptsFolder,
        TranslationFolder,
    )
    from polypaca.core.settings import Json, Settings
    from polypaca.core.work import Facts, SealedFolder, Work
    from polypaca.study.schema import Study
    from polypaca.workflow.fingerprints import Fingerprints


K = TypeVar("K", bound="SealedFolder[Facts]")


@dataclass(frozen=True)
class PreparedData:
    """The folders that `prepare` and `translate` leave; bases by model, the last by language."""

    prompts: PromptsFolder
    instructions: InstructionsFolder
    bases: Mapping[str, BaseFolder]
    translations: Mapping[str, TranslationFolder]


@dataclass(frozen=True)
class Cells:
    """The folders that `mix` and `train` leave; both maps are by cell."""

    mixtures: Mapping[str, MixtureFolder]
    ledger: LedgerFolder
    trained: Mapping[str, CellFolder]


class TaskList:
    """The tasks of a study so far."""

    def __init__(self, study: Study, out: Path, fingerprints: Fingerprints) -> None:
        """Begin with none; `out` is the study's output folder."""
        self.study, self.out = study, out
        self._fingerprints = fingerprints
        self._made: dict[str, Task] = {}

    def __iter__(self) -> Iterator[Task]:
        """In the order in which they were added."""
        return iter(self._made.values())

    def task(self, task_id: str) -> Task:
        """A task that was added."""
        return self._made[task_id]

    def add(
        self,
        task_id: str,
        work: Work[K],
        group: ProcessGroup,
        *,
        guards: Sequence[str] = (),
        pins: Json | None = None,
        cost: float = 1.0,
        all_cores: bool = False,
    ) -> K:
        """Add a task, once; the folders that its work reads must be those of earlier tasks.

        Returns:
            The task's folder, of the kind that the work fills.
        """
        if task_id not in self._made:
            inputs = {
                role: self._made[sealed.path.relative_to(self.out).as_posix()]
                for role, sealed in work.inputs().items()
            }
            before = tuple(self._made[guard] for guard in guards)
            self._made[task_id] = Task(
                task_id, work, inputs, before, pins or {}, group, cost, all_cores
            )
        return work.makes(self.out / task_id)

    def source_pins(self, source: str, languages: Sequence[str] = ("",)) -> Json:
        """What identifies the content of a source: settings, hashes of files, or its name."""
        if source.startswith("builtin:"):
            from polypaca.builtin.catalog import settings_of

            return settings_of(source.removeprefix("builtin:"))
        hashes = self._fingerprints.hashes(source, languages)
        # A file's content matters, its place does not; of the Hub only the id is known.
        return {"sha256": dict(hashes)} if hashes else {"source": source}

    def settings_pins(self, settings: Settings) -> Json:
        """What identifies the content of the user's files in settings, by field."""
        return {field: self.source_pins(path) for field, path in user_paths(settings).items()}
