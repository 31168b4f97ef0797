"""One table of what the contenders measured, and whether they did the same work."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.peers.common import Method, Result

PACKED = "trl-packing"  # has other batches than all others
TOKENS_TOLERANCE = 0.001  # share
LOSS_TOLERANCE = 0.02  # nats; bf16 rounds
COLUMNS = (
    "contender",
    "precision",
    "tokens/s",
    "x paper",
    "spread",
    "MFU",
    "peak GiB",
    "train loss",
    "held-out loss",
    "padding",
    "steps",
    "tokens",
    "supervised",
)


@dataclass
class Runs:
    """All runs of one contender."""

    contender: str
    results: list[Result] = field(default_factory=list)
    held_out: list[float] = field(default_factory=list)
    missing: str = ""  # why there are none

    @property
    def failed(self) -> bool:
        """Whether it is there and did not come to its end."""
        return self.missing.startswith("failed")

    @property
    def speed(self) -> float:
        """Non-padding tokens a second, the median of all runs."""
        return statistics.median(speed(result) for result in self.results)


def speed(result: Result) -> float:
    """Non-padding tokens a second of training steps."""
    return result.timed_tokens / result.timed_seconds


def final_loss(result: Result) -> float:
    """Mean training loss of the last quarter of all steps that were logged."""
    losses = [loss for _, loss in sorted(result.losses.items())]
    return statistics.fmean(losses[-max(1, len(losses) // 4) :])


def mean_loss(result: Result) -> float:
    """Mean training loss of all steps, by their tokens where every step was logged."""
    every = len(result.losses) == result.steps
    return statistics.fmean(result.losses.values(), result.step_tokens if every else None)


def flops_per_token(method: Method, parameters: int) -> int:
    """4 N with adapters, 6 N without; what is recomputed is not counted."""
    return (4 if method == "lora" else 6) * parameters


def cells(runs: Runs, paper: Runs | None, flops: int, rates: dict[str, float]) -> list[str]:
    """One line of the table."""
    if not runs.results:
        return [runs.contender, runs.missing.partition(":")[0]] + ["–"] * (len(COLUMNS) - 2)
    first = runs.results[0]
    speeds = [speed(result) for result in runs.results]
    median = runs.speed
    return [
        runs.contender,
        first.precision,
        f"{median:,.0f}",
        f"{median / paper.speed:.2f}" if paper and paper.results else "–",
        f"{(max(speeds) - min(speeds)) / median:.0%}" if len(speeds) > 1 else "–",
        f"{median * flops / rates[first.dtype]:.1%}" if first.dtype in rates else "–",
        f"{statistics.median(result.peak_bytes for result in runs.results) / 2**30:.2f}",
        f"{statistics.median(final_loss(result) for result in runs.results):.4f}",
        f"{statistics.median(runs.held_out):.4f}" if runs.held_out else "–",
        f"{1 - first.tokens / first.positions:.0%}",
        str(first.steps),
        f"{first.tokens:,}",
        "–" if first.supervised is None else f"{first.supervised:,}",
    ]


def markdown(every: list[Runs], flops: int, rates: dict[str, float]) -> str:
    """The table, aligned."""
    paper = next((runs for runs in every if runs.contender == "paper"), None)
    lines = [list(COLUMNS), *(cells(runs, paper, flops, rates) for runs in every)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    texts = [
        "| "
        + " | ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        + " |"
        for line in lines
    ]
    rule = "|" + "|".join(
        "-" * (width + 2) if column < 2 else "-" * (width + 1) + ":"
        for column, width in enumerate(widths)
    )
    return "\n".join([texts[0], rule + "|", *texts[1:]])


def page(head: dict[str, Any], every: list[Runs], flops: int) -> str:
    """The table with what has to be known to read it."""
    rates = head.get("matmul_flops", {})
    before = head.get("held_out_before")
    lines = [
        f"{head['shape']} with random weights ({head['parameters'] / 1e6:,.0f}M parameters), "
        f"{head['method']}, loss on {head['loss_on']}: {head['steps']} steps of {head['batch']} "
        f"rows, {head['rows']} rows in all"
    ]
    if rates:
        products = ", ".join(f"{name} {rate / 1e12:.3g}" for name, rate in rates.items())
        lines.append(f"{head['device']}, {head['threads']} threads; TFLOP/s measured: {products}")
    if before is not None:
        lines.append(f"held-out loss before training: {before:.4f}")
    lines += ["", markdown(every, flops, rates), ""]
    for runs in every:
        if runs.failed:
            lines.append(f"{runs.contender}: {runs.missing}")
        for result in runs.results[:1]:
            installed = ", ".join(f"{name} {version}" for name, version in result.versions.items())
            lines += [*result.notes, f"{runs.contender}: {installed}"]
    lines += [*agreement(every), *(f"NOT ALIKE: {what}" for what in head.get("disagreements", ()))]
    return "\n".join(["", *lines])


def disagreements(every: list[Runs], given: dict[str, int]) -> list[str]:
    """Where a contender saw other tokens than it was given, or began from another loss."""
    found = []
    reference = next((runs.results[0] for runs in every if runs.results), None)
    for runs in every:
        for result in runs.results:
            if runs.contender == PACKED or reference is None:
                continue
            for what, seen, wanted in (
                ("tokens", result.tokens, given["tokens"]),
                ("supervised tokens", result.supervised, given["supervised"]),
            ):
                if seen is None or abs(seen - wanted) > TOKENS_TOLERANCE * wanted:
                    found.append(f"{runs.contender}: {seen} {what}, not {wanted}")
            ours, theirs, which = compared(result, reference)
            if abs(ours - theirs) > LOSS_TOLERANCE:
                found.append(f"{runs.contender}: {which} {ours:.4f}, not {theirs:.4f}")
    return found


def compared(result: Result, reference: Result) -> tuple[float, float, str]:
    """Two losses that should be equal: the first step's if both took the same rows in it."""
    same = result.step_tokens[0] == reference.step_tokens[0]
    if same and 1 in result.losses and 1 in reference.losses:
        return result.losses[1], reference.losses[1], "loss of the first step"
    return mean_loss(result), mean_loss(reference), "mean loss of all steps"


def agreement(every: list[Runs]) -> list[str]:
    """The losses that should be equal, a line for each contender."""
    there = [runs for runs in every if runs.results]
    lines = []
    for runs in there:
        ours, theirs, which = compared(runs.results[0], there[0].results[0])
        lines.append(
            f"{runs.contender}: {which} {ours:.4f} ({there[0].contender} {theirs:.4f}), "
            f"tokens of the first step {runs.results[0].step_tokens[0]:,}"
        )
    return lines


def as_json(every: list[Runs]) -> list[dict[str, Any]]:
    """Everything that was measured."""
    return [
        {
            "contender": runs.contender,
            "missing": runs.missing,
            "held_out": runs.held_out,
            "tokens_per_second": [speed(result) for result in runs.results],
            "runs": [vars(result) for result in runs.results],
        }
        for runs in every
    ]
