"""Engines of tests."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from polypaca.translation.contract import Untranslated


@dataclass
class FakeEngine:
    """An engine that translates as a function does."""

    name: str
    signature: str
    function: Callable[[Sequence[str]], list[str | Untranslated]]
    unit: Literal["sentence", "line"] = "sentence"
    mark: Callable[[int], str] = "{{{}}}".format

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        return self.function(texts)

    def placeholder(self, n: int) -> str:
        return self.mark(n)

    def close(self) -> None:
        pass
