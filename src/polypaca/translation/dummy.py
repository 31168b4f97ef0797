"""No translation: marks every word with the target language. For tests and dry runs."""

from __future__ import annotations

import unicodedata
from itertools import groupby
from typing import TYPE_CHECKING

from polypaca.translation.contract import Engine, Untranslated

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def make(source: str, target: str, *, threads: int = 1, cache: Path | None = None) -> Engine:
    """The engine that appends the target's code to every word: `a cat` -> `a-es cat-es`.

    What is no letter stays as it is. Source, threads and cache make no difference.
    """

    def translate(texts: Sequence[str]) -> list[str | Untranslated]:
        return [mark(text, target) for text in texts]

    return Engine("dummy", f"dummy|target:{target}", translate)


def mark(text: str, target: str) -> str:
    """Append `-target` to every run of letters, with their combining marks."""
    runs = ("".join(run) for _, run in groupby(text, key=_of_word))
    return "".join(f"{run}-{target}" if any(map(str.isalpha, run)) else run for run in runs)


def _of_word(character: str) -> bool:
    # Marks too: the vowel signs of Hindi or Bengali are no letters, but stand within words.
    return unicodedata.category(character)[0] in "LM"
