from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import NoRepeatNGramLogitsProcessor

from polypaca.generation.ngrams import NoRepeatedNgrams

VOCABULARY = 4  # few, so that n-grams repeat
ROW = st.lists(st.integers(0, VOCABULARY), min_size=1, max_size=14)  # one id is past the scores


@given(st.lists(ROW, min_size=1, max_size=4), st.integers(1, 6), st.integers(1, 3), st.randoms())
def test_bans_are_those_of_transformers_on_each_row_alone(
    rows: list[list[int]], size: int, beams: int, random: object
) -> None:
    width = max(map(len, rows))
    padding = torch.tensor([width - len(row) for row in rows])
    pad = 0  # a token that texts have as well
    ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows for _ in range(beams)])
    scores = torch.randn(len(ids), VOCABULARY)
    found = NoRepeatedNgrams(size, padding)(ids, scores.clone())
    theirs = NoRepeatNGramLogitsProcessor(size)
    for number, row in enumerate(rows):
        for beam in range(number * beams, (number + 1) * beams):
            expected = theirs(torch.tensor([row]), scores[beam : beam + 1].clone())
            assert torch.equal(found[beam : beam + 1], expected)


def test_a_token_that_would_complete_an_ngram_is_banned() -> None:
    scores = NoRepeatedNgrams(3, torch.tensor([0]))(
        torch.tensor([[1, 2, 3, 1, 2]]), torch.zeros(1, 5)
    )
    assert scores.tolist() == [[0.0, 0.0, 0.0, -torch.inf, 0.0]]


def test_padding_is_no_text() -> None:
    ids = torch.tensor([[0, 0, 0, 0, 1, 0, 0]])
    free = NoRepeatedNgrams(3, torch.tensor([4]))(ids, torch.zeros(1, 3))
    assert free.tolist() == [[0.0, 0.0, 0.0]]
    assert NoRepeatNGramLogitsProcessor(3)(ids, torch.zeros(1, 3))[0, 0] == -torch.inf
