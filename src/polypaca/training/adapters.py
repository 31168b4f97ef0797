"""LoRA's arithmetic in the precision of the frozen base."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch


def install(model: Any) -> None:
    """Let adapters with float32 weights compute in half precision where their base does.

    PEFT converts each activation to float32 for the sake of the adapter's weights; here the
    weights, which are far smaller, are converted to the activations' type, as autocast does. They
    and their optimizer keep float32. Where base and adapter have one type, nothing changes.
    """
    import torch
    from peft.tuners.lora import Linear

    plain: list[Any] = [
        layer for layer in model.modules() if type(layer) is Linear and not layer.lora_variant
    ]
    for layer in plain:
        half = layer.get_base_layer().weight.dtype in (torch.bfloat16, torch.float16)
        if half and len(layer.active_adapters) == 1:
            layer.forward = partial(_forward, layer)


def _forward(module: Any, x: torch.Tensor) -> torch.Tensor:
    """LoRA (arXiv 2106.09685, section 4.1): W x + alpha / r B A dropout(x)."""
    import torch

    (name,) = module.active_adapters
    result: torch.Tensor = module.base_layer(x)
    down = module.lora_A[name].weight.to(x.dtype)
    up = (module.lora_B[name].weight * module.scaling[name]).to(x.dtype)
    low = torch.nn.functional.linear(module.lora_dropout[name](x), down)
    # One pass over the output, which is the largest tensor here.
    total = torch.addmm(result.flatten(0, -2), low.flatten(0, -2), up.T)
    return total.view(result.shape)
