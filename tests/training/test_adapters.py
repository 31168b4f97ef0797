from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polypaca.models.families import adapter_targets
from polypaca.models.loading import load_model
from polypaca.training import adapters
from polypaca.training.settings import Lora
from polypaca.training.trainer import with_adapter


def _model(base: Path, kind: str) -> Any:
    model = load_model(base, dtype=kind)
    names = adapter_targets(model, model.config.model_type, "attention-qkv")
    model = with_adapter(model, Lora(rank=4, alpha=8, dropout=0.0), names, seed=7)
    torch.manual_seed(3)
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def _loss_and_gradients(model: Any) -> tuple[float, list[torch.Tensor]]:
    ids = torch.arange(3, 90)[None]
    loss = model(input_ids=ids, labels=ids).loss
    loss.backward()
    return loss.item(), [p.grad for p in model.parameters() if p.grad is not None]


@pytest.mark.parametrize("family", ["gpt_neox", "llama"])
def test_half_precision_adapters_are_pefts_but_for_rounding(
    family: str, tiny_model: Callable[[str], Path]
) -> None:
    theirs = _loss_and_gradients(_model(tiny_model(family), "bfloat16"))
    model = _model(tiny_model(family), "bfloat16")
    adapters.install(model)
    ours = _loss_and_gradients(model)
    assert ours[0] == pytest.approx(theirs[0], rel=2e-3)
    assert len(ours[1]) == len(theirs[1]) > 0
    for found, expected in zip(ours[1], theirs[1], strict=True):
        assert found.dtype == torch.float32
        assert (found - expected).norm() < 0.05 * expected.norm()


def test_in_float32_adapters_are_left_to_peft(tiny_model: Callable[[str], Path]) -> None:
    model = _model(tiny_model("llama"), "float32")
    adapters.install(model)
    assert not any("forward" in vars(module) for module in model.modules())
