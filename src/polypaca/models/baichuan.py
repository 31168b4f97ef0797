"""Baichuan-2 7B as LLaMA, without the code that its checkpoint brings along.

The model is LLaMA's architecture with query, key and value in one matrix (`W_pack`) and an
output head whose rows are normalised (arXiv 2309.10305, sections 2.3 and 2.4). Both are undone
here: the logits are the same, and every tool for LLaMA works. Under full fine-tuning the head is
then free, as LLaMA's is, where Baichuan-2 would normalise it again at every step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.files import read_json, write_json
from polypaca.models import spm
from polypaca.models.weights import SHARD_BYTES, read_tensors, write_shards

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from torch import Tensor

_BAICHUAN_1_VOCABULARY = 64000
_KEPT = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "max_position_embeddings", "rms_norm_eps", "hidden_act", "initializer_range",
    "bos_token_id", "eos_token_id", "pad_token_id",
)  # fmt: skip
_ROWS = 8192  # of the output head, normalised at a time: bounds memory


def convert_baichuan(
    folder: Path, source: Path, *, shard_bytes: int = SHARD_BYTES
) -> dict[str, Any]:
    """Write the LLaMA model that a Baichuan-2 7B checkpoint is, and a fast tokenizer.

    `source` holds the files of https://huggingface.co/baichuan-inc/Baichuan2-7B-Base, weights in
    safetensors or as `pytorch_model*.bin`; `folder` gets config.json, safetensors of up to
    `shard_bytes` each, and tokenizer.json. Weights keep their precision.

    Raises:
        UserError: if the checkpoint is no Baichuan-2 7B, or a part of it is missing.
    """
    config = read_json(source / "config.json")
    llama = llama_config(config, str(source))
    if not (source / spm.MODEL_FILE).is_file() or not spm.write_fast_tokenizer(
        folder, source, add_bos=False
    ):
        raise UserError(f"{source}: its SentencePiece model {spm.MODEL_FILE} is missing or damaged")
    tensors = llama_tensors(read_tensors(source), llama["num_hidden_layers"], str(source))
    shards = write_shards(folder, tensors, shard_bytes)
    write_json(folder / "config.json", llama)
    return {"converted": "baichuan to llama", "shards": shards}


def llama_config(config: Mapping[str, Any], where: str = "the model") -> dict[str, Any]:
    """The LLaMA config of a Baichuan-2 7B one; `where` is named in errors.

    Raises:
        UserError: for Baichuan 1, and for the 13B, which has ALiBi instead of rotary positions.
    """
    if config.get("vocab_size") == _BAICHUAN_1_VOCABULARY:
        raise UserError(
            f"{where}: this is Baichuan 1; only Baichuan-2 7B is converted "
            "(baichuan-inc/Baichuan2-7B-Base)"
        )
    if "max_position_embeddings" not in config:
        raise UserError(
            f"{where}: this Baichuan has ALiBi positions (as the 13B), which LLaMA has not; only "
            "Baichuan-2 7B is converted (baichuan-inc/Baichuan2-7B-Base)"
        )
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        **{key: config[key] for key in _KEPT if config.get(key) is not None},
        "rope_theta": 10000.0,
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": False,
        "torch_dtype": config.get("torch_dtype", config.get("dtype", "float32")),
    }


def llama_tensors(
    tensors: Iterable[tuple[str, Tensor]], layers: int, where: str = "the model"
) -> Iterator[tuple[str, Tensor]]:
    """Baichuan-2's tensors under LLaMA's names, the output head normalised for good.

    Raises:
        UserError: at the end, if tensors are missing or unknown.
    """
    wanted = _names(layers)
    for name, tensor in tensors:
        if name.endswith("rotary_emb.inv_freq"):
            continue  # a buffer of older files, computed anew
        if name not in wanted:
            raise UserError(f"{where}: a Baichuan-2 7B model has no tensor {name}")
        wanted.remove(name)
        if ".W_pack." in name:
            # [3 x hidden, hidden]: queries, keys and values below one another
            parts = tensor.chunk(3, dim=0)
            for letter, part in zip("qkv", parts, strict=True):
                yield name.replace("W_pack", f"{letter}_proj"), part
        elif name == "lm_head.weight":
            yield name, _normalised(tensor)
        else:
            yield name, tensor
    if wanted:
        some = ", ".join(sorted(wanted)[:3])
        raise UserError(f"{where}: {len(wanted)} tensors are missing, such as {some}")


def _normalised(head: Tensor) -> Tensor:
    """Rows of length 1, computed in fp32 and kept in the head's own precision."""
    import torch

    result = torch.empty_like(head)
    for start in range(0, len(head), _ROWS):
        rows = head[start : start + _ROWS].float()
        result[start : start + _ROWS] = torch.nn.functional.normalize(rows, dim=1)
    return result


def _names(layers: int) -> set[str]:
    parts = (
        "self_attn.W_pack", "self_attn.o_proj", "mlp.gate_proj", "mlp.up_proj", "mlp.down_proj",
        "input_layernorm", "post_attention_layernorm",
    )  # fmt: skip
    inner = {f"model.layers.{n}.{part}.weight" for n in range(layers) for part in parts}
    return inner | {"model.embed_tokens.weight", "model.norm.weight", "lm_head.weight"}
