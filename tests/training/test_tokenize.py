from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polypaca.models.loading import load_tokenizer
from polypaca.training.batching import packed_batch, padded_batch
from polypaca.training.tokenize import IGNORED, Tokenized, cached, tokenize

PROMPT, RESPONSE = "### Instruction:\nName three animals.\n\n### Response:\n", "The cat."


def test_labels_are_the_response_and_the_end_alone(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    done = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=512, loss_on="response")
    ids, labels_from = done.row(0)
    supervised = ids[labels_from:].tolist()
    assert tokenizer.decode(supervised[:-1]) == RESPONSE
    assert supervised[-1] == tokenizer.eos_token_id
    assert done.supervised_tokens == len(supervised)
    assert done.tokens == len(ids) == len(tokenizer(PROMPT + RESPONSE).input_ids) + 1
    # The end is no text: bits per byte are taken without it.
    assert done.text_to[0] == len(ids) - 1
    assert done.text_bytes[0] == len(RESPONSE.encode())


def test_with_loss_on_all_every_token_is_a_label(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    done = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=512, loss_on="all")
    assert done.row(0)[1] == 0
    # Nothing predicts the first token.
    assert done.supervised_tokens == done.tokens - 1


def test_what_is_cut_does_not_end(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    whole = len(tokenizer(PROMPT + RESPONSE).input_ids)
    done = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=whole, loss_on="response")
    assert done.truncated == 1
    assert done.row(0)[0][-1] != tokenizer.eos_token_id
    assert done.text_bytes[0] == len(RESPONSE.encode())
    shorter = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=whole - 2, loss_on="response")
    text = tokenizer.decode(shorter.row(0)[0][shorter.labels_from[0] :])
    assert RESPONSE.startswith(text)
    assert shorter.text_bytes[0] == len(text.encode()) < len(RESPONSE)
    # A prompt that fills the limit leaves nothing to learn.
    none = tokenize([(PROMPT, RESPONSE)], tokenizer, max_length=5, loss_on="response")
    assert (len(none), none.tokens, none.truncated, none.dropped) == (0, 0, 0, 1)


def test_what_closes_a_turn_is_learned_but_is_no_text(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    done = tokenize(
        [("<s>Q:\n", "The cat.")],
        tokenizer,
        max_length=100,
        loss_on="response",
        closing="\n</s>",
        special_tokens=False,
    )
    ids, labels_from = done.row(0)
    assert tokenizer.decode(ids[labels_from:]) == "The cat.\n</s>"
    assert (ids == tokenizer.eos_token_id).sum() == 1
    assert tokenizer.decode(ids[labels_from : done.text_to[0]]) == "The cat."
    assert done.text_bytes[0] == len("The cat.")


def test_kept_rows_are_mapped_and_made_once(tokenizer_file: Path, tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    made = tokenize([(PROMPT, RESPONSE)] * 3, tokenizer, max_length=50, loss_on="all")
    first = cached(tmp_path / "rows" / "key", lambda: made)

    def never() -> Tokenized:
        raise AssertionError("made twice")

    again = cached(tmp_path / "rows" / "key", never)
    for rows in (first, again):
        assert isinstance(rows.ids, np.memmap)
        assert rows.ids.tolist() == made.ids.tolist()
        assert rows.starts.tolist() == made.starts.tolist()
        assert (rows.truncated, rows.dropped) == (made.truncated, made.dropped)
    assert sorted(path.name for path in (tmp_path / "rows").iterdir()) == ["key", "key.lock"]


@pytest.mark.parametrize("name", ["ids.npy", "starts.npy", "counts.json"])
def test_kept_rows_that_were_changed_are_made_again(
    name: str, tokenizer_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    made = tokenize([(PROMPT, RESPONSE)] * 3, tokenizer, max_length=50, loss_on="all")
    cached(tmp_path / "key", lambda: made)
    path = tmp_path / "key" / name
    stat, content = path.stat(), path.read_bytes()
    # Another number in its place: what can be read is not what was kept.
    path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    rows = cached(tmp_path / "key", lambda: made)
    assert rows.ids.tolist() == made.ids.tolist()
    assert path.read_bytes() == content
    assert f"{tmp_path / 'key'} ({name}: not what was kept)" in caplog.text


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(pairs=st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), min_size=1, max_size=4))
def test_any_text_gives_the_same_labels_packed_and_padded(
    pairs: list[tuple[str, str]], tokenizer_file: Path
) -> None:
    done = tokenize(pairs, load_tokenizer(tokenizer_file), max_length=64, loss_on="response")
    if not len(done):
        return
    rows = list(range(len(done)))
    padded = padded_batch(done, rows, pad_token_id=2)
    packed = packed_batch(done, rows)
    assert max(packed["lengths"]) <= 64
    assert sum(packed["lengths"]) == done.tokens == packed["input_ids"].shape[1]
    start = 0
    for row, length in enumerate(packed["lengths"]):
        own = slice(start, start + length)
        assert padded["attention_mask"][row].tolist()[:length] == [1] * length
        assert padded["attention_mask"][row].sum() == length
        for name in ("input_ids", "labels"):
            assert packed[name][0, own].tolist() == padded[name][row, :length].tolist()
        assert set(padded["labels"][row, length:].tolist()) <= {IGNORED}
        assert packed["position_ids"][0, own].tolist() == list(range(length))
        assert packed["labels"][0, start] == IGNORED
        start += length
    assert (packed["labels"] != IGNORED).sum() == done.supervised_tokens


@pytest.mark.data
@pytest.mark.parametrize("name", ["pythia/20B_tokenizer.json", "openllama", "llama"])
def test_real_tokenizers_mark_the_response(name: str, data_folder: Path) -> None:
    tokenizer = load_tokenizer(data_folder / "tokenizers" / name)
    prompt = "### Instruction:\n你好！\n\n### Response:\n"
    done = tokenize([(prompt, "好的，世界。")], tokenizer, max_length=512, loss_on="response")
    ids, labels_from = done.row(0)
    assert tokenizer.decode(ids[labels_from:], skip_special_tokens=True).strip() == "好的，世界。"
    assert ids[-1] == tokenizer.eos_token_id
    assert done.text_bytes[0] == len("好的，世界。".encode())


def test_the_space_before_a_response_is_learnt_with_it_and_is_no_byte_of_it(
    tokenizer_file: Path,
) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    pair = ("USER: Name animals. ASSISTANT: ", "The cat.")
    done = tokenize([pair], tokenizer, max_length=100, loss_on="response")
    ids, labels_from = done.row(0)
    assert ids.tolist() == [*tokenizer("".join(pair)).input_ids, tokenizer.eos_token_id]
    assert tokenizer.decode(ids[labels_from:-1]) == " The cat."
    assert done.text_bytes[0] == len("The cat.")


def test_special_tokens_written_in_a_response_are_text(
    tokenizer_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    pairs = [(PROMPT, RESPONSE), (PROMPT, "Write <s>it</s>.")]
    done = tokenize(pairs, tokenizer, max_length=512, loss_on="response")
    ids, labels_from = done.row(1)
    assert tokenizer.decode(ids[labels_from:-1]) == "Write <s>it</s>."
    assert (ids == tokenizer.eos_token_id).sum() == 1
    assert done.text_bytes[1] == len("Write <s>it</s>.")
    assert done.special == []
    # A tokenizer that cannot has its rows counted, in what is kept, too.
    monkeypatch.setattr("polypaca.core.tokens.without_specials", lambda *_: None)
    kept = cached(
        tmp_path / "rows",
        lambda: tokenize(pairs, tokenizer, max_length=512, loss_on="response"),
    )
    assert kept.special == [1]
