"""Held-out response loss in bits per byte: a measure that needs no judge.

Bits per byte compare models with different tokenizers, which a loss per token does not: both count
the same text (The Pile, arXiv 2101.00027, section 3.1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.training import distributed

if TYPE_CHECKING:
    from polypaca.training.loop import Passes
    from polypaca.training.tokenize import Tokenized


@dataclass(frozen=True)
class HeldOut:
    """Loss on responses that were not trained on.

    Attributes:
        rows: responses, those cut at the length limit up to the cut.
        tokens: that the text of the responses has; what closes a response is not counted.
        bytes: UTF-8 bytes of that text.
        nats: the sum of the tokens' cross-entropies.
        bits_per_byte: nats / ln 2 / bytes; lower is better.
    """

    rows: int
    tokens: int
    bytes: int
    nats: float
    bits_per_byte: float


def held_out(model: Any, inner: Any, data: Tokenized, passes: Passes) -> HeldOut:
    """Bits per byte of the responses of `data`, which must be tokenized for loss on responses.

    Args:
        model: as it was trained, adapters and all.
        inner: the causal language model in it.
        data: rows of one language.
        passes: how to divide them; with several processes each takes its part.
    """
    import torch

    from polypaca.training.loop import label_losses

    nats = 0.0
    for rows, losses in label_losses(model, inner, data, passes):
        start = 0
        for row in rows:
            first = max(int(data.labels_from[row]), 1)
            text = max(0, int(data.text_to[row]) - first)
            nats += float(losses[start : start + text].sum(dtype=torch.float64))
            start += int(data.supervised[row])
    total = torch.tensor([nats], dtype=torch.float64, device=distributed.device())
    nats = float(distributed.all_reduce(total).item())
    size = int(data.text_bytes.sum())
    tokens = int((data.text_to - data.labels_from).clip(min=0).sum())
    return HeldOut(len(data), tokens, size, nats, nats / math.log(2) / size if size else math.nan)
