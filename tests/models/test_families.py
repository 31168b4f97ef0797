from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from polypaca.core.errors import UserError
from polypaca.models.families import ATTENTION_QKV, adapter_targets
from polypaca.models.loading import load_model


@pytest.mark.parametrize("family", sorted(ATTENTION_QKV))
def test_every_family_of_the_table_has_its_projections(
    family: str, tiny_model: Callable[[str], Path]
) -> None:
    model = load_model(tiny_model(family))
    assert adapter_targets(model, family, "attention-qkv") == list(ATTENTION_QKV[family])


def test_unknown_families_are_looked_at(tiny_model: Callable[[str], Path]) -> None:
    model = load_model(tiny_model("llama"))
    assert adapter_targets(model, "brand_new", "attention-qkv") == ["q_proj", "k_proj", "v_proj"]


def test_a_target_that_is_not_there_names_those_that_are(tiny_model: Callable[[str], Path]) -> None:
    model = load_model(tiny_model("llama"))
    with pytest.raises(UserError, match=r"no module is called W_pack.*down_proj \(2\).*q_proj"):
        adapter_targets(model, "llama", ["W_pack"])


def test_a_target_of_some_layers_alone_is_refused(tiny_model: Callable[[str], Path]) -> None:
    from torch import nn

    model = load_model(tiny_model("llama"))
    model.model.layers[1].self_attn.q_proj = nn.Identity()
    with pytest.raises(UserError, match="q_proj is only in some of the 2 layers"):
        adapter_targets(model, "llama", "attention-qkv")
