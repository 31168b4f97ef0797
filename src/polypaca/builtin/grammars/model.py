"""What a grammar of the built-in corpus is made of: words with forms, and sentence patterns.

Grammars are the YAML files beside this module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES = ("en", "es", "de", "zh", "no")
_SENTENCE_START = re.compile(r"((?:^|\n|[.!?] )[¿¡]?)(\w)")


@dataclass(frozen=True)
class Word:
    """A word and its inflected forms: `{animal}` writes the text, `{animal:the}` a form.

    `gender` lets other words agree with it: `{colour:{animal.gender}}`.
    """

    text: str
    gender: str = ""
    forms: Mapping[str, str] = field(default_factory=dict)

    def __format__(self, form: str) -> str:
        return self.forms[form] if form else self.text


@dataclass(frozen=True)
class Patterns:
    """How one task is put in one language: two ways to ask, the input if any, and the answer."""

    requests: tuple[str, str]
    answer: str
    input: str = ""


@dataclass(frozen=True)
class Grammar:
    """One language: its words by kind and concept, its patterns by task, and short phrases.

    Concepts, tasks and phrases have the same names in all languages; a kind that is missing here
    (names, numbers) is written alike everywhere.
    """

    words: Mapping[str, Mapping[str, Word]]
    tasks: Mapping[str, Patterns]
    phrases: Mapping[str, str]

    def write(self, pattern: str, concepts: Mapping[str, tuple[str, str]]) -> str:
        """Fill a pattern's slots; `concepts` gives each slot's kind and concept."""
        words = {slot: self._word(kind, concept) for slot, (kind, concept) in concepts.items()}
        text = pattern.format(**words)
        return _SENTENCE_START.sub(lambda match: match[1] + match[2].upper(), text)

    def _word(self, kind: str, concept: str) -> Word:
        return self.words[kind][concept] if kind in self.words else Word(concept)


@cache
def grammar(language: str) -> Grammar:
    """The grammar of one of `LANGUAGES`."""
    from ruamel.yaml import YAML

    text = (Path(__file__).parent / f"{language}.yaml").read_text(encoding="utf-8")
    table = YAML(typ="safe", pure=True).load(text)
    return Grammar(
        words={
            kind: {concept: _inflected(entry, table["classes"]) for concept, entry in words.items()}
            for kind, words in table["words"].items()
        },
        tasks={
            task: Patterns(**{**patterns, "requests": tuple(patterns["requests"])})
            for task, patterns in table["tasks"].items()
        },
        phrases=table["phrases"],
    )


def _inflected(entry: str | list[Any], classes: Mapping[str, Mapping[str, str]]) -> Word:
    """A word of a table: its text, or the name of its class, its text, and forms of its own."""
    if isinstance(entry, str):
        return Word(entry)
    name, text, own = (*entry, {})[:3]
    forms: dict[str, str] = {"text": text, **own}
    for form, pattern in classes[name].items():
        forms.setdefault(form, pattern.format(**forms))
    return Word(text, forms.get("gender", ""), forms)
