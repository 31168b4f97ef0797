"""Turn examples into token ids and labels: flat arrays that can be kept on disk and mapped."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from polypaca.core.cache import cached_folder
from polypaca.core.files import read_json, write_json
from polypaca.core.tokens import encoder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out
_ARRAYS = ("ids", "starts", "labels_from", "text_to", "text_bytes")


@dataclass(frozen=True)
class Tokenized:
    """Rows ready for training, one after another, and what was counted on the way.

    Attributes:
        ids: the tokens of all rows, int32 of shape (tokens,).
        starts: where each row begins in `ids`, and the end of the last one; int64, (rows + 1,).
        labels_from: the first token of each row that has a label; all that follow have one.
        text_to: where each row's response ends: what follows closes the turn, and is no text.
        text_bytes: UTF-8 bytes of the response text that the labelled tokens stand for.
        truncated: rows cut at the limit, and trained on.
        dropped: rows with no label left after the cut; they are not in the arrays.
        special: numbers of the pairs, from 0, in whose text special tokens were written that the
            tokenizer cannot but read as such.
    """

    ids: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels_from: NDArray[np.int32]
    text_to: NDArray[np.int32]
    text_bytes: NDArray[np.int32]
    truncated: int
    dropped: int
    special: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each row."""
        return np.diff(self.starts)

    @property
    def supervised(self) -> NDArray[np.int64]:
        """Predictions that each row is trained on; nothing stands before its first token."""
        return self.lengths - np.maximum(self.labels_from, 1)

    @property
    def tokens(self) -> int:
        """Tokens of all rows."""
        return len(self.ids)

    @property
    def supervised_tokens(self) -> int:
        """Tokens of all rows that are predicted and have a label."""
        return int(self.supervised.sum())

    def row(self, index: int) -> tuple[NDArray[np.int32], int]:
        """The tokens of one row, and where its labels begin."""
        return (
            self.ids[self.starts[index] : self.starts[index + 1]],
            int(self.labels_from[index]),
        )


def tokenize(
    pairs: Iterable[tuple[str, str]],
    tokenizer: Any,
    *,
    max_length: int,
    loss_on: Literal["all", "response"],
    closing: str = "",
    special_tokens: bool = True,
) -> Tokenized:
    """Tokenize (prompt, response) pairs, so that answers are asked for where labels begin.

    The end-of-sequence token is added to what is shorter than `max_length`; longer examples are
    cut there, and a cut one does not teach the model to stop. With `loss_on="response"` the
    tokens that an answer is asked with (`core.tokens`) have no label; examples that keep no label
    at all are dropped, and counted. `closing` is what the template puts behind a response,
    `special_tokens` whether the tokenizer adds its own.
    """
    ids: list[NDArray[np.int32]] = []
    columns: dict[str, list[int]] = {"labels_from": [], "text_to": [], "text_bytes": []}
    truncated = dropped = 0
    special: list[int] = []
    first_of, second_of = itertools.tee(pairs)
    rows = encoder_of(tokenizer, special_tokens).rows(first_of, closing)
    for number, ((prompt, response), found) in enumerate(zip(second_of, rows, strict=True)):
        if found.special:
            special.append(number)
        fits = len(found.ids) < max_length
        row = [*found.ids, tokenizer.eos_token_id] if fits else found.ids[:max_length]
        labels_from = found.first if loss_on == "response" else 0
        if labels_from >= len(row):
            dropped += 1
            continue
        truncated += not fits
        offsets = found.offsets[:max_length]
        end = _first_from(offsets, len(prompt) + len(response))
        columns["labels_from"].append(labels_from)
        columns["text_to"].append(end)
        written = offsets[end - 1][1] - len(prompt) if end > found.first else 0
        columns["text_bytes"].append(_bytes(response[: max(0, written)]))
        ids.append(np.asarray(row, dtype=np.int32))
    lengths = [len(row) for row in ids]
    return Tokenized(
        np.concatenate(ids) if ids else np.empty(0, dtype=np.int32),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        **{name: np.asarray(values, dtype=np.int32) for name, values in columns.items()},
        truncated=truncated,
        dropped=dropped,
        special=special,
    )


def cached(folder: Path, make: Callable[[], Tokenized]) -> Tokenized:
    """The rows kept in `folder`, mapped into memory; made and kept there if it does not exist.

    The folder's name must determine what `make` makes. What is there is hashed before it is used;
    damaged rows are set aside, with a notice, and made again.
    """
    with cached_folder(
        folder, lambda target: _save(target, make()), again="its rows are tokenized again"
    ):
        counts = read_json(folder / "counts.json")
        arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in _ARRAYS}
    return Tokenized(**arrays, **counts)


def _save(folder: Path, rows: Tokenized) -> None:
    for name in _ARRAYS:
        np.save(folder / f"{name}.npy", getattr(rows, name))
    counts = {"truncated": rows.truncated, "dropped": rows.dropped, "special": list(rows.special)}
    write_json(folder / "counts.json", counts)


def _first_from(offsets: list[tuple[int, int]], character: int) -> int:
    """The first token that begins at a character or later; the count of tokens if none does."""
    found = (place for place, (begin, _) in enumerate(offsets) if begin >= character)
    return next(found, len(offsets))


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))
