from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from polypaca.core.errors import DataError
from polypaca.data.lengths import RowLength, row_lengths, statistics_of
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
        RowLength("a", prompt=3, response=3, characters=9, words=2),
        RowLength("b", prompt=2, response=2, characters=10, words=2),
        RowLength("c", prompt=1, response=1, characters=0, words=0),
        RowLength("d", prompt=0, response=2, characters=3, words=1),
        RowLength("e", prompt=1, response=2, characters=2, words=None),
    ]


def test_special_tokens_of_the_tokenizer(words: Tokenizer) -> None:
    from tokenizers import processors

    words.post_processor = processors.TemplateProcessing(
        single="[B] $A </s>", special_tokens=[("[B]", 1), ("</s>", END)]
    )
    # The beginning is the prompt's, and the end that is there already is counted once.
    assert list(row_lengths([("a", "one ", "two")], words, END)) == [
        RowLength("a", prompt=2, response=2, characters=3, words=1)
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


LENGTHS = [
    RowLength("a", prompt=3, response=3, characters=9, words=2),
    RowLength("b", prompt=2, response=2, characters=10, words=1),
    RowLength("c", prompt=6, response=4, characters=11, words=4),
    RowLength("d", prompt=4, response=6, characters=20, words=3),
]


def test_statistics_by_hand() -> None:
    found = statistics_of(LENGTHS, max_length=6, loss_on="response")
    # Rows of 6, 4, 10 and 10 tokens; without ends of sequence, responses of 2, 1, 3 and 5.
    assert (found.rows, found.mean, found.median, found.p95, found.longest) == (4, 7.5, 6, 10, 10)
    assert found.response_mean == 15 / 4
    assert found.characters_per_token == 50 / 11
    assert found.tokens_per_word == 11 / 10
    # c has no response within 6 tokens; d keeps 2 of it.
    assert (found.cut, found.dropped) == (1, 1)
    assert (found.cut_share, found.dropped_share) == (0.25, 0.25)
    assert (found.trained_tokens, found.supervised_tokens) == (6 + 4 + 6, 3 + 2 + 2)
    # With a loss on the prompt nothing is dropped, and only first tokens have no label.
    both = statistics_of(LENGTHS, max_length=6, loss_on="all")
    assert (both.cut, both.dropped) == (2, 0)
    assert (both.trained_tokens, both.supervised_tokens) == (22, 18)


def test_percentiles_of_many_rows() -> None:
    lengths = [RowLength(str(n), prompt=n, response=1) for n in range(100, 0, -1)]
    found = statistics_of(lengths, max_length=200, loss_on="all")
    # Rows of 2..101 tokens: the 50th and the 95th.
    assert (found.median, found.p95, found.longest) == (51, 96, 101)
    assert found.characters_per_token is None
    assert found.tokens_per_word is None


def test_no_tokens_a_word_where_most_rows_have_no_spaces() -> None:
    unspaced = [RowLength(str(n), prompt=1, response=5, characters=4) for n in range(5)]
    assert statistics_of(LENGTHS + unspaced, max_length=6, loss_on="all").tokens_per_word is None
    found = statistics_of(LENGTHS + unspaced[:1], max_length=6, loss_on="all")
    # The unspaced row's tokens count for neither.
    assert found.tokens_per_word == 11 / 10


def test_no_rows() -> None:
    with pytest.raises(DataError, match="no rows"):
        statistics_of([], max_length=6, loss_on="all")


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
    found = statistics_of(lengths, max_length=128, loss_on=loss_on)
    trained = tokenize(rows, tokenizer, max_length=128, loss_on=loss_on)
    assert trained.truncated > 0
    assert trained.dropped > 0 or loss_on == "all"
    assert (found.trained_tokens, found.supervised_tokens, found.cut, found.dropped) == (
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
