"""What several tests of generation share: prompts, adapters of random weights, another program."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polypaca.generation.adapters import Adapters
from polypaca.generation.contract import Decoding
from polypaca.generation.transformers_backend import answer_batch, end_tokens

# Two of a single token in most tokenizers, so that their rows begin with nothing but padding.
PROMPTS = ["The cat", "Name three animals. The", "El gato, el perro y el caballo son", "a", "The"]
FAMILIES = (
    "gpt_neox", "bloom", "llama", "openllama", "baichuan", "qwen3", "llama3", "gemma3",
)  # fmt: skip


def write_adapter(
    folder: Path, base: Path, *, rank: int, seed: int, dtype: str = "float32"
) -> Path:
    """A LoRA adapter that changes what the model says, as PEFT saves it."""
    import torch
    from peft import LoraConfig, get_peft_model

    from polypaca.models.families import adapter_targets
    from polypaca.models.loading import load_model

    model: Any = load_model(base)
    targets = adapter_targets(model, model.config.model_type, "attention-qkv")
    torch.manual_seed(seed)
    config = LoraConfig(
        r=rank, lora_alpha=16, target_modules=targets, init_lora_weights=False,
        task_type="CAUSAL_LM",
    )  # fmt: skip
    adapted = get_peft_model(model, config)
    for name, weights in adapted.named_parameters():
        if "lora_" in name:
            weights.data = torch.randn_like(weights).to(getattr(torch, dtype))
    adapted.save_pretrained(str(folder))
    return folder


def alone(model: Any, tokenizer: Any, row: Sequence[int], decoding: Decoding) -> tuple[int, ...]:
    """What Transformers' own `generate` makes of one prompt: the new tokens before an end."""
    import torch
    from transformers import GenerationConfig

    ends = end_tokens(model, tokenizer)
    settings = {} if decoding.num_beams == 1 else {"length_penalty": decoding.length_penalty}
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=decoding.max_new_tokens,
        num_beams=decoding.num_beams,
        no_repeat_ngram_size=decoding.no_repeat_ngram_size,
        repetition_penalty=decoding.repetition_penalty,
        do_sample=False,
        pad_token_id=ends[0],
        eos_token_id=ends,
        **settings,
    )
    with torch.inference_mode():
        output = model.generate(
            input_ids=torch.tensor([list(row)], device=model.device),
            attention_mask=torch.ones(1, len(row), dtype=torch.long, device=model.device),
            generation_config=config,
        )
    tokens = output[0, len(row) :].tolist()
    end = next((place for place, token in enumerate(tokens) if token in ends), None)
    return tuple(tokens[:end])


def together(
    model: Any,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    decoding: Decoding,
    adapters: Adapters | None = None,
    names: Sequence[str | None] = (),
) -> list[tuple[int, ...]]:
    """The new tokens of one batch."""
    answers = answer_batch(model, tokenizer, rows, decoding, adapters=adapters, names=names)
    return [answer.tokens for answer in answers]
