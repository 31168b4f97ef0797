"""Keys and values of beams: read once a prompt, then written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

if TYPE_CHECKING:
    import torch


class BeamLayer(DynamicLayer):  # type: ignore[no-untyped-call]
    """Transformers' layer that grows by a token, but with its room taken at once.

    Theirs copies all keys and values for each token, and once more when beams change places. The
    beams of one prompt share its keys and values, so here only those of new tokens move.

    Args:
        prompt: the layer that read the prompts, one row each.
        beams: rows of this layer for each row of the other.
        new_tokens: room after the prompt.
    """

    def __init__(self, prompt: DynamicLayer, beams: int, new_tokens: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        assert prompt.keys is not None
        assert prompt.values is not None
        self.prompt_length = self.length = prompt.keys.shape[-2]
        self.lazy_initialization(prompt.keys, prompt.values)
        self.all_keys = _with_room(prompt.keys, beams, new_tokens)
        self.all_values = _with_room(prompt.values, beams, new_tokens)
        self._show()

    def _show(self) -> None:
        self.keys = self.all_keys[:, :, : self.length]
        self.values = self.all_values[:, :, : self.length]

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values with those of the next tokens, which are kept."""
        end = self.length + key_states.shape[-2]
        self.all_keys[:, :, self.length : end] = key_states
        self.all_values[:, :, self.length : end] = value_states
        self.length = end
        self._show()
        assert self.keys is not None
        assert self.values is not None
        return self.keys, self.values

    def reorder_cache(self, beam_idx: torch.Tensor) -> None:
        """Let row i go on from what row `beam_idx[i]`, a beam of the same prompt, has."""
        for whole in (self.all_keys, self.all_values):
            new = whole[:, :, self.prompt_length : self.length]
            new.copy_(new.index_select(0, beam_idx))

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        """Keep these rows alone."""
        self.all_keys = self.all_keys[indices]
        self.all_values = self.all_values[indices]
        self._show()


def _with_room(states: torch.Tensor, beams: int, new_tokens: int) -> torch.Tensor:
    rows, heads, length, size = states.shape
    whole = states.new_empty((rows * beams, heads, length + new_tokens, size))
    whole[:, :, :length] = states.repeat_interleave(beams, dim=0)
    return whole


def expand_for_beams(cache: Any, beams: int, new_tokens: int) -> Any:
    """The cache of read prompts, one row each, made ready to decode `beams` rows a prompt."""
    for number, layer in enumerate(cache.layers):
        # Others (sliding windows, states of recurrent layers) look after themselves.
        if type(layer) is DynamicLayer and layer.keys is not None:
            cache.layers[number] = BeamLayer(layer, beams, new_tokens)
        elif beams > 1:
            layer.batch_repeat_interleave(beams)
    return cache


def supports_row_removal(cache: Any) -> bool:
    """Whether rows can be taken out of a cache: it holds keys and values and nothing else."""
    known = (BeamLayer, DynamicSlidingWindowLayer)
    return cache is not None and all(type(layer) in known for layer in cache.layers)
