"""Load base models and tokenizers from prepared folders.

Folders hold what the Hub would: the same code loads either. Code that comes with a model is never
run (`trust_remote_code` stays off), and weights are read from safetensors alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError, first_line

if TYPE_CHECKING:
    from pathlib import Path


# What well-known tokenizers call them.
_SPECIAL_TOKENS = {
    "bos_token": ("<s>", "<|endoftext|>"),
    "eos_token": ("</s>", "<|endoftext|>"),
    "pad_token": ("<pad>", "<|padding|>"),
}


def device() -> str:
    """Where models run: the first CUDA device if there is one, else the CPU."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def has_bf16() -> bool:
    """Whether the hardware computes in bfloat16 itself, so that it is faster than float32."""
    import torch

    if device() == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    # Not part of PyTorch's public interface yet: taken as absent where it is gone.
    checks = [
        getattr(torch.cpu, name, None)
        for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
    ]
    return any(check() for check in checks if check is not None)


def training_dtype(precision: str) -> str:
    """The name of the type to compute in: `auto` is bfloat16 where the hardware has it."""
    if precision == "auto":
        return "bfloat16" if has_bf16() else "float32"
    return {"fp32": "float32", "bf16": "bfloat16"}[precision]


def load_model(
    folder: Path, *, dtype: str | None = None, shards: int = 1, cpu_offload: bool = False
) -> Any:
    """The causal language model in `folder`, on this process's device.

    Args:
        folder: as Transformers saves it.
        dtype: of the weights, such as `bfloat16`; float32 on a CPU and bfloat16 on a GPU that has
            it if None.
        shards: processes that share the weights (FSDP2), each holding its part of every one.
        cpu_offload: with shards, weights wait in the CPU's memory.

    Raises:
        UserError: if the folder holds no causal language model that Transformers knows.
    """
    import torch
    from transformers import AutoModelForCausalLM

    where = device()
    if dtype is None:
        dtype = "bfloat16" if where == "cuda" and has_bf16() else "float32"
    sharded: dict[str, Any] = {}
    if shards > 1:
        from transformers.distributed.configuration_utils import DistributedConfig

        sharded["distributed_config"] = DistributedConfig(
            fsdp_size=shards, fsdp_cpu_offload=cpu_offload
        )
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=getattr(torch, dtype),
            use_safetensors=True,
            trust_remote_code=False,
            **sharded,
        )
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise UserError(f"{folder}: no causal language model could be loaded: {reason}") from error
    return model if sharded else model.to(where)


@lru_cache(maxsize=1)
def cached_model(folder: Path, dtype: str | None = None) -> Any:
    """Like `load_model`, but the last one loaded stays in memory for the next task."""
    return load_model(folder, dtype=dtype)


@lru_cache(maxsize=1)
def load_tokenizer(folder: Path) -> Any:
    """The tokenizer in `folder`, or in a bare `tokenizer.json` file.

    Raises:
        UserError: if there is no fast tokenizer, or none with an end-of-sequence token.
    """
    from transformers import AutoTokenizer

    try:
        if folder.is_file():
            tokenizer = _from_file(folder)
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except Exception as error:  # the tokenizers library raises bare exceptions
        reason = first_line(error)
        raise UserError(f"{folder}: no tokenizer could be loaded: {reason}") from error
    if not tokenizer.is_fast:
        raise UserError(f"{folder}: its tokenizer has no fast version (tokenizer.json)")
    if tokenizer.eos_token_id is None:
        raise UserError(f"{folder}: its tokenizer has no end-of-sequence token")
    return tokenizer


def _from_file(path: Path) -> Any:
    """A tokenizer from its file alone, which does not say what its special tokens are for."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(path))  # type: ignore[no-untyped-call]
    vocabulary = tokenizer.get_vocab()
    for role, candidates in _SPECIAL_TOKENS.items():
        token = next((word for word in candidates if word in vocabulary), None)
        if token is not None:
            setattr(tokenizer, role, token)
    return tokenizer


def pad_token_id(tokenizer: Any, rows: int | None = None) -> int:
    """A token to pad with. Padding is masked, so any will do but the one that ends a response.

    `rows` is the size of the model's embedding: some tokenizers have a padding token beyond it.
    """
    pad: int | None = tokenizer.pad_token_id
    if pad is not None and pad != tokenizer.eos_token_id and (rows is None or pad < rows):
        return pad
    return 0 if tokenizer.eos_token_id != 0 else 1
