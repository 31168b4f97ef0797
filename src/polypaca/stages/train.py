"""train: one cell from a base model and a mixture.

cells/<cell>/train/   adapter/ or model/ (safetensors, tokenizer, prompt template, model card),
                      ledger.json, heldout.json, metrics.jsonl

Several processes may call `train` for one cell at the same time (torchrun); rank 0 writes.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from polypaca import __version__
from polypaca.core.cache import cache_folder
from polypaca.core.errors import DataError
from polypaca.core.files import (
    read_jsonl,
    sha256_file,
    sha256_text,
    write_json,
    write_text,
)
from polypaca.core.records import Example
from polypaca.data.budgets import flops_per_token
from polypaca.models import loading
from polypaca.models.families import adapter_targets
from polypaca.models.templates import Template, load_template
from polypaca.training import distributed, speed
from polypaca.training.card import model_card
from polypaca.training.checkpoints import last_checkpoint
from polypaca.training.heldout import held_out
from polypaca.training.tokenize import Tokenized, cached, tokenize
from polypaca.training.trainer import (
    Trained,
    causal_model,
    copy_weights,
    fine_tune,
    prepare,
    with_adapter,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

_log = logging.getLogger(__name__)
_NAMED = 10  # rows that a warning names
_LEDGER = "ledger.json"  # written once the weights are in place
_ROWS_FORMAT = 2  # raised when tokenized rows kept in the cache change their meaning


def train(
    folder: Path,
    *,
    base: Path,
    mixture: Path,
    heldout: Path | None = None,
    cell: str,
    kind: Literal["lora", "full"],
    learning_rate: float,
    batch_size: int,
    epochs: float,
    schedule: Literal["linear", "cosine", "constant"],
    weight_decay: float,
    max_length: int,
    loss_on: Literal["all", "response"],
    template: str,
    checkpoint: Literal["best", "last"],
    seed: int,
    max_grad_norm: float = 1.0,
    group_by_length: bool = False,
    evaluations: int | None = None,
    evaluate_every: int | None = None,
    warmup_steps: int | None = None,
    warmup_ratio: float | None = None,
    precision: Literal["auto", "fp32", "bf16"] = "auto",
    rank: int = 8,
    alpha: float = 16,
    dropout: float = 0.0,
    targets: str | list[str] = "attention-qkv",
    micro_batch_tokens: int | None = None,
    activation_checkpointing: Literal["auto", "always", "never"] = "auto",
    sharding: Literal["none", "fsdp"] = "none",
    cpu_offload: bool = False,
    report_to: Sequence[str] = (),
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Fine-tune the base on the mixture; a killed run goes on from its last checkpoint.

    Raises:
        UserError: if the base or the adapter targets cannot be used.
        StageError: if training diverges.
    """
    import torch

    settings = {
        key: value for key, value in locals().items() if key in _ON_THE_CARD and value is not None
    }
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    if "tensorboard" in report_to:
        os.environ["TENSORBOARD_LOGGING_DIR"] = str(folder / "tensorboard")
    started = time.monotonic()
    checkpoints = folder / "checkpoints"
    if distributed.agree((folder / _LEDGER).exists()):
        # Trained to the end, and killed while the checkpoints were being deleted.
        if distributed.is_main():
            shutil.rmtree(checkpoints, ignore_errors=True)
        return _facts(folder)
    tokenizer = loading.load_tokenizer(base)
    wording = load_template(template, tokenizer)
    rows = partial(_rows, base=base, tokenizer=tokenizer, wording=wording, max_length=max_length)
    progress(0.0, "tokenizing")
    data = rows(mixture / "train.jsonl", loss_on=loss_on)
    validation = rows(mixture / "validation.jsonl", loss_on=loss_on)
    if not len(data) or not len(validation):
        raise DataError(
            f"no row of {mixture.name} has any response left within {max_length} tokens",
            hint="raise max_length",
        )
    dtype = loading.training_dtype(precision)
    # Adapters train on a base in half precision; weights that are trained keep all their digits.
    weights_dtype = dtype if kind == "lora" else "float32"
    load = partial(
        loading.load_model,
        dtype=weights_dtype,
        shards=distributed.world_size() if sharding == "fsdp" else 1,
        cpu_offload=cpu_offload,
    )
    model = load((last_checkpoint(checkpoints) if kind == "full" else None) or base)
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
        pad_token_id=loading.pad_token_id(
            tokenizer, causal_model(model).get_input_embeddings().num_embeddings
        ),
        learning_rate=learning_rate,
        batch_size=batch_size,
        epochs=epochs,
        warmup=warmup_steps if warmup_steps is not None else warmup_ratio or 0.0,
        schedule=schedule,
        weight_decay=weight_decay,
        max_grad_norm=max_grad_norm,
        group_by_length=group_by_length,
        evaluations=evaluations,
        evaluate_every=evaluate_every,
        checkpoint=checkpoint,
        autocast=kind == "full" and dtype == "bfloat16",
        micro_batch_tokens=micro_batch_tokens,
        activation_checkpointing=activation_checkpointing,
        report_to=report_to,
        run_name=cell,
        seed=seed,
        progress=progress,
    )
    peak = speed.peak_memory(loading.device())
    progress(1.0, "held-out responses")
    model = _chosen(model, trained, kind, load)
    found = {
        path.stem: held_out(
            model, causal_model(model), rows(path, loss_on="response"), trained.passes
        )
        for path in sorted(heldout.glob("*.jsonl") if heldout else [])
    }
    if not distributed.is_main():
        return {}
    ledger = {
        **_counts(data, trained, epochs),
        **_speed(model, data, trained, epochs, kind, dtype),
        "peak_memory_bytes": peak,
        "wall_seconds": round(time.monotonic() - started, 3),
    }
    weights = folder / ("adapter" if kind == "lora" else "model")
    copy_weights(trained.checkpoint, weights)
    tokenizer.save_pretrained(weights)
    languages = sorted({row.language for row in read_jsonl(mixture / "train.jsonl", Example)})
    card = model_card(
        cell=cell,
        kind=kind,
        base=base.name,
        languages=languages,
        template=wording.without_input,
        settings=settings,
        ledger=ledger,
        heldout={code: own.bits_per_byte for code, own in found.items()},
        version=__version__,
    )
    write_text(weights / "README.md", card)
    write_json(weights / "prompt_template.json", asdict(wording))
    write_text(
        folder / "metrics.jsonl", "".join(json.dumps(entry) + "\n" for entry in trained.history)
    )
    write_json(folder / "heldout.json", {code: asdict(own) for code, own in found.items()})
    write_json(folder / _LEDGER, ledger)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return _facts(folder)


_ON_THE_CARD = (
    "kind", "learning_rate", "batch_size", "epochs", "schedule", "warmup_steps", "warmup_ratio",
    "weight_decay", "max_grad_norm", "max_length", "loss_on", "template", "group_by_length",
    "checkpoint", "precision", "rank", "alpha", "dropout", "targets", "seed",
)  # fmt: skip


def _rows(
    path: Path,
    *,
    base: Path,
    tokenizer: Any,
    wording: Template,
    max_length: int,
    loss_on: Literal["all", "response"],
) -> Tokenized:
    """A file of examples, tokenized; kept in the shared cache for cells with the same rows."""
    key = {
        "format": _ROWS_FORMAT,
        "rows": sha256_file(path),
        "tokenizer": [sha256_file(file) for file in sorted(base.glob("tokenizer*"))],
        "end": tokenizer.eos_token_id,
        "template": asdict(wording),
        "max_length": max_length,
        "loss_on": loss_on,
    }

    def make() -> Tokenized:
        return tokenize(
            (
                (wording.render(example.instruction, example.input), example.output)
                for example in read_jsonl(path, Example)
            ),
            tokenizer,
            max_length=max_length,
            loss_on=loss_on,
            closing=wording.closing,
            special_tokens=wording.special_tokens,
        )

    name = sha256_text(json.dumps(key, sort_keys=True))[:32]
    found = cached(cache_folder() / "rows" / name, make)
    if found.special:
        ids = [example.id for example in read_jsonl(path, Example)]
        _log.warning(
            "%s: the text of %d rows has special tokens in it, which this tokenizer cannot read as "
            "text: %s",
            path.name,
            len(found.special),
            ", ".join(ids[number] for number in found.special[:_NAMED]),
        )
    return found


def _chosen(
    model: Any, trained: Trained, kind: Literal["lora", "full"], load: Callable[[Path], Any]
) -> Any:
    """The model with the weights of the chosen checkpoint."""
    if trained.best_step == trained.steps:
        return model
    if kind == "lora":
        from peft import load_peft_weights, set_peft_model_state_dict

        set_peft_model_state_dict(model, load_peft_weights(str(trained.checkpoint), device="cpu"))
        return model
    del model
    chosen = load(trained.checkpoint)
    # The same fast paths, in a model of its own.
    trained.passes.layout = prepare(chosen).layout
    return chosen


def _facts(folder: Path) -> dict[str, Any]:
    if not distributed.is_main():
        return {}
    ledger = json.loads((folder / _LEDGER).read_text(encoding="utf-8"))
    text = (
        f"{ledger['steps']} steps, validation loss {ledger['validation_loss']:.3f}, "
        f"{ledger['tokens_per_second']:,.0f} tokens/s"
    )
    if ledger["dropped_rows"]:
        text += f", {ledger['dropped_rows']} rows dropped: no response within max_length"
    if ledger.get("special_rows"):
        text += f", {ledger['special_rows']} rows with special tokens in their text (see the log)"
    return {
        "device": loading.device(),
        "processes": distributed.world_size(),
        "parameters": ledger["parameters"],
        "trained_parameters": ledger["trained_parameters"],
        "summary": text,
    }


def _counts(data: Tokenized, trained: Trained, epochs: float) -> dict[str, Any]:
    """What the cell cost: counts over the whole schedule, padding left out."""
    return {
        "examples": round(len(data) * epochs),
        "tokens": round(data.tokens * epochs),
        "supervised_tokens": round(data.supervised_tokens * epochs),
        "truncated_rows": data.truncated,
        "dropped_rows": data.dropped,
        "special_rows": len(data.special),
        "steps": trained.steps,
        "best_step": trained.best_step,
        "validation_loss": trained.validation_loss,
        "training_seconds": round(trained.seconds, 3),
        "tokens_per_second": round(trained.tokens_per_second, 1),
        "micro_batch_tokens": trained.micro_batch_tokens,
        "activation_checkpointing": trained.activation_checkpointing,
        "packed": trained.passes.layout is not None,
    }


def _speed(
    model: Any,
    data: Tokenized,
    trained: Trained,
    epochs: float,
    kind: Literal["lora", "full"],
    dtype: str,
) -> dict[str, Any]:
    """FLOPs, without recomputation, and the share of what matrix products reach here."""
    import torch

    parameters = sum(p.numel() for p in model.parameters())
    each = flops_per_token(parameters, kind)
    rate = speed.matmul_rate(loading.device(), dtype, torch.get_num_threads())
    return {
        "parameters": parameters,
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "flops": each * round(data.tokens * epochs),
        "precision": dtype,
        "matmul_flops_per_second": round(rate),
        "mfu": round(each * trained.tokens_per_second / rate / distributed.world_size(), 4),
    }
