"""train: one cell from a base model and a mixture.

cells/<cell>/train/   adapter/ or model/ (safetensors, tokenizer), ledger.json, metrics.jsonl
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import DataError
from polypaca.core.files import read_jsonl, write_json, write_text
from polypaca.core.records import Example
from polypaca.models import loading
from polypaca.models.families import adapter_targets
from polypaca.models.templates import render
from polypaca.training.tokenize import Tokenized, tokenize
from polypaca.training.trainer import (
    Trained,
    copy_weights,
    fine_tune,
    last_checkpoint,
    with_adapter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_LEDGER = "ledger.json"  # written once the weights are in place


def train(
    folder: Path,
    *,
    base: Path,
    mixture: Path,
    kind: Literal["lora", "full"],
    learning_rate: float,
    batch_size: int,
    epochs: float,
    schedule: Literal["linear", "cosine", "constant"],
    weight_decay: float,
    max_length: int,
    loss_on: Literal["all", "response"],
    template: str,
    evaluations: int,
    checkpoint: Literal["best", "last"],
    seed: int,
    warmup_steps: int | None = None,
    warmup_ratio: float | None = None,
    micro_batch_size: int | None = None,
    rank: int = 8,
    alpha: float = 16,
    dropout: float = 0.0,
    targets: str | list[str] = "attention-qkv",
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Fine-tune the base on the mixture; a killed run goes on from its last checkpoint.

    Raises:
        UserError: if the base or the adapter targets cannot be used.
        StageError: if training diverges.
    """
    import torch

    torch.set_num_threads(threads)
    started = time.monotonic()
    checkpoints = folder / "checkpoints"
    if (folder / _LEDGER).exists():
        # Trained to the end, and killed while the checkpoints were being deleted.
        shutil.rmtree(checkpoints, ignore_errors=True)
        return _facts(folder)
    tokenizer = loading.load_tokenizer(base)
    examples = list(read_jsonl(mixture / "train.jsonl", Example))
    data, validation = (
        tokenize(_pairs(rows, template), tokenizer, max_length=max_length, loss_on=loss_on)
        for rows in (examples, list(read_jsonl(mixture / "validation.jsonl", Example)))
    )
    begun = last_checkpoint(checkpoints) if kind == "full" else None
    if not data.rows or not validation.rows:
        raise DataError(
            f"no row of {mixture.name} has any response left within {max_length} tokens",
            hint="raise max_length",
        )
    model = loading.load_model(begun or base)
    if kind == "lora":
        names = adapter_targets(model, model.config.model_type, targets)
        model = with_adapter(
            model, targets=names, rank=rank, alpha=alpha, dropout=dropout, seed=seed
        )
    trained = fine_tune(
        model,
        data,
        validation,
        folder=checkpoints,
        pad_token_id=loading.pad_token_id(tokenizer),
        learning_rate=learning_rate,
        batch_size=batch_size,
        micro_batch_size=micro_batch_size,
        epochs=epochs,
        warmup=warmup_steps if warmup_steps is not None else warmup_ratio or 0.0,
        schedule=schedule,
        weight_decay=weight_decay,
        evaluations=evaluations,
        checkpoint=checkpoint,
        seed=seed,
        progress=progress,
    )
    weights = folder / ("adapter" if kind == "lora" else "model")
    copy_weights(trained.checkpoint, weights)
    tokenizer.save_pretrained(weights)
    write_text(
        folder / "metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in trained.history)
    )
    counts = {
        "parameters": sum(p.numel() for p in model.parameters()),
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
    }
    ledger = _ledger(data, trained, epochs, time.monotonic() - started)
    write_json(folder / _LEDGER, {**ledger, **counts})
    shutil.rmtree(checkpoints, ignore_errors=True)
    return _facts(folder)


def _facts(folder: Path) -> dict[str, Any]:
    ledger = json.loads((folder / _LEDGER).read_text(encoding="utf-8"))
    text = f"{ledger['steps']} steps, validation loss {ledger['validation_loss']:.3f}"
    if ledger["dropped_rows"]:
        text += f", {ledger['dropped_rows']} rows dropped: no response within max_length"
    return {
        "device": loading.device(),
        "parameters": ledger["parameters"],
        "trained_parameters": ledger["trained_parameters"],
        "summary": text,
    }


def _pairs(examples: Sequence[Example], template: str) -> list[tuple[str, str]]:
    return [
        (render(template, example.instruction, example.input), example.output)
        for example in examples
    ]


def _ledger(data: Tokenized, trained: Trained, epochs: float, seconds: float) -> dict[str, Any]:
    """What the cell cost: counts over the whole schedule, padding left out."""
    return {
        "examples": round(len(data.rows) * epochs),
        "tokens": round(data.tokens * epochs),
        "supervised_tokens": round(data.supervised_tokens * epochs),
        "truncated_rows": data.truncated,
        "dropped_rows": data.dropped,
        "steps": trained.steps,
        "best_step": trained.best_step,
        "validation_loss": trained.validation_loss,
        "wall_seconds": round(seconds, 3),
    }
