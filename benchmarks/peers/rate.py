"""The rate of matrix products that this device reaches, by dtype: a process of its own.

JSON file in (`device`, `threads`), JSON file out (floating-point operations a second by dtype).
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

DTYPES = {"fp32": "float32", "bf16": "bfloat16", "fp16": "float16"}


def rate(device: str, dtype: str, seconds: float = 2.0) -> float:
    """The best of some seconds of square products."""
    import torch

    size = 8192 if device == "cuda" else 2048
    one, two = (torch.randn(size, size, device=device, dtype=getattr(torch, dtype)) for _ in "12")
    repeats = 20 if device == "cuda" else 1
    best, until = 0.0, time.perf_counter() + seconds
    while best == 0.0 or time.perf_counter() < until:
        started = time.perf_counter()
        for _ in range(repeats):
            one @ two
        if device == "cuda":
            torch.cuda.synchronize()
        best = max(best, 2 * size**3 * repeats / (time.perf_counter() - started))
    return best


def main() -> None:
    """Measure what contenders multiply in: no fp16 on a CPU."""
    import torch

    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    torch.set_num_threads(asked["threads"])
    names = ("fp32", "bf16") if asked["device"] == "cpu" else tuple(DTYPES)
    rates = {name: rate(asked["device"], DTYPES[name]) for name in names}
    Path(sys.argv[2]).write_text(json.dumps(rates), encoding="utf-8")


if __name__ == "__main__":
    main()
