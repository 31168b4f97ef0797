"""Prefill: read prompts into a cache of keys and values, with little padding.

Prompts of one batch may differ much in length. In one padded batch, the short ones cost as
much as the longest; so they are read in groups of like lengths, whose keys and values are then put
side by side, at the right ends of their rows.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from polypaca.generation.batching import pad_left
from polypaca.generation.generation_config import use_generation_config

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager

    import torch

# A group may hold so much padding, as a share of its tokens, or so few tokens that one pass over
# the weights costs more than the padding: measured on two cores, and a guess for GPUs.
_MOST_PADDING = 0.1
_FEW_TOKENS = {"cpu": 64, "cuda": 8192}


def group_by_length(lengths: Sequence[int], few_tokens: int) -> list[list[int]]:
    """Indices of `lengths` in groups that waste little on padding, the longest first.

    A group is closed where the next would be padded by more than a tenth of the group's length,
    unless the group has `few_tokens` tokens or fewer. What has no tokens is in no group.
    """
    groups: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda index: (-lengths[index], index)):
        length = lengths[index]
        if not length:
            break
        longest = lengths[groups[-1][0]] if groups else 0
        if groups and (
            length >= (1 - _MOST_PADDING) * longest or longest * len(groups[-1]) <= few_tokens
        ):
            groups[-1].append(index)
        else:
            groups.append([index])
    return groups


def prefill_prompts(
    model: Any,
    rows: Sequence[Sequence[int]],
    on_rows: Callable[[Sequence[int]], AbstractContextManager[None]],
) -> DynamicCache | None:
    """Keys and values of all but the rows' last tokens, aligned at the right.

    Args:
        model: a causal language model of Transformers.
        rows: token ids of the prompts.
        on_rows: given indices of rows, lets the model's adapters be those of these rows.

    Returns:
        A cache of one row a prompt, as long as the longest but its last token. None where there is
        nothing to read, or where the model keeps something else than keys and values.
    """
    lengths = [len(row) - 1 for row in rows]
    groups = group_by_length(lengths, _FEW_TOKENS.get(model.device.type, 0))
    if not groups:
        return None
    caches = []
    for group in groups:
        cache = _read(model, [rows[index][:-1] for index in group], on_rows(group))
        if not isinstance(cache, DynamicCache):
            return None
        if not all(_can_be_joined(layer) for layer in cache.layers):
            # States of recurrent layers know nothing of padding that is added later.
            cache = _read(model, [row[:-1] for row in rows], on_rows(range(len(rows))))
            return cache if isinstance(cache, DynamicCache) else None
        caches.append(cache)
    return _joined(caches, groups, len(rows), max(lengths))


def _read(model: Any, rows: Sequence[Sequence[int]], on_rows: AbstractContextManager[None]) -> Any:
    ids, mask = (part.to(model.device) for part in pad_left(rows))
    # No padding token: rows of one token are nothing but padding here, which would be warned of.
    once = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=1, do_sample=False, return_dict_in_generate=True
    )
    with on_rows, use_generation_config(model, once), _contiguous_head(model):
        read = model.generate(input_ids=ids, attention_mask=mask, generation_config=once)
    return getattr(read, "cache", None)


@contextmanager
def _contiguous_head(model: Any) -> Iterator[None]:
    """Give the output head its input as one piece of memory.

    Of the last tokens' hidden states, which lie apart, and a head that takes no gradient, as below
    adapters, PyTorch makes a product in which it copies the head once for each row. `contiguous`
    does not do: of a single row it leaves the strides as they are.
    """
    head = model.get_output_embeddings()
    if head is None:
        yield
        return
    hook = head.register_forward_pre_hook(lambda _, inputs: (_packed(inputs[0]), *inputs[1:]))
    try:
        yield
    finally:
        hook.remove()


def _packed(states: torch.Tensor) -> torch.Tensor:
    import torch

    return states.clone(memory_format=torch.contiguous_format)


def _can_be_joined(layer: Any) -> bool:
    return type(layer) in (DynamicLayer, DynamicSlidingWindowLayer)


def _joined(
    caches: Sequence[DynamicCache], groups: Sequence[Sequence[int]], rows: int, width: int
) -> DynamicCache:
    """One cache of all groups; each row's keys and values end in the last column."""
    if len(caches) == 1 and list(groups[0]) == list(range(rows)):
        return caches[0]
    whole = caches[0]
    for number, layer in enumerate(whole.layers):
        parts: list[Any] = [cache.layers[number] for cache in caches]
        if not parts[0].is_initialized:  # it shares the keys and values of another layer
            continue
        columns = width
        if isinstance(layer, DynamicSlidingWindowLayer):
            columns = min(width, layer.sliding_window - 1)
            layer.cumulative_length = width
        for name in ("keys", "values"):
            states = [getattr(part, name) for part in parts]
            setattr(layer, name, _side_by_side(states, groups, rows, columns))
    return whole


def _side_by_side(
    states: Sequence[torch.Tensor], groups: Sequence[Sequence[int]], rows: int, columns: int
) -> torch.Tensor:
    first = states[0]
    whole = first.new_zeros((rows, first.shape[1], columns, first.shape[3]))
    for own, group in zip(states, groups, strict=True):
        whole[list(group), :, columns - own.shape[2] :] = own
    return whole
