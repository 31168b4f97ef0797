"""Stopping criteria: when rows end, and when finished rows leave their batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers import StoppingCriteria

if TYPE_CHECKING:
    from collections.abc import Sequence

# A token of byte-level vocabularies has one byte at least; the others are for special tokens, which
# no text shows. One missed only means that a row goes on.
_SPARE = 8
# One row in so many must have ended before a batch is made anew, which costs about a step.
_LEAVING = 4


class StopStrings(StoppingCriteria):
    """Ends rows whose new text contains one of `stop`; what follows would be cut off anyway.

    For one row a prompt: with beams an ended one competes by its score so far, so that to end it
    early makes another one win.

    Args:
        tokenizer: decodes, without special tokens.
        stop: strings, none of them empty.
        start: the position of the first new token.
    """

    def __init__(self, tokenizer: Any, stop: Sequence[str], start: int) -> None:
        self.tokenizer, self.stop, self.start = tokenizer, stop, start
        self.tail = max(len(string.encode()) for string in stop) + _SPARE
        self.ended: list[bool] = []

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Booleans of shape (rows,)."""
        if not self.ended:
            self.ended = [False] * len(input_ids)
        new = input_ids[:, self.start :].tolist()
        for row, tokens in enumerate(new):
            # The tail is quick to read, and the whole is what counts.
            if not self.ended[row] and self._holds(tokens[-self.tail :]):
                self.ended[row] = self._holds(tokens)
        return torch.tensor(self.ended, device=input_ids.device)

    def _holds(self, tokens: list[int]) -> bool:
        text = self.tokenizer.decode(tokens, skip_special_tokens=True)
        return any(string in text for string in self.stop)


class EnoughFinished(StoppingCriteria):
    """Stops a batch once a quarter of its rows has ended, so that the others go on without them.

    Args:
        ends: ids of the tokens that end an answer, shape (tokens,).
        stop_at: the other criterion that ends rows.
    """

    def __init__(self, ends: torch.Tensor, stop_at: StopStrings | None) -> None:
        self.ends, self.stop_at = ends, stop_at
        self.ended = torch.zeros(0, dtype=torch.bool)  # of shape (rows,) from the first step on

    def __call__(self, input_ids: torch.Tensor, scores: Any, **kwargs: Any) -> torch.Tensor:
        """Booleans of shape (rows,)."""
        now = torch.isin(input_ids[:, -1], self.ends)
        if self.stop_at:
            now |= self.stop_at(input_ids, scores)
        self.ended = self.ended | now if len(self.ended) else now
        enough = _LEAVING * int(self.ended.sum()) >= len(self.ended)
        return torch.ones_like(self.ended) if enough else self.ended
