from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig

from polypaca.generation.batching import encode, pad_left
from polypaca.generation.prefill import group_by_length, prefill_prompts
from polypaca.models.loading import load_model, load_tokenizer

from .together import FAMILIES

TEXTS = ["The cat", "Name three animals. " * 6 + "The", "El gato, el perro y el caballo son", "a"]


@given(st.lists(st.integers(0, 400), max_size=40), st.sampled_from([0, 64, 8192]))
def test_groups_hold_every_prompt_once_and_little_padding(lengths: list[int], few: int) -> None:
    groups = group_by_length(lengths, few)
    assert sorted(index for group in groups for index in group) == [
        index for index, length in enumerate(lengths) if length
    ]
    for group in groups:
        own = [lengths[index] for index in group]
        padded = [length for length in own if length < 0.9 * own[0]]
        assert own == sorted(own, reverse=True)
        assert own[0] * (len(own) - len(padded)) <= few or not padded


def test_where_passes_cost_much_all_prompts_are_read_in_one() -> None:
    assert group_by_length([5, 400, 30], 8192) == [[1, 2, 0]]
    assert group_by_length([5, 400, 30], 64) == [[1], [2, 0]]


def _alone(model: Any, row: Sequence[int]) -> Any:
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=1, do_sample=False, return_dict_in_generate=True
    )
    ids, mask = pad_left([row])
    return model.generate(input_ids=ids, attention_mask=mask, generation_config=config).cache


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_what_is_read_is_what_each_prompt_gives_alone(
    family: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polypaca.generation.prefill._FEW_TOKENS", {})
    folder = tiny_model(family)
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)
    rows = encode(tokenizer, TEXTS)
    cache: Any = prefill_prompts(model, rows, lambda _: nullcontext())
    assert cache.get_seq_length() == max(map(len, rows)) - 1
    for number, row in enumerate(rows):
        if len(row) == 1:
            continue
        for layer, own in zip(cache.layers, _alone(model, row[:-1]).layers, strict=True):
            kept = own.keys.shape[2]
            torch.testing.assert_close(layer.keys[number, :, -kept:], own.keys[0])
            torch.testing.assert_close(layer.values[number, :, -kept:], own.values[0])


def test_the_adapters_are_those_of_the_rows_that_are_read(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polypaca.generation.prefill._FEW_TOKENS", {})
    folder = tiny_model("gpt_neox")
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)
    asked: list[list[int]] = []

    def on_rows(places: Sequence[int]) -> nullcontext[None]:
        asked.append(list(places))
        return nullcontext()

    prefill_prompts(model, encode(tokenizer, TEXTS), on_rows)
    assert asked == [[1], [2], [0]]


def test_prompts_of_one_token_leave_nothing_to_read(tiny_model: Callable[[str], Path]) -> None:
    model = load_model(tiny_model("gpt_neox"), dtype="float32")
    assert prefill_prompts(model, [[5], [6]], lambda _: nullcontext()) is None


def test_the_head_gets_its_input_as_one_piece_of_memory(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tiny_model("gemma3")
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)
    head = model.get_output_embeddings()
    forward, seen = head.forward, []

    def watched(states: torch.Tensor) -> torch.Tensor:
        seen.append((states.shape, states.stride()))
        result: torch.Tensor = forward(states)
        return result

    monkeypatch.setattr(head, "forward", watched)
    monkeypatch.setattr("polypaca.generation.prefill._FEW_TOKENS", {})
    prefill_prompts(model, encode(tokenizer, TEXTS), lambda _: nullcontext())
    assert seen
    for shape, strides in seen:
        assert strides == torch.empty(shape).stride()
