"""Check that a tokenizer fits a model's embedding: each token needs a row."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.models.weights import SAFETENSORS, weight_files

if TYPE_CHECKING:
    from pathlib import Path

# Input embeddings of causal language models in Transformers, by the end of their names.
_EMBEDDINGS = (
    "embed_tokens.weight",
    "embed_in.weight",
    "word_embeddings.weight",
    "wte.weight",
    "tok_embeddings.weight",
)
_PADDING = 1024  # rows that are added so that sizes divide well; more need another reason
_NAMED = 5


def check_vocabulary(folder: Path, tokenizer: Any) -> str:
    """Check the sizes; returns a notice, or nothing.

    Special tokens that nothing writes (padding, pictures) may lack a row: they are never used.

    Raises:
        UserError: if the tokenizer gives tokens that the embedding has no row for, or if the
            weights and `config.json` differ.
    """
    size, rows = _config_size(folder), _embedding_rows(folder)
    if size is not None and rows is not None and size != rows:
        raise UserError(
            f"{folder}: the embedding has {rows:,} rows, but config.json says vocab_size "
            f"{size:,}: take both from one version of the model"
        )
    rows = rows if rows is not None else size
    if rows is None:
        return ""
    vocabulary = {number: word for word, number in tokenizer.get_vocab().items()}
    beyond = sorted(number for number in vocabulary if number >= rows)
    used = [number for number in beyond if _is_used(number, vocabulary[number], tokenizer)]
    if used:
        named = ", ".join(f"{vocabulary[number]} ({number})" for number in used[:_NAMED])
        raise UserError(
            f"{folder}: the tokenizer has {len(vocabulary):,} tokens, but the model's embedding "
            f"only {rows:,} rows, so {len(used):,} tokens have none: {named}"
            f"{', ...' if len(used) > _NAMED else ''}. Take the tokenizer that belongs to the "
            "model, or enlarge its embedding (resize_token_embeddings in Transformers)"
        )
    if beyond:
        named = ", ".join(vocabulary[number] for number in beyond[:_NAMED])
        return f"special tokens without a row in the embedding, not used: {named}"
    if rows - len(vocabulary) > _PADDING:
        return (
            f"the embedding has {rows:,} rows and the tokenizer {len(vocabulary):,} tokens: "
            "is it the model's own?"
        )
    return ""


def _config_size(folder: Path) -> int | None:
    """The vocabulary's size by the config, as Transformers will build it."""
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        size = config.get_text_config().vocab_size
    except (OSError, ValueError, AttributeError, KeyError):
        return None
    return size if isinstance(size, int) else None


def _embedding_rows(folder: Path) -> int | None:
    """Rows of the input embedding in the weights, where it is known by its name."""
    from safetensors import safe_open

    for path in weight_files(folder, SAFETENSORS):
        with safe_open(path, framework="pt") as file:
            for name in file.keys():  # noqa: SIM118  # no mapping
                if name.endswith(_EMBEDDINGS):
                    return int(file.get_slice(name).get_shape()[0])
    return None


def _is_used(number: int, word: str, tokenizer: Any) -> bool:
    """Whether texts, templates or the tokenizer itself may bring a token in."""
    added = tokenizer.added_tokens_decoder.get(number)
    if added is None or not added.special:
        return True
    if number in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id):
        return True
    if number in tokenizer.backend_tokenizer.encode("a").ids:
        return True
    return word in json.dumps(tokenizer.chat_template or "", ensure_ascii=False)
