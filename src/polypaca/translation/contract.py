"""What every translation engine takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Untranslated:
    """Why one text has no translation, though the engine is at work."""

    reason: str


class Engine(Protocol):
    """A translation engine, ready to work from one language into another."""

    @property
    def name(self) -> str:
        """The row of the table that made it."""

    @property
    def signature(self) -> str:
        """What determines its output: name, versions, hash of the model, settings.

        Finished translations are kept under it.
        """

    @property
    def unit(self) -> Literal["sentence", "line"]:
        """What a text should be: a whole `line` for engines that profit from context."""

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        """One outcome a text, in order.

        Texts hold no line breaks and are not blank. Which texts share a call must not change any
        outcome.

        Raises:
            StageError: if the engine fails.
        """

    def placeholder(self, n: int) -> str:
        """The text, distinct for each n >= 0, that is most likely carried over as it is.

        It stands for what must not be translated.
        """

    def close(self) -> None:
        """End processes and free the model; nothing is translated after it."""


@dataclass(frozen=True)
class EngineContext:
    """What an engine is given beside its settings.

    Attributes:
        source: code of the language to translate from.
        target: code of the language to translate into.
        threads: CPU threads that the engine may use.
        cache: a folder in which an engine may keep what it need not ask twice.
        account: the file in which it is kept what was asked and spent; None counts this engine
            alone.
    """

    source: str
    target: str
    threads: int = 1
    cache: Path | None = None
    account: Path | None = None
