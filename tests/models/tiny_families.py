"""Tiny models and tokenizers in the formats that the Hub has, for tests of several folders."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import Any

_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
_GROUPED = {**_SMALL, "intermediate_size": 64, "num_key_value_heads": 1}
_LLAMA = {"model_type": "llama", **_SMALL, "intermediate_size": 64, "max_position_embeddings": 512}
# The paper's five families and current ones; Baichuan-2 is in its own format, OpenLLaMA pickled.
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt_neox": {**_LLAMA, "model_type": "gpt_neox"},
    "bloom": {"model_type": "bloom", "hidden_size": 32, "n_layer": 2, "n_head": 2},
    "llama": _LLAMA,
    "openllama": _LLAMA,
    "baichuan": {},
    "qwen3": {"model_type": "qwen3", **_GROUPED, "head_dim": 32, "tie_word_embeddings": True},
    "llama3": {
        "model_type": "llama",
        **_GROUPED,
        "max_position_embeddings": 512,
        "rope_theta": 500_000.0,
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 128,
        },
        "tie_word_embeddings": True,
    },
    "gemma3": {"model_type": "gemma3_text", **_GROUPED, "head_dim": 32, "sliding_window": 16},
}
SPM_SETTINGS: dict[str, dict[str, Any]] = {
    "llama": {"normalization_rule_name": "identity", "remove_extra_whitespaces": False},
    "openllama": {"normalization_rule_name": "nmt_nfkc", "remove_extra_whitespaces": True},
    # Digits apart, no leading space, white-space pieces (arXiv 2309.10305, section 2.2)
    "baichuan": {
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": False,
        "split_digits": True,
        "user_defined_symbols": ["▁▁", "▁▁▁▁", "\n\n", "<reserved_106>"],
    },
}
BAICHUAN = {
    "architectures": ["BaichuanForCausalLM"],
    "auto_map": {
        "AutoConfig": "configuration_baichuan.BaichuanConfig",
        "AutoModelForCausalLM": "modeling_baichuan.BaichuanForCausalLM",
    },
    "model_type": "baichuan",
    "vocab_size": 900,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "hidden_act": "silu",
    "rms_norm_eps": 1e-6,
    "initializer_range": 0.02,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
    "torch_dtype": "float32",
    "z_loss_weight": 0,
}


def train_spm(folder: Path, kind: str) -> Path:
    """A small SentencePiece BPE model with byte fallback, as `tokenizer.model`."""
    import sentencepiece

    from polypaca import builtin

    texts = [
        text.replace("\n", " ")
        for code in ("en", "es", "de", "zh")
        for row in islice(builtin.instruction_rows("tiny", code), 300)
        for text in (row["instruction"], row["output"])
    ]
    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=900,
        byte_fallback=True,
        character_coverage=0.98,
        minloglevel=2,
        **SPM_SETTINGS[kind],
    )
    return folder / "tokenizer.model"


def baichuan_weights(config: dict[str, Any], seed: int = 1) -> dict[str, Any]:
    """Random weights under the names of Baichuan-2's own code."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    hidden, wide = config["hidden_size"], config["intermediate_size"]

    def draw(*shape: int) -> torch.Tensor:
        drawn: torch.Tensor = torch.randn(*shape, generator=generator) / shape[-1] ** 0.5
        return drawn

    weights = {
        "model.embed_tokens.weight": draw(config["vocab_size"], hidden) * hidden**0.5,
        "model.norm.weight": 1 + draw(hidden) * 0.5,
        "lm_head.weight": draw(config["vocab_size"], hidden) * 3,
    }
    for n in range(config["num_hidden_layers"]):
        layer = f"model.layers.{n}"
        weights |= {
            f"{layer}.self_attn.W_pack.weight": draw(3 * hidden, hidden),
            f"{layer}.self_attn.o_proj.weight": draw(hidden, hidden),
            f"{layer}.self_attn.rotary_emb.inv_freq": torch.ones(4),
            f"{layer}.mlp.gate_proj.weight": draw(wide, hidden),
            f"{layer}.mlp.up_proj.weight": draw(wide, hidden),
            f"{layer}.mlp.down_proj.weight": draw(hidden, wide),
            f"{layer}.input_layernorm.weight": 1 + draw(hidden) * 0.5,
            f"{layer}.post_attention_layernorm.weight": 1 + draw(hidden) * 0.5,
        }
    return weights


def write_baichuan(folder: Path, tokenizer: Path | None = None, **changes: Any) -> dict[str, Any]:
    """A tiny Baichuan-2 as its authors publish it, in two `.bin` files; returns its weights.

    `tokenizer` is a SentencePiece file; without it a small one is trained.
    """
    import sentencepiece
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    path = tokenizer or train_spm(folder, "baichuan")
    if tokenizer:
        (folder / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(path)).get_piece_size()
    config = {**BAICHUAN, "vocab_size": pieces, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    settings = {
        "add_bos_token": False,
        "add_eos_token": False,
        "auto_map": {"AutoTokenizer": ["tokenization_baichuan.BaichuanTokenizer", None]},
        "eos_token": {"__type": "AddedToken", "content": "</s>"},
        "pad_token": {"__type": "AddedToken", "content": "<unk>"},
        "tokenizer_class": "BaichuanTokenizer",
        "use_fast": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "modeling_baichuan.py").write_text("raise SystemExit('remote code was run')\n")
    weights = baichuan_weights(config)
    names = list(weights)
    where: dict[str, str] = {}
    for number, part in enumerate((names[::2], names[1::2]), start=1):
        shard = f"pytorch_model-{number:05d}-of-00002.bin"
        torch.save({name: weights[name] for name in part}, folder / shard)
        where |= dict.fromkeys(part, shard)
    index = {"metadata": {}, "weight_map": where}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    return weights


def write_pickled(folder: Path, config: dict[str, Any], tokenizer: Path) -> None:
    """A model as OpenLLaMA's is published: one `.bin` file and the tokenizer of a folder."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, set_seed

    for name in ("tokenizer.model", "tokenizer.json", "tokenizer_config.json"):
        if (tokenizer / name).is_file() and tokenizer != folder:
            (folder / name).write_bytes((tokenizer / name).read_bytes())
    settings = {**config, "vocab_size": len(AutoTokenizer.from_pretrained(tokenizer))}
    set_seed(1)
    made = AutoConfig.for_model(settings.pop("model_type"), **settings)
    model = AutoModelForCausalLM.from_config(made)  # type: ignore[no-untyped-call]
    made.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
