"""The tiny bases: settings as a cache key, and models that Transformers loads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from polypaca.builtin import BASES, base_settings, build_base

if TYPE_CHECKING:
    from pathlib import Path

CLASSES = {
    "tiny-neox": ("GPTNeoXForCausalLM", "query_key_value"),
    "tiny-bloom": ("BloomForCausalLM", "query_key_value"),
    "tiny-llama": ("LlamaForCausalLM", "q_proj"),
}


def test_settings_are_json_and_tell_bases_apart() -> None:
    settings = [json.dumps(base_settings(name), sort_keys=True) for name in BASES]
    assert len(set(settings)) == len(BASES)
    assert all(json.loads(text)["format"] >= 1 for text in settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", BASES)
def test_a_base_loads_in_transformers(name: str, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    heard: list[float] = []
    facts = build_base(
        name, tmp_path, threads=1, progress=lambda share, _: heard.append(share), steps=6
    )
    assert facts["parameters"] < 3e6
    assert 0 < facts["loss"] < 8
    assert heard == sorted(heard)
    assert heard[-1] == 1

    assert (tmp_path / "model.safetensors").is_file()
    model = AutoModelForCausalLM.from_pretrained(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    class_name, attention = CLASSES[name]
    assert type(model).__name__ == class_name
    assert any(attention in module for module, _ in model.named_modules())

    ids = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
    assert len(ids) == 3
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.vocab_size == len(tokenizer)
    text = "¿Qué? Grüße an Ærlig, 灰色的狗! ### 42\n  two"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


@pytest.mark.slow
def test_the_same_seed_gives_the_same_base(tmp_path: Path) -> None:
    for part in "ab":
        build_base(
            "tiny-neox", tmp_path / part, threads=1, progress=lambda _share, _what: None, steps=3
        )
    for file in ("model.safetensors", "tokenizer.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
