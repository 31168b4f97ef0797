"""Where this process stands among those that train one cell together.

They are started by `torchrun` or whatever speaks its environment variables; alone, a process is
rank 0 of 1.
"""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

# The others wait while rank 0 waits for another run; one that died is noticed by the launcher.
_PATIENCE = timedelta(days=7)


def rank() -> int:
    """This process's number among all of them, from 0."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """How many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main() -> bool:
    """Whether this is the one process that writes files and tells of progress."""
    return rank() == 0


def device() -> Any:
    """Where this process computes: its GPU, or the CPU. Offloaded weights may lie elsewhere."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("cpu")


def join() -> None:
    """Meet the other processes, if there are any; each takes the GPU of its local rank."""
    if world_size() == 1:
        return
    import torch

    if torch.distributed.is_initialized():
        return
    backend = "gloo"
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
        backend = "cpu:gloo,cuda:nccl"
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)


def leave() -> None:
    """Part from the others."""
    import torch

    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def broadcast(value: Any) -> Any:
    """What rank 0 holds, on every process; any picklable value that rank 0 made itself."""
    if world_size() == 1:
        return value
    import torch

    held = [value]
    torch.distributed.broadcast_object_list(held, src=0)
    return held[0]


def all_reduce(tensor: Any) -> Any:
    """The sum of a tensor over all processes."""
    if world_size() == 1:
        return tensor
    import torch

    torch.distributed.all_reduce(tensor)
    return tensor


def all_reduce_min(number: int, device: Any) -> int:
    """The smallest of the processes' numbers."""
    if world_size() == 1:
        return number
    import torch

    held = torch.tensor([number], device=device)
    torch.distributed.all_reduce(held, op=torch.distributed.ReduceOp.MIN)
    return int(held.item())


def barrier() -> None:
    """Go on when all processes have come here."""
    if world_size() > 1:
        import torch

        torch.distributed.barrier()
