"""Load base models and tokenizers from prepared folders.

Folders hold what the Hub would: the same code loads either. Code that comes with a model is never
run (`trust_remote_code` stays off), and weights are read from safetensors alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError

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


def load_model(folder: Path) -> Any:
    """The causal language model in `folder`, in fp32 on a CPU and bf16 on a GPU that has it.

    Raises:
        UserError: if the folder holds no causal language model that Transformers knows.
    """
    import torch
    from transformers import AutoModelForCausalLM

    where = device()
    dtype = torch.bfloat16 if where == "cuda" and torch.cuda.is_bf16_supported() else torch.float32
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise UserError(f"{folder}: no causal language model could be loaded: {reason}") from error
    return model.to(where)


@lru_cache(maxsize=1)
def cached_model(folder: Path) -> Any:
    """Like `load_model`, but the last one loaded stays in memory for the next task."""
    return load_model(folder)


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
        reason = str(error).split("\n")[0]
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


def pad_token_id(tokenizer: Any) -> int:
    """A token to pad with. Padding is masked, so any will do but the one that ends a response."""
    pad: int | None = tokenizer.pad_token_id
    if pad is not None and pad != tokenizer.eos_token_id:
        return pad
    return 0 if tokenizer.eos_token_id != 0 else 1
