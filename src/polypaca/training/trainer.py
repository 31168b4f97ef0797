"""Fine-tune one cell: adapters, fast paths, schedule, checkpoints, resume."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import StageError
from polypaca.core.files import read_json, write_json
from polypaca.training import adapters, distributed, loss, memory, proof, sharding, trackers
from polypaca.training.batching import Schedule
from polypaca.training.checkpoints import drop_unusable, last_checkpoint
from polypaca.training.memory import example_too_long
from polypaca.training.settings import Hardware
from polypaca.training.steps import evaluation_interval

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import TrainingArguments

    from polypaca.core.work import Progress
    from polypaca.training.attention import Layout
    from polypaca.training.loop import Passes
    from polypaca.training.settings import Lora, Method
    from polypaca.training.tokenize import Tokenized

_LIMIT = "micro_batch.json"  # beside the checkpoints: the tokens of a pass, as determined so far
_MANY_TOKENS = 1024  # with fewer in a pass than this, activation checkpointing is worth its price


@dataclass(frozen=True)
class FastPaths:
    """The fast paths that a model can take.

    Attributes:
        layout: of packed lines; None where the model does not pack.
        why_padded: the reason then.
        fused: whether the loss is taken without keeping logits.
    """

    layout: Layout | None
    why_padded: str
    fused: bool


@dataclass(frozen=True)
class Setup:
    """How one model is fine-tuned, beside its data and method.

    Attributes:
        folder: of the checkpoints; if complete ones are there, training goes on from the last.
            Others are deleted, with a notice.
        pad_token_id: to pad with where the model does not pack.
        seed: of order and dropout.
        hardware: how it is used, and the trackers of the run.
        autocast: compute in bfloat16 with float32 weights.
        name: of the run, for trackers.
        progress: called with the share done and what is being done.
    """

    folder: Path
    pad_token_id: int
    seed: int
    hardware: Hardware = field(default_factory=Hardware)
    autocast: bool = False
    name: str = ""
    progress: Progress = lambda fraction, text: None


@dataclass(frozen=True)
class Trained:
    """The result of training.

    Attributes:
        steps: optimizer steps.
        best_step: of the chosen checkpoint.
        checkpoint: the chosen checkpoint's folder.
        validation_loss: its mean cross-entropy over labels, in nats.
        history: Trainer's log: losses and learning rates by step.
        seconds: of optimizer steps, over all runs.
        tokens_per_second: without padding, over those seconds, all devices together.
        micro_batch_tokens: the limit of a forward pass at the end.
        activation_checkpointing: whether layers were computed again in backward passes.
        passes: for more forward passes with the model.
    """

    steps: int
    best_step: int
    checkpoint: Path
    validation_loss: float
    history: list[dict[str, Any]]
    seconds: float
    tokens_per_second: float
    micro_batch_tokens: int
    activation_checkpointing: bool
    passes: Passes


def with_adapter(model: Any, method: Lora, targets: list[str], seed: int) -> Any:
    """The model with fresh LoRA adapters on the modules named `targets`, the rest frozen."""
    from peft import LoraConfig, get_peft_model
    from transformers import set_seed

    set_seed(seed)
    config = LoraConfig(
        r=method.rank,
        lora_alpha=method.alpha,  # type: ignore[arg-type]  # fractions work as well
        lora_dropout=method.dropout,
        target_modules=targets,
        bias="none",
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)


def prepare(model: Any) -> FastPaths:
    """Install the fast paths that a causal language model proves able to take.

    From now on `model(input_ids=..., labels=...)` returns the summed loss of its labels under the
    key `loss`, and takes packed lines if it packs.
    """
    inner = causal_model(model)
    fused = proof.is_plain_head(inner)
    layout, why = proof.can_pack(inner)
    loss.install(inner, fused=fused)
    adapters.install(model)
    name = inner.config.model_type
    print(  # noqa: T201  # to the cell's log
        f"{name}: examples are packed end to end"
        if layout
        else f"{name}: not packed, since {why}; rows are padded, sorted by length",
        ""
        if fused
        else "; its logits are computed at once, since they are more than its output head",
        flush=True,
    )
    return FastPaths(layout, why, fused)


def causal_model(model: Any) -> Any:
    """The Transformers model under adapters, or the model itself."""
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model


def fine_tune(
    model: Any, train: Tokenized, validation: Tokenized, method: Method, setup: Setup
) -> Trained:
    """Train `model` and choose a checkpoint; its weights are in files, `model` has the last ones.

    Args:
        model: on its device, with or without adapters; `prepare` is called here. Where a
            checkpoint is resumed, a fully tuned model must have been loaded from it.
        train: rows to train on.
        validation: rows whose loss chooses the checkpoint.
        method: schedule, optimizer and choice of the checkpoint.
        setup: everything else.

    Raises:
        StageError: if the loss stops being a number, or memory does not suffice for one row.
        MissingExtraError: if a tracker is not installed.
    """
    import torch

    from polypaca.training.loop import Clock, Passes, Reporter, StepTrainer

    tracked, folder = setup.hardware.report_to, setup.folder
    trackers.check_installed(tracked)
    schedule = Schedule(
        train.lengths, method.batch_size, method.epochs, setup.seed, method.group_by_length
    )
    inner = causal_model(model)
    layout = prepare(model).layout
    folder.mkdir(parents=True, exist_ok=True)
    passes = Passes(0, layout, setup.pad_token_id, partial(_lower_limit, folder))
    passes.tokens, checkpointing = _fit(model, inner, train, passes, setup)
    arguments = _arguments(method, setup, schedule.steps, sharded=sharding.is_sharded(inner))
    last = last_checkpoint(folder)
    distributed.barrier()  # before any is deleted
    if distributed.is_main():
        drop_unusable(folder, last)
    clock = Clock(**_clock(last))
    trainer = StepTrainer(
        model=model,
        args=arguments,
        inner=inner,
        data=train,
        validation=validation,
        schedule=schedule,
        passes=passes,
        clock=clock,
        callbacks=[Reporter(schedule.steps, clock, setup.progress)],
    )
    # Each device its own dropout.
    torch.manual_seed(setup.seed + distributed.rank())
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    for name in tracked if distributed.is_main() else ():
        trackers.TRACKERS[name].end()
    distributed.barrier()
    history = list(trainer.state.log_history)
    step, loss = _chosen_step(history, method.checkpoint)
    return Trained(
        schedule.steps,
        step,
        folder / f"checkpoint-{step}",
        loss,
        history,
        clock.seconds,
        clock.tokens_per_second,
        passes.tokens,
        checkpointing,
        passes,
    )


def _arguments(method: Method, setup: Setup, steps: int, *, sharded: bool) -> TrainingArguments:
    """Trainer's settings: one pass over `steps` optimizer steps."""
    import torch
    from transformers import TrainingArguments

    interval = evaluation_interval(steps, method.evaluations, method.evaluate_every)
    constant = method.schedule == "constant"
    best = method.checkpoint == "best"
    return TrainingArguments(
        report_to=list(setup.hardware.report_to) or "none",
        output_dir=str(setup.folder),
        run_name=setup.name or None,
        per_device_train_batch_size=1,
        num_train_epochs=1,
        max_steps=steps,
        learning_rate=method.learning_rate,
        lr_scheduler_type="constant_with_warmup" if constant else method.schedule,
        warmup_steps=method.warmup,
        weight_decay=method.weight_decay,
        max_grad_norm=method.max_grad_norm,
        eval_strategy="steps",
        eval_steps=interval,
        save_strategy="steps",
        save_steps=interval,
        save_total_limit=2,
        # Of shards, the loop saves the rest.
        save_only_model=sharded,
        # This alone keeps the best checkpoint from rotation. Trainer is not asked to load it: it
        # reads checkpoints by the names of parameters in memory, while GPT-NeoX's output head is
        # called otherwise on disk (Transformers 5.23), and leaves what it misses as it was.
        metric_for_best_model="eval_loss" if best else None,
        greater_is_better=False if best else None,
        logging_steps=max(1, interval // 4),
        logging_nan_inf_filter=False,
        seed=setup.seed,
        data_seed=setup.seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=setup.autocast,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
    )


def _chosen_step(
    history: list[dict[str, Any]], checkpoint: Literal["best", "last"]
) -> tuple[int, float]:
    """The step of the chosen checkpoint, and its validation loss."""
    losses = {
        int(entry["step"]): float(entry["eval_loss"]) for entry in history if "eval_loss" in entry
    }
    step = min(losses, key=lambda step: losses[step]) if checkpoint == "best" else max(losses)
    if not math.isfinite(losses[step]):
        raise StageError("the validation loss is not a number: try a lower learning_rate")
    return step, losses[step]


def _fit(model: Any, inner: Any, data: Tokenized, passes: Passes, setup: Setup) -> tuple[int, bool]:
    """The tokens of a forward pass, and whether activations are checkpointed."""
    hardware, device = setup.hardware, distributed.device()
    wanted = hardware.micro_batch_tokens
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # Gradients in the weights' precision and AdamW's two moments are still to come.
    free = memory.free_bytes(device, reserved=trained * 12 // distributed.world_size())
    model.train()  # dropout keeps its masks, too
    token_bytes = _activations(model, inner, data, passes)
    fitting = memory.tokens_that_fit(free, token_bytes)
    needed = wanted or max(int(data.lengths.max()), _MANY_TOKENS)
    use = hardware.activation_checkpointing == "always" or (
        hardware.activation_checkpointing == "auto"
        and inner.supports_gradient_checkpointing
        and fitting < needed
    )
    if use:
        inner.activation_checkpointing_enable()
        config = inner.config.get_text_config()
        token_bytes = memory.checkpointed_bytes(
            token_bytes, config.num_hidden_layers, config.hidden_size * inner.dtype.itemsize
        )
        fitting = memory.tokens_that_fit(free, token_bytes)
    tokens = wanted or min(fitting, memory.ENOUGH_TOKENS.get(device.type, _MANY_TOKENS))
    tokens = distributed.all_reduce_min(
        max(1, min(tokens, _kept_limit(setup.folder) or tokens)), device
    )
    _keep_limit(setup.folder, tokens)
    print(  # noqa: T201
        f"{tokens} tokens a forward pass; {free / 2**30:.1f} GiB free, "
        f"{token_bytes / 2**10:.0f} KiB of "
        f"activations a token{', checkpointed' if use else ''}",
        flush=True,
    )
    return tokens, use


def _activations(model: Any, inner: Any, data: Tokenized, passes: Passes) -> float:
    """Bytes of activations a token, measured on the longest row."""
    longest = int(data.lengths.argmax())
    try:
        return memory.activation_bytes(model, passes.batch([longest], data, inner))
    except Exception as error:
        if not memory.is_out_of_memory(error):
            raise
        raise example_too_long(int(data.lengths[longest])) from error


def _lower_limit(folder: Path, tokens: int) -> None:
    print(f"out of memory: {tokens} tokens a forward pass from now on", flush=True)  # noqa: T201
    _keep_limit(folder, tokens)


def _keep_limit(folder: Path, tokens: int) -> None:
    """Keep the limit: passes divided alike give the same numbers when training is resumed."""
    write_json(folder / _LIMIT, {"tokens": tokens})


def _kept_limit(folder: Path) -> int | None:
    try:
        return int(read_json(folder / _LIMIT)["tokens"])
    except (OSError, ValueError, KeyError):
        return None


def _clock(checkpoint: Path | None) -> dict[str, Any]:
    """The seconds and tokens that earlier runs took up to a checkpoint."""
    if checkpoint is None:
        return {}
    state = read_json(checkpoint / "trainer_state.json")
    kept = state.get("stateful_callbacks", {}).get("Clock", {}).get("args", {})
    return {key: kept[key] for key in ("seconds", "tokens") if key in kept}


def copy_weights(checkpoint: Path, target: Path) -> None:
    """Copy a checkpoint's model or adapter, without what only training needs."""
    target.mkdir(parents=True, exist_ok=True)
    for pattern in ("*.safetensors", "*.safetensors.index.json", "*config.json"):
        for file in checkpoint.glob(pattern):
            shutil.copyfile(file, target / file.name)
