from __future__ import annotations

from pathlib import Path

import pytest

from polypaca.core.errors import UserError
from polypaca.generation.batching import encode
from polypaca.generation.prompts import Limit, encode_prompts
from polypaca.models.loading import load_tokenizer
from polypaca.models.templates import TEMPLATES

ALPACA = TEMPLATES["alpaca"]
PROMPTS = [("a (en)", "Name three animals."), ("b (es)", "Nombra animales. " * 90)]


def test_prompts_that_fit_are_asked_as_they_are(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    found = encode_prompts(tokenizer, PROMPTS, ALPACA.render, Limit(4096, "the limit", "Raise it"))
    assert found.tokens == encode(tokenizer, [ALPACA.render(text) for _, text in PROMPTS])
    assert (found.cut, found.special) == ([], [])


def test_a_prompt_that_is_too_long_is_named_with_what_to_do(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    size = len(encode(tokenizer, [ALPACA.render(PROMPTS[1][1])])[0])
    with pytest.raises(UserError) as caught:
        encode_prompts(tokenizer, PROMPTS, ALPACA.render, Limit(200, "the limit", "Raise it"))
    said = str(caught.value)
    assert f"prompt b (es) has {size:,} tokens, more than 200: the limit" in said
    assert "Too long: b (es)." in said
    assert "Raise it, set generate.on_long_prompt to cut" in said


def test_a_prompt_is_cut_at_its_end_and_the_template_stays_whole(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    found = encode_prompts(
        tokenizer, PROMPTS, ALPACA.render, Limit(200, "the limit", "Raise it", "cut")
    )
    assert found.cut == ["b (es)"]
    assert found.tokens[0] == encode(tokenizer, [ALPACA.render(PROMPTS[0][1])])[0]
    assert 195 <= len(found.tokens[1]) <= 200
    text = tokenizer.decode(found.tokens[1])
    before, after = ALPACA.without_input.split("{instruction}")
    assert text.startswith(before)
    assert text.endswith(after)
    assert PROMPTS[1][1].startswith(text.removeprefix(before).removesuffix(after))


def test_a_template_that_does_not_fit_is_an_error(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    with pytest.raises(UserError, match="the template alone has"):
        encode_prompts(tokenizer, PROMPTS, ALPACA.render, Limit(5, "the limit", "Raise it", "cut"))


def test_a_prompt_without_tokens_is_named(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    with pytest.raises(UserError, match=r"prompt b \(es\) has no tokens"):
        encode_prompts(
            tokenizer, [("a (en)", "x"), ("b (es)", "")], str, Limit(99, "the limit", "Raise it")
        )
