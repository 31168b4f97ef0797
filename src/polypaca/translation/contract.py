"""What every translation engine takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Untranslated:
    """Why one text has no translation, though the engine is at work."""

    reason: str


@dataclass(frozen=True)
class Engine:
    """A translation engine, ready to work from one language into another.

    Attributes:
        name: the row of the table that made it.
        signature: what determines its output: name, versions, hash of the model, settings. Finished
            translations are kept under it.
        translate: `translate(texts)` gives one outcome a text, in order. Texts hold no line
            breaks and are not blank. Which texts share a call must not change any outcome.
        unit: what a text should be: one `sentence`, or a whole `line` for engines that profit
            from context.
        placeholder: `placeholder(n)` is the text, distinct for each n >= 0, that the engine is
            most likely to carry over as it is. It stands for what must not be translated.
        close: ends processes and frees the model; nothing is translated after it.
    """

    name: str
    signature: str
    translate: Callable[[Sequence[str]], list[str | Untranslated]]
    unit: Literal["sentence", "line"] = "sentence"
    placeholder: Callable[[int], str] = "{{{}}}".format
    close: Callable[[], None] = lambda: None
