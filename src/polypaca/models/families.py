"""Model families: where the attention's query, key and value projections are.

A family that is not in the table is looked at: any module whose name says that it projects
queries, keys or values counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError

if TYPE_CHECKING:
    from torch import nn

# `model_type` of the Transformers config -> names of the projections (arXiv 2309.08958, Table 1)
ATTENTION_QKV: dict[str, tuple[str, ...]] = {
    "bloom": ("query_key_value",),
    "gpt_neox": ("query_key_value",),
    "llama": ("q_proj", "k_proj", "v_proj"),
}

_PROJECTION_NAMES = (
    ("q_proj", "k_proj", "v_proj"),
    ("query_key_value",),
    ("qkv_proj",),
    ("c_attn",),
    ("Wqkv",),
    ("query", "key", "value"),
    ("q_lin", "k_lin", "v_lin"),
)


def adapter_targets(model: nn.Module, model_type: str, targets: str | list[str]) -> list[str]:
    """The module names that adapters go on: those of `attention-qkv`, or the given ones.

    Raises:
        UserError: if a name matches no module, or only those of some layers; it names the
            linear modules that there are.
    """
    counts = _linear_modules(model)
    if targets != "attention-qkv":
        names = [targets] if isinstance(targets, str) else list(targets)
    else:
        known = ATTENTION_QKV.get(model_type)
        candidates = [known] if known else list(_PROJECTION_NAMES)
        names = next((list(c) for c in candidates if all(n in counts for n in c)), [])
    layers = _layers(model)
    missing = [name for name in names if counts.get(name, 0) == 0]
    partial = [name for name in names if 0 < counts.get(name, 0) < layers]
    if not names or missing or partial:
        wrong = (
            f"no module is called {', '.join(missing)}"
            if missing
            else f"{', '.join(partial)} is only in some of the {layers} layers"
            if partial
            else "its query, key and value projections were not found"
        )
        there = ", ".join(f"{name} ({count})" for name, count in sorted(counts.items()))
        raise UserError(f"{model_type}: {wrong}; set `targets` to some of: {there}")
    return names


def _linear_modules(model: nn.Module) -> dict[str, int]:
    """Last names of the linear modules, and how often each is there."""
    counts: dict[str, int] = {}
    for path, module in model.named_modules():
        if type(module).__name__ in ("Linear", "Conv1D") and "." in path:
            name = path.rpartition(".")[2]
            counts[name] = counts.get(name, 0) + 1
    return counts


def _layers(model: nn.Module) -> int:
    config: Any = getattr(model, "config", None)
    text = config.get_text_config() if hasattr(config, "get_text_config") else config
    return int(getattr(text, "num_hidden_layers", 1))
