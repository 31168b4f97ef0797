from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tokenizers import AddedToken

from polypaca.core.errors import UserError
from polypaca.models.bases import initialise, prepare_base
from polypaca.models.loading import load_tokenizer, pad_token_id

from .tiny_families import FAMILIES


def _model(folder: Path, tokenizer_file: Path, **changes: Any) -> Path:
    folder.mkdir()
    initialise(folder, {**FAMILIES["llama"], **changes}, tokenizer_file, seed=1)
    return folder


def _ready(folder: Path, source: Path) -> dict[str, Any]:
    return prepare_base(folder, source, lambda fraction, text: None)


def _with_tokens(source: Path, *tokens: AddedToken, pad: str | None = None) -> Any:
    tokenizer = load_tokenizer(source)
    tokenizer.add_tokens(list(tokens))
    if pad:
        tokenizer.pad_token = pad
    tokenizer.save_pretrained(source)
    return tokenizer


def test_sizes_that_agree_need_no_word(tmp_path: Path, tokenizer_file: Path) -> None:
    source = _model(tmp_path / "source", tokenizer_file)
    assert _ready(tmp_path / "base", source)["summary"] == f"linked from {source}"


def test_a_token_without_a_row_is_told_before_anything_is_trained(
    tmp_path: Path, tokenizer_file: Path
) -> None:
    source = _model(tmp_path / "source", tokenizer_file)
    rows = len(load_tokenizer(source))
    _with_tokens(source, AddedToken("tomorrow"))
    with pytest.raises(UserError, match=f"{rows} rows, so 1 tokens have none: tomorrow"):
        _ready(tmp_path / "base", source)


def test_special_tokens_that_nothing_writes_need_no_row(
    tmp_path: Path, tokenizer_file: Path
) -> None:
    source = _model(tmp_path / "source", tokenizer_file)
    rows = len(load_tokenizer(source))
    tokenizer = _with_tokens(source, AddedToken("[PAD]", special=True), pad="[PAD]")
    assert "not used: [PAD]" in _ready(tmp_path / "base", source)["summary"]
    assert tokenizer.pad_token_id == rows
    assert pad_token_id(tokenizer) == rows
    assert pad_token_id(tokenizer, rows) < rows
    # A chat template writes it.
    tokenizer.chat_template = "{% for m in messages %}[PAD]{{ m.content }}{% endfor %}"
    tokenizer.save_pretrained(source)
    load_tokenizer.cache_clear()
    with pytest.raises(UserError, match=r"1 tokens have none: \[PAD\]"):
        _ready(tmp_path / "other", source)


def test_a_random_model_that_is_too_small_for_its_tokenizer_is_refused(
    tmp_path: Path, tokenizer_file: Path
) -> None:
    with pytest.raises(UserError, match="embedding only 100 rows"):
        _model(tmp_path / "source", tokenizer_file, vocab_size=100)


def test_rows_beyond_padding_are_told(tmp_path: Path, tokenizer_file: Path) -> None:
    source = _model(tmp_path / "source", tokenizer_file, vocab_size=5000)
    assert "embedding has 5,000 rows" in _ready(tmp_path / "base", source)["summary"]
    padded = _model(tmp_path / "padded", tokenizer_file, vocab_size=512)
    assert "embedding" not in _ready(tmp_path / "other", padded)["summary"]


def test_weights_of_another_version_than_the_config_are_refused(
    tmp_path: Path, tokenizer_file: Path
) -> None:
    source = _model(tmp_path / "source", tokenizer_file)
    config = json.loads((source / "config.json").read_text())
    (source / "config.json").write_text(json.dumps({**config, "vocab_size": 999}))
    with pytest.raises(UserError, match=r"config\.json says vocab_size 999"):
        _ready(tmp_path / "base", source)
