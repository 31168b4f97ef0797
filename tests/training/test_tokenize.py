from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polypaca.models.loading import load_tokenizer
from polypaca.training.tokenize import IGNORED, collate, tokenize

PROMPT, RESPONSE = "### Instruction:\nName three animals.\n\n### Response:\n", "The cat."


def test_labels_are_the_response_and_the_end_alone(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    done = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=512, loss_on="response")
    (row,) = done.rows
    supervised = [label for label in row["labels"] if label != IGNORED]
    assert tokenizer.decode(supervised[:-1]) == RESPONSE
    assert supervised[-1] == tokenizer.eos_token_id
    assert done.supervised_tokens == len(supervised)
    assert done.tokens == len(row["input_ids"]) == len(tokenizer(PROMPT + RESPONSE).input_ids) + 1


def test_with_loss_on_all_every_token_is_a_label(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    done = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=512, loss_on="all")
    assert done.rows[0]["labels"] == done.rows[0]["input_ids"]
    # Nothing predicts the first token.
    assert done.supervised_tokens == done.tokens - 1


def test_what_is_cut_does_not_end(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    whole = len(tokenizer(PROMPT + RESPONSE).input_ids)
    done = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=whole, loss_on="response")
    assert done.truncated == 1
    assert done.rows[0]["input_ids"][-1] != tokenizer.eos_token_id
    # A prompt that fills the limit leaves nothing to learn.
    none = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=5, loss_on="response")
    assert (none.rows, none.truncated, none.dropped) == ([], 0, 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(pairs=st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=4))
def test_any_text_gives_rows_of_one_shape(
    pairs: list[tuple[str, str]], tokenizer_file: Path
) -> None:
    done = tokenize(pairs, load_tokenizer(tokenizer_file), max_length=64, loss_on="all")
    batch = collate(done.rows, pad_token_id=2)
    for row, labels, mask in zip(
        done.rows, batch["labels"].tolist(), batch["attention_mask"].tolist(), strict=True
    ):
        assert len(row["input_ids"]) == len(row["labels"]) == sum(mask) <= 64
        assert all(label == IGNORED for label in labels[sum(mask) :])


@pytest.mark.data
@pytest.mark.parametrize("name", ["pythia/20B_tokenizer.json", "openllama", "llama"])
def test_real_tokenizers_mark_the_response(name: str, data_folder: Path) -> None:
    tokenizer = load_tokenizer(data_folder / "tokenizers" / name)
    prompt = "### Instruction:\n你好！\n\n### Response:\n"
    done = tokenize([(prompt, "好的，世界。")], tokenizer, max_length=512, loss_on="response")
    supervised = [label for label in done.rows[0]["labels"] if label != IGNORED]
    assert tokenizer.decode(supervised, skip_special_tokens=True).strip() == "好的，世界。"
    assert supervised[-1] == tokenizer.eos_token_id
