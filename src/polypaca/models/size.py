"""How large a saved model is, read from the headers of its weights."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def parameter_count(folder: Path) -> int | None:
    """The parameters of a model in safetensors files; None where there is no such file.

    A tied output head is stored once and counted once. Format:
    https://huggingface.co/docs/safetensors (8 bytes of length, then a JSON header).
    """
    files = sorted(folder.glob("*.safetensors"))
    total = 0
    for path in files:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(
            math.prod(tensor["shape"]) for name, tensor in header.items() if name != "__metadata__"
        )
    return total if files else None
