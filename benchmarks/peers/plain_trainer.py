"""The paper's settings with Transformers' plain Trainer, and the same with bf16 weights.

After github.com/hplt-project/monolingual-multilingual-instruction-tuning, whose settings are taken
and whose code is not: micro-batches of 4, AdamW, padding to a multiple of 8; on a GPU fp16 and a
base in int8 for LoRA, and Alpaca's bf16 autocast for full fine-tuning.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import TYPE_CHECKING, Any

from benchmarks.peers.common import (
    Meter,
    Result,
    Task,
    base_with_weights,
    load_base,
    meter_callback,
    micro_batch,
    read_rows,
    serve,
    tokens_only,
    trainer_arguments,
    with_lora,
)

if TYPE_CHECKING:
    from collections.abc import Callable

MICRO_BATCH = 4


def collator(pad: int) -> Callable[[list[dict[str, list[int]]]], dict[str, Any]]:
    """Rows padded on the right to a multiple of 8, as DataCollatorForSeq2Seq is told to."""
    import torch

    def collate(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
        width = -(-max(len(row["input_ids"]) for row in rows) // 8) * 8

        def padded(values: list[int], filler: int) -> list[int]:
            return values + [filler] * (width - len(values))

        return {
            "input_ids": torch.tensor([padded(row["input_ids"], pad) for row in rows]),
            "labels": torch.tensor([padded(row["labels"], -100) for row in rows]),
            "attention_mask": torch.tensor([padded([1] * len(row["labels"]), 0) for row in rows]),
        }

    return collate


def prepare(task: Task) -> tuple[Any, dict[str, Any], Result]:
    """The base as the contender holds it, the Trainer's settings of precision, and their names."""
    import torch

    if task.contender == "plain-bf16":
        result = Result("bf16 weights", "bf16", [])
        return load_base(task, torch.bfloat16), {}, result
    if task.device == "cpu":
        return load_base(task, torch.float32), {}, Result("fp32", "fp32", [])
    if task.method == "full":
        result = Result("fp32, bf16 autocast", "bf16", [])
        return load_base(task, torch.float32), {"bf16": True}, result
    if importlib.util.find_spec("bitsandbytes") is None:
        notes = ["paper: bitsandbytes is not installed: its base is in fp16 instead of int8"]
        result = Result("fp16, fp16 autocast", "fp16", notes)
        return load_base(task, torch.float16), {"fp16": True}, result
    return _int8(task), {"fp16": True}, Result("int8, fp16 autocast", "fp16", [])


def _int8(task: Task) -> Any:
    import torch

    transformers: Any = importlib.import_module("transformers")
    model = transformers.AutoModelForCausalLM.from_pretrained(
        base_with_weights(task),
        quantization_config=transformers.BitsAndBytesConfig(load_in_8bit=True),
        dtype=torch.float16,
        device_map={"": 0},
    )
    return importlib.import_module("peft").prepare_model_for_kbit_training(model)


def train(task: Task) -> Result:
    """Train, and keep the weights."""
    from transformers import Trainer, TrainingArguments

    model, precision, result = prepare(task)
    if task.method == "lora":
        model = with_lora(model, task)
    micro = micro_batch(task, MICRO_BATCH)
    result.notes.append(f"{task.contender}: micro-batches of {micro}")
    arguments = trainer_arguments(task, micro) | {"optim": "adamw_torch"} | precision
    trainer = Trainer(
        model=model,
        args=TrainingArguments(remove_unused_columns=False, **arguments),
        data_collator=collator(task.pad),
        train_dataset=tokens_only(read_rows(task)),
        callbacks=[meter_callback(Meter(task, result))],
    )
    trainer.train()
    trainer.save_model(task.out)
    return result


if __name__ == "__main__":
    serve(train)
