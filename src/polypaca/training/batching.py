"""Which rows make up a step, and how they are divided among devices and forward passes.

The global batch is fixed by the study. Devices and micro-batches only divide it: the loss of a
step is the mean over all its labels, however they are divided.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from polypaca.training.steps import total_steps
from polypaca.training.tokenize import IGNORED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from polypaca.training.tokenize import Tokenized

_MEGABATCHES = 50  # batches that are sorted by length together, as Transformers does


@dataclass(frozen=True)
class Schedule:
    """The rows of every step, from nothing but the lengths of rows and a seed.

    Attributes:
        lengths: tokens of each row.
        batch_size: rows a step; the last step of an epoch has what is left.
        epochs: times that every row comes; may be a fraction.
        seed: of the order, which is another one every epoch.
        group_by_length: rows of one step have about one length. As in Transformers, stretches of up
            to 50 steps go from long to short, and the longest row of all comes first.
    """

    lengths: NDArray[np.int64]
    batch_size: int
    epochs: float
    seed: int
    group_by_length: bool = False

    def __hash__(self) -> int:
        return id(self)

    @property
    def steps(self) -> int:
        """Optimizer steps in all."""
        return total_steps(len(self.lengths), self.batch_size, self.epochs)

    @property
    def steps_an_epoch(self) -> int:
        """Optimizer steps once through."""
        return math.ceil(len(self.lengths) / self.batch_size)

    def rows(self, step: int) -> NDArray[np.int64]:
        """The rows of a step, counted from 0."""
        epoch, within = divmod(step, self.steps_an_epoch)
        start = within * self.batch_size
        return self._order(epoch)[start : start + self.batch_size]

    @lru_cache(maxsize=2)  # noqa: B019  # a schedule lives as long as its training
    def _order(self, epoch: int) -> NDArray[np.int64]:
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.lengths))
        if self.group_by_length:
            order = _grouped(order, self.lengths, self.batch_size)
        return order


def _grouped(
    order: NDArray[np.int64], lengths: NDArray[np.int64], batch_size: int
) -> NDArray[np.int64]:
    """The order with each stretch of some batches sorted by length, the longest row first of all.

    Transformers' `group_by_length`: github.com/huggingface/transformers, trainer_pt_utils.py.
    """
    stretch = max(1, min(len(order) // (batch_size * 4), _MEGABATCHES)) * batch_size
    parts = [order[start : start + stretch] for start in range(0, len(order), stretch)]
    parts = [part[np.argsort(-lengths[part], kind="stable")] for part in parts]
    longest = max(range(len(parts)), key=lambda number: lengths[parts[number][0]])
    # The row moves, not the stretch: the others keep their places.
    parts[0][0], parts[longest][0] = parts[longest][0], parts[0][0]
    return np.concatenate(parts)


def divide(
    rows: Sequence[int] | NDArray[np.int64],
    lengths: NDArray[np.int64],
    *,
    devices: int,
    tokens: int,
    packed: bool,
) -> list[list[list[int]]]:
    """Divide a batch: for each device its micro-batches, for each of these its rows.

    Every device gets as many micro-batches as every other (some may be empty, if rows are few), so
    that they can work in step. A micro-batch costs its tokens, padding included unless `packed`; it
    costs more than `tokens` only where a single row does.
    """
    ordered = sorted((int(row) for row in rows), key=lambda row: (-lengths[row], row))
    count = max(1, math.ceil(sum(int(lengths[row]) for row in ordered) / (devices * tokens)))
    while True:
        bins = (_balanced if packed else _sliced)(ordered, lengths, count * devices)
        costs = (_cost(part, lengths, packed) for part in bins)
        if count * devices >= len(ordered) or all(cost <= tokens for cost in costs):
            break
        count += 1
    return [bins[device::devices] for device in range(devices)]


def _cost(rows: Sequence[int], lengths: NDArray[np.int64], packed: bool) -> int:
    own = [int(lengths[row]) for row in rows]
    return sum(own) if packed else max(own, default=0) * len(own)


def _balanced(ordered: Sequence[int], lengths: NDArray[np.int64], count: int) -> list[list[int]]:
    """Bins of about the same number of tokens: the longest row first, always to the emptiest."""
    bins: list[list[int]] = [[] for _ in range(count)]
    loads = [(0, number) for number in range(count)]
    for row in ordered:
        load, number = loads[0]
        bins[number].append(row)
        heapq.heapreplace(loads, (load + int(lengths[row]), number))
    return bins


def _sliced(ordered: Sequence[int], lengths: NDArray[np.int64], count: int) -> list[list[int]]:
    """Stretches of rows of about one length, about equal in what they cost with their padding."""
    bins: list[list[int]] = [[] for _ in range(count)]
    left = sum(int(lengths[row]) for row in ordered)
    index, row = 0, 0
    for index in range(count):
        share = left / (count - index)
        part = bins[index]
        # As many as come nearest to the share, but leave the other bins what there is for them.
        while row < len(ordered) and (
            not part or (len(part) + 1) * int(lengths[part[0]]) <= share or index == count - 1
        ):
            part.append(ordered[row])
            left -= int(lengths[ordered[row]])
            row += 1
    return bins


def packed_batch(data: Tokenized, rows: Sequence[int]) -> dict[str, Any]:
    """One line of all rows end to end; nothing is padded.

    Returns:
        `input_ids`, `position_ids` and `labels` of shape (1, tokens); `lengths`, the rows' own. The
        labels are those of the tokens themselves: the loss shifts them, and a row's first token,
        which nothing stands before, has none.
    """
    import torch

    parts = [data.row(row) for row in rows]
    ids = torch.from_numpy(np.concatenate([ids for ids, _ in parts]).astype(np.int64))
    labels = ids.clone()
    start = 0
    for own, labels_from in parts:
        labels[start : start + max(labels_from, 1)] = IGNORED
        start += len(own)
    positions = torch.cat([torch.arange(len(own)) for own, _ in parts])
    return {
        "input_ids": ids[None],
        "position_ids": positions[None],
        "labels": labels[None],
        "lengths": [len(own) for own, _ in parts],
    }


def padded_batch(data: Tokenized, rows: Sequence[int], pad_token_id: int) -> dict[str, Any]:
    """Rows padded on the right to the longest: `input_ids`, `labels`, `attention_mask`.

    Padding has no label, whatever token it is.
    """
    import torch

    parts = [data.row(row) for row in rows]
    shape = (len(parts), max(len(own) for own, _ in parts))
    ids = torch.full(shape, pad_token_id)
    labels = torch.full(shape, IGNORED)
    mask = torch.zeros(shape, dtype=torch.long)
    for index, (own, labels_from) in enumerate(parts):
        row = torch.from_numpy(own.astype(np.int64))
        ids[index, : len(row)] = row
        labels[index, max(labels_from, 1) : len(row)] = row[max(labels_from, 1) :]
        mask[index, : len(row)] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}
