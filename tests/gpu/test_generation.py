"""Generation on CUDA devices: batches, adapters, memory. Skipped where there is none."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from polypaca.generation.adapters import with_adapters
from polypaca.generation.batching import encode
from polypaca.generation.contract import Decoding
from polypaca.models.loading import load_model, load_tokenizer

from ..generation.together import (  # noqa: TID252
    FAMILIES,
    PROMPTS,
    alone,
    together,
    write_adapter,
)

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]
GREEDY = Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0)
PAPER = Decoding(max_new_tokens=12)


@pytest.mark.parametrize("decoding", [GREEDY, PAPER])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_as_transformers_does_one_prompt_at_a_time(
    family: str, decoding: Decoding, tiny_model: Callable[[str], Path]
) -> None:
    folder = tiny_model(family)
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)
    rows = encode(tokenizer, PROMPTS)
    assert model.device.type == "cuda"
    found = together(model, tokenizer, rows, decoding)
    assert found == [alone(model, tokenizer, row, decoding) for row in rows]


@pytest.mark.parametrize("decoding", [GREEDY, PAPER])
@pytest.mark.parametrize("family", ["gpt_neox", "bloom", "llama"])
def test_a_mixed_batch_answers_as_each_adapter_alone(
    family: str, decoding: Decoding, tiny_model: Callable[[str], Path], tmp_path: Path
) -> None:
    base = tiny_model(family)
    model, tokenizer = load_model(base, dtype="float32"), load_tokenizer(base)
    rows = encode(tokenizer, PROMPTS)
    folders = {
        "es.s1": write_adapter(tmp_path / "es", base, rank=2, seed=1),
        "de.s1": write_adapter(tmp_path / "de", base, rank=5, seed=2, dtype="bfloat16"),
    }
    names = [None, "es.s1", "de.s1", "es.s1", "de.s1"]
    with with_adapters(model, folders) as adapters:
        mixed = together(model, tokenizer, rows, decoding, adapters, names)
        own = [
            together(model, tokenizer, [row], decoding, adapters, [name])[0]
            for row, name in zip(rows, names, strict=True)
        ]
    assert mixed == own


def test_samples_can_be_repeated_and_leave_the_devices_state(
    tiny_model: Callable[[str], Path],
) -> None:
    folder = tiny_model("llama")
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)
    rows = encode(tokenizer, PROMPTS)
    sampled = Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0, temperature=1.0)
    state = torch.cuda.get_rng_state()
    first = together(model, tokenizer, rows, sampled)
    assert torch.equal(torch.cuda.get_rng_state(), state)
    assert together(model, tokenizer, rows, sampled) == first


def test_a_batch_that_does_not_fit_is_halved(
    tiny_model: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(1)
    config = AutoConfig.for_model(
        "llama", hidden_size=1024, num_hidden_layers=8, num_attention_heads=8, vocab_size=32_000
    )
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    model = model.cuda().eval()
    tokenizer = load_tokenizer(tiny_model("llama"))
    generator = torch.Generator().manual_seed(2)
    rows = torch.randint(3, 30_000, (64, 400), generator=generator).tolist()
    short = Decoding(max_new_tokens=8, num_beams=4, no_repeat_ngram_size=6)
    ample = together(model, tokenizer, rows, short)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    total = torch.cuda.get_device_properties(0).total_memory
    room = torch.cuda.memory_allocated() + 4e9
    torch.cuda.set_per_process_memory_fraction(min(1.0, room / total))
    try:
        with caplog.at_level(logging.WARNING):
            told = together(model, tokenizer, rows, short)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "out of memory for 64 prompts at a time: trying 32" in caplog.text
    same = sum(a == b for a, b in zip(told, ample, strict=True))
    # Matrix products of other shapes round otherwise, and random weights have near ties.
    assert same >= 60
