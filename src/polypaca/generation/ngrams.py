"""No n-gram twice, as Transformers bans them, but padding is no text."""

from __future__ import annotations

import torch
from transformers import LogitsProcessor


class NoRepeatedNgrams(LogitsProcessor):
    """Bans each token that would complete an n-gram which the row has already.

    The bans are those of Transformers' NoRepeatNGramLogitsProcessor on the row without its padding:
    theirs counts padding as text, so that a row's answer could depend on its neighbours. Scores are
    changed in place, for they are large and the bans few.

    Args:
        size: of the n-grams, at least 1.
        padding: how many tokens at the left of each row are none of its own; shape (rows,). Beams
            of a row follow one another.
    """

    def __init__(self, size: int, padding: torch.Tensor) -> None:
        self.size, self.padding = size, padding

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        """Scores of shape (rows x beams, vocabulary), banned ones minus infinity."""
        length, vocabulary = input_ids.shape[1], scores.shape[1]
        if length < self.size:
            return scores
        windows = input_ids.unfold(1, self.size, 1)
        last = windows[..., -1]
        padding = self.padding.repeat_interleave(len(input_ids) // len(self.padding))
        starts = torch.arange(windows.shape[1], device=input_ids.device)
        banned = (starts >= padding[:, None]) & (last < vocabulary)
        for place in range(self.size - 1):
            now = input_ids[:, length - self.size + 1 + place]
            banned &= windows[..., place] == now[:, None]
        # The least of a score and infinity is the score: what is not banned stays, and the device
        # need not be asked which are.
        values = torch.full(banned.shape, torch.inf, dtype=scores.dtype, device=scores.device)
        values.masked_fill_(banned, -torch.inf)
        return scores.scatter_reduce_(1, last.clamp(max=vocabulary - 1), values, "amin")
