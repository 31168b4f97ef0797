"""Answer prompts with a Transformers model: batched by length, padded on the left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Answer = tuple[int, str, Literal["stop", "length"]]  # prompt's index, continuation, why it ended


def answer(
    model: Any,
    tokenizer: Any,
    texts: Sequence[str],
    *,
    pad_token_id: int,
    special_tokens: bool = True,
    max_new_tokens: int,
    num_beams: int,
    no_repeat_ngram_size: int,
    batch_size: int,
) -> Iterator[Answer]:
    """Continue each text without sampling; answers come batch by batch, longest prompts first.

    `no_repeat_ngram_size` 0 allows any repetition. `special_tokens`: whether the tokenizer puts its
    own around a text (a chat template has them in it). Special tokens are left out of the answers.
    """
    import torch
    from transformers import GenerationConfig

    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=max_new_tokens,
        num_beams=num_beams,
        no_repeat_ngram_size=no_repeat_ngram_size,
        do_sample=False,
        pad_token_id=pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id,
    )
    encoded = [
        _without_eos(
            tokenizer(text, add_special_tokens=special_tokens)["input_ids"], tokenizer.eos_token_id
        )
        for text in texts
    ]
    # The longest first: if memory does not suffice, it is known at once.
    order = sorted(range(len(texts)), key=lambda index: (-len(encoded[index]), index))
    model.eval()
    for start in range(0, len(order), batch_size):
        indices = order[start : start + batch_size]
        width = max(len(encoded[index]) for index in indices)
        ids = [[pad_token_id] * (width - len(encoded[i])) + encoded[i] for i in indices]
        mask = [[0] * (width - len(encoded[i])) + [1] * len(encoded[i]) for i in indices]
        with torch.inference_mode():
            output = model.generate(
                input_ids=torch.tensor(ids, device=model.device),
                attention_mask=torch.tensor(mask, device=model.device),
                generation_config=config,
            )
        for index, tokens in zip(indices, output[:, width:].tolist(), strict=True):
            ended = tokenizer.eos_token_id in tokens
            kept = tokens[: tokens.index(tokenizer.eos_token_id)] if ended else tokens
            text = tokenizer.decode(kept, skip_special_tokens=True)
            yield index, text, "stop" if ended else "length"


def with_adapter(model: Any, adapter: Path) -> Any:
    """The base model with a trained adapter on it; `without_adapter` takes it off again."""
    from peft import PeftModel

    return PeftModel.from_pretrained(model, adapter)


def without_adapter(model: Any) -> Any:
    """The base model again, its weights as they were."""
    return model.unload()


def _without_eos(ids: list[int], eos: int) -> list[int]:
    """Some tokenizers end every text; a prompt is not at its end."""
    return ids[:-1] if ids and ids[-1] == eos else list(ids)
