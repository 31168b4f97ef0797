"""How large a model is: from the headers of its weights, or from its config alone.

Nothing here imports PyTorch, so that `polypaca plan` can count before anything is downloaded.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# Stored under these names, they belong to no layer that is trained (old GPT-NeoX and LLaMA files).
_BUFFERS = (".inv_freq", ".masked_bias", ".attention.bias")

# Transformers' defaults of what a config may leave out, as far as they count here
# (https://huggingface.co/docs/transformers/model_doc).
_LLAMA = {
    "vocab_size": 32000,
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
_QWEN = {**_LLAMA, "vocab_size": 151936, "intermediate_size": 22016, "num_key_value_heads": 32}
_DEFAULTS: dict[str, dict[str, Any]] = {
    "bloom": {
        "vocab_size": 250880,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 8,
        "tie_word_embeddings": True,
    },
    "gpt_neox": {
        "vocab_size": 50432,
        "hidden_size": 6144,
        "intermediate_size": 24576,
        "num_hidden_layers": 44,
        "num_attention_heads": 64,
        "attention_bias": True,
    },
    "llama": _LLAMA,
    "mistral": {**_LLAMA, "intermediate_size": 14336, "num_key_value_heads": 8},
    "qwen2": _QWEN,
    "qwen3": {**_QWEN, "head_dim": 128},
    "gemma3_text": {
        "vocab_size": 262208,
        "hidden_size": 2304,
        "intermediate_size": 9216,
        "num_hidden_layers": 26,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "head_dim": 256,
        "tie_word_embeddings": True,
    },
    "baichuan": {**_LLAMA, "vocab_size": 125696},
}
# What older configs on the Hub call the same (`n_embed` is BLOOM's, `n_embd` GPT-2's).
_ALIASES = {
    "n_layer": "num_hidden_layers",
    "n_head": "num_attention_heads",
    "n_embed": "hidden_size",
}
_FUSED = ("bloom", "gpt_neox")


@dataclass(frozen=True)
class _Shape:
    """A config's sizes; `query` and `key` are the widths of one layer's projections."""

    kind: str
    vocabulary: int
    hidden: int
    intermediate: int
    layers: int
    head: int
    query: int
    key: int
    tied: bool
    attention_bias: bool
    mlp_bias: bool


def config_parameters(config: Mapping[str, Any]) -> int | None:
    """The parameters of a causal language model, from its config by formula.

    `config` is a Transformers config as a dict with its `model_type`; what it leaves out is
    Transformers' default. A tied output head is counted once. None for other model types than
    bloom, gpt_neox, llama, mistral, qwen2, qwen3, gemma3_text and baichuan.
    """
    shape = _shape(config)
    if shape is None:
        return None
    h, embedding = shape.hidden, shape.vocabulary * shape.hidden
    head = 0 if shape.tied else embedding
    if shape.kind == "bloom":
        # Layer norms and all projections have biases; a norm follows the embedding.
        layer = 12 * h * h + 13 * h
        return embedding + 2 * h + shape.layers * layer + 2 * h + head
    if shape.kind == "gpt_neox":
        attention = 4 * h * h + (4 * h if shape.attention_bias else 0)
        mlp = 2 * h * shape.intermediate + shape.intermediate + h
        return embedding + shape.layers * (attention + mlp + 4 * h) + 2 * h + head
    attention = h * (shape.query + 2 * shape.key) + shape.query * h
    if shape.kind == "qwen2":
        attention += shape.query + 2 * shape.key  # its output projection alone has no bias
    elif shape.attention_bias:
        attention += shape.query + 2 * shape.key + h
    mlp = 3 * h * shape.intermediate
    if shape.mlp_bias:
        mlp += 2 * shape.intermediate + h
    norms = {"qwen3": 2 * h + 2 * shape.head, "gemma3_text": 4 * h + 2 * shape.head}
    layer = attention + mlp + norms.get(shape.kind, 2 * h)
    return embedding + shape.layers * layer + h + head


def lora_parameters(config: Mapping[str, Any], rank: int) -> int | None:
    """What LoRA adapters of this rank on the query, key and value projections add.

    Two matrices for each projection of `in` and `out` features: `rank` x (`in` + `out`)
    (arXiv 2106.09685, section 4.2). None where `config_parameters` knows no answer. Baichuan counts
    as converted, with three projections.
    """
    shape = _shape(config)
    if shape is None:
        return None
    widths = [shape.query, shape.key, shape.key]
    projections = [sum(widths)] if shape.kind in _FUSED else widths
    return rank * shape.layers * sum(shape.hidden + width for width in projections)


def _shape(config: Mapping[str, Any]) -> _Shape | None:
    kind = config.get("model_type")
    if kind not in _DEFAULTS:
        return None
    renamed = {_ALIASES.get(key, key): value for key, value in config.items()}
    given = _DEFAULTS[kind] | {key: value for key, value in renamed.items() if value is not None}
    heads, hidden = given["num_attention_heads"], given["hidden_size"]
    head = given.get("head_dim") or hidden // heads
    return _Shape(
        kind=kind,
        vocabulary=given["vocab_size"],
        hidden=hidden,
        intermediate=given.get("intermediate_size", 4 * hidden),
        layers=given["num_hidden_layers"],
        head=head,
        query=heads * head,
        key=(given.get("num_key_value_heads") or heads) * head,
        tied=given.get("tie_word_embeddings", False),
        attention_bias=given.get("attention_bias", False) and kind != "mistral",
        mlp_bias=given.get("mlp_bias", False) and kind == "llama",
    )


def parameter_count(folder: Path) -> int | None:
    """The parameters of a saved model; None where there are no safetensors files.

    By formula where its config is of a known kind, since files on the Hub may also hold buffers
    and a second copy of a tied output head; else what the files' headers say. Format:
    https://huggingface.co/docs/safetensors (8 bytes of length, then a JSON header).
    """
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        return None
    config = folder / "config.json"
    if config.is_file():
        known = config_parameters(read_json(config))
        if known is not None:
            return known
    total = 0
    for path in files:
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
        total += sum(
            math.prod(tensor["shape"])
            for name, tensor in header.items()
            if name != "__metadata__" and not name.endswith(_BUFFERS)
        )
    return total
