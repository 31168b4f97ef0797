"""What a stage takes and gives: work, which turns sealed folders into one more.

A stage declares each kind of work once, as a frozen dataclass with the body as a method:

    @dataclass(frozen=True, kw_only=True)
    class CheckLanguage(SingleWork[GateFolder]):
        step, stage, format_number = "gate", "judge", 3
        makes = GateFolder

        responses: ResponsesFolder      # sealed folders are inputs, known by what they hold
        gate: Gate                      # this decides the result
        tell: bool = field(default=True, metadata=HOW_TO_RUN)   # and this does not

        def run(self, context: Context) -> GateFacts: ...

What decides a result is part of the folder's identity, a hash: `decides`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from polypaca.core.manifest import identity_of, read_manifest
from polypaca.core.settings import Json, Settings, deciding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Progress = Callable[[float, str], None]  # a fraction of the work, and what is being done


class Facts(BaseModel):
    """What a stage wants known of a folder beside its files; the manifest keeps it.

    Attributes:
        summary: one line for the display.
        failed: how many parts failed that the next run should try again.
        notices: what the user should know.
    """

    model_config = ConfigDict(frozen=True)

    summary: str = ""
    failed: int = 0
    notices: list[str] = []

    def recorded(self) -> dict[str, Any]:
        """What was found, as JSON; what was not looked for is left out."""
        return self.model_dump(mode="json", exclude_unset=True)


F_co = TypeVar("F_co", bound=Facts, covariant=True)
K_co = TypeVar("K_co", bound="SealedFolder[Facts]", covariant=True)


@dataclass(frozen=True)
class SealedFolder(Generic[F_co]):
    """A sealed folder of a study's output. `core.folders` has its kinds."""

    path: Path
    kept: ClassVar[type[Facts]] = Facts

    @property
    def facts(self) -> F_co:
        """What its manifest keeps; defaults where there is no manifest, or an older one."""
        manifest = read_manifest(self.path)
        found: Any = self.kept.model_validate(manifest.facts if manifest else {})
        return found  # type: ignore[no-any-return]

    @property
    def versions(self) -> dict[str, str]:
        """Versions of what made it."""
        manifest = read_manifest(self.path)
        return dict(manifest.facts.get("versions", {})) if manifest else {}


@dataclass(frozen=True)
class Context:
    """Where and with what work is done.

    Attributes:
        folder: to be filled; it is sealed afterwards.
        threads: that may be used.
        progress: called with a fraction and a few words.
    """

    folder: Path
    threads: int = 1
    progress: Progress = lambda fraction, text: None


# What `dataclasses.field(metadata=...)` takes, for fields of work.
HOW_TO_RUN: Mapping[str, str] = {"mark": "how to run"}  # decides nothing
INPUT: Mapping[str, str] = {"mark": "input"}  # a sealed folder that may be None


@dataclass(frozen=True, kw_only=True)
class Work(ABC, Generic[K_co]):
    """One folder's worth of a stage.

    Attributes:
        step: what is done, in one word; the manifest's `stage`.
        stage: the verb of the command line that it belongs to.
        format_number: raised when the folder's content changes its meaning.
    """

    step: ClassVar[str]
    stage: ClassVar[str]
    format_number: ClassVar[int]

    @property
    @abstractmethod
    def makes(self) -> type[K_co]:
        """The kind of folder that it fills."""

    def inputs(self) -> dict[str, SealedFolder[Facts]]:
        """The sealed folders that it reads, by field, and by key where a field holds several."""
        found: dict[str, SealedFolder[Facts]] = {}
        for each in fields(self):
            found.update(_sealed(each.name, getattr(self, each.name)))
        return found

    def decides(self) -> Json:
        """All that decides the folder's content beside its inputs, as JSON."""
        found: Json = {}
        for each in fields(self):
            value = getattr(self, each.name)
            if not each.metadata.get("mark") and not _sealed(each.name, value):
                found[each.name] = _as_json(value)
        return found

    def identity(self, pins: Json) -> str:
        """What the folder's manifest must say; `pins` tell what the user's own files hold."""
        return identity_of(self.step, self.format_number, self.recorded(pins))

    def recorded(self, pins: Json) -> Json:
        """What the manifest keeps of it."""
        return {**self.decides(), "pins": dict(pins)} if pins else self.decides()


class SingleWork(Work[K_co]):
    """Work on a folder by itself."""

    @abstractmethod
    def run(self, context: Context) -> Facts:
        """Fill the folder."""


class SharedWork(Work[K_co]):
    """Work on many folders at once, such as those that one loaded model answers for."""

    @classmethod
    @abstractmethod
    def run_all(cls, parts: Sequence[tuple[Self, Context]]) -> Outcomes:
        """Fill all folders; yields each part's number with its facts, or the error it has."""


if TYPE_CHECKING:
    Outcomes = Iterator[tuple[int, Facts | Exception]]


def _sealed(name: str, value: Any) -> dict[str, SealedFolder[Facts]]:
    if isinstance(value, SealedFolder):
        return {name: value}
    if not isinstance(value, Mapping):
        return {}
    found = {}
    for key, item in value.items():
        found.update(_sealed(f"{name}/{key}", item))
    return found


def _as_json(value: Any) -> Any:
    if isinstance(value, Settings):
        return deciding(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: _as_json(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, Mapping):
        return {key: _as_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_as_json(item) for item in value]
    return value
