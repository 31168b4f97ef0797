"""No translation: marks every word with the target language. For tests and dry runs."""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from polypaca.core.settings import Choice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.translation.contract import EngineContext, Untranslated


class DummySettings(Choice):
    """No translation: a stand-in for tests, which marks every word."""

    kind: Literal["dummy"] = "dummy"


class Dummy:
    """Appends the target's code to every word: `a cat` -> `a-es cat-es`.

    What is no letter stays as it is.
    """

    name = "dummy"
    unit: Literal["sentence", "line"] = "sentence"

    def __init__(self, settings: DummySettings, context: EngineContext) -> None:
        """The target language is all it needs."""
        self._target = context.target
        self.signature = f"dummy|target:{context.target}"

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        """The texts, marked."""
        return [mark(text, self._target) for text in texts]

    def placeholder(self, n: int) -> str:
        """A number in braces."""
        return f"{{{n}}}"

    def close(self) -> None:
        """There is nothing to end."""


def mark(text: str, target: str) -> str:
    """Append `-target` to every run of letters, with their combining marks."""
    runs = ("".join(run) for _, run in groupby(text, key=_of_word))
    return "".join(f"{run}-{target}" if any(map(str.isalpha, run)) else run for run in runs)


def _of_word(character: str) -> bool:
    # Marks too: the vowel signs of Hindi or Bengali are no letters, but stand within words.
    return unicodedata.category(character)[0] in "LM"
