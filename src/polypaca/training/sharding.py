"""Checkpoints of the optimizer where weights are shared out over processes (FSDP2).

Transformers saves such a model whole, but not what training goes on from; PyTorch's distributed
checkpoints do, each process writing its own part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_FOLDER = "optimizer"


def is_sharded(model: Any) -> bool:
    """Whether a model's weights are shared out over processes."""
    return bool(getattr(model, "is_distributed_loading_by_transformers", False))


def save(model: Any, optimizer: Any, scheduler: Any, checkpoint: Path) -> None:
    """Write optimizer and learning-rate schedule into a checkpoint; all processes take part."""
    from torch.distributed.checkpoint.state_dict import get_optimizer_state_dict
    from torch.distributed.checkpoint.state_dict_saver import save as save_parts

    _reshard(model)
    state = {
        "optimizer": get_optimizer_state_dict(model, _plain(optimizer)),
        "scheduler": scheduler.state_dict(),
    }
    save_parts(state, checkpoint_id=checkpoint / _FOLDER)


def load(model: Any, optimizer: Any, scheduler: Any, checkpoint: Path) -> None:
    """Read what `save` wrote, by as many processes or by another number of them."""
    from torch.distributed.checkpoint.state_dict import (
        get_optimizer_state_dict,
        set_optimizer_state_dict,
    )
    from torch.distributed.checkpoint.state_dict_loader import load as load_parts

    _reshard(model)
    state = {
        "optimizer": get_optimizer_state_dict(model, _plain(optimizer)),
        "scheduler": scheduler.state_dict(),
    }
    load_parts(state, checkpoint_id=checkpoint / _FOLDER)
    set_optimizer_state_dict(model, _plain(optimizer), state["optimizer"])
    scheduler.load_state_dict(state["scheduler"])


def _reshard(model: Any) -> None:
    """Let go of weights that an evaluation has gathered: the optimizer knows the shards."""
    from torch.distributed.fsdp import FSDPModule

    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()


def _plain(optimizer: Any) -> Any:
    """PyTorch's optimizer within Accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)
