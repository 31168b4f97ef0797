"""Fine-tune one cell: adapters, fast paths, schedule, checkpoints, resume."""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError
from polypaca.core.files import read_json, write_json
from polypaca.training import adapters, distributed, loss, memory, proof, sharding, trackers
from polypaca.training.batching import Schedule
from polypaca.training.checkpoints import drop_unusable, last_checkpoint
from polypaca.training.memory import too_long
from polypaca.training.settings import Hardware
from polypaca.training.steps import evaluation_interval

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.core.work import Progress
    from polypaca.training.attention import Layout
    from polypaca.training.loop import Passes
    from polypaca.training.settings import Lora, Method
    from polypaca.training.tokenize import Tokenized

_LIMIT = "micro_batch.json"  # beside the checkpoints: the tokens of a pass, as found so far
_MANY_TOKENS = 1024  # with fewer in a pass than this, activation checkpointing is worth its price


@dataclass(frozen=True)
class FastPaths:
    """What a model was found able to do.

    Attributes:
        layout: of packed lines; None where the model does not pack.
        why_padded: the reason then.
        fused: whether the loss is taken without keeping logits.
    """

    layout: Layout | None
    why_padded: str
    fused: bool


@dataclass(frozen=True)
class Trained:
    """What training ended with.

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
    """Give a causal language model the fast paths that it shows itself able to take.

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
        "" if fused else "; its logits are made at once, since they are more than its output head",
        flush=True,
    )
    return FastPaths(layout, why, fused)


def causal_model(model: Any) -> Any:
    """The Transformers model under adapters, or the model itself."""
    from peft import PeftModel

    return model.get_base_model() if isinstance(model, PeftModel) else model


def fine_tune(
    model: Any,
    train: Tokenized,
    validation: Tokenized,
    method: Method,
    *,
    folder: Path,
    pad_token_id: int,
    seed: int,
    hardware: Hardware | None = None,
    autocast: bool = False,
    run_name: str = "",
    progress: Progress = lambda fraction, text: None,
) -> Trained:
    """Train `model` and choose a checkpoint; its weights are in files, `model` has the last ones.

    Args:
        model: on its device, with or without adapters; `prepare` is called here.
        train: rows to train on.
        validation: rows whose loss chooses the checkpoint.
        method: schedule, optimizer and choice of the checkpoint.
        folder: of the checkpoints; if whole ones are there, training goes on from the last, and a
            fully tuned `model` must have been loaded from it. Others are deleted, with a notice.
        pad_token_id: to pad with where the model does not pack.
        seed: of order and dropout.
        hardware: how it is used, and the trackers that are told; the defaults if None.
        autocast: compute in bfloat16 with float32 weights.
        run_name: what trackers call the run.
        progress: told the share done and what is being done.

    Raises:
        StageError: if the loss stops being a number, or memory does not suffice for one row.
        MissingExtraError: if a tracker is not installed.
    """
    import torch
    from transformers import TrainerCallback, TrainingArguments

    from polypaca.training.loop import Clock, Passes, StepTrainer

    hardware = hardware or Hardware()
    trackers.need(hardware.report_to)
    plan = Schedule(train.lengths, method.batch_size, method.epochs, seed, method.group_by_length)
    steps = plan.steps
    every = evaluation_interval(steps, method.evaluations, method.evaluate_every)
    inner = causal_model(model)
    paths = prepare(model)
    folder.mkdir(parents=True, exist_ok=True)

    def lowered(tokens: int) -> None:
        print(f"memory did not suffice: {tokens} tokens a forward pass from now on", flush=True)  # noqa: T201
        _remember_limit(folder, tokens)

    passes = Passes(0, paths.layout, pad_token_id, lowered)
    passes.tokens, checkpointing = _fit(model, inner, train, passes, hardware, folder)

    class Reporter(TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            control.should_evaluate |= state.global_step == steps
            speed = f", {clock.tokens_per_second:,.0f} tokens/s" if clock.seconds else ""
            progress(
                state.global_step / state.max_steps, f"step {state.global_step}/{steps}{speed}"
            )

    arguments = TrainingArguments(
        report_to=list(hardware.report_to) or "none",
        output_dir=str(folder),
        run_name=run_name or None,
        per_device_train_batch_size=1,
        num_train_epochs=1,
        max_steps=steps,
        learning_rate=method.learning_rate,
        lr_scheduler_type="constant_with_warmup"
        if method.schedule == "constant"
        else method.schedule,
        warmup_steps=method.warmup,
        weight_decay=method.weight_decay,
        max_grad_norm=method.max_grad_norm,
        eval_strategy="steps",
        eval_steps=every,
        save_strategy="steps",
        save_steps=every,
        save_total_limit=2,
        # Of shards, the loop saves the rest.
        save_only_model=sharding.is_sharded(inner),
        # This alone keeps the best checkpoint from rotation. Trainer is not asked to load it: it
        # reads checkpoints by the names of parameters in memory, while GPT-NeoX's output head is
        # called otherwise on disk (Transformers 5.23), and leaves what it misses as it was.
        metric_for_best_model="eval_loss" if method.checkpoint == "best" else None,
        greater_is_better=False if method.checkpoint == "best" else None,
        logging_steps=max(1, every // 4),
        logging_nan_inf_filter=False,
        seed=seed,
        data_seed=seed,
        use_cpu=not torch.cuda.is_available(),
        bf16=autocast,
        dataloader_pin_memory=False,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        disable_tqdm=True,
    )
    last = last_checkpoint(folder)
    distributed.barrier()  # until all have looked
    if distributed.is_main():
        drop_unusable(folder, last)
    clock = Clock(**_clock(last))
    trainer = StepTrainer(
        model=model,
        args=arguments,
        inner=inner,
        data=train,
        validation=validation,
        schedule=plan,
        passes=passes,
        clock=clock,
        callbacks=[Reporter()],
    )
    # Each device its own dropout.
    torch.manual_seed(seed + distributed.rank())
    trainer.train(resume_from_checkpoint=str(last) if last else None)
    for name in hardware.report_to if distributed.is_main() else ():
        trackers.TRACKERS[name].end()
    distributed.barrier()
    losses = {
        int(entry["step"]): float(entry["eval_loss"])
        for entry in trainer.state.log_history
        if "eval_loss" in entry
    }
    chosen = (
        min(losses, key=lambda step: losses[step]) if method.checkpoint == "best" else max(losses)
    )
    if not math.isfinite(losses[chosen]):
        raise StageError("the validation loss is not a number: try a lower learning_rate")
    return Trained(
        steps,
        chosen,
        folder / f"checkpoint-{chosen}",
        losses[chosen],
        list(trainer.state.log_history),
        clock.seconds,
        clock.tokens_per_second,
        passes.tokens,
        checkpointing,
        passes,
    )


def _fit(
    model: Any,
    inner: Any,
    data: Tokenized,
    passes: Passes,
    hardware: Hardware,
    folder: Path,
) -> tuple[int, bool]:
    """The tokens of a forward pass, and whether activations are checkpointed."""
    device, wanted = distributed.device(), hardware.micro_batch_tokens
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    # Gradients in the weights' precision and AdamW's two moments are still to come.
    free = memory.free_bytes(device, reserved=trained * 12 // distributed.world_size())
    model.train()  # dropout keeps its masks, too
    each = _activations(model, inner, data, passes)
    fitting = memory.tokens_that_fit(free, each)
    needed = wanted or max(int(data.lengths.max()), _MANY_TOKENS)
    use = hardware.activation_checkpointing == "always" or (
        hardware.activation_checkpointing == "auto"
        and inner.supports_gradient_checkpointing
        and fitting < needed
    )
    if use:
        inner.activation_checkpointing_enable()
        config = inner.config.get_text_config()
        each = memory.checkpointed_bytes(
            each, config.num_hidden_layers, config.hidden_size * inner.dtype.itemsize
        )
        fitting = memory.tokens_that_fit(free, each)
    tokens = wanted or min(fitting, memory.ENOUGH_TOKENS.get(device.type, _MANY_TOKENS))
    tokens = distributed.all_reduce_min(
        max(1, min(tokens, _learned_limit(folder) or tokens)), device
    )
    _remember_limit(folder, tokens)
    print(  # noqa: T201
        f"{tokens} tokens a forward pass; {free / 2**30:.1f} GiB free, {each / 2**10:.0f} KiB of "
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
        raise too_long(int(data.lengths[longest])) from error


def _remember_limit(folder: Path, tokens: int) -> None:
    """Keep the limit: passes divided alike give the same numbers when training is resumed."""
    write_json(folder / _LIMIT, {"tokens": tokens})


def _learned_limit(folder: Path) -> int | None:
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
