"""Real Alpaca rows as tokens, the same for all contenders.

polypaca tokenizes the text itself; that its counts agree with these is checked.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.polypaca_side import prompt

if TYPE_CHECKING:
    from benchmarks.peers.common import LossOn

SHARED = Path(__file__).parents[3] / "shared" / "data"
ALPACA = SHARED / "instructions" / "alpaca.en.json"
TOKENIZER = SHARED / "tokenizers" / "pythia" / "20B_tokenizer.json"


def tokenize(
    tokenizer: Any, question: str, response: str, *, max_length: int, loss_on: LossOn
) -> dict[str, Any]:
    """One row; the end-of-sequence token is added where there is room for it."""
    encoded = tokenizer(question + response, return_offsets_mapping=True)
    ids = list(encoded["input_ids"])
    starts = [start for start, _ in encoded["offset_mapping"]]
    if len(ids) < max_length:
        ids.append(tokenizer.eos_token_id)
        starts.append(len(question) + len(response))
    # Nothing comes before the first token. Old Transformers count its label in the mean if it is
    # there (5.6, which LLaMA-Factory has, does): their losses would be too low.
    starts[0] = -1
    labels = [
        token if start >= 0 and (loss_on == "all" or start >= len(question)) else -100
        for token, start in zip(ids, starts, strict=True)
    ]
    return {
        "prompt": question,
        "response": response,
        "input_ids": ids[:max_length],
        "labels": labels[:max_length],
    }


def sample(
    data: Path, tokenizer: Any, *, train: int, held_out: int, max_length: int, loss_on: LossOn
) -> dict[str, list[dict[str, Any]]]:
    """So many rows of an Alpaca file, in a fixed random order.

    Raises:
        ValueError: if the file has fewer rows with something to learn in them.
    """
    items = json.loads(data.read_text(encoding="utf-8"))
    random.Random(1).shuffle(items)
    rows: list[dict[str, Any]] = []
    for item in items:
        if item["output"] and len(rows) < train + held_out:
            question = prompt(item["instruction"], item.get("input", ""))
            row = tokenize(
                tokenizer, question, item["output"], max_length=max_length, loss_on=loss_on
            )
            if any(label != -100 for label in row["labels"][1:]):
                rows.append(row)
    if len(rows) < train + held_out:
        raise ValueError(f"{data} has {len(rows)} usable rows, {train + held_out} are asked for")
    return {"train": rows[:train], "held_out": rows[train:]}
