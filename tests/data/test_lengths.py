from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from polypaca.data.budgets import row_cost
from polypaca.data.lengths import RowLength, row_lengths
from polypaca.models.loading import load_tokenizer
from polypaca.models.templates import TEMPLATES
from polypaca.training.tokenize import tokenize

if TYPE_CHECKING:
    from tokenizers import Tokenizer

END = 0


@pytest.fixture
def words() -> Tokenizer:
    """A token for each word, all unknown but the end of sequence."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({"</s>": END, "?": 1}, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return tokenizer


def test_tokens_by_hand(words: Tokenizer) -> None:
    rows = [
        ("a", "one two three ", "four five"),
        # The token that straddles both starts in the prompt.
        ("b", "one two", "three four"),
        ("c", "one ", ""),
        ("d", "", "one"),
        ("e", "一 ", "二三"),
    ]
    assert list(row_lengths(rows, words, END)) == [
        RowLength("a", prompt=3, response=3),
        RowLength("b", prompt=2, response=2),
        RowLength("c", prompt=1, response=1),
        RowLength("d", prompt=0, response=2),
        RowLength("e", prompt=1, response=2),
    ]


def test_special_tokens_of_the_tokenizer(words: Tokenizer) -> None:
    from tokenizers import processors

    words.post_processor = processors.TemplateProcessing(
        single="[B] $A </s>", special_tokens=[("[B]", 1), ("</s>", END)]
    )
    # The beginning is the prompt's, and the end that is there already is counted once.
    assert list(row_lengths([("a", "one ", "two")], words, END)) == [
        RowLength("a", prompt=2, response=2)
    ]


def test_limits_of_the_tokenizer_are_ignored_and_kept(words: Tokenizer) -> None:
    words.enable_truncation(2)
    words.enable_padding(length=50)
    (length,) = row_lengths([("a", "one two ", "three four")], words, END)
    assert (length.prompt, length.response) == (2, 3)
    assert words.truncation is not None
    assert words.truncation["max_length"] == 2
    assert words.padding is not None
    assert words.padding["length"] == 50


def test_more_rows_than_a_batch_holds(words: Tokenizer) -> None:
    rows = ((str(number), "one ", "two " * (number % 3)) for number in range(2001))
    lengths = list(row_lengths(rows, words, END))
    assert [length.id for length in lengths] == [str(number) for number in range(2001)]
    assert [length.response for length in lengths] == [1, 2, 3] * 667


@pytest.mark.data
@pytest.mark.parametrize("loss_on", ["all", "response"])
@pytest.mark.parametrize("name", ["pythia/20B_tokenizer.json", "openllama", "llama"])
def test_counts_are_those_of_training(
    name: str, loss_on: Literal["all", "response"], data_folder: Path
) -> None:
    tokenizer = load_tokenizer(data_folder / "tokenizers" / name)
    folder = data_folder / "instructions"
    rows = [row for code in ("en", "zh") for row in _alpaca(folder / f"alpaca.{code}.json")]
    rows += [
        (TEMPLATES["alpaca"].render(row["instruction"], row["input"]), row["output"])
        for row in map(json.loads, (folder / "mt_bench.bn.jsonl").read_text("utf-8").splitlines())
    ]
    lengths = row_lengths(
        ((str(number), *pair) for number, pair in enumerate(rows)),
        tokenizer.backend_tokenizer,
        tokenizer.eos_token_id,
    )
    costs = [
        row_cost(length.prompt, length.response, max_length=128, loss_on=loss_on)
        for length in lengths
    ]
    trained = tokenize(rows, tokenizer, max_length=128, loss_on=loss_on)
    assert trained.truncated > 0
    assert trained.dropped > 0 or loss_on == "all"
    assert (
        sum(cost.tokens for cost in costs),
        sum(cost.supervised for cost in costs),
        sum(cost.cut for cost in costs),
        sum(cost.dropped for cost in costs),
    ) == (
        trained.tokens,
        trained.supervised_tokens,
        trained.truncated,
        trained.dropped,
    )


def _alpaca(path: Path) -> list[tuple[str, str]]:
    rows = json.loads(path.read_text("utf-8"))[:300]
    return [
        (TEMPLATES["alpaca"].render(row["instruction"], row["input"]), row["output"])
        for row in rows
    ]
