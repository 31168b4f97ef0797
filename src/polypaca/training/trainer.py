"""Fine-tune one cell: Transformers' Trainer, PEFT adapters, checkpoints, resume."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import StageError
from polypaca.training.tokenize import Tokenized, collate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_LARGEST_MICRO_BATCH = 16


@dataclass(frozen=True)
class Trained:
    """What training ended with."""

    steps: int
    best_step: int
    checkpoint: Path  # the chosen checkpoint's folder
    validation_loss: float
    history: list[dict[str, Any]]  # Trainer's log: losses and learning rates by step


def with_adapter(
    model: Any, *, targets: list[str], rank: int, alpha: float, dropout: float, seed: int
) -> Any:
    """The model with fresh LoRA adapters on the modules named `targets`, the rest frozen."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(seed)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]  # fractions work as well
        lora_dropout=dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def total_steps(rows: int, batch_size: int, epochs: float) -> int:
    """Optimizer steps of a schedule: the last batch of an epoch may be smaller."""
    return max(1, math.ceil(math.ceil(rows / batch_size) * epochs))


def micro_batch(batch_size: int, wanted: int | None) -> int:
    """Examples a forward pass: as wanted, else the largest divisor of the batch up to 16."""
    if wanted:
        return wanted
    return max(n for n in range(1, _LARGEST_MICRO_BATCH + 1) if batch_size % n == 0)


def fine_tune(
    model: Any,
    train: Tokenized,
    validation: Tokenized,
    *,
    folder: Path,
    pad_token_id: int,
    learning_rate: float,
    batch_size: int,
    micro_batch_size: int | None,
    epochs: float,
    warmup: float,
    schedule: Literal["linear", "cosine", "constant"],
    weight_decay: float,
    evaluations: int,
    checkpoint: Literal["best", "last"],
    seed: int,
    progress: Callable[[float, str], None],
) -> Trained:
    """Train `model` and choose a checkpoint; its weights are in files, `model` has the last ones.

    `warmup` is in steps from 1 up and a share of all steps below 1. Checkpoints go to `folder`;
    if complete ones are there, training goes on from the last, and a fully tuned `model` must
    have been loaded from it. Validation loss is the mean cross-entropy in nats, taken
    `evaluations` times and at the end.

    Raises:
        StageError: if the loss stops being a number.
    """
    import torch
    from transformers import Trainer, TrainerCallback, TrainingArguments

    steps = total_steps(len(train.rows), batch_size, epochs)
    every = max(1, steps // evaluations)
    micro = micro_batch(batch_size, micro_batch_size)

    class Progress(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            progress(state.global_step / state.max_steps, f"step {state.global_step}/{steps}")

    arguments = TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=micro,
        per_device_eval_batch_size=_LARGEST_MICRO_BATCH,
        gradient_accumulation_steps=batch_size // micro,
        num_train_epochs=epochs,
        max_steps=steps,
        learning_rate=learning_rate,
        lr_scheduler_type="constant_with_warmup" if schedule == "constant" else schedule,
        warmup_steps=warmup,
        weight_decay=weight_decay,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        # This alone keeps the best checkpoint from rotation. Trainer is not asked to load it: it
        # reads checkpoints by the names of parameters in memory, while GPT-NeoX's output head is
        # called otherwise on disk (Transformers 5.23), and leaves what it misses as it was.
        metric_for_best_model="eval_loss" if checkpoint == "best" else None,
        greater_is_better=False if checkpoint == "best" else None,
        logging_steps=max(1, every // 4),
        logging_nan_inf_filter=False,
        train_sampling_strategy="group_by_length",
        seed=seed,
        data_seed=seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(),
        dataloader_pin_memory=torch.cuda.is_available(),
        remove_unused_columns=False,
        report_to=[],
        disable_tqdm=True,
    )
    trainer = Trainer(
        model=model,
        args=arguments,
        data_collator=partial(collate, pad_token_id=pad_token_id),
        train_dataset=train.rows,
        eval_dataset=validation.rows,
        callbacks=[Progress()],
    )
    last = last_checkpoint(folder)
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    losses = {
        int(entry["step"]): float(entry["eval_loss"])
        for entry in trainer.state.log_history
        if "eval_loss" in entry
    }
    chosen = min(losses, key=lambda step: losses[step]) if checkpoint == "best" else max(losses)
    if not math.isfinite(losses[chosen]):
        raise StageError("the validation loss is not a number: try a lower learning_rate")
    return Trained(
        steps,
        chosen,
        folder / f"checkpoint-{chosen}",
        losses[chosen],
        list(trainer.state.log_history),
    )


def copy_weights(checkpoint: Path, target: Path) -> None:
    """Copy a checkpoint's model or adapter, without what only training needs."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.safetensors", "*.safetensors.index.json", "*config.json"):
        for file in checkpoint.glob(pattern):
            shutil.copyfile(file, target / file.name)


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end, if any; broken ones are ignored."""
    complete = []
    for path in folder.glob("checkpoint-*"):
        try:
            # Trainer writes its state last.
            step = json.loads((path / "trainer_state.json").read_text(encoding="utf-8"))[
                "global_step"
            ]
        except (OSError, ValueError, KeyError):
            continue
        complete.append((step, path))
    return max(complete)[1] if complete else None
