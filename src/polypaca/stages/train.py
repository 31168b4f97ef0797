"""train: one cell from a base model and a mixture.

cells/<cell>/train/   adapter/ or model/ (safetensors, tokenizer, prompt template, model card),
                      ledger.json, heldout.json, metrics.jsonl

Several processes may call `train` for one cell at the same time (torchrun); rank 0 writes.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

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
from polypaca.core.folders import CellFacts, CellFolder
from polypaca.core.records import Example
from polypaca.core.settings import deciding
from polypaca.core.work import HOW_TO_RUN, INPUT, Context, SingleWork
from polypaca.data.budgets import flops_per_token
from polypaca.models import loading
from polypaca.models.families import adapter_targets
from polypaca.models.templates import Template, load_template
from polypaca.training import distributed, speed
from polypaca.training.card import model_card
from polypaca.training.checkpoints import last_checkpoint
from polypaca.training.settings import Hardware, Lora, Method
from polypaca.training.trackers import TRACKERS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from polypaca.core.folders import BaseFolder, HeldOutFolder, MixtureFolder
    from polypaca.core.settings import Json
    from polypaca.data.budgets import LossOn
    from polypaca.training.heldout import HeldOut
    from polypaca.training.tokenize import Tokenized
    from polypaca.training.trainer import Trained

_log = logging.getLogger(__name__)
_NAMED = 10  # rows that a warning names
_CHECKPOINTS = "checkpoints"
_LEDGER = "ledger.json"  # written once the weights are in place
_ROWS_FORMAT = 2  # raised when tokenized rows kept in the cache change their meaning


@dataclass(frozen=True, kw_only=True)
class TrainCell(SingleWork[CellFolder]):
    """One cell, fine-tuned from its base on its mixture."""

    step, stage, format_number = "train", "train", 3
    makes = CellFolder

    base: BaseFolder
    mixture: MixtureFolder
    heldout: HeldOutFolder | None = field(default=None, metadata=INPUT)
    method: Method
    seed: int
    cell: str = field(metadata=HOW_TO_RUN)
    hardware: Hardware = field(default_factory=Hardware, metadata=HOW_TO_RUN)

    def decides(self) -> Json:
        """The method's settings and the seed, side by side."""
        return {**deciding(self.method), "seed": self.seed}

    def run(self, context: Context) -> CellFacts:
        """Train; a killed run goes on from its last checkpoint.

        Raises:
            UserError: if the base or the adapter targets cannot be used.
            StageError: if training diverges.
        """
        import torch

        torch.set_num_threads(context.threads)
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        for name in self.hardware.report_to:
            TRACKERS[name].begin(context.folder)
        if distributed.broadcast((context.folder / _LEDGER).exists()):
            # Trained to the end, and killed while the checkpoints were being deleted.
            if distributed.is_main():
                shutil.rmtree(context.folder / _CHECKPOINTS, ignore_errors=True)
            return _facts(context.folder)
        started = time.monotonic()
        tokenizer = loading.load_tokenizer(self.base.path)
        template = load_template(self.method.template, tokenizer)
        rows = _Rows(self.base.path, tokenizer, template, self.method)
        context.progress(0.0, "tokenizing")
        data, validation = self._data(rows)
        dtype = loading.training_dtype(self.method.precision)
        model = self._model(context.folder / _CHECKPOINTS, dtype)
        trained = self._fine_tuned(model, data, validation, tokenizer, dtype, context)
        peak = speed.peak_memory(loading.device())
        context.progress(1.0, "held-out responses")
        model = self._chosen(model, trained, dtype)
        losses = self._held_out(model, rows, trained)
        if not distributed.is_main():
            return CellFacts()
        ledger = {
            **_counts(data, trained, self.method.epochs),
            **_speed(model, data, trained, self.method, dtype),
            "peak_memory_bytes": peak,
            "wall_seconds": round(time.monotonic() - started, 3),
        }
        self._write(context.folder, trained, rows, ledger, losses)
        return _facts(context.folder)

    def _data(self, rows: _Rows) -> tuple[Tokenized, Tokenized]:
        """The rows to train on, and those whose loss chooses the checkpoint."""
        data = rows.of(self.mixture.train, self.method.loss_on)
        validation = rows.of(self.mixture.validation, self.method.loss_on)
        if not len(data) or not len(validation):
            raise DataError(
                f"no row of {self.mixture.path.name} has any response left within "
                f"{self.method.max_length} tokens",
                hint="raise max_length",
            )
        return data, validation

    def _fine_tuned(
        self,
        model: Any,
        data: Tokenized,
        validation: Tokenized,
        tokenizer: Any,
        dtype: str,
        context: Context,
    ) -> Trained:
        from polypaca.training.trainer import Setup, causal_model, fine_tune

        vocabulary = causal_model(model).get_input_embeddings().num_embeddings
        setup = Setup(
            context.folder / _CHECKPOINTS,
            pad_token_id=loading.pad_token_id(tokenizer, vocabulary),
            seed=self.seed,
            hardware=self.hardware,
            autocast=self.method.kind == "full" and dtype == "bfloat16",
            name=self.cell,
            progress=context.progress,
        )
        return fine_tune(model, data, validation, self.method, setup)

    def _write(
        self,
        folder: Path,
        trained: Trained,
        rows: _Rows,
        ledger: Mapping[str, Any],
        losses: Mapping[str, HeldOut],
    ) -> None:
        """Write the weights with all that goes with them, the ledger last."""
        from polypaca.training.trainer import copy_weights

        weights = folder / ("adapter" if self.method.kind == "lora" else "model")
        copy_weights(trained.checkpoint, weights)
        rows.tokenizer.save_pretrained(weights)
        write_text(weights / "README.md", self._card(rows.template, ledger, losses))
        write_json(weights / "prompt_template.json", asdict(rows.template))
        lines = "".join(json.dumps(entry) + "\n" for entry in trained.history)
        write_text(folder / "metrics.jsonl", lines)
        write_json(folder / "heldout.json", {code: asdict(loss) for code, loss in losses.items()})
        write_json(folder / _LEDGER, ledger)
        shutil.rmtree(folder / _CHECKPOINTS, ignore_errors=True)

    def _load(self, source: Path, dtype: str) -> Any:
        return loading.load_model(
            source,
            # Adapters train on a base in half precision; weights that are trained keep all digits.
            dtype=dtype if self.method.kind == "lora" else "float32",
            shards=distributed.world_size() if self.hardware.sharding == "fsdp" else 1,
            cpu_offload=self.hardware.cpu_offload,
        )

    def _model(self, checkpoints: Path, dtype: str) -> Any:
        """The model to train: the base with an adapter, or the base or its last checkpoint."""
        from polypaca.training.trainer import with_adapter

        if isinstance(self.method, Lora):
            model = self._load(self.base.path, dtype)
            names = adapter_targets(model, model.config.model_type, self.method.targets)
            return with_adapter(model, self.method, names, self.seed)
        return self._load(last_checkpoint(checkpoints) or self.base.path, dtype)

    def _chosen(self, model: Any, trained: Trained, dtype: str) -> Any:
        """The model with the weights of the chosen checkpoint."""
        if trained.best_step == trained.steps:
            return model
        if self.method.kind == "lora":
            from peft import load_peft_weights, set_peft_model_state_dict

            weights = load_peft_weights(str(trained.checkpoint), device="cpu")
            set_peft_model_state_dict(model, weights)
            return model
        from polypaca.training.trainer import prepare

        del model
        chosen = self._load(trained.checkpoint, dtype)
        # The same fast paths, installed in another model.
        trained.passes.layout = prepare(chosen).layout
        return chosen

    def _held_out(self, model: Any, rows: _Rows, trained: Trained) -> dict[str, HeldOut]:
        """The loss on held-out responses, by language."""
        from polypaca.training.heldout import held_out
        from polypaca.training.trainer import causal_model

        files = sorted(self.heldout.path.glob("*.jsonl")) if self.heldout else []
        inner = causal_model(model)
        return {
            file.stem: held_out(model, inner, rows.of(file, "response"), trained.passes)
            for file in files
        }

    def _card(
        self, template: Template, ledger: Mapping[str, Any], losses: Mapping[str, HeldOut]
    ) -> str:
        rows = read_jsonl(self.mixture.train, Example)
        return model_card(
            cell=self.cell,
            kind=self.method.kind,
            base=self.base.path.name,
            languages=sorted({row.language for row in rows}),
            template=template.without_input,
            settings={name: value for name, value in self.decides().items() if value is not None},
            ledger=ledger,
            heldout={code: loss.bits_per_byte for code, loss in losses.items()},
            version=__version__,
        )


@dataclass(frozen=True)
class _Rows:
    """Tokenizes files of examples; the result is cached for other cells with the same rows."""

    base: Path
    tokenizer: Any
    template: Template
    method: Method

    def of(self, path: Path, loss_on: LossOn) -> Tokenized:
        """The rows of one file."""
        from polypaca.training.tokenize import cached, tokenize

        template, max_length = self.template, self.method.max_length
        key = {
            "format": _ROWS_FORMAT,
            "rows": sha256_file(path),
            "tokenizer": [sha256_file(file) for file in sorted(self.base.glob("tokenizer*"))],
            "end": self.tokenizer.eos_token_id,
            "template": asdict(template),
            "max_length": max_length,
            "loss_on": loss_on,
        }

        def make() -> Tokenized:
            return tokenize(
                (
                    (template.render(example.instruction, example.input), example.output)
                    for example in read_jsonl(path, Example)
                ),
                self.tokenizer,
                max_length=max_length,
                loss_on=loss_on,
                closing=template.closing,
                special_tokens=template.special_tokens,
            )

        name = sha256_text(json.dumps(key, sort_keys=True))[:32]
        tokenized = cached(cache_folder() / "rows" / name, make)
        if tokenized.special:
            ids = [example.id for example in read_jsonl(path, Example)]
            _log.warning(
                "%s: the text of %d rows contains special tokens, which this tokenizer cannot "
                "read as text: %s",
                path.name,
                len(tokenized.special),
                ", ".join(ids[number] for number in tokenized.special[:_NAMED]),
            )
        return tokenized


def _facts(folder: Path) -> CellFacts:
    if not distributed.is_main():
        return CellFacts()
    ledger = json.loads((folder / _LEDGER).read_text(encoding="utf-8"))
    text = (
        f"{ledger['steps']} steps, validation loss {ledger['validation_loss']:.3f}, "
        f"{ledger['tokens_per_second']:,.0f} tokens/s"
    )
    if ledger["dropped_rows"]:
        text += f", {ledger['dropped_rows']} rows dropped: no response within max_length"
    if ledger.get("special_rows"):
        text += f", {ledger['special_rows']} rows with special tokens in their text (see the log)"
    return CellFacts(
        device=loading.device(),
        processes=distributed.world_size(),
        parameters=ledger["parameters"],
        trained_parameters=ledger["trained_parameters"],
        summary=text,
    )


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
    model: Any, data: Tokenized, trained: Trained, method: Method, dtype: str
) -> dict[str, Any]:
    """FLOPs, without recomputation, and their share of the measured rate of matrix products."""
    import torch

    parameters = sum(p.numel() for p in model.parameters())
    token_flops = flops_per_token(parameters, method.kind)
    rate = speed.matmul_rate(loading.device(), dtype, torch.get_num_threads())
    return {
        "parameters": parameters,
        "trained_parameters": sum(p.numel() for p in model.parameters() if p.requires_grad),
        "flops": token_flops * round(data.tokens * method.epochs),
        "precision": dtype,
        "matmul_flops_per_second": round(rate),
        "mfu": round(token_flops * trained.tokens_per_second / rate / distributed.world_size(), 4),
    }
