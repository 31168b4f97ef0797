"""The GPUs that plans can be estimated for, by their vendors' data sheets.

Peaks are of matrix units on dense matrices in bf16 with fp32 accumulation. Where a datasheet gives
the figure for 2:4 sparse matrices alone, the dense one is half of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from polypaca.core.errors import UserError
from polypaca.core.names import suggest


@dataclass(frozen=True)
class Gpu:
    """One GPU device.

    Attributes:
        name: what `--gpu` takes.
        peak: FLOP/s in bf16, dense, accumulated in fp32.
        memory: bytes; the datasheet's GB taken as 10^9.
        bandwidth: bytes/s between the device and its memory.
        source: the vendor's document.
    """

    name: str
    peak: float
    memory: float
    bandwidth: float
    source: str


def _gpu(name: str, tflops: float, gigabytes: float, gb_s: float, source: str) -> Gpu:
    return Gpu(name, tflops * 1e12, gigabytes * 1e9, gb_s * 1e9, source)


_GA102 = "NVIDIA Ampere GA102 GPU Architecture whitepaper, appendix A"
_ADA = "NVIDIA Ada GPU Architecture whitepaper, appendix A"
_MI250X = "AMD Instinct MI250X datasheet"

_ROWS = (
    # GeForce boards run bf16 and fp16 at half their peak when they accumulate in fp32; the larger
    # figure on the box is for accumulation in fp16.
    _gpu("rtx-3090", 71, 24, 936, _GA102),
    _gpu("rtx-4090", 165.2, 24, 1008, _ADA),
    _gpu("a40", 149.7, 48, 696, "NVIDIA A40 datasheet"),
    _gpu("a100-40gb", 312, 40, 1555, "NVIDIA A100 datasheet, SXM"),
    _gpu("a100-80gb", 312, 80, 2039, "NVIDIA A100 datasheet, SXM"),
    _gpu("h100", 989, 80, 3350, "NVIDIA H100 datasheet, SXM: 1,979 TFLOPS with sparsity"),
    _gpu("h200", 989, 141, 4800, "NVIDIA H200 datasheet, SXM: 1,979 TFLOPS with sparsity"),
    _gpu("l4", 121, 24, 300, "NVIDIA L4 datasheet: 242 TFLOPS with sparsity"),
    _gpu("l40s", 362, 48, 864, "NVIDIA L40S datasheet"),
    _gpu("mi250x", 383, 128, 3276.8, f"{_MI250X}: the whole module of two dies"),
    _gpu("mi250x-gcd", 191.5, 64, 1638.4, f"{_MI250X}, halved: one of its two dies"),
)
GPUS = {gpu.name: gpu for gpu in _ROWS}


def find_gpu(name: str) -> Gpu:
    """The GPU of that name; case, spaces and underscores do not matter.

    Raises:
        UserError: if it is not in the table.
    """
    wanted = name.strip().lower().replace(" ", "-").replace("_", "-")
    if wanted not in GPUS:
        raise UserError(f"--gpu: unknown GPU {name!r}{suggest(wanted, GPUS)}")
    return GPUS[wanted]
