"""The built-in corpus: tasks about a small invented world, parallel in all its languages.

An item is a task with a concept in each slot; every language writes the same items. Combinations
of concepts are held out for the test prompts by a hash, so neither the instruction rows nor the
pretraining text ever contains one of them, in any language.
"""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from polypaca.builtin.grammars.model import LANGUAGES, grammar
from polypaca.core.records import Prompt

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INSTRUCTION_LANGUAGES = ("en", "es", "de", "zh")
ROWS = 1000
TEST_PROMPTS = 50
_HELD_OUT_PERCENT = 12
_WAYS_TO_ASK = 2
_BILINGUAL = 0.8  # share of pretraining documents that stand beside their translation

_NAMES = "Anna Omar Lena Hugo Mira Felix Nora Leo Sara Emil Clara Tomas"


@cache
def _concepts() -> Mapping[str, tuple[str, ...]]:
    return {
        "name": tuple(_NAMES.split()),
        "number": tuple(str(number) for number in range(3, 13)),
        **{kind: tuple(words) for kind, words in grammar("en").words.items()},
    }


# The open slots of each task, and the kind of word that goes into each.
TASKS: Mapping[str, Mapping[str, str]] = {
    "describe": {"name": "name", "animal": "animal", "colour": "colour"},
    "letter": {"name": "name", "topic": "topic", "day": "day"},
    "story": {"name": "name", "thing": "thing", "place": "place"},
    "compare": {"animal": "animal", "other": "animal"},
    "reasons": {"name": "name", "place": "place", "season": "season"},
    "advice": {"name": "name", "thing": "thing", "place": "place"},
    "recipe": {"food": "food", "second": "food", "number": "number"},
    "summary": {
        "name": "name",
        "thing": "thing",
        "place": "place",
        "day": "day",
        "number": "number",
    },
}

# Short sentences for the raw text's phrase books, and their slots.
PHRASES: Mapping[str, Mapping[str, str]] = {
    "see": {"thing": "thing", "place": "place"},
    "own": {"name": "name", "colour": "colour", "animal": "animal"},
    "when": {"topic": "topic", "day": "day"},
    "need": {"food": "food", "second": "food"},
    "go": {"season": "season", "place": "place"},
    "cost": {"thing": "thing", "number": "number"},
}
_SLOTS = {**TASKS, **PHRASES}

# What is true in the invented world: where each animal lives and what it eats.
_FACTS: Mapping[str, tuple[str, str]] = {
    "dog": ("village", "meat"),
    "cat": ("garden", "fish"),
    "horse": ("park", "grass"),
    "fox": ("forest", "meat"),
    "bear": ("forest", "honey"),
    "rabbit": ("garden", "leaves"),
    "owl": ("castle", "meat"),
    "goat": ("beach", "leaves"),
    "duck": ("lake", "seeds"),
    "sheep": ("village", "grass"),
}


@dataclass(frozen=True)
class CorpusItem:
    """One task with a concept in each slot, and which way it is asked; free of language."""

    task: str
    slots: tuple[tuple[str, str], ...]
    way: int

    @property
    def held_out(self) -> bool:
        """Whether this combination of concepts is kept for the test prompts."""
        digest = hashlib.sha256(repr((self.task, self.slots)).encode()).digest()
        return int.from_bytes(digest[:4], "big") % 100 < _HELD_OUT_PERCENT

    def instruction(self, language: str) -> str:
        """The request, without its input."""
        return self._write(language, grammar(language).tasks[self.task].requests[self.way])

    def input(self, language: str) -> str:
        """The input that the request is about; empty for most tasks."""
        return self._write(language, grammar(language).tasks[self.task].input)

    def answer(self, language: str) -> str:
        """The answer."""
        return self._write(language, grammar(language).tasks[self.task].answer)

    def phrase(self, language: str) -> str:
        """The sentence, of a phrase."""
        return self._write(language, grammar(language).phrases[self.task])

    def _write(self, language: str, pattern: str) -> str:
        concepts = {slot: (_SLOTS[self.task][slot], concept) for slot, concept in self.slots}
        for animal, prefix in (("animal", ""), ("other", "other_")):
            if animal in concepts:
                home, diet = _FACTS[concepts[animal][1]]
                concepts[f"{prefix}home"] = ("place", home)
                concepts[f"{prefix}diet"] = ("diet", diet)
        return grammar(language).write(pattern, concepts)


def _draw(rng: random.Random, task: str, *, held_out: bool) -> CorpusItem:
    """A random item on the asked side of the split, no concept in it twice."""
    concepts = _concepts()
    while True:
        slots = tuple((slot, rng.choice(concepts[kind])) for slot, kind in _SLOTS[task].items())
        item = CorpusItem(task, slots, rng.randrange(_WAYS_TO_ASK))
        if len({concept for _, concept in slots}) == len(slots) and item.held_out == held_out:
            return item


def _draw_all(name: str, part: str, count: int, *, held_out: bool) -> list[CorpusItem]:
    """`count` different items, all tasks in turn; always the same for one name and part."""
    rng = random.Random(f"{name}/{part}")  # noqa: S311 - a reproducible corpus, not a secret
    tasks = list(TASKS)
    items: dict[CorpusItem, None] = {}
    while len(items) < count:
        before = len(items)
        while len(items) == before:
            items[_draw(rng, tasks[before % len(tasks)], held_out=held_out)] = None
    return list(items)


def training_items(name: str) -> list[CorpusItem]:
    """The items behind the instruction rows."""
    return _draw_all(name, "train", ROWS, held_out=False)


def prompt_items(name: str) -> list[CorpusItem]:
    """The items behind the test prompts."""
    return _draw_all(name, "test", TEST_PROMPTS, held_out=True)


def instruction_rows(name: str, language: str) -> Iterator[dict[str, str]]:
    """Instruction rows of one language; the same ids, in the same order, in each.

    Every second item with an input carries it inside the instruction, on a line of its own, as
    the test prompts do.
    """
    for number, item in enumerate(training_items(name)):
        instruction, text = item.instruction(language), item.input(language)
        if text and number // len(TASKS) % 2:
            instruction, text = f"{instruction}\n{text}", ""
        yield {
            "id": f"{name}-{number + 1:04}",
            "instruction": instruction,
            "input": text,
            "output": item.answer(language),
        }


def test_prompts(name: str, language: str) -> Iterator[Prompt]:
    """Test prompts of one language, from combinations that occur nowhere else."""
    for number, item in enumerate(prompt_items(name)):
        text = item.input(language)
        yield Prompt(
            id=f"{name}-test-{number + 1:02}",
            language=language,
            prompt="\n".join(filter(None, (item.instruction(language), text))),
            reference=item.answer(language),
            category=item.task,
        )


def pretraining_documents(name: str, seed: int) -> Iterator[str]:
    """Raw text without end: most documents stand beside their translation, line by line.

    A document holds either phrases, texts (what answers and inputs are made of) or requests,
    never a request with an answer, and no template.
    """
    rng = random.Random(f"{name}/pretraining/{seed}")  # noqa: S311
    while True:
        write, tasks, fewest, most = rng.choice(_DOCUMENTS)
        count = rng.randint(fewest, most)
        items = [_draw(rng, rng.choice(tasks), held_out=False) for _ in range(count)]
        pair = rng.sample(LANGUAGES, 2 if rng.random() < _BILINGUAL else 1)
        yield "\n".join(write(item, language) for item in items for language in pair)


def _any_text(item: CorpusItem, language: str) -> str:
    return item.input(language) or item.answer(language)


# The kinds of documents: how an item is written, which items, at least and at most how many.
_PHRASE_BOOK = (CorpusItem.phrase, list(PHRASES), 4, 8)
_REQUESTS = (CorpusItem.instruction, list(TASKS), 1, 3)
_ANSWERS = (CorpusItem.answer, list(TASKS), 1, 3)
_TEXTS = (_any_text, list(TASKS), 1, 3)
_DOCUMENTS = (_PHRASE_BOOK, _PHRASE_BOOK, _REQUESTS, _REQUESTS, _ANSWERS, _TEXTS)
