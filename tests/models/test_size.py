from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polypaca.models.catalog import SHAPES
from polypaca.models.size import config_parameters, lora_parameters, parameter_count

# Totals on the model cards; Pythia's are also in github.com/EleutherAI/pythia's table.
PUBLISHED = {
    "bigscience/bloom-560m": 559_214_592,
    "bigscience/bloom-1b1": 1_065_314_304,
    "bigscience/bloom-1b7": 1_722_408_960,
    "bigscience/bloom-3b": 3_002_557_440,
    "bigscience/bloom-7b1": 7_069_016_064,
    "EleutherAI/pythia-70m-deduped": 70_426_624,
    "EleutherAI/pythia-160m-deduped": 162_322_944,
    "EleutherAI/pythia-410m-deduped": 405_334_016,
    "EleutherAI/pythia-1b-deduped": 1_011_781_632,
    "EleutherAI/pythia-1.4b-deduped": 1_414_647_808,
    "EleutherAI/pythia-2.8b-deduped": 2_775_208_960,
    "EleutherAI/pythia-6.9b-deduped": 6_857_302_016,
    "EleutherAI/pythia-12b-deduped": 11_846_072_320,
    "huggyllama/llama-7b": 6_738_415_616,
    "Qwen/Qwen3-0.6B-Base": 596_049_920,
    "Qwen/Qwen3-8B-Base": 8_190_735_360,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "google/gemma-3-1b-pt": 999_885_952,
}
_SIZES = {
    "vocab_size": 100,
    "hidden_size": 48,
    "intermediate_size": 80,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
}
VARIANTS: list[dict[str, Any]] = [
    {"model_type": "bloom", "n_embed": 48, "n_layer": 3, "num_attention_heads": 4},
    {**_SIZES, "model_type": "bloom", "tie_word_embeddings": False},
    {**_SIZES, "model_type": "gpt_neox", "attention_bias": False, "tie_word_embeddings": True},
    {**_SIZES, "model_type": "llama", "attention_bias": True, "mlp_bias": True},
    {**_SIZES, "model_type": "llama", "num_key_value_heads": 2, "tie_word_embeddings": True},
    {**_SIZES, "model_type": "llama", "head_dim": 20, "num_key_value_heads": None},
    {**_SIZES, "model_type": "mistral", "num_key_value_heads": 1, "attention_bias": True},
    {**_SIZES, "model_type": "qwen2", "num_key_value_heads": 2},
    {**_SIZES, "model_type": "qwen3", "num_key_value_heads": 2, "attention_bias": True},
    {**_SIZES, "model_type": "gemma3_text", "num_key_value_heads": 2, "head_dim": 32},
]
DEFAULTS = ["bloom", "llama", "mistral", "qwen2", "qwen3", "gemma3_text", "gpt_neox"]


def _built(config: Mapping[str, Any]) -> Any:
    """The model of a config, without memory for its weights; Baichuan as the LLaMA it becomes."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = dict(config)
    kind = settings.pop("model_type").replace("baichuan", "llama")
    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            AutoConfig.for_model(kind, **settings)
        )


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_the_formula_counts_what_the_model_has(name: str) -> None:
    counted = sum(parameter.numel() for parameter in _built(SHAPES[name]).parameters())
    assert config_parameters(SHAPES[name]) == counted == PUBLISHED.get(name, counted)


@pytest.mark.parametrize("config", VARIANTS, ids=lambda config: str(config["model_type"]))
def test_the_formula_knows_biases_ties_and_grouped_queries(config: dict[str, Any]) -> None:
    counted = sum(parameter.numel() for parameter in _built(config).parameters())
    assert config_parameters(config) == counted


@pytest.mark.parametrize("kind", DEFAULTS)
def test_what_a_config_leaves_out_is_the_default_of_transformers(kind: str) -> None:
    counted = sum(parameter.numel() for parameter in _built({"model_type": kind}).parameters())
    assert config_parameters({"model_type": kind}) == counted


def test_other_kinds_are_not_guessed() -> None:
    assert config_parameters({"model_type": "mamba"}) is None
    assert config_parameters({}) is None
    assert lora_parameters({"model_type": "mamba"}, 8) is None


@pytest.mark.parametrize("config", VARIANTS, ids=lambda config: str(config["model_type"]))
def test_adapters_are_as_large_as_peft_makes_them(config: dict[str, Any]) -> None:
    from peft import LoraConfig, inject_adapter_in_model

    from polypaca.models.families import adapter_targets

    model = _built(config)
    names = adapter_targets(model, model.config.model_type, "attention-qkv")
    tuned = inject_adapter_in_model(LoraConfig(r=4, target_modules=names), model)
    trained = sum(p.numel() for name, p in tuned.named_parameters() if ".lora_" in name)
    assert lora_parameters(config, 4) == trained


def test_buffers_and_second_copies_in_files_do_not_count(tmp_path: Path) -> None:
    """As in Pythia's and Qwen's files on the Hub."""
    import torch
    from safetensors.torch import save_file

    tensors = {
        "layers.0.attention.bias": torch.ones(1, 1, 8, 8, dtype=torch.bool),
        "layers.0.attention.rotary_emb.inv_freq": torch.ones(4),
        "layers.0.attention.dense.bias": torch.ones(3),
        "embed.weight": torch.ones(5, 2),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    assert parameter_count(tmp_path) == 13
    config = dict(SHAPES["EleutherAI/pythia-70m-deduped"])
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert parameter_count(tmp_path) == 70_426_624


def test_a_folder_without_weights_has_no_size(tmp_path: Path) -> None:
    assert parameter_count(tmp_path) is None
