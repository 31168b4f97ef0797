"""The training loop: Transformers' Trainer, fed whole optimizer steps.

Trainer's batches are here the numbers of a step's rows. A step is divided into forward passes where
it is taken, so that the global batch stays what the study says on any number of devices, and a pass
that does not fit into memory is divided further. This module imports torch; import it late.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.data import DataLoader, Dataset
from transformers import Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import ExportableState

from polypaca.core.cache import write_hashes
from polypaca.core.errors import StageError
from polypaca.training import distributed, memory, sharding
from polypaca.training.batching import Schedule, divide, packed_batch, padded_batch
from polypaca.training.proof import takes_positions
from polypaca.training.tokenize import IGNORED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

    from polypaca.core.work import Progress
    from polypaca.training.attention import Layout
    from polypaca.training.tokenize import Tokenized


@dataclass
class Passes:
    """How rows become the inputs of forward passes.

    Attributes:
        tokens: at most so many a pass; lowered where memory does not suffice.
        layout: of packed lines; None where the model does not pack, and rows are padded.
        pad_token_id: to pad with; it has no label.
        lowered: told of the new limit when it is lowered.
    """

    tokens: int
    layout: Layout | None
    pad_token_id: int
    lowered: Callable[[int], None]

    def divide(self, rows: Sequence[int], data: Tokenized) -> list[list[int]]:
        """This process's passes over the rows; all processes have equally many."""
        parts = divide(
            rows,
            data.lengths,
            devices=distributed.world_size(),
            tokens=self.tokens,
            packed=self.layout is not None,
        )
        return parts[distributed.rank()]

    def batch(self, rows: Sequence[int], data: Tokenized, model: Any) -> dict[str, Any]:
        """The inputs of one pass, on the model's device.

        A process that has no row to do takes one without its labels: it must not be missing.
        """
        device = distributed.device()
        idle = not rows
        used = rows or [0]
        if self.layout is None:
            batch = padded_batch(data, used, self.pad_token_id)
        else:
            batch = packed_batch(data, used)
            self.layout.set(batch.pop("lengths"), device)
            if not takes_positions(model):
                del batch["position_ids"]
        if idle:
            batch["labels"] = torch.full_like(batch["labels"], IGNORED)
        return {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}


class Clock(TrainerCallback, ExportableState):
    """Seconds and tokens of optimizer steps, without evaluation and saving, over all runs."""

    def __init__(self, seconds: float = 0.0, tokens: int = 0) -> None:
        self.seconds, self.tokens = seconds, tokens
        self._started = 0.0

    def state(self) -> dict[str, Any]:
        """The state kept in a checkpoint: the arguments of a resumed clock."""
        return {"args": {"seconds": self.seconds, "tokens": self.tokens}, "attributes": {}}

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Start."""
        self._started = time.perf_counter()

    def on_step_end(self, *_: Any, **__: Any) -> None:
        """Stop when the device is done."""
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds += time.perf_counter() - self._started

    @property
    def tokens_per_second(self) -> float:
        """Tokens without padding; 0.0 before the first step."""
        return self.tokens / self.seconds if self.seconds else 0.0


class Reporter(TrainerCallback):
    """Reports progress after every step, and has the last one evaluated."""

    def __init__(self, steps: int, clock: Clock, progress: Progress) -> None:
        self._steps, self._clock, self._progress = steps, clock, progress

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report the step."""
        step, rate = state.global_step, self._clock.tokens_per_second
        control.should_evaluate |= step == self._steps
        speed = f", {rate:,.0f} tokens/s" if self._clock.seconds else ""
        self._progress(step / state.max_steps, f"step {step}/{self._steps}{speed}")


class _Steps(Dataset[dict[str, Any]]):
    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def __len__(self) -> int:
        return self._schedule.steps

    def __getitem__(self, step: int) -> dict[str, Any]:
        return {"rows": self._schedule.rows(step)}


class StepTrainer(Trainer):
    """Trainer with steps in place of batches, and losses that are means over labels."""

    def __init__(
        self,
        *,
        model: Any,
        args: TrainingArguments,
        inner: Any,
        data: Tokenized,
        validation: Tokenized,
        schedule: Schedule,
        passes: Passes,
        clock: Clock,
        callbacks: list[TrainerCallback],
    ) -> None:
        super().__init__(
            model=model,
            args=args,
            train_dataset=_Steps(schedule),
            eval_dataset=_Steps(schedule),
            data_collator=_only,
            callbacks=[clock, *callbacks],
        )
        self.inner, self.rows, self.validation = inner, data, validation
        self.schedule, self.passes, self.clock = schedule, passes, clock

    def get_train_dataloader(self) -> DataLoader[Any]:
        """One step an item; every process sees all of them and takes its part of each."""
        return DataLoader(_Steps(self.schedule), batch_size=1, shuffle=False, collate_fn=_only)

    def training_step(
        self, model: Any, inputs: dict[str, Any], num_items_in_batch: Any = None
    ) -> torch.Tensor:
        """One optimizer step's gradients; a pass that does not fit is divided and tried again."""
        rows = inputs["rows"]
        model.train()
        while True:
            randomness = _random_state()
            try:
                loss = self._gradients(model, rows)
            except Exception as error:
                if not memory.is_out_of_memory(error):
                    raise
                self._divide_further(error)
            else:
                break
            # Outside the handler, so that the error no longer holds the pass's tensors.
            model.zero_grad()
            _set_random_state(randomness)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
        self.clock.tokens += int(self.rows.lengths[rows].sum())
        return loss

    def _gradients(self, model: Any, rows: np.ndarray[Any, Any]) -> torch.Tensor:
        """Forward and backward passes over a step; the loss as Trainer averages it over devices."""
        labels = int(self.rows.supervised[rows].sum())
        scale = distributed.world_size() / labels
        total = torch.zeros((), device=self.args.device)
        parts = self.passes.divide(rows.tolist(), self.rows)
        for number, part in enumerate(parts, start=1):
            batch = self.passes.batch(part, self.rows, self.inner)
            last = number == len(parts)
            self.accelerator.gradient_state._set_sync_gradients(last)
            with contextlib.nullcontext() if last else self._without_reduction(model):
                loss = model(**batch)["loss"] * scale
                self.accelerator.backward(loss)
            total += loss.detach()
        return total

    def _without_reduction(self, model: Any) -> contextlib.AbstractContextManager[Any]:
        if sharding.is_sharded(self.inner):
            deferred: contextlib.AbstractContextManager[Any] = self._defer_fsdp_gradient_reduction()
            return deferred
        context: contextlib.AbstractContextManager[Any] = self.accelerator.no_sync(model=model)
        return context

    def _divide_further(self, error: Exception) -> None:
        smallest = int(self.rows.lengths.max())
        if self.passes.tokens <= smallest:
            raise memory.example_too_long(smallest) from error
        self.passes.tokens = max(smallest, self.passes.tokens // 2)
        self.passes.lowered(self.passes.tokens)
        if distributed.world_size() > 1:
            # The other processes are in the middle of a pass that this one has left.
            raise StageError(
                "out of memory on one of the devices; run the same command to continue from the "
                f"last checkpoint with {self.passes.tokens} tokens a pass"
            ) from error

    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean cross-entropy of the validation rows' labels, in nats."""
        started = time.perf_counter()
        losses = label_losses(self.model, self.inner, self.validation, self.passes)
        found = torch.tensor([sum(float(own.sum()) for _, own in losses)], dtype=torch.float64)
        total = distributed.all_reduce(found.to(self.args.device)).item()
        metrics = {
            "eval_loss": total / self.validation.supervised_tokens,
            "eval_runtime": time.perf_counter() - started,
        }
        self.log(metrics)
        self.control = self.callback_handler.on_evaluate(
            self.args, self.state, self.control, metrics
        )
        return metrics

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """Epochs are counted here: all of them are one to Trainer."""
        self.state.epoch = self.state.global_step / self.schedule.steps_an_epoch
        if "loss" in logs:
            logs["tokens_per_second"] = round(self.clock.tokens_per_second, 1)
        super().log(logs, start_time)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Trainer saves all that goes on but for models in shards; hashes come last of all."""
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        if sharding.is_sharded(self.inner):
            folder.mkdir(parents=True, exist_ok=True)
            sharding.save(self.model, self.optimizer, self.lr_scheduler, folder)
            self._save_rng_state(str(folder))
        super()._save_checkpoint(model, trial)
        distributed.barrier()
        if distributed.is_main():
            write_hashes(folder)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        """A model in shards was loaded from the checkpoint, but for its adapters."""
        if not sharding.is_sharded(self.inner):
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        elif self.model is not self.inner:
            from peft import load_peft_weights, set_peft_model_state_dict

            set_peft_model_state_dict(
                self.model, load_peft_weights(resume_from_checkpoint, device="cpu")
            )

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None or not sharding.is_sharded(self.inner):
            super()._load_optimizer_and_scheduler(checkpoint)
        else:
            sharding.load(self.model, self.optimizer, self.lr_scheduler, Path(checkpoint))

    def floating_point_ops(self, inputs: Any) -> int:
        """Counted by the ledger, from tokens."""
        return 0


def label_losses(
    model: Any, inner: Any, data: Tokenized, passes: Passes
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """The losses of labels without gradients: rows, and their labels' losses one after another."""
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            for rows in passes.divide(range(len(data)), data):
                losses = model(**passes.batch(rows, data, inner), per_token=True)["loss"]
                yield rows, losses
    finally:
        model.train(training)


def _only(items: list[dict[str, Any]]) -> dict[str, Any]:
    return items[0]


def _random_state() -> list[torch.Tensor]:
    cuda = [torch.cuda.get_rng_state()] if torch.cuda.is_available() else []
    return [torch.get_rng_state(), *cuda]


def _set_random_state(state: list[torch.Tensor]) -> None:
    torch.set_rng_state(state[0])
    if len(state) > 1:
        torch.cuda.set_rng_state(state[1])
