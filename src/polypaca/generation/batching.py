"""From texts to batches of token ids, padded on the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.tokens import encoder_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch


def encode(tokenizer: Any, texts: Sequence[str], special_tokens: bool = True) -> list[list[int]]:
    """Tokenize rendered texts as prompts, just as in training.

    Args:
        tokenizer: a fast tokenizer of Transformers.
        texts: as a template rendered them.
        special_tokens: whether the tokenizer adds its own (a chat template contains them).

    Raises:
        UserError: if a text has no tokens at all.
    """
    prompts = [ids for ids, _ in encoder_of(tokenizer, special_tokens).prompts(texts)]
    empty = next((number for number, ids in enumerate(prompts) if not ids), None)
    if empty is not None:
        raise UserError(f"prompt {empty + 1} has no tokens: there is nothing to continue")
    return prompts


def plan_batches(
    lengths: Sequence[int], batch_size: int, batch_tokens: int | None = None
) -> list[list[int]]:
    """Indices of `lengths` in batches of like lengths, the longest first.

    The lengths alone decide, so a second run has the same batches. If memory does not suffice, it
    shows at once.

    Args:
        lengths: of the rows, in tokens.
        batch_size: a batch has no more rows.
        batch_tokens: nor more tokens, padding among them; a longer row is alone. None: no limit.
    """
    order = sorted(range(len(lengths)), key=lambda index: (-lengths[index], index))
    batches: list[list[int]] = []
    widest = 0
    for index in order:
        if not batches or not _has_room(len(batches[-1]), widest, batch_size, batch_tokens):
            batches.append([])
            widest = lengths[index]
        batches[-1].append(index)
    return batches


def _has_room(rows: int, widest: int, batch_size: int, batch_tokens: int | None) -> bool:
    if rows >= batch_size:
        return False
    return batch_tokens is None or (rows + 1) * widest <= batch_tokens


def pad_left(rows: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and mask, both of shape (rows, longest row); the mask is 0 at padding.

    A row is padded with its own first token: penalties for repeating what is in a row look at its
    padding too, and must find nothing there that the row has not.
    """
    import torch

    width = max(map(len, rows))
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros((len(rows), width), dtype=torch.long)
    for number, row in enumerate(rows):
        if not row:
            continue
        ids[number, : width - len(row)] = row[0]
        ids[number, width - len(row) :] = torch.tensor(row)
        mask[number, width - len(row) :] = 1
    return ids, mask


def check_context_length(model: Any, lengths: Sequence[int], max_new_tokens: int) -> int:
    """How many prompts, with their answers, may exceed the model's context length.

    Models with rotary positions or ALiBi go on past it, with lower quality; a table of positions
    ends there.

    Raises:
        UserError: if the model has such a table and a prompt with its answer does not fit.
    """
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is None:
        return 0
    beyond = [n for n, length in enumerate(lengths) if length + max_new_tokens > limit]
    if beyond and max_positions(model) is not None:
        longest = max(beyond, key=lambda number: lengths[number])
        raise UserError(
            f"prompt {longest + 1} has {lengths[longest]} tokens, and {max_new_tokens} for the "
            f"answer do not fit after it: the model has {limit} positions; {len(beyond)} of "
            f"{len(lengths)} prompts are too long. Lower max_new_tokens, or leave them out"
        )
    return len(beyond)


def max_positions(model: Any) -> int | None:
    """How many positions a model's table has; None if it has no such table."""
    import torch

    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None)
    if limit is None:
        return None
    words = model.get_input_embeddings()
    # OPT's table has two more.
    found = any(
        isinstance(module, torch.nn.Embedding)
        and module is not words
        and module.num_embeddings in (limit, limit + 2)
        for module in model.modules()
    )
    return int(limit) if found else None
