"""TRL's SFTTrainer with its own defaults, but for what all contenders are given alike.

Its defaults: a base in fp32, bf16 autocast, gradient checkpointing, a fused output head.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.peers.common import (
    WEIGHTS,
    Meter,
    Result,
    Task,
    load_base,
    lora_config,
    meter_callback,
    micro_batch,
    read_rows,
    serve,
    tokens_only,
    trainer_arguments,
    versions,
)

MICRO_BATCH = 8  # TRL's default


def train(task: Task) -> Result:
    """Train, and keep the weights."""
    import torch
    from datasets import Dataset
    from transformers import AutoTokenizer

    trl: Any = importlib.import_module("trl")
    rows = tokens_only(read_rows(task))
    micro = micro_batch(task, MICRO_BATCH)
    settings = trainer_arguments(task, micro) | {"max_length": task.max_length}
    result = Result("fp32, bf16 autocast", "bf16", [], versions=versions("trl"))
    result.notes.append(f"{task.contender}: micro-batches of {micro}, gradient checkpointing")
    if task.contender == "trl-packing":
        settings |= _packing(task, rows, micro)
        result.notes.append(
            "trl-packing: rows end to end in blocks of "
            f"{task.max_length}, a step takes {settings['gradient_accumulation_steps']} x "
            f"{settings['per_device_train_batch_size']} of them: other batches than all others; "
            "only FlashAttention keeps the rows of a block apart for certain"
        )
    # What SFTTrainer does with a path: it loads the base in fp32.
    stored = (Path(task.base) / WEIGHTS).exists()
    trainer = trl.SFTTrainer(
        model=task.base if stored else load_base(task, torch.float32),
        args=trl.SFTConfig(**settings),
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(task.base),
        peft_config=lora_config(task) if task.method == "lora" else None,
        callbacks=[meter_callback(Meter(task, result))],
    )
    trainer.train()
    trainer.save_model(task.out)
    return result


def _packing(task: Task, rows: list[dict[str, list[int]]], micro: int) -> dict[str, Any]:
    """About as many tokens a step as the others have."""
    blocks = sum(len(row["input_ids"]) for row in rows) / task.max_length
    packed = max(1, round(micro * blocks / len(rows)))
    return {
        "packing": True,
        "train_sampling_strategy": "random",
        "per_device_train_batch_size": packed,
        "gradient_accumulation_steps": max(1, round(task.batch * blocks / len(rows) / packed)),
    }


if __name__ == "__main__":
    serve(train)
