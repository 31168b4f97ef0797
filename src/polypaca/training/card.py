"""The model card that goes with a trained adapter or model."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOAD = {
    "lora": (
        "from peft import AutoPeftModelForCausalLM\n"
        "from transformers import AutoTokenizer\n\n"
        'model = AutoPeftModelForCausalLM.from_pretrained(".")\n'
        'tokenizer = AutoTokenizer.from_pretrained(".")'
    ),
    "full": (
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        'model = AutoModelForCausalLM.from_pretrained(".")\n'
        'tokenizer = AutoTokenizer.from_pretrained(".")'
    ),
}


def model_card(
    *,
    cell: str,
    kind: str,
    base: str,
    languages: Sequence[str],
    template: str,
    settings: Mapping[str, Any],
    ledger: Mapping[str, Any],
    heldout: Mapping[str, float],
    version: str,
) -> str:
    """A README.md: front matter that the Hub reads, how the model was made, how to load it.

    Args:
        cell: the cell's id.
        kind: `lora` or `full`.
        base: the base model's name.
        languages: codes of the training data.
        template: the text that a prompt is put in, with its placeholder.
        settings: of training, by name.
        ledger: what training took, by name.
        heldout: bits per byte by language.
        version: polypaca's.
    """
    front: dict[str, Any] = {
        "base_model": base,
        "library_name": "peft" if kind == "lora" else "transformers",
        "pipeline_tag": "text-generation",
        "language": list(languages),
        "tags": ["polypaca", kind, "instruction-tuning"],
    }
    stream = io.StringIO()
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.dump(front, stream)
    fence = "```"
    return "\n".join(
        [
            f"---\n{stream.getvalue()}---\n",
            f"# {cell}\n",
            f"{'A LoRA adapter for' if kind == 'lora' else 'A fine-tuned version of'} {base}, "
            f"instruction-tuned on {', '.join(languages)} with polypaca {version}.\n",
            f"{fence}python\n{_LOAD[kind]}\n{fence}\n",
            "A prompt is put into this text; the answer follows it:\n",
            f"{fence}\n{template}\n{fence}\n",
            "## Training\n",
            _table(settings),
            "## What it took\n",
            _table(ledger),
            "## Held-out responses, bits per byte\n",
            _table({code: f"{bits:.4f}" for code, bits in heldout.items()}),
        ]
    )


def _table(entries: Mapping[str, Any]) -> str:
    rows = [f"| {key} | {value} |" for key, value in entries.items()]
    return "\n".join(["| | |", "|---|---|", *rows, ""])
