from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import UserError
from polypaca.models.baichuan import convert_baichuan
from polypaca.models.loading import load_model, load_tokenizer, pad_token_id

from .tiny_families import BAICHUAN, write_baichuan


def _logits(weights: dict[str, Any], config: dict[str, Any], ids: Any) -> Any:
    """Baichuan-2's forward pass, written from its report (arXiv 2309.10305, sections 2.3, 2.4)."""
    import torch
    from torch.nn.functional import normalize, silu

    def norm(x: Any, name: str) -> Any:
        return (
            x * (x.pow(2).mean(-1, keepdim=True) + config["rms_norm_eps"]).rsqrt() * weights[name]
        )

    def turn(x: Any) -> Any:
        """Rotary positions: the first half of a head and the second are a plane's coordinates."""
        half = x.shape[-1] // 2
        angles = torch.outer(torch.arange(len(ids)), 10000.0 ** (-torch.arange(half) / half))
        cos, sin = angles.cos(), angles.sin()
        a, b = x[..., :half], x[..., half:]
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1)

    heads, hidden = config["num_attention_heads"], config["hidden_size"]
    x = weights["model.embed_tokens.weight"][ids]
    future = torch.full((len(ids), len(ids)), float("-inf")).triu(1)
    for n in range(config["num_hidden_layers"]):
        layer = f"model.layers.{n}"
        packed = (
            norm(x, f"{layer}.input_layernorm.weight")
            @ weights[f"{layer}.self_attn.W_pack.weight"].T
        )
        q, k, v = (p.view(len(ids), heads, -1).transpose(0, 1) for p in packed.split(hidden, -1))
        q, k = turn(q), turn(k)
        shares = (q @ k.transpose(1, 2) / (hidden // heads) ** 0.5 + future).softmax(-1)
        mixed = (shares @ v).transpose(0, 1).reshape(len(ids), hidden)
        x = x + mixed @ weights[f"{layer}.self_attn.o_proj.weight"].T
        y = norm(x, f"{layer}.post_attention_layernorm.weight")
        gate = silu(y @ weights[f"{layer}.mlp.gate_proj.weight"].T)
        up = y @ weights[f"{layer}.mlp.up_proj.weight"].T
        x = x + (gate * up) @ weights[f"{layer}.mlp.down_proj.weight"].T
    return norm(x, "model.norm.weight") @ normalize(weights["lm_head.weight"], dim=1).T


@pytest.mark.parametrize("shard_bytes", [10**9, 40_000])
def test_logits_are_those_of_baichuan(tmp_path: Path, shard_bytes: int) -> None:
    import torch

    weights = write_baichuan(tmp_path / "baichuan")
    facts = convert_baichuan(tmp_path / "llama", tmp_path / "baichuan", shard_bytes=shard_bytes)
    assert (facts["shards"] > 1) == (shard_bytes < 10**9)
    model = load_model(tmp_path / "llama")
    config = json.loads((tmp_path / "baichuan" / "config.json").read_text())
    ids = torch.tensor([5, 17, 300, 17, 2, 899, 64, 7])
    with torch.no_grad():
        ours, own = model(ids[None]).logits[0], _logits(weights, config, ids)
    assert own.abs().mean() > 0.1
    torch.testing.assert_close(ours, own, atol=1e-5, rtol=0)


def test_the_config_says_what_llama_needs(tmp_path: Path) -> None:
    write_baichuan(tmp_path / "baichuan", torch_dtype="bfloat16")
    convert_baichuan(tmp_path / "llama", tmp_path / "baichuan")
    config = load_model(tmp_path / "llama").config
    assert config.model_type == "llama"
    assert (config.attention_bias, config.tie_word_embeddings) == (False, False)
    assert (config.bos_token_id, config.eos_token_id, config.pad_token_id) == (1, 2, 0)
    assert (config.num_key_value_heads, config.max_position_embeddings) == (4, 128)
    assert config.rope_parameters["rope_theta"] == 10000
    said = json.loads((tmp_path / "llama" / "config.json").read_text())
    assert said["torch_dtype"] == "bfloat16"
    assert "auto_map" not in said


def _converted_tokenizer(tmp_path: Path, tokenizer: Path | None) -> None:
    import sentencepiece

    write_baichuan(tmp_path / "baichuan", tokenizer)
    convert_baichuan(tmp_path / "llama", tmp_path / "baichuan")
    ours = load_tokenizer(tmp_path / "llama")
    peer = sentencepiece.SentencePieceProcessor(
        model_file=str(tmp_path / "baichuan" / "tokenizer.model")
    )
    for text in ("Below is an instruction.\n\n### Response:\n", "  12 世界 é", "a  b"):
        assert ours(text)["input_ids"] == peer.encode(text)
        assert ours.decode(ours(text)["input_ids"]) == peer.decode(peer.encode(text))
    assert ours.eos_token == "</s>"
    assert pad_token_id(ours) == 0 != ours.eos_token_id


def test_the_tokenizer_adds_nothing(tmp_path: Path) -> None:
    _converted_tokenizer(tmp_path, None)


@pytest.mark.data
def test_a_real_sentencepiece_model_is_converted(tmp_path: Path, data_folder: Path) -> None:
    _converted_tokenizer(tmp_path, data_folder / "tokenizers" / "llama" / "tokenizer.model")


def test_what_is_no_baichuan_2_7b_is_refused(tmp_path: Path) -> None:
    write_baichuan(tmp_path / "baichuan")
    config = {key: value for key, value in BAICHUAN.items() if key != "max_position_embeddings"}
    for changed, words in (
        ({**config, "hidden_size": 5120, "model_max_length": 4096}, "ALiBi.*only Baichuan-2 7B"),
        ({**BAICHUAN, "vocab_size": 64000}, "this is Baichuan 1"),
        ({**BAICHUAN, "num_hidden_layers": 3}, r"7 tensors are missing, such as model\.layers\.2"),
        ({**BAICHUAN, "num_hidden_layers": 1}, r"has no tensor model\.layers\.1"),
    ):
        (tmp_path / "baichuan" / "config.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match=words):
            convert_baichuan(tmp_path / "llama", tmp_path / "baichuan")
    (tmp_path / "baichuan" / "tokenizer.model").unlink()
    (tmp_path / "baichuan" / "config.json").write_text(json.dumps(BAICHUAN))
    with pytest.raises(UserError, match=r"tokenizer\.model is missing"):
        convert_baichuan(tmp_path / "llama", tmp_path / "baichuan")
