"""How many tokens rows have, for planning what training will see."""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.tokens import Encoder
from polypaca.data.budgets import row_cost

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from tokenizers import Tokenizer

    from polypaca.data.budgets import LossOn, RowCost


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


def row_costs(folder: Path, max_length: int, loss_on: LossOn) -> dict[str, RowCost]:
    """What each row costs by its id, from the files of all languages in a folder."""
    found = {}
    for path in folder.glob("*.jsonl"):
        with path.open("rb") as file:
            for row in map(json.loads, file):
                found[row["id"]] = row_cost(
                    row["prompt"], row["response"], max_length=max_length, loss_on=loss_on
                )
    return found
