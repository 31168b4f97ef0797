"""How long rows are under a tokenizer: what training will see, and how well it suits a language."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError
from polypaca.core.tokens import Encoder
from polypaca.data.budgets import row_cost
from polypaca.data.normal import tokens, tokens_a_word

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tokenizers import Tokenizer

    from polypaca.data.budgets import LossOn

_SCRIPT_SAMPLE = 300  # characters that tell whether a text has spaces between words


@dataclass(frozen=True)
class RowLength:
    """The tokens of one row before any cut.

    Attributes:
        id: the row's.
        prompt: tokens that an answer is asked with, a beginning of sequence among them.
        response: tokens that follow, and the end-of-sequence token.
        characters: of the response (Unicode code points).
        words: of the response, between white space; None in scripts without spaces.
    """

    id: str
    prompt: int
    response: int
    characters: int = 0
    words: int | None = None


@dataclass(frozen=True)
class LengthStatistics:
    """The lengths of a data set's rows, say of one language.

    Attributes:
        rows: how many.
        mean: tokens of a row before the cut: prompt, response and end of sequence.
        median: half of the rows have no more tokens (nearest rank).
        p95: 95 % of the rows have no more tokens (nearest rank).
        longest: tokens of the longest row.
        response_mean: tokens of a response before the cut, with the end of sequence.
        characters_per_token: of the responses; more means a better fit. None if they have no token.
        tokens_per_word: of the responses, the tokenizer's fertility (arXiv 2012.15613, section
            3.2); less means a better fit. None if most rows are in a script without spaces.
        trained_tokens: tokens of all rows once through, after the cut.
        supervised_tokens: those of them that have a label.
        cut: rows cut at the limit, and trained on.
        dropped: rows with no response within the limit.
    """

    rows: int
    mean: float
    median: int
    p95: int
    longest: int
    response_mean: float
    characters_per_token: float | None
    tokens_per_word: float | None
    trained_tokens: int
    supervised_tokens: int
    cut: int
    dropped: int

    @property
    def cut_share(self) -> float:
        """Share of the rows that are cut at the limit, in 0..1."""
        return self.cut / self.rows

    @property
    def dropped_share(self) -> float:
        """Share of the rows that have no response within the limit, in 0..1."""
        return self.dropped / self.rows


def row_lengths(
    rows: Iterable[tuple[str, str, str]],
    tokenizer: Tokenizer,
    end_of_sequence: int,
    *,
    closing: str = "",
    special_tokens: bool = True,
) -> Iterator[RowLength]:
    """Count the tokens of rows, one by one, as training does (`core.tokens`).

    Args:
        rows: id, prompt and response of each, the prompt rendered from its template.
        tokenizer: of the `tokenizers` library (in Transformers, `backend_tokenizer`); it is not
            changed, and its own padding and truncation are ignored.
        end_of_sequence: the token's id. Where the tokenizer itself appends it, it counts once.
        closing: what the template puts behind a response; it ends with the end of sequence, and
            counts with the response.
        special_tokens: whether the tokenizer adds its own.
    """
    source, again = itertools.tee(rows)
    encoder = Encoder(tokenizer, end_of_sequence, special_tokens)
    encoded = encoder.rows(((prompt, response) for _, prompt, response in source), closing)
    for (row_id, _, response), row in zip(again, encoded, strict=True):
        behind = len(row.ids) - row.first + 1
        yield RowLength(row_id, row.first, behind, len(response), _words(response))


def statistics_of(
    lengths: Iterable[RowLength], *, max_length: int, loss_on: LossOn
) -> LengthStatistics:
    """Summarise the lengths of rows; memory grows with the number of different lengths alone.

    Args:
        lengths: of the rows.
        max_length: the limit in tokens, at least 1.
        loss_on: which tokens have a label: `all`, or those of the `response`.

    Raises:
        DataError: if there is no row.
    """
    totals: Counter[int] = Counter()
    sums: Counter[str] = Counter()
    for length in lengths:
        cost = row_cost(length.prompt, length.response, max_length=max_length, loss_on=loss_on)
        # Without the end of sequence, which stands for no text.
        text = length.response - 1
        totals[length.prompt + length.response] += 1
        sums["response"] += length.response
        sums["text"] += text
        sums["characters"] += length.characters
        sums["trained"] += cost.tokens
        sums["supervised"] += cost.supervised
        sums["cut"] += cost.cut
        sums["dropped"] += cost.dropped
        if length.words is not None:
            sums["spaced rows"] += 1
            sums["spaced text"] += text
            sums["words"] += length.words
    rows = totals.total()
    if not rows:
        raise DataError("there are no rows whose lengths could be summarised")
    spaced = 2 * sums["spaced rows"] >= rows and sums["words"] > 0
    return LengthStatistics(
        rows=rows,
        mean=sum(length * count for length, count in totals.items()) / rows,
        median=_nearest_rank(totals, 50),
        p95=_nearest_rank(totals, 95),
        longest=max(totals),
        response_mean=sums["response"] / rows,
        characters_per_token=sums["characters"] / sums["text"] if sums["text"] else None,
        tokens_per_word=sums["spaced text"] / sums["words"] if spaced else None,
        trained_tokens=sums["trained"],
        supervised_tokens=sums["supervised"],
        cut=sums["cut"],
        dropped=sums["dropped"],
    )


def _words(text: str) -> int | None:
    sample = text[:_SCRIPT_SAMPLE]
    if not sample.isascii() and tokens_a_word(tokens(sample)) > 1:
        return None
    return len(text.split())


def _nearest_rank(counts: Counter[int], percent: int) -> int:
    """The smallest value that at least `percent` per cent of the values do not exceed."""
    rank = -(-counts.total() * percent // 100)
    below = 0
    for value, count in sorted(counts.items()):
        below += count
        if below >= rank:
            return value
    return max(counts)
