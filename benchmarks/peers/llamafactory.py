"""LLaMA-Factory in bf16, on rows that were tokenized beforehand (its `tokenized_path`).

So its tokens and labels are those of the others: prompt and response with `train_on_prompt`, or
the response alone. Its own defaults otherwise: a frozen base in bf16, fp32 for what is trained,
bf16 autocast, gradient checkpointing, padding to a multiple of 8.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from benchmarks.peers.common import (
    ALPHA,
    DROPOUT,
    RANK,
    Meter,
    Result,
    Task,
    base_with_weights,
    meter_callback,
    micro_batch,
    read_rows,
    serve,
    tokens_only,
    trainer_arguments,
    versions,
)

MICRO_BATCH = 8  # the default of the arguments that it takes over from Transformers


def train(task: Task) -> Result:
    """Train, and keep the weights."""
    from datasets import Dataset, DatasetDict

    tuner: Any = importlib.import_module("llamafactory.train.tuner")
    rows = [
        row | {"attention_mask": [1] * len(row["labels"])} for row in tokens_only(read_rows(task))
    ]
    tokenized = Path(task.out).parent / f"{task.contender}-rows"
    DatasetDict({"train": Dataset.from_list(rows)}).save_to_disk(tokenized)
    micro = micro_batch(task, MICRO_BATCH)
    base = "bf16" if task.method == "lora" else "fp32"  # it casts what is trained to fp32
    result = Result(f"{base}, bf16 autocast", "bf16", [], versions=versions("llamafactory"))
    result.notes.append(f"{task.contender}: micro-batches of {micro}, gradient checkpointing")
    arguments = trainer_arguments(task, micro) | {
        "stage": "sft",
        "do_train": True,
        "model_name_or_path": base_with_weights(task),
        "finetuning_type": task.method,
        "tokenized_path": str(tokenized),
        "dataset": "tokenized",  # has to be named, and is not read
        "template": "default",
        "cutoff_len": task.max_length,
        "train_on_prompt": task.loss_on == "all",
        "bf16": True,
    }
    if task.method == "lora":
        arguments |= {
            "lora_target": ",".join(task.targets),
            "lora_rank": RANK,
            "lora_alpha": ALPHA,
            "lora_dropout": DROPOUT,
        }
    tuner.run_exp(arguments, callbacks=[meter_callback(Meter(task, result))])
    return result


if __name__ == "__main__":
    serve(train)
