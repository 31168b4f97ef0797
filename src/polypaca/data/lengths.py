"""How many tokens rows have, for planning what training will see."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.tokens import Encoder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tokenizers import Tokenizer


@dataclass(frozen=True)
class RowLength:
    """The tokens of one row before any cut.

    Attributes:
        id: the row's.
        prompt: tokens that an answer is asked with, a beginning of sequence among them.
        response: tokens that follow, and the end-of-sequence token.
    """

    id: str
    prompt: int
    response: int


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
    for (row_id, _, _), row in zip(again, encoded, strict=True):
        yield RowLength(row_id, row.first, len(row.ids) - row.first + 1)
