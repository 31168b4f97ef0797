from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import UserError
from polypaca.models.families import adapter_targets
from polypaca.models.loading import load_model

SEPARATE, FUSED = ["q_proj", "k_proj", "v_proj"], ["query_key_value"]
_SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "intermediate_size": 96,  # three times the hidden size, as wide as a fused projection
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
_GROUPED = {**_SIZES, "num_key_value_heads": 2}
_MOE = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
ARCHITECTURES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4}, FUSED),
    ("gpt_neox", _SIZES, FUSED),
    ("llama", _SIZES, SEPARATE),
    ("llama", _GROUPED, SEPARATE),
    ("llama", {**_GROUPED, "head_dim": 16}, SEPARATE),
    ("mistral", _GROUPED, SEPARATE),
    ("qwen2", _GROUPED, SEPARATE),
    ("qwen3", {**_GROUPED, "head_dim": 16}, SEPARATE),
    ("qwen3_moe", {**_GROUPED, **_MOE, "head_dim": 16}, SEPARATE),
    ("mixtral", {**_GROUPED, "num_local_experts": 4}, SEPARATE),
    ("gemma3_text", {**_SIZES, "num_key_value_heads": 1, "head_dim": 16}, SEPARATE),
    ("gpt2", {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60}, ["c_attn"]),
    ("gpt_bigcode", {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60}, ["c_attn"]),
    ("gptj", {"n_embd": 32, "n_layer": 2, "n_head": 4, "rotary_dim": 4, "vocab_size": 60},
     ["k_proj", "v_proj", "q_proj"]),
    ("gpt_neo", {"hidden_size": 32, "num_layers": 2, "num_heads": 4, "vocab_size": 60,
                 "attention_types": [[["global", "local"], 1]]}, ["k_proj", "v_proj", "q_proj"]),
    ("phi3", {**_GROUPED, "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2}, ["qkv_proj"]),
    ("opt", {**_SIZES, "ffn_dim": 96, "word_embed_proj_dim": 32}, ["k_proj", "v_proj", "q_proj"]),
    ("falcon", {**_SIZES, "multi_query": True, "new_decoder_architecture": False}, FUSED),
    ("falcon", {**_SIZES, "num_kv_heads": 2, "new_decoder_architecture": True}, FUSED),
    ("mpt", {"d_model": 32, "n_layers": 2, "n_heads": 4, "vocab_size": 60}, ["Wqkv"]),
]  # fmt: skip


def _built(kind: str, config: dict[str, Any], device: str = "meta") -> Any:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device(device):
        return AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(kind, **config)
        )


def _adapted(model: Any, names: list[str]) -> set[str]:
    """The paths of the modules that PEFT adapts, given these names."""
    from peft import LoraConfig, inject_adapter_in_model

    tuned = inject_adapter_in_model(LoraConfig(r=2, target_modules=names), model)
    paths = (path for path, _ in tuned.named_modules())
    return {path.removesuffix(".lora_A") for path in paths if path.endswith(".lora_A")}


@pytest.mark.parametrize(
    ("kind", "config", "expected"), ARCHITECTURES, ids=[row[0] for row in ARCHITECTURES]
)
def test_projections_are_found_by_their_widths(
    kind: str, config: dict[str, Any], expected: list[str]
) -> None:
    model = _built(kind, config)
    assert adapter_targets(model, kind, "attention-qkv") == expected
    assert len(_adapted(model, expected)) == 2 * len(expected)


def _odd(attention: list[str], *, heads: int | None, grouped: bool = False) -> Any:
    """A model with names of its own: one attention of those names and an MLP in each layer."""
    import torch
    from torch import nn
    from transformers import PreTrainedConfig, PreTrainedModel

    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            for name in attention:
                narrow = grouped and name[-1] in "kv"
                self.add_module(name, nn.Linear(24, 12 if narrow else 24))

        def forward(self, x: torch.Tensor) -> Any:
            made = [getattr(self, name)(x) for name in sorted(attention)[1:]]
            mixed = made[-1] + sum(part.mean() for part in made)
            return getattr(self, sorted(attention)[0])(mixed)

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.blick, self.a1 = Attention(), nn.Linear(24, 24)
            self.router = nn.Linear(24, 4)

        def forward(self, x: torch.Tensor) -> Any:
            return x + self.a1(self.blick(x))

    class Config(PreTrainedConfig):  # type: ignore[no-untyped-call]
        model_type = "odd"

    class Odd(PreTrainedModel):  # type: ignore[no-untyped-call]
        config_class = Config

        def __init__(self, config: Any) -> None:
            super().__init__(config)
            self.embed = nn.Embedding(50, 24)
            self.blocks = nn.ModuleList([Layer(), Layer(), Layer()])

        def forward(self, input_ids: torch.Tensor) -> Any:
            x = self.embed(input_ids)
            for block in self.blocks:
                x = block(x)
            return x

    settings: dict[str, Any] = {"hidden_size": 24, "num_hidden_layers": 3}
    if heads:
        settings["num_attention_heads"] = heads
    return Odd(Config(**settings))


@pytest.mark.parametrize(("heads", "grouped"), [(4, False), (4, True), (None, False)])
def test_unknown_names_are_told_apart_by_what_flows_into_them(
    heads: int | None, grouped: bool
) -> None:
    """`a1` leads back to the hidden states, though the layer has another `a1`."""
    model = _odd(["z_q", "a1", "y_k", "x_v"], heads=heads, grouped=grouped)
    names = adapter_targets(model, "odd", "attention-qkv")
    assert names == ["z_q", "y_k", "x_v"]
    assert len(_adapted(model, names)) == 9


def test_names_that_also_occur_elsewhere_are_given_with_their_parent() -> None:
    from torch import nn

    model = _odd(["a1", "b", "c", "d"], heads=4)
    for block in model.blocks:
        block.b = nn.Linear(24, 4)
    names = adapter_targets(model, "odd", "attention-qkv")
    assert names == ["blick.b", "c", "d"]
    adapted = _adapted(model, names)
    assert len(adapted) == 9
    assert all(".blick." in path for path in adapted)


def test_what_sees_is_left_out() -> None:
    from transformers import AutoModelForImageTextToText, Gemma3Config

    text = {**_SIZES, "num_key_value_heads": 1, "head_dim": 16}
    vision = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
              "num_attention_heads": 4, "image_size": 28, "patch_size": 14}  # fmt: skip
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4)
    model = AutoModelForImageTextToText.from_config(config)  # type: ignore[no-untyped-call]
    names = adapter_targets(model, "gemma3", "attention-qkv")
    adapted = _adapted(model, names)
    assert len(adapted) == 6
    assert not any("vision" in path for path in adapted)


def test_a_model_without_attention_is_refused() -> None:
    model = _built("mamba", {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 60})
    with pytest.raises(UserError, match=r"mamba: its query.*were not found.*in_proj \(2\)"):
        adapter_targets(model, "mamba", "attention-qkv")


def test_a_target_that_is_not_there_names_those_that_are(tiny_model: Callable[[str], Path]) -> None:
    model = load_model(tiny_model("llama"))
    with pytest.raises(UserError, match=r"no module is called W_pack.*down_proj \(2\).*q_proj"):
        adapter_targets(model, "llama", ["W_pack"])


def test_targets_may_be_endings_of_paths(tiny_model: Callable[[str], Path]) -> None:
    model = load_model(tiny_model("llama"))
    assert adapter_targets(model, "llama", ["mlp.up_proj"]) == ["mlp.up_proj"]
    assert adapter_targets(model, "llama", "o_proj") == ["o_proj"]
    with pytest.raises(UserError, match=r"no module is called self_attn\.up_proj"):
        adapter_targets(model, "llama", ["self_attn.up_proj"])


def test_projections_of_some_layers_alone_are_refused(tiny_model: Callable[[str], Path]) -> None:
    from torch import nn

    model = load_model(tiny_model("llama"))
    model.model.layers[1].self_attn.q_proj = nn.Identity()
    with pytest.raises(UserError, match="1 of the 2 layers have no query, key and value"):
        adapter_targets(model, "llama", "attention-qkv")
    with pytest.raises(UserError, match="q_proj is only in some of the 2 layers"):
        adapter_targets(model, "llama", ["q_proj", "k_proj"])
