"""What all contenders share: their task, the clock, the count of tokens, the base model.

It needs PyTorch, Transformers and PEFT only, so that a peer can run in an environment of its own.
"""

from __future__ import annotations

import importlib.metadata
import json
import resource
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable

Method = Literal["lora", "full"]
LossOn = Literal["all", "response"]
WEIGHTS = "model.safetensors"
RANK, ALPHA, DROPOUT = 8, 16, 0.05


@dataclass(frozen=True)
class Task:
    """What one process is asked to do; the same for all contenders but for `contender`."""

    contender: str
    base: str  # folder of the base model; without weights, they are drawn from `seed`
    rows: str  # JSON file: train and held_out, lists of rows
    out: str  # folder for the weights after training
    method: Method
    loss_on: LossOn
    targets: list[str]  # names of the attention's query, key and value projections
    steps: int
    untimed: int  # the first steps, which the clock leaves out
    batch: int
    micro: int | None  # rows a forward pass; None: the contender's own default
    learning_rate: float
    warmup: int  # steps
    schedule: Literal["linear", "cosine"]
    max_length: int
    pad: int
    threads: int
    device: Literal["cpu", "cuda"]
    seed: int
    profile: str | None = None  # file for the profiler's table


@dataclass
class Result:
    """What one process measured."""

    precision: str  # as said in the table
    dtype: Literal["fp32", "fp16", "bf16"]  # of the matrix products
    notes: list[str]
    steps: int = 0
    tokens: int = 0  # not padding, over all steps
    positions: int = 0  # with padding
    supervised: int | None = None  # predictions that the loss is the mean of
    timed_tokens: int = 0
    timed_seconds: float = 0.0
    peak_bytes: int = 0
    step_tokens: list[int] = field(default_factory=list)
    losses: dict[int, float] = field(default_factory=dict)  # training loss by step
    versions: dict[str, str] = field(default_factory=dict)


def read_rows(task: Task, part: str = "train") -> list[dict[str, Any]]:
    """The rows: `prompt`, `response`, and their tokens, `input_ids` and `labels`."""
    rows: list[dict[str, Any]] = json.loads(Path(task.rows).read_text(encoding="utf-8"))[part]
    return rows


def tokens_only(rows: list[dict[str, Any]]) -> list[dict[str, list[int]]]:
    """The columns that a Trainer wants."""
    return [{name: row[name] for name in ("input_ids", "labels")} for row in rows]


def micro_batch(task: Task, default: int) -> int:
    """Rows a forward pass: as asked for, else the largest divisor of the batch up to `default`."""
    wanted = task.micro or default
    return max(n for n in range(1, wanted + 1) if task.batch % n == 0)


def load_base(task: Task, dtype: Any) -> Any:
    """The base model: from its files on a CPU, drawn on the device on a GPU."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    if (Path(task.base) / WEIGHTS).exists():
        model: Any = AutoModelForCausalLM.from_pretrained(task.base, dtype=dtype)
        return model.to(task.device)
    config = AutoConfig.from_pretrained(task.base)
    torch.manual_seed(task.seed)
    with torch.device(task.device):
        model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.bfloat16
        )
    return model.to(dtype)


def base_with_weights(task: Task) -> str:
    """A folder of the base model that has weights, for what loads only files."""
    base = Path(task.base)
    if (base / WEIGHTS).exists():
        return str(base)
    import shutil

    import torch

    saved = base / "weights"
    if not (saved / "done").exists():
        load_base(task, torch.bfloat16).save_pretrained(saved, max_shard_size="200GB")
        for file in base.glob("tokenizer*"):
            shutil.copyfile(file, saved / file.name)
        (saved / "done").touch()
    return str(saved)


def with_lora(model: Any, task: Task) -> Any:
    """The model with the paper's adapters."""
    from peft import get_peft_model
    from transformers import set_seed

    set_seed(task.seed)
    return get_peft_model(model, lora_config(task))


def lora_config(task: Task) -> Any:
    """The paper's adapters: query, key and value projections, rank 8, alpha 16, dropout 0.05."""
    from peft import LoraConfig

    return LoraConfig(
        r=RANK,
        lora_alpha=ALPHA,
        lora_dropout=DROPOUT,
        target_modules=task.targets,
        bias="none",
        task_type="CAUSAL_LM",
    )


def trainer_arguments(task: Task, micro: int) -> dict[str, Any]:
    """What every Trainer is told: the schedule, the batch, and to write no checkpoint."""
    return {
        "output_dir": task.out,
        "per_device_train_batch_size": micro,
        "gradient_accumulation_steps": task.batch // micro,
        "max_steps": task.steps,
        "learning_rate": task.learning_rate,
        "lr_scheduler_type": task.schedule,
        "warmup_steps": task.warmup,
        "weight_decay": 0.0,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_strategy": "no",
        "train_sampling_strategy": "group_by_length",
        "report_to": "none",
        "disable_tqdm": True,
        "seed": task.seed,
        "use_cpu": task.device == "cpu",
    }


class Meter:
    """Counts the tokens of every step, and takes the time between the ends of two steps."""

    def __init__(self, task: Task, result: Result) -> None:
        self.task, self.result = task, result
        self.ends: list[float] = []
        self.counts: list[Any] = []  # one tensor a forward pass: tokens, positions
        self.labels: list[Any] = []
        self.passes: list[int] = []  # forward passes up to the end of each step
        self.began = 0.0

    def watch(self, model: Any) -> None:
        """Start the clock, and count what goes through the model from now on."""
        import torch

        def count_tokens(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            ids = args[0] if args else kwargs["input"]
            if model.training:
                self.counts.append(torch.stack([(ids != self.task.pad).sum(), _size(ids)]))

        def count_labels(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            labels = kwargs.get("labels")
            if labels is not None and model.training:
                self.labels.append((labels[..., 1:] != -100).sum())

        # The embedding is called once a forward pass, whatever is done about the output head.
        model.get_input_embeddings().register_forward_pre_hook(count_tokens, with_kwargs=True)
        model.register_forward_pre_hook(count_labels, with_kwargs=True)
        if self.task.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        self.began = self._now()

    def step_end(self) -> None:
        """A step is over."""
        number = len(self.ends) + 1
        bounds = (self.task.untimed, self.task.steps)
        self.ends.append(self._now() if number in bounds else time.perf_counter())
        self.passes.append(len(self.counts))

    def finish(self) -> None:
        """Write down what was counted."""
        result = self.result
        counts = [tuple(int(n) for n in count.tolist()) for count in self.counts]
        starts = [0, *self.passes]
        result.step_tokens = [
            sum(tokens for tokens, _ in counts[start:end])
            for start, end in zip(starts, self.passes, strict=False)
        ]
        result.steps = len(self.ends)
        result.tokens = sum(result.step_tokens)
        result.positions = sum(positions for _, positions in counts)
        if self.labels:
            result.supervised = int(sum(self.labels))
        start = self.ends[self.task.untimed - 1] if self.task.untimed else self.began
        result.timed_tokens = sum(result.step_tokens[self.task.untimed :])
        result.timed_seconds = self.ends[-1] - start
        result.peak_bytes = peak_memory(self.task.device)

    def _now(self) -> float:
        if self.task.device == "cuda":
            import torch

            torch.cuda.synchronize()
        return time.perf_counter()


def _size(ids: Any) -> Any:
    import torch

    return torch.tensor(ids.numel(), device=ids.device)


def meter_callback(meter: Meter) -> Any:
    """The meter as a callback of Transformers' Trainer."""
    from transformers import TrainerCallback

    class MeterCallback(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            meter.watch(kwargs["model"])

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            meter.step_end()

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if "loss" in kwargs["logs"]:
                meter.result.losses[state.global_step] = float(kwargs["logs"]["loss"])

        def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            meter.finish()

    return MeterCallback()


def peak_memory(device: str) -> int:
    """Bytes at most: of the process on a CPU, of PyTorch's allocations on a GPU."""
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    # Linux hands the parent's peak in `ru_maxrss` on to its children; VmHWM is the process' own.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def versions(*packages: str) -> dict[str, str]:
    """The installed versions of packages."""
    return {name: importlib.metadata.version(name) for name in packages}


def serve(contender: Callable[[Task], Result]) -> None:
    """Run a contender as a process: a task file in, a result file out."""
    import torch

    given, wanted = (Path(argument) for argument in sys.argv[1:3])
    task = Task(**json.loads(given.read_text(encoding="utf-8")))
    torch.set_num_threads(task.threads)
    result = contender(task)
    result.versions = versions("torch", "transformers", "peft") | result.versions
    wanted.write_text(json.dumps(asdict(result)), encoding="utf-8")
