"""Turn examples into token ids and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

IGNORED = -100  # the label that PyTorch's cross-entropy leaves out


@dataclass(frozen=True)
class Tokenized:
    """Rows ready for training, and what was counted on the way."""

    rows: list[dict[str, list[int]]]
    tokens: int
    supervised_tokens: int
    truncated: int  # cut at the limit, and trained on
    dropped: int  # no label left after the cut


def tokenize(
    pairs: Iterable[tuple[str, str]],
    tokenizer: Any,
    *,
    max_length: int,
    loss_on: Literal["all", "response"],
) -> Tokenized:
    """Tokenize (prompt, response) pairs; `input_ids` and `labels` of each are of one length.

    The end-of-sequence token is added to what is shorter than `max_length`; longer examples are
    cut there, and a cut one does not teach the model to stop. With `loss_on="response"` the
    prompt's labels are ignored; examples that keep no label at all are dropped, and counted.
    """
    rows, tokens, supervised, truncated, dropped = [], 0, 0, 0, 0
    for prompt, response in pairs:
        encoded = tokenizer(prompt + response, return_offsets_mapping=True)
        ids = list(encoded["input_ids"])
        starts = [start for start, _ in encoded["offset_mapping"]]
        if ids and ids[-1] == tokenizer.eos_token_id:
            ids, starts = ids[:-1], starts[:-1]
        if len(ids) < max_length:
            ids.append(tokenizer.eos_token_id)
            starts.append(len(prompt) + len(response))
            cut = False
        else:
            cut = True
            ids, starts = ids[:max_length], starts[:max_length]
        labels = [
            token if loss_on == "all" or start >= len(prompt) else IGNORED
            for token, start in zip(ids, starts, strict=True)
        ]
        if all(label == IGNORED for label in labels):
            dropped += 1
            continue
        truncated += cut
        rows.append({"input_ids": ids, "labels": labels})
        tokens += len(ids)
        # The first token has nothing before it to be predicted from.
        supervised += sum(label != IGNORED for label in labels[1:])
    return Tokenized(rows, tokens, supervised, truncated, dropped)


def collate(rows: list[dict[str, list[int]]], pad_token_id: int) -> dict[str, Any]:
    """A batch padded on the right to its longest row: `input_ids`, `labels`, `attention_mask`."""
    import torch

    longest = max(len(row["input_ids"]) for row in rows)

    def padded(values: list[int], filler: int) -> list[int]:
        return values + [filler] * (longest - len(values))

    return {
        "input_ids": torch.tensor([padded(row["input_ids"], pad_token_id) for row in rows]),
        "labels": torch.tensor([padded(row["labels"], IGNORED) for row in rows]),
        "attention_mask": torch.tensor([padded([1] * len(row["input_ids"]), 0) for row in rows]),
    }
