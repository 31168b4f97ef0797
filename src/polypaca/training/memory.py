"""How many tokens fit into one forward and backward pass."""

from __future__ import annotations

import resource
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import torch

# More tokens at a time make nothing faster: a GPU's matrix units are full, a CPU's caches too.
ENOUGH_TOKENS = {"cuda": 16_384, "cpu": 4_096}
# Share of the free memory that activations may fill: what is temporary, and what the allocator
# cannot use, needs the rest.
_SHARE = 0.5
_ROUND = 256


def tokens_that_fit(free: int, bytes_per_token: float) -> int:
    """Tokens of a pass whose activations fill the share of `free` bytes that is theirs.

    Rounded down to a multiple of 256, so that two runs on one machine most likely agree.
    """
    tokens = int(_SHARE * free / max(bytes_per_token, 1.0))
    return tokens // _ROUND * _ROUND or tokens


def activation_bytes(model: Any, batch: Mapping[str, Any]) -> float:
    """Bytes that a forward pass keeps for its backward pass, a token, measured on one batch.

    Tensors that autograd saves are counted, each storage once, the model's own weights not.
    """
    import torch

    seen: dict[int, int] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        # Weights are parameters or views of such, also where FSDP2 has just gathered them.
        whole = tensor if tensor._base is None else tensor._base
        if not isinstance(whole, torch.nn.Parameter):
            storage = tensor.untyped_storage()
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    ids = batch["input_ids"]
    with torch.random.fork_rng(devices=[ids.device] if ids.is_cuda else []):
        hooks = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        with hooks:
            loss = model(**batch)["loss"]
        del loss
    return sum(seen.values()) / int(ids.numel())


def checkpointed_bytes(whole: float, layers: int, hidden_bytes: int) -> float:
    """What is left a token with activation checkpointing: arXiv 1604.06174, section 4.

    Each layer keeps its input, `hidden_bytes` a token; one layer at a time is computed again, and
    then has its share of the `whole`.
    """
    return layers * hidden_bytes + whole / layers


def free_bytes(device: torch.device, reserved: int = 0) -> int:
    """Memory that is free on a device, less what will still be taken (`reserved`).

    On a CPU the machine's, but no more than the process's control group and limits allow.
    """
    import torch

    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return max(0, free + unused - reserved)
    import psutil

    limits = [int(psutil.virtual_memory().available), *_process_limit(), *_group_limit()]
    return max(0, min(limits) - reserved)


def _process_limit() -> list[int]:
    import psutil

    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return []
    return [soft - int(psutil.Process().memory_info().vms)]


def _group_limit() -> list[int]:
    """What a container's memory limit leaves (cgroup v2)."""
    folder = Path("/sys/fs/cgroup")
    try:
        most = (folder / "memory.max").read_text(encoding="utf-8").strip()
        used = int((folder / "memory.current").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return []
    return [] if most == "max" else [int(most) - used]


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that an allocation failed, on a GPU or a CPU."""
    import torch

    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def example_too_long(tokens: int) -> StageError:
    """The error for an example that does not fit into memory by itself."""
    return StageError(
        f"out of memory for a single example of {tokens} tokens: lower max_length, or "
        "set train.activation_checkpointing: always"
    )
