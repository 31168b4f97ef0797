"""Run all contenders of one table, each in a process of its own."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from benchmarks.peers import polypaca_side, rows, shapes, table
from benchmarks.peers.common import LossOn, Method, Result, Task

MODULES = {
    "paper": "plain_trainer",
    "plain-bf16": "plain_trainer",
    "trl": "trl_stock",
    "trl-packing": "trl_stock",
    "llamafactory": "llamafactory",
    "polypaca": "polypaca_side",
}
PACKAGES = {"trl": "trl", "trl-packing": "trl", "llamafactory": "llamafactory"}
SEED = 1
MAX_LENGTH = 512
_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Setup:
    """One table."""

    shape: str
    method: Method
    loss_on: LossOn
    contenders: tuple[str, ...]
    rows: int
    batch: int
    steps: int
    micro: int | None  # None: each contender's own
    repeats: int


@dataclass(frozen=True)
class Options:
    """What all tables have in common."""

    device: Literal["cpu", "cuda"]
    threads: int
    untimed: int
    held_out: int
    data: Path
    tokenizer: Path
    pythons: dict[str, str]  # interpreters of packages that have an environment of their own
    profile: Path | None
    measured: bool  # false: there is no such device


def measure(setup: Setup, options: Options, folder: Path) -> tuple[dict[str, Any], bool]:
    """Run what one table needs and print it; returns all of it, and whether all went well."""
    folder.mkdir()
    every = [table.Runs(name) for name in setup.contenders]
    total, multiplied = shapes.parameters(shapes.shapes()[setup.shape])
    head: dict[str, Any] = {**asdict(setup), "parameters": total, "device": options.device}
    if not options.measured:
        for runs in every:
            runs.missing = "not measured"
        print(table.page(head, every, 0))
        return {**head, "contenders": table.as_json(every)}, True
    task, counts = prepare(setup, options, folder)
    question = {"device": options.device, "threads": options.threads}
    rates = ask("rate", question, folder, options)
    train(setup, task, every, folder, options)
    losses = held_out(task, every, folder, options)
    if options.profile and "polypaca" in setup.contenders:
        print(f"{setup.shape}: profile", file=sys.stderr, flush=True)
        out, file = str(folder / "profiled"), str(options.profile)
        profiled = replace(task, contender="polypaca", out=out, profile=file)
        ask(MODULES["polypaca"], asdict(profiled), folder, options)
    head |= {
        **counts,
        "device": device_name(options.device),
        "threads": options.threads,
        "matmul_flops": rates if isinstance(rates, dict) else {},
        "held_out_before": losses.get("before"),
    }
    head["disagreements"] = table.disagreements(every, counts)
    print(table.page(head, every, table.flops_per_token(setup.method, multiplied)), flush=True)
    failed = isinstance(rates, str) or not losses or any(runs.failed for runs in every)
    report = {**head, "contenders": table.as_json(every)}
    return report, not (failed or head["disagreements"])


def prepare(setup: Setup, options: Options, folder: Path) -> tuple[Task, dict[str, int]]:
    """What all contenders are asked to do, and the tokens and labels that are in it."""
    tokenizer = polypaca_side.load_tokenizer(options.tokenizer)
    data = rows.sample(
        options.data,
        tokenizer,
        train=setup.rows,
        held_out=options.held_out,
        max_length=MAX_LENGTH,
        loss_on=setup.loss_on,
    )
    file = folder / "rows.json"
    file.write_text(json.dumps(data), encoding="utf-8")
    shape = shapes.shapes()[setup.shape]
    shapes.check(setup.shape, shape, tokenizer)
    if options.device == "cpu":
        base = shapes.write_base(setup.shape, shape, tokenizer, SEED)
    else:
        base = shapes.write_config(folder / "base", shape, tokenizer)
    task = Task(
        contender="",
        base=str(base),
        rows=str(file),
        out="",
        method=setup.method,
        loss_on=setup.loss_on,
        targets=shapes.targets(shape),
        steps=setup.steps,
        untimed=options.untimed,
        batch=setup.batch,
        micro=setup.micro,
        learning_rate=3e-4 if setup.method == "lora" else 2e-5,
        warmup=max(1, setup.steps // 10),
        schedule="linear" if setup.method == "lora" else "cosine",
        max_length=MAX_LENGTH,
        pad=tokenizer.pad_token_id,
        threads=options.threads,
        device=options.device,
        seed=SEED,
    )
    epochs = setup.steps * setup.batch // setup.rows
    labels = [label for row in data["train"] for label in row["labels"][1:]]
    return task, {
        "tokens": epochs * sum(len(row["input_ids"]) for row in data["train"]),
        "supervised": epochs * sum(label != -100 for label in labels),
    }


def train(
    setup: Setup, task: Task, every: list[table.Runs], folder: Path, options: Options
) -> None:
    """All repeats of all contenders; every other repeat goes backwards, so that drift shows."""
    for repeat in range(setup.repeats):
        for runs in every if repeat % 2 == 0 else reversed(every):
            if runs.missing:
                continue
            python = interpreter(runs.contender, options)
            if python is None:
                runs.missing = "not installed"
                continue
            print(f"{setup.shape}: {runs.contender}, run {repeat + 1}", file=sys.stderr, flush=True)
            out = str(weights(folder, runs.contender, len(runs.results)))
            asked = asdict(replace(task, contender=runs.contender, out=out))
            answer = ask(MODULES[runs.contender], asked, folder, options, python)
            if isinstance(answer, str):
                runs.missing = answer
                continue
            answer["losses"] = {int(step): loss for step, loss in answer["losses"].items()}
            runs.results.append(Result(**answer))


def held_out(
    task: Task, every: list[table.Runs], folder: Path, options: Options
) -> dict[str, float]:
    """Fill in the held-out losses of all runs; returns them with that before training."""
    names = {
        (runs.contender, number): f"{runs.contender}-{number}"
        for runs in every
        for number in range(len(runs.results))
    }
    folders = {name: str(weights(folder, *run)) for run, name in names.items()}
    answer = ask("evaluate", {"task": asdict(task), "folders": folders}, folder, options)
    if isinstance(answer, str):
        return {}
    for runs in every:
        runs.held_out = [
            answer[names[runs.contender, number]] for number in range(len(runs.results))
        ]
    return answer


def weights(folder: Path, contender: str, number: int) -> Path:
    """Where a run's weights go."""
    return folder / f"{contender}-{number}"


def interpreter(contender: str, options: Options) -> str | None:
    """The Python that has the contender's package; None if there is none."""
    package = PACKAGES.get(contender)
    if package is None:
        return sys.executable
    python = options.pythons.get(package, sys.executable)
    code = f"import importlib.util as u, sys; sys.exit(u.find_spec({package!r}) is None)"
    try:
        there = subprocess.run([python, "-c", code], cwd=tempfile.gettempdir(), check=False)
    except OSError:
        return None
    return python if there.returncode == 0 else None


def ask(
    module: str,
    question: dict[str, Any],
    folder: Path,
    options: Options,
    python: str = sys.executable,
) -> dict[str, Any] | str:
    """Run a module of this folder, JSON in and JSON out; its answer, or why there is none."""
    asked, answered = folder / "question.json", folder / "answer.json"
    answered.unlink(missing_ok=True)
    asked.write_text(json.dumps(question), encoding="utf-8")
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    environment = os.environ | {
        "PYTHONPATH": path,
        "OMP_NUM_THREADS": str(options.threads),
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    if options.device == "cpu":
        environment["CUDA_VISIBLE_DEVICES"] = ""
    command = [python, "-m", f"benchmarks.peers.{module}", str(asked), str(answered)]
    done = subprocess.run(
        command, cwd=_ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode == 0 and answered.exists():
        answer: dict[str, Any] = json.loads(answered.read_text(encoding="utf-8"))
        return answer
    print(done.stderr[-4000:], file=sys.stderr)
    last = done.stderr.strip().rpartition("\n")[2]
    return f"failed: {last[:80] or f'status {done.returncode}'}"


def device_name(device: str) -> str:
    """What the numbers were measured on."""
    if device == "cuda":
        import torch

        return str(torch.cuda.get_device_name())
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.processor() or platform.machine()
