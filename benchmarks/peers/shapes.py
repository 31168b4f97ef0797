"""Base models with random weights in the shapes of real ones."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.peers.common import WEIGHTS

from polypaca.models.catalog import SHAPES


def shapes() -> dict[str, dict[str, Any]]:
    """Configs by short name, such as pythia-70m."""
    return {
        hub_id.rpartition("/")[2].removesuffix("-deduped").lower(): dict(config)
        for hub_id, config in SHAPES.items()
    }


def config_of(shape: dict[str, Any]) -> Any:
    """Transformers' config of a shape."""
    from transformers import AutoConfig

    settings = dict(shape)
    return AutoConfig.for_model(settings.pop("model_type"), **settings)


def targets(shape: dict[str, Any]) -> list[str]:
    """The attention's query, key and value projections (arXiv 2309.08958, Table 1)."""
    fused = shape["model_type"] in ("bloom", "gpt_neox")
    return ["query_key_value"] if fused else ["q_proj", "k_proj", "v_proj"]


def parameters(shape: dict[str, Any]) -> tuple[int, int]:
    """All parameters, and those that are multiplied with: an input embedding only looks up."""
    import torch
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config_of(shape)
        )
    total = sum(p.numel() for p in model.parameters())
    tied = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    return total, total if tied else total - model.get_input_embeddings().weight.numel()


def check(name: str, shape: dict[str, Any], tokenizer: Any) -> None:
    """See that a shape has a row for every token.

    Raises:
        ValueError: if it has not.
    """
    if shape["vocab_size"] < len(tokenizer):
        raise ValueError(
            f"{name} has {shape['vocab_size']} tokens, the tokenizer {len(tokenizer)}: "
            "give --tokenizer another file"
        )


def write_base(name: str, shape: dict[str, Any], tokenizer: Any, seed: int) -> Path:
    """A folder with config, tokenizer and fp32 weights, made once for all runs."""
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils.logging import disable_progress_bar

    key = hashlib.sha256(json.dumps([shape, seed], sort_keys=True).encode()).hexdigest()[:8]
    folder = cache_folder() / f"{name}-{key}"
    if not (folder / WEIGHTS).exists():
        disable_progress_bar()  # type: ignore[no-untyped-call]
        write_config(folder, shape, tokenizer)
        torch.manual_seed(seed)
        model: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            _with_tokens(config_of(shape), tokenizer), dtype=torch.float32
        )
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            model.save_pretrained(unfinished, max_shard_size="200GB")
            for file in ("config.json", WEIGHTS):
                (Path(unfinished) / file).replace(folder / file)
    return folder


def write_config(folder: Path, shape: dict[str, Any], tokenizer: Any) -> Path:
    """A folder with config and tokenizer alone: the weights are drawn on the device."""
    folder.mkdir(parents=True, exist_ok=True)
    _with_tokens(config_of(shape), tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def _with_tokens(config: Any, tokenizer: Any) -> Any:
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING

    config.eos_token_id = config.bos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    architecture: Any = MODEL_FOR_CAUSAL_LM_MAPPING[type(config)]
    config.architectures = [architecture.__name__]
    return config


def cache_folder() -> Path:
    """Where bases are kept between runs: beside polypaca's own (`POLYPACA_CACHE`)."""
    given = os.environ.get("POLYPACA_CACHE")
    home = Path(given).expanduser() if given else Path.home() / ".cache" / "polypaca"
    return home / "benchmark"
