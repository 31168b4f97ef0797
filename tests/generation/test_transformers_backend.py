from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig

from polypaca.core.errors import StageError, UserError
from polypaca.generation.batching import check_context_length, encode, pad_left, plan_batches
from polypaca.generation.contract import Decoding
from polypaca.generation.transformers_backend import answer_batch, end_tokens
from polypaca.models.loading import load_model, load_tokenizer

from .together import FAMILIES, PROMPTS, alone, together

GREEDY = Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0)
PAPER = Decoding(max_new_tokens=12)
BEAMS = Decoding(max_new_tokens=12, num_beams=3, no_repeat_ngram_size=2, length_penalty=2.0)
PENALTY = Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=3, repetition_penalty=1.5)


def _loaded(folder: Path) -> tuple[Any, Any, list[list[int]]]:
    model, tokenizer = load_model(folder, dtype="float32"), load_tokenizer(folder)
    return model, tokenizer, encode(tokenizer, PROMPTS)


@pytest.mark.parametrize("decoding", [GREEDY, PAPER, BEAMS, PENALTY])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_as_transformers_does_one_prompt_at_a_time(
    family: str, decoding: Decoding, tiny_model: Callable[[str], Path]
) -> None:
    model, tokenizer, rows = _loaded(tiny_model(family))
    found = together(model, tokenizer, rows, decoding)
    assert found == [alone(model, tokenizer, row, decoding) for row in rows]
    assert len(set(found)) > 1


@pytest.mark.parametrize("decoding", [GREEDY, PAPER])
def test_prompts_longer_than_a_sliding_window(
    decoding: Decoding, tiny_model: Callable[[str], Path]
) -> None:
    model, tokenizer, _ = _loaded(tiny_model("gemma3"))
    rows = encode(tokenizer, ["The cat, the dog and the horse are animals. " * 3, *PROMPTS])
    assert len(rows[0]) > model.config.sliding_window + 2
    found = together(model, tokenizer, rows, decoding)
    assert found == [alone(model, tokenizer, row, decoding) for row in rows]


def test_nothing_asked_is_nothing_answered(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer, _ = _loaded(tiny_model("gpt_neox"))
    assert encode(tokenizer, []) == []
    assert plan_batches([], 4) == []
    assert answer_batch(model, tokenizer, [], GREEDY) == []


def test_batches_are_of_like_lengths_and_the_longest_comes_first() -> None:
    assert plan_batches([3, 9, 3, 5, 9], 2) == [[1, 4], [3, 0], [2]]


@given(
    lengths=st.lists(st.integers(1, 300), max_size=40),
    rows=st.integers(1, 9),
    tokens=st.integers(1, 500),
)
def test_a_batch_is_bounded_by_rows_and_by_tokens_with_padding(
    lengths: list[int], rows: int, tokens: int
) -> None:
    batches = plan_batches(lengths, rows, tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    for batch in batches:
        assert len(batch) <= rows
        assert len(batch) == 1 or len(batch) * max(lengths[index] for index in batch) <= tokens
    assert plan_batches(lengths, rows) == plan_batches(lengths, rows, 300 * 9)


def test_padding_is_on_the_left_and_repeats_what_the_row_has() -> None:
    ids, mask = pad_left([[5, 6, 7], [8]])
    assert ids.tolist() == [[5, 6, 7], [8, 8, 8]]
    assert mask.tolist() == [[1, 1, 1], [0, 0, 1]]


def test_a_prompt_without_tokens_is_refused(tiny_model: Callable[[str], Path]) -> None:
    tokenizer = load_tokenizer(tiny_model("gpt_neox"))
    with pytest.raises(UserError, match="prompt 2 has no tokens"):
        encode(tokenizer, ["The", ""])


def test_a_prompt_does_not_end_with_an_end_token(tiny_model: Callable[[str], Path]) -> None:
    tokenizer = load_tokenizer(tiny_model("gpt_neox"))
    plain = encode(tokenizer, ["The cat"])
    assert encode(tokenizer, ["The cat</s>"]) == plain
    assert tokenizer.eos_token_id not in plain[0]


def _force(model: Any, tokens: list[int], width: int) -> Any:
    """Let a model write these tokens whatever it is asked; `width` is its prompts' length."""
    head = model.get_output_embeddings()

    class Forced(torch.nn.Module):
        weight = head.weight
        step = -1

        def forward(self, hidden: torch.Tensor) -> torch.Tensor:
            logits = torch.zeros(*hidden.shape[:-1], head.weight.shape[0])
            self.step += 1
            # The first time only the prompt is read.
            wanted = tokens[min(max(self.step - 1, 0), len(tokens) - 1)]
            logits[..., wanted] = 10.0
            return logits

    if width == 1:
        raise ValueError("a prompt of one token is not read ahead")
    forced = Forced()
    model.set_output_embeddings(forced)
    return forced


def test_every_end_token_of_a_chat_model_ends_an_answer(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer, rows = _loaded(tiny_model("llama3"))
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|eot_id|>"]})
    model.resize_token_embeddings(len(tokenizer))
    turn = tokenizer.convert_tokens_to_ids("<|eot_id|>")
    word = encode(tokenizer, ["cat"])[0][-1]
    # A list as in generation_config.json; a token that is a word is not taken for an end.
    model.generation_config.eos_token_id = [turn, word]
    assert end_tokens(model, tokenizer) == sorted({tokenizer.eos_token_id, turn})
    _force(model, [word, word, turn, word], len(rows[0]))
    (found,) = answer_batch(model, tokenizer, rows[:1], GREEDY)
    assert found.tokens == (word, word)
    assert found.finish_reason == "stop"


def test_the_end_of_a_turn_ends_an_answer_though_the_model_does_not_say_so(
    tiny_model: Callable[[str], Path],
) -> None:
    model, tokenizer, rows = _loaded(tiny_model("llama3"))
    word, turn = encode(tokenizer, ["cat"])[0][-1], encode(tokenizer, ["dog"])[0][-1]
    _force(model, [word, word, turn, word], len(rows[0]))
    (found,) = answer_batch(model, tokenizer, rows[:1], GREEDY, ends=[turn])
    assert (found.tokens, found.finish_reason) == ((word, word), "stop")


def test_special_tokens_are_no_text_and_the_length_limit_is_told(
    tiny_model: Callable[[str], Path],
) -> None:
    model, tokenizer, rows = _loaded(tiny_model("llama3"))
    word = encode(tokenizer, ["cat"])[0][-1]
    _force(model, [word, tokenizer.bos_token_id, word], len(rows[0]))
    (found,) = answer_batch(
        model, tokenizer, rows[:1], Decoding(max_new_tokens=3, num_beams=1, no_repeat_ngram_size=0)
    )
    assert found.tokens == (word, tokenizer.bos_token_id, word)
    assert found.text == tokenizer.decode([word, word])
    assert found.finish_reason == "length"


def test_a_models_own_settings_do_not_leak_in(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer, rows = _loaded(tiny_model("qwen3"))
    before = together(model, tokenizer, rows, GREEDY)
    own = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=True, temperature=0.7, top_k=20, repetition_penalty=1.9, num_beams=2,
        no_repeat_ngram_size=1, suppress_tokens=[row[0] for row in before], max_length=3,
    )  # fmt: skip
    model.generation_config = own
    assert together(model, tokenizer, rows, GREEDY) == before
    assert model.generation_config is own


def test_samples_can_be_repeated(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer, rows = _loaded(tiny_model("gpt_neox"))
    sampled = Decoding(
        max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0, temperature=1.0, top_p=0.9, top_k=50
    )

    def answers(seed: int) -> list[tuple[int, ...]]:
        return [a.tokens for a in answer_batch(model, tokenizer, rows, sampled, seed=seed)]

    state = torch.random.get_rng_state()
    first = answers(1)
    assert torch.equal(torch.random.get_rng_state(), state)
    torch.manual_seed(5)
    assert answers(1) == first
    assert answers(2) != first


def test_only_the_likeliest_tokens_are_sampled(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer, rows = _loaded(tiny_model("gpt_neox"))
    one = Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0, temperature=1.0, top_k=1)
    assert together(model, tokenizer, rows, one) == together(model, tokenizer, rows, GREEDY)


def test_rows_end_at_the_stop_string_and_their_answers_stay(
    tiny_model: Callable[[str], Path],
) -> None:
    model, tokenizer, rows = _loaded(tiny_model("gpt_neox"))
    ends = Decoding(max_new_tokens=40, num_beams=1, no_repeat_ngram_size=0, temperature=1.5)
    whole = answer_batch(model, tokenizer, rows, ends, seed=3)
    # A string that random weights write somewhere, alone and across two tokens.
    text = whole[1].text
    for stop in (text[10:11], text[10:14]):
        several = answer_batch(model, tokenizer, rows, ends, stop=("never", stop), seed=3)
        stopped = answer_batch(model, tokenizer, rows, ends, stop=stop, seed=3)
        for long, short in zip(whole, stopped, strict=True):
            assert short.text.split(stop)[0] == long.text.split(stop)[0]
            assert (stop in short.text) == (stop in long.text)
            assert short.finish_reason == ("stop" if stop in long.text else long.finish_reason)
        assert len(stopped[1].tokens) < len(whole[1].tokens)
        assert several == stopped


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_that_have_ended_leave_the_batch_and_change_no_answer(
    family: str, tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer, rows = _loaded(tiny_model(family))
    decoding = Decoding(
        max_new_tokens=40, num_beams=1, no_repeat_ngram_size=3, repetition_penalty=1.2
    )
    whole = [
        tokenizer.decode(alone(model, tokenizer, row, decoding), skip_special_tokens=True)
        for row in rows
    ]
    # A letter that random weights write in some answers early, in others late or never.
    stop = max(
        "abcdefghijklmnopqrstuvwxyz", key=lambda letter: len({w.find(letter) for w in whole})
    )
    generate, sizes = model.generate, []

    def counted(**inputs: Any) -> Any:
        if "cache" in inputs:
            sizes.append(len(inputs["input_ids"]))
        return generate(**inputs)

    monkeypatch.setattr(model, "generate", counted)
    found = answer_batch(model, tokenizer, rows, decoding, stop=stop)
    assert [a.text.split(stop)[0] for a in found] == [text.split(stop)[0] for text in whole]
    assert sizes == sorted(sizes, reverse=True)
    assert len(sizes) > 1


def test_beams_go_on_past_the_stop_string(tiny_model: Callable[[str], Path]) -> None:
    model, tokenizer, rows = _loaded(tiny_model("llama"))
    whole = answer_batch(model, tokenizer, rows, PAPER)
    stop = whole[1].text[2:4]
    stopped = answer_batch(model, tokenizer, rows, PAPER, stop=stop)
    assert [a.tokens for a in stopped] == [a.tokens for a in whole]
    assert stopped[1].finish_reason == "stop"


def test_a_batch_that_does_not_fit_is_halved(
    tiny_model: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    model, tokenizer, rows = _loaded(tiny_model("gpt_neox"))
    ample = together(model, tokenizer, rows, GREEDY)
    generate, sizes = model.generate, []

    def scarce(**inputs: Any) -> Any:
        if "cache" in inputs:  # it decodes
            sizes.append(len(inputs["input_ids"]))
            if sizes[-1] > 2:
                torch.empty(1 << 60, dtype=torch.uint8)  # what no machine has
        return generate(**inputs)

    monkeypatch.setattr(model, "generate", scarce)
    with caplog.at_level(logging.WARNING):
        assert together(model, tokenizer, rows, GREEDY) == ample
    assert sizes[:3] == [5, 3, 2]
    assert max(sizes[2:]) == 2
    assert "out of memory for 5 prompts at a time: trying 3" in caplog.text


def test_a_prompt_that_does_not_fit_alone_is_an_error(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer, rows = _loaded(tiny_model("gpt_neox"))
    monkeypatch.setattr(model, "generate", lambda **_: torch.empty(1 << 60, dtype=torch.uint8))
    with pytest.raises(StageError, match="out of memory for a single prompt"):
        answer_batch(model, tokenizer, rows, GREEDY)


def test_other_errors_are_not_taken_for_lack_of_memory(
    tiny_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, tokenizer, rows = _loaded(tiny_model("gpt_neox"))
    monkeypatch.setattr("polypaca.generation.cache.expand_for_beams", lambda *_: "none")
    with pytest.raises((ValueError, AttributeError, TypeError)):
        answer_batch(model, tokenizer, rows, GREEDY)


def test_prompts_past_a_rotary_models_context_are_counted(
    tiny_model: Callable[[str], Path],
) -> None:
    assert check_context_length(load_model(tiny_model("llama")), [500, 513, 3], 12) == 1
    assert check_context_length(load_model(tiny_model("bloom")), [5000], 12) == 0


@pytest.mark.parametrize("kind", ["gpt2", "opt"])
def test_prompts_past_a_table_of_positions_are_refused(kind: str) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes: dict[str, Any] = {
        "gpt2": {"n_positions": 30, "n_embd": 16, "n_layer": 1, "n_head": 2},
        "opt": {
            "max_position_embeddings": 30, "hidden_size": 16, "num_hidden_layers": 1,
            "num_attention_heads": 2, "ffn_dim": 16, "word_embed_proj_dim": 16,
        },
    }  # fmt: skip
    config = AutoConfig.for_model(
        kind, vocab_size=50, bos_token_id=1, eos_token_id=2, **sizes[kind]
    )
    model: Any = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    assert check_context_length(model, [4, 20], 10) == 0
    with pytest.raises(UserError, match="prompt 2 has 21 tokens, and 10 for the answer do not fit"):
        check_context_length(model, [4, 21], 10)
