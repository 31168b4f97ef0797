"""A translation engine, a judge and a language detector for polypaca.

Each is a class with its settings, and a row; `pyproject.toml` gives the rows their names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from polypaca.core.records import Verdict
from polypaca.core.settings import USER_PATH, Choice
from polypaca.judging.contract import Item, JudgeContext, Progress, make_verdict, no_progress
from polypaca.judging.judges import JudgeRow
from polypaca.langid.detectors import DetectorRow
from polypaca.translation.contract import EngineContext, Untranslated
from polypaca.translation.engines import EngineRow


class GlossarySettings(Choice):
    """Word for word, from a file."""

    kind: Literal["glossary"] = "glossary"
    words: Annotated[str, USER_PATH] = Field(description="a JSON file, word to word")


class Glossary:
    """Replaces the words that it knows."""

    name = "glossary"
    unit: Literal["sentence", "line"] = "sentence"

    def __init__(self, settings: GlossarySettings, context: EngineContext) -> None:
        content = Path(settings.words).read_bytes()
        self._words: dict[str, str] = json.loads(content)
        self.signature = f"glossary {hashlib.sha256(content).hexdigest()[:12]}"

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        return [" ".join(self._words.get(word, word) for word in text.split(" ")) for text in texts]

    def placeholder(self, n: int) -> str:
        return f"[{n}]"

    def close(self) -> None:
        pass


class LengthSettings(Choice):
    """Longer answers are better."""

    kind: Literal["length"] = "length"
    enough: int = Field(default=100, ge=1, description="characters that get the best rating")


class Length:
    """Rates an answer by its length."""

    scale = (0.0, 1.0)

    def __init__(self, settings: LengthSettings, context: JudgeContext) -> None:
        self._enough = settings.enough
        self.signature = f"length|enough:{settings.enough}"

    def judge(self, items: Sequence[Item], progress: Progress = no_progress) -> Iterator[Verdict]:
        for done, item in enumerate(items, start=1):
            rating = min(1.0, len(item.response) / self._enough)
            yield make_verdict(item, judge=f"{self.signature}|v1", status="ok", rating=rating)
            progress(done)


class Articles:
    """Tells English from Spanish by their articles."""

    name = "articles"
    signature = "articles-1"

    def predict(self, text: str, k: int) -> list[tuple[str, float]]:
        words = text.lower().split()
        found = {code: sum(map(words.count, own)) for code, own in _ARTICLES.items()}
        total = sum(found.values())
        ranked = sorted(found.items(), key=lambda item: -item[1])
        return [(code, count / total) for code, count in ranked[:k] if count]


_ARTICLES = {"en": ("the", "a", "an"), "es": ("el", "la", "un", "una", "los", "las")}

GLOSSARY = EngineRow(GlossarySettings, Glossary)
LENGTH = JudgeRow(LengthSettings, Length)
ARTICLES = DetectorRow(
    lambda file: Articles(), lambda file: Articles.signature, languages=frozenset(_ARTICLES)
)
