from __future__ import annotations

import json
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.core.records import Prompt
from polypaca.data import normalisation
from polypaca.data.contamination import ContaminationIndex, PromptMatch, find_match, index_prompts
from polypaca.data.normalisation import normalise, split_tokens, tokens_per_word
from polypaca.data.prompts import load_prompts

VIKINGS = "Who were the Vikings and what was their impact on European history?"  # 12 words
PROMPTS = [
    Prompt(id="p1", language="en", prompt=VIKINGS),
    Prompt(id="p1", language="es", prompt="¿Quiénes eran los vikingos y cuál fue su impacto?"),
    Prompt(id="p2", language="en", prompt="What's your purpose?"),
    Prompt(
        id="p3", language="zh", prompt="维京人是谁，他们对欧洲历史有什么影响？"
    ),  # 17 characters
    Prompt(id="p4", language="en", prompt="How many parameters does it have?"),  # 6 words
]


@pytest.fixture(scope="module")
def index() -> ContaminationIndex:
    return index_prompts(PROMPTS)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("Hello,  WORLD!", "hello world"),
        ("Straße ﬁn ｆｕｌｌ", "strasse fin full"),
        ("exam\u00adple \u200bof", "example of"),
        ("你好，世界！Python 3", "你 好 世 界 python 3"),
        ("हिन्दी में।", "हिन्दी में"),
        ("ก็ดี", "ก็ ดี"),
        ("COVID-19, and/or GPT-4", "covid 19 and or gpt 4"),
        ("5 - 3", "5 - 3"),
        ("5−3×x", "5 - 3 * x"),
        ("C# or C++?", "c # or c ++"),
        ("5% of $3", "5 % of $ 3"),
        ("snake_case_name", "snake case name"),
        ("good 😊", "good 😊"),
        (" ?! \n", "?!"),
        (" ", ""),
    ],
)
def test_normalised_text(text: str, same: str) -> None:
    assert normalise(text) == same


@given(st.text(string.printable))
def test_the_fast_way_for_ascii_is_the_same(text: str) -> None:
    # A character outside of ASCII, which is a token of its own.
    assert split_tokens(text + "\n中") == [*split_tokens(text), "中"]


@given(st.text())
def test_case_and_punctuation_make_no_difference(text: str) -> None:
    assert split_tokens(f"  {text} …") == split_tokens(text)


def test_words_by_script() -> None:
    assert tokens_per_word(split_tokens("two words")) == 1
    assert tokens_per_word(split_tokens("你好 Python")) == 1.6
    assert tokens_per_word(split_tokens("สวัสดี")) == 3.2
    assert tokens_per_word([]) == 1


@pytest.mark.data
def test_characters_a_word_in_parallel_sentences(data_folder: Path) -> None:
    english, chinese = (
        (data_folder / "flores" / f"flores-dev.{code}").read_text("utf-8") for code in ("en", "zh")
    )
    ratio = len(split_tokens(chinese)) / len(split_tokens(english))
    assert round(ratio, 1) == normalisation._HAN_A_WORD


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ((VIKINGS, "", "Seafarers."), PromptMatch("p1", "en", "exact", 1.0)),
        (("Answer:", VIKINGS.upper().replace(" ", "  "), ""),
         PromptMatch("p1", "en", "exact", 1.0)),
        (("who were the vikings", "And what was their impact on European history", "x"),
         PromptMatch("p1", "en", "exact", 1.0)),
        ((f"Dear assistant, {VIKINGS} Thanks", "", "x"), PromptMatch("p1", "en", "contained", 1.0)),
        (("Write a question.", "", VIKINGS), PromptMatch("p1", "en", "contained", 1.0)),
        (("Quienes?", "¿QUIÉNES ERAN LOS VIKINGOS, Y CUÁL FUE SU IMPACTO!", ""),
         PromptMatch("p1", "es", "exact", 1.0)),
        (("请回答：维京人是谁 他们对欧洲历史有什么影响", "", "x"),
         PromptMatch("p3", "zh", "contained", 1.0)),
        (("What's your purpose", "", "x"), PromptMatch("p2", "en", "exact", 1.0)),
        (("And how many parameters does it have, then?", "", "x"),
         PromptMatch("p4", "en", "contained", 1.0)),
        # The first 7 words make no n-gram of 8; the first 9 make two.
        (("Who were the Vikings, and what was our story?", "", ""), None),
        (("Who were the Vikings and what was their impact?", "", ""),
         PromptMatch("p1", "en", "overlap", 9 / 12)),
        # The first 13 of the 17 characters: one n-gram.
        (("维京人是谁，他们对欧洲历史有何影响", "", ""),
         PromptMatch("p3", "zh", "overlap", 13 / 17)),
        # No n-gram runs from the task into the output.
        (("Who were the Vikings and", "", "what was their impact on European history"), None),
        # Four words are too common to be looked for inside other texts.
        (("Ask a robot what's your purpose and so on", "", "x"), None),
        (("Name three animals.", "", "The cat."), None),
        (("", "", ""), None),
    ],
)  # fmt: skip
def test_rows_against_prompts(
    row: tuple[str, str, str], match: PromptMatch | None, index: ContaminationIndex
) -> None:
    assert find_match(index, *row) == match


def test_the_nearest_prompt_is_reported() -> None:
    longer = Prompt(id="p0", language="en", prompt=f"{VIKINGS} Give three examples for each.")
    rows = [VIKINGS, f"So: {VIKINGS}", f"{VIKINGS} Give three examples."]
    index = index_prompts([longer, *PROMPTS])
    found = [find_match(index, row, "", "") for row in rows]
    # 12 of the longer prompt's 17 words are in the row, but all of the shorter one's.
    assert [(match.prompt_id, match.kind) for match in found if match] == [
        ("p1", "exact"), ("p1", "contained"), ("p1", "contained"),
    ]  # fmt: skip


def test_threshold_and_length_of_n_grams() -> None:
    row = ("Who were the Vikings?", "", "")  # 4 of 12 words
    assert find_match(index_prompts(PROMPTS, n=4), *row) is None
    share = find_match(index_prompts(PROMPTS, n=4, threshold=0.3), *row)
    assert share == PromptMatch("p1", "en", "overlap", 4 / 12)
    for n, threshold in ((0, 0.5), (8, 0.0), (8, 1.5)):
        with pytest.raises(DataError, match="n must be at least 1, and the threshold above 0"):
            index_prompts(PROMPTS, n=n, threshold=threshold)


def test_prompts_without_words_match_nothing() -> None:
    index = index_prompts([Prompt(id="p", language="en", prompt="?!")])
    assert find_match(index, "?!", "", "...") is None


@pytest.mark.data
def test_planted_prompts_are_found_among_real_rows(data_folder: Path) -> None:
    languages = ["en", "bg", "bn", "cs", "es", "fi", "fr", "no", "ru", "zh"]
    pattern = data_folder / "prompts" / "test_{language}.jsonl"
    read = load_prompts(pattern, languages, on_bad_row="repair")
    prompts = [prompt for part in read.prompts.values() for prompt in part]
    index = index_prompts(prompts)
    for name in ("alpaca.en.json", "alpaca.zh.json"):
        rows = json.loads((data_folder / "instructions" / name).read_text("utf-8"))
        found = [find_match(index, row["instruction"], row["input"], row["output"]) for row in rows]
        assert found == [None] * len(rows)
    short = 0
    for prompt in prompts:
        same = find_match(index, prompt.prompt.upper().replace(",", " ;"), "", "")
        assert same is not None
        assert (same.prompt_id, same.kind) == (prompt.id, "exact")
        wrapped = find_match(index, "A question", f"Please: {prompt.prompt} Thanks a lot.", "")
        short += wrapped is None
        assert wrapped is None or (wrapped.prompt_id, wrapped.kind) == (prompt.id, "contained")
    # Of 500: those with fewer than five words.
    words = [split_tokens(prompt.prompt) for prompt in prompts]
    assert short == sum(len(text) < round(5 * tokens_per_word(text)) for text in words) == 16
