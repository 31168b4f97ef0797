from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polypaca.generation.transformers_backend import answer, with_adapter, without_adapter
from polypaca.models.loading import load_model, load_tokenizer, pad_token_id

PROMPTS = ["The cat", "Name three animals. The", "El gato, el perro y el caballo son", "a", "The"]


def _answers(model: Any, tokenizer: Any, texts: list[str], batch_size: int, **changes: Any) -> Any:
    settings = {"max_new_tokens": 12, "num_beams": 1, "no_repeat_ngram_size": 0} | changes
    return {
        index: (text, reason)
        for index, text, reason in answer(
            model,
            tokenizer,
            texts,
            pad_token_id=pad_token_id(tokenizer),
            batch_size=batch_size,
            **settings,
        )
    }


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "llama"])
def test_batches_answer_as_one_prompt_at_a_time(
    family: str, beams: int, tiny_model: Callable[[str], Path]
) -> None:
    folder = tiny_model(family)
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    together = _answers(model, tokenizer, PROMPTS, 3, num_beams=beams)
    alone = _answers(model, tokenizer, PROMPTS, 1, num_beams=beams)
    assert together == alone
    assert sorted(together) == list(range(len(PROMPTS)))


class _Ids:
    """A tokenizer whose texts are token ids, so that a test sees the very tokens."""

    eos_token_id, bos_token_id = 1, 0

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        assert add_special_tokens
        return {"input_ids": [int(word) for word in text.split()]}

    def decode(self, ids: list[int], *, skip_special_tokens: bool) -> str:
        assert skip_special_tokens
        return " ".join(map(str, ids))


def test_ngrams_are_not_repeated_where_that_is_asked(tiny_model: Callable[[str], Path]) -> None:
    model = load_model(tiny_model("gpt_neox"))

    def repeated(size: int) -> int:
        (found,) = answer(
            model, _Ids(), ["7 8 9"], pad_token_id=2, max_new_tokens=60, num_beams=1,
            no_repeat_ngram_size=size, batch_size=1,
        )  # fmt: skip
        pairs = list(itertools.pairwise(found[1].split()))
        return len(pairs) - len(set(pairs))

    assert repeated(0) > 0
    assert repeated(2) == 0


def test_an_adapter_changes_answers_and_comes_off_again(
    tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    import torch

    from polypaca.training.trainer import with_adapter as new_adapter

    folder = tiny_model("llama")
    model, tokenizer = load_model(folder), load_tokenizer(folder)
    before = _answers(model, tokenizer, PROMPTS, 5)
    tuned = new_adapter(
        load_model(folder),
        targets=["q_proj", "k_proj", "v_proj"],
        rank=2,
        alpha=64,
        dropout=0,
        seed=1,
    )
    with torch.no_grad():
        for name, weights in tuned.named_parameters():
            if "lora_B" in name:
                weights.fill_(1.0)
    tuned.save_pretrained(tmp_path)
    adapted = with_adapter(model, tmp_path)
    assert _answers(adapted, tokenizer, PROMPTS, 5) != before
    assert _answers(without_adapter(adapted), tokenizer, PROMPTS, 5) == before
