"""polypaca's own side: all that this benchmark uses of it, but for its table of shapes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.peers.common import (
    ALPHA,
    DROPOUT,
    RANK,
    Meter,
    Result,
    Task,
    load_base,
    meter_callback,
    read_rows,
    serve,
)

if TYPE_CHECKING:
    from polypaca.training.settings import Method


def load_tokenizer(path: Path) -> Any:
    """The tokenizer in a folder or file."""
    from polypaca.models import loading

    return loading.load_tokenizer(path)


def prompt(instruction: str, context: str) -> str:
    """What the Alpaca template makes of an instruction."""
    from polypaca.models.templates import TEMPLATES

    template = TEMPLATES["alpaca"]
    text = template.with_input if context else template.without_input
    return text.format(instruction=instruction, input=context)


class ProfilingMeter(Meter):
    """Profiles the timed steps into a file, if the task names one."""

    def __init__(self, task: Task, result: Result) -> None:
        from torch.profiler import ProfilerActivity, profile

        super().__init__(task, result)
        wanted = [ProfilerActivity.CPU]
        if task.device == "cuda":
            wanted.append(ProfilerActivity.CUDA)
        self.profiler = profile(activities=wanted) if task.profile else None

    def watch(self, model: Any) -> None:
        """Start the clock."""
        super().watch(model)
        if self.profiler and self.task.untimed == 0:
            self.profiler.start()

    def step_end(self) -> None:
        """A step is over."""
        super().step_end()
        if self.profiler and len(self.ends) == self.task.untimed:
            self.profiler.start()
        if self.profiler and self.task.profile and len(self.ends) == self.task.steps:
            self.profiler.stop()
            key = f"self_{self.task.device}_time_total"
            text = self.profiler.key_averages().table(sort_by=key, row_limit=40)
            Path(self.task.profile).write_text(text, encoding="utf-8")


def train(task: Task) -> Result:
    """Train as the stage `train` does, and keep the weights."""
    import transformers

    from polypaca.training.settings import Hardware, Lora
    from polypaca.training.tokenize import tokenize
    from polypaca.training.trainer import Setup, copy_weights, fine_tune, with_adapter

    tokenizer = load_tokenizer(Path(task.base))
    rows, held_out = (
        tokenize(
            [(row["prompt"], row["response"]) for row in part],
            tokenizer,
            max_length=task.max_length,
            loss_on=task.loss_on,
        )
        # It evaluates after the last step, outside of the time that is taken: one row will do.
        for part in (read_rows(task), read_rows(task, "held_out")[:1])
    )
    dtype, autocast, result = precision(task)
    model = load_base(task, dtype)
    epochs = task.steps * task.batch // len(rows)
    method = settings_of(task, epochs)
    if isinstance(method, Lora):
        model = with_adapter(model, method, task.targets, task.seed)
    # It makes its Trainer itself: this is how every Trainer of a process is given a callback.
    callbacks: list[Any] = transformers.trainer.DEFAULT_CALLBACKS
    callbacks.append(meter_callback(ProfilingMeter(task, result)))
    trained = fine_tune(
        model,
        rows,
        held_out,
        method,
        Setup(
            Path(task.out) / "checkpoints",
            pad_token_id=task.pad,
            seed=task.seed,
            hardware=Hardware(
                micro_batch_tokens=task.micro * task.max_length if task.micro else None
            ),
            autocast=autocast,
        ),
    )
    checkpointing = ", gradient checkpointing" if trained.activation_checkpointing else ""
    limit = trained.micro_batch_tokens
    result.notes.append(f"polypaca: at most {limit} tokens a forward pass{checkpointing}")
    result.supervised = rows.supervised_tokens * epochs
    copy_weights(trained.checkpoint, Path(task.out))
    return result


def settings_of(task: Task, epochs: int) -> Method:
    """The task's method, as polypaca has it."""
    from polypaca.training.settings import Full, Lora

    common: dict[str, Any] = {
        "learning_rate": task.learning_rate,
        "batch_size": task.batch,
        "epochs": epochs,
        "schedule": task.schedule,
        "group_by_length": True,
        "evaluations": 1,
        "checkpoint": "last",
    }
    common["warmup_steps" if task.warmup >= 1 else "warmup_ratio"] = task.warmup
    if task.method == "lora":
        return Lora(**common, rank=RANK, alpha=ALPHA, dropout=DROPOUT)
    return Full(**common)


def precision(task: Task) -> tuple[Any, bool, Result]:
    """The dtype of the weights, whether bf16 is computed in beside it, and their names."""
    import torch

    from polypaca.models.loading import training_dtype

    if training_dtype("auto") == "float32":
        return torch.float32, False, Result("fp32", "fp32", [])
    if task.method == "full":
        return torch.float32, True, Result("fp32, bf16 autocast", "bf16", [])
    return torch.bfloat16, False, Result("bf16 weights", "bf16", [])


if __name__ == "__main__":
    serve(train)
