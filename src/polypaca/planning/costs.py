"""From parameters and tokens to FLOPs, GPU-hours and memory: the arithmetic of a plan.

The constants below are from other people's measurements, fixed before they were compared with the
two runs that arXiv 2309.08958 gives hours for; docs/costs.md has the comparison.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.data.budgets import MethodKind
    from polypaca.planning.hardware import Gpu

_QWEN = (
    "github.com/QwenLM/Qwen, README, Profiling of Memory and Speed: Qwen-7B, 512 tokens a pass, "
    "Transformers on A100-80GB"
)


@dataclass(frozen=True)
class Assumption:
    """A number that a plan takes from elsewhere."""

    value: float
    source: str


# Model FLOPs (4 N or 6 N a token, recomputation not counted) over the peak, arXiv 2204.02311,
# appendix B. With N = 7.72e9: LoRA does 8 x 512 tokens in 1.5 s on one A100, hence
# 4 N 4096 / 1.5 s / 312e12 = 0.27; full fine-tuning 16 x 512 tokens in 4.0 s on two under
# ZeRO-3, hence 6 N 8192 / 4.0 s / 624e12 = 0.15.
UTILISATION: Mapping[MethodKind, Assumption] = {
    "lora": Assumption(0.27, f"{_QWEN}, LoRA, 1.5 s for 8 rows"),
    "full": Assumption(0.15, f"{_QWEN}, two of them, full-parameter, 4.0 s for 16 rows"),
}
# Memory in use over that of weights, gradients and optimizer states: activations, logits, buffers.
# LoRA took 20.4 GB for 15.4 GB of weights, full fine-tuning 148 GB on two for 123.5 GB of states.
OVERHEAD: Mapping[MethodKind, Assumption] = {
    "lora": Assumption(1.32, f"{_QWEN}, LoRA, 20.4 GB"),
    "full": Assumption(1.2, f"{_QWEN}, two of them, full-parameter, 148 GB"),
}
_FROZEN_BYTES = 2  # bf16
# bf16 weight and gradient, fp32 weight and two moments (arXiv 1910.02054, section 3.1)
_TRAINED_BYTES = 16


def forward_flops(parameters: int, tokens: float) -> float:
    """FLOPs of a pass without gradients: 2 N a token (arXiv 2001.08361, section 2.1)."""
    return 2.0 * parameters * tokens


def gpu_hours(flops: float, kind: MethodKind, gpu: Gpu) -> float:
    """Hours of one device, at the utilisation assumed for the kind of training."""
    return flops / (gpu.peak * UTILISATION[kind].value) / 3600


def training_bytes(parameters: int, adapters: int, kind: MethodKind) -> float:
    """Memory that training takes over all devices together, at least.

    Args:
        parameters: of the base model.
        adapters: trained parameters beside it; 0 for full fine-tuning.
        kind: whether the base's weights are frozen, at 2 bytes each, or trained, at 16.
    """
    base = _FROZEN_BYTES if kind == "lora" else _TRAINED_BYTES
    return (base * parameters + _TRAINED_BYTES * adapters) * OVERHEAD[kind].value


def gpus_needed(memory: float, gpu: Gpu) -> int:
    """Devices whose memory together holds that many bytes, spread evenly (FSDP, ZeRO-3)."""
    return max(1, math.ceil(memory / gpu.memory))


def answering_hours(
    parameters: int, answers: int, batch_size: int, new_tokens: int, gpu: Gpu
) -> float:
    """Hours of one device for answers that are all as long as allowed, at least.

    Each step of decoding reads every weight (2 bytes) once for the whole batch, which bounds it
    from below (arXiv 2211.05102, section 2); keys, values, beams and prompts come on top.
    """
    steps = math.ceil(answers / batch_size) * new_tokens
    return steps * _FROZEN_BYTES * parameters / gpu.bandwidth / 3600
