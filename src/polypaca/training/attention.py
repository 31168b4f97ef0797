"""Attention over examples packed into one line, none of which sees another.

All layers but attention treat tokens one by one, so that examples can lie end to end without
padding. Attention is given the examples' lengths: on a GPU it runs PyTorch's variable-length flash
attention, elsewhere scaled-dot-product attention example by example. Models that call Transformers'
attention interface need no change; BLOOM's own attention is replaced by one that computes the same.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

_NUMBERS = itertools.count(1)
_ALIBI_COLUMNS = 8  # four are used; flash attention wants head sizes in eights
_UNKNOWN = ("softcap", "position_bias", "s_aux", "head_mask")  # options that would be ignored


@dataclass
class Layout:
    """How the line of the current forward pass is divided, shared with all attention layers."""

    lengths: list[int] = field(default_factory=list)
    bounds: Any = None  # int32 tensor (examples + 1,): where each begins, on the model's device
    positions: Any = None  # int64 tensor (tokens,): of each token in its example

    def set(self, lengths: Sequence[int], device: torch.device) -> None:
        """Describe the next forward pass."""
        import torch

        self.lengths = list(lengths)
        starts = [0, *itertools.accumulate(self.lengths)]
        self.bounds = torch.tensor(starts, dtype=torch.int32, device=device)
        self.positions = torch.cat([torch.arange(n, device=device) for n in self.lengths])


def install(model: Any) -> Layout:
    """Let a causal language model attend within the examples of a packed line alone.

    From now on each forward pass takes one line, whose division the returned layout must hold.
    Whether the model's layers really follow is for `proof.can_pack` to find out.

    Raises:
        ValueError: if the model cannot be given an attention function.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    layout = Layout()
    name = f"polypaca_packed_{next(_NUMBERS)}"
    AttentionInterface.register(name, partial(_interface, layout))
    AttentionMaskInterface.register(name, _no_mask)
    own = _OWN_ATTENTION.get(model.config.model_type)
    if own is None:
        model.set_attn_implementation(name)
        if model.config._attn_implementation != name:
            raise ValueError("its attention cannot be replaced")
        return layout
    # It has no attention interface to ask; the name keeps a mask from being made.
    model.config._attn_implementation = name
    class_name, forward = own
    for module in model.modules():
        if type(module).__name__ == class_name:
            module.forward = partial(forward, layout, module)
    return layout


def restore(model: Any, implementation: str) -> None:
    """Undo `install`: `implementation` is what the model's config said before."""
    own = _OWN_ATTENTION.get(model.config.model_type)
    if own is None:
        model.set_attn_implementation(implementation)
        return
    model.config._attn_implementation = implementation
    for module in model.modules():
        if type(module).__name__ == own[0]:
            del module.forward


def packed_attention(
    layout: Layout,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    scale: float | None,
    dropout: float = 0.0,
    window: int | None = None,
) -> torch.Tensor:
    """Causal attention within each example of a line.

    Args:
        layout: the line's division.
        query: shape (1, heads, tokens, head size).
        key: shape (1, key heads, tokens, head size); fewer heads are shared (GQA).
        value: like `key`.
        scale: of the scores; None for 1 / sqrt(head size).
        dropout: of the attention weights, in 0..1.
        window: a token sees so many tokens, itself among them; None for all.

    Returns:
        Shape (1, tokens, heads, head size).
    """
    import torch

    if window is not None and window >= max(layout.lengths):
        window = None
    half = query.dtype in (torch.float16, torch.bfloat16)
    if query.is_cuda and half and not dropout and query.shape[-1] <= 256:
        from torch.nn.attention.varlen import varlen_attn

        longest = max(layout.lengths)
        output = varlen_attn(
            query[0].transpose(0, 1),
            key[0].transpose(0, 1),
            value[0].transpose(0, 1),
            layout.bounds,
            layout.bounds,
            longest,
            longest,
            scale=scale,
            window_size=(-1 if window is None else window - 1, 0),
            enable_gqa=query.shape[1] != key.shape[1],
        )
        assert isinstance(output, torch.Tensor)
        return output[None]
    parts = [
        torch.nn.functional.scaled_dot_product_attention(
            own_query,
            own_key,
            own_value,
            attn_mask=None if window is None else _band(own_query.shape[2], window, query.device),
            is_causal=window is None,
            dropout_p=dropout,
            scale=scale,
            enable_gqa=query.shape[1] != key.shape[1],
        )
        for own_query, own_key, own_value in zip(
            *(torch.split(part, layout.lengths, dim=2) for part in (query, key, value)), strict=True
        )
    ]
    return torch.cat(parts, dim=2).transpose(1, 2)


def _band(size: int, window: int, device: torch.device) -> torch.Tensor:
    import torch

    allowed = torch.ones(size, size, dtype=torch.bool, device=device).tril()
    return allowed.triu(1 - window)


def _interface(
    layout: Layout,
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: Any,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    is_causal: bool | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """The function that Transformers' attention layers call (`AttentionInterface`)."""
    unknown = [name for name in _UNKNOWN if options.get(name) is not None]
    if unknown or attention_mask is not None or is_causal is False:
        raise ValueError(f"its attention is of another kind ({', '.join(unknown) or 'masked'})")
    output = packed_attention(
        layout, query, key, value, scale=scaling, dropout=dropout, window=sliding_window
    )
    return output, None


def _no_mask(*args: Any, **kwargs: Any) -> None:
    """The layout says what a mask would."""


def with_alibi(
    query: torch.Tensor,
    key: torch.Tensor,
    slopes: torch.Tensor,
    positions: torch.Tensor,
    scale: float,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Query and key with ALiBi's bias in columns of their own.

    ALiBi (arXiv 2108.12409) adds slope x (key position - query position) to a score; what depends
    on the query alone cancels in the softmax. So does slope x key position, which is a product of a
    column of the query and a column of the key: any attention kernel adds it without a mask. In
    half precision both factors are split in two, so that none of it is lost to rounding.

    Args:
        query: shape (1, heads, tokens, head size).
        key: likewise.
        slopes: of each head, float32, shape (heads,).
        positions: of each token in its example, shape (tokens,), below 65,536.
        scale: that attention will multiply the scores by.

    Returns:
        Both with `_ALIBI_COLUMNS` columns more.
    """
    import torch

    wanted = slopes / scale
    coarse = wanted.to(query.dtype)
    fine = (wanted - coarse.float()).to(query.dtype)
    low = positions % 256  # exact in bfloat16, as are multiples of 256
    high = positions - low
    zeros = torch.zeros_like(coarse)
    columns = [coarse, coarse, fine, fine, *[zeros] * (_ALIBI_COLUMNS - 4)]
    of_query = torch.stack(columns, dim=-1)[None, :, None, :]
    places = [high, low, high, low, *[torch.zeros_like(low)] * (_ALIBI_COLUMNS - 4)]
    of_key = torch.stack(places, dim=-1)[None, None].to(key.dtype)
    shape = (*query.shape[:3], _ALIBI_COLUMNS)
    return (
        torch.cat([query, of_query.expand(shape)], dim=-1),
        torch.cat([key, of_key.expand(shape)], dim=-1),
    )


def _bloom(
    layout: Layout, module: Any, hidden_states: torch.Tensor, residual: torch.Tensor, **_: Any
) -> tuple[torch.Tensor, None]:
    """BLOOM's attention on a packed line (Transformers' `BloomAttention.forward`)."""
    import torch
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    query, key, value = module._reshape(module.query_key_value(hidden_states))
    size = query.shape[-1]
    two = torch.ones(1, 2, device=query.device)
    slopes = build_alibi_tensor(two, module.num_heads, torch.float32)[:, 0, 1]
    query, key = with_alibi(query, key, slopes, layout.positions, module.inv_norm_factor)
    output = packed_attention(
        layout,
        query,
        key,
        torch.nn.functional.pad(value, (0, _ALIBI_COLUMNS)),
        scale=module.inv_norm_factor,
        dropout=module.attention_dropout.p if module.training else 0.0,
    )[..., :size]
    output = module.dense(output.reshape(hidden_states.shape))
    dropped = torch.nn.functional.dropout(output, module.hidden_dropout, module.training)
    return residual + dropped, None


# `model_type` -> the class of its attention layers, and what takes the place of their `forward`.
_OWN_ATTENTION = {"bloom": ("BloomAttention", _bloom)}
