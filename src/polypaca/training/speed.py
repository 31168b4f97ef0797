"""What the hardware could do, to tell how much of it training used."""

from __future__ import annotations

import time
from functools import lru_cache

_SIZES = {"cuda": 8192, "cpu": 2048}  # of the square matrices that are multiplied
_TIMES = 5


@lru_cache(maxsize=4)
def matmul_rate(device: str, dtype: str, threads: int) -> float:
    """Floating-point operations a second in a large matrix product, measured here and now.

    A multiplication and an addition count as two. Model FLOPs utilisation (arXiv 2204.02311,
    appendix B) is taken against this rate, which unlike a data sheet's can be reached.

    Args:
        device: `cuda` or `cpu`.
        dtype: of the matrices, such as `bfloat16`.
        threads: of the CPU; the measurement is remembered for each number of them.
    """
    import torch

    del threads  # the caller has set them; they only tell measurements apart
    size = _SIZES.get(device, 2048)
    a = torch.randn(size, size, device=device).to(getattr(torch, dtype))
    b = torch.randn(size, size, device=device).to(getattr(torch, dtype))
    torch.mm(a, b)
    best = float("inf")
    for _ in range(_TIMES):
        _synchronize(device)
        started = time.perf_counter()
        torch.mm(a, b)
        _synchronize(device)
        best = min(best, time.perf_counter() - started)
    return 2.0 * size**3 / best


def _synchronize(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()


def peak_memory(device: str) -> int:
    """Bytes at the peak: of the GPU, or of this process since it began."""
    import resource
    import sys

    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    unit = 1 if sys.platform == "darwin" else 1024  # ru_maxrss is in bytes there, in KiB elsewhere
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
