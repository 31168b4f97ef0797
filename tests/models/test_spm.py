from __future__ import annotations

import json
import random
from itertools import islice
from pathlib import Path

import pytest

from polypaca.models.loading import load_tokenizer
from polypaca.models.spm import fast_tokenizer, read_bpe, write_fast_tokenizer

from .tiny_families import SPM_SETTINGS, train_spm

LANGUAGES = ("en", "es", "de", "ru", "zh", "bn")
HARD = [
    "", " ", "   ", "\n", " a", "a ", "a  b   c", "Grüße,\t世界", "1234567890 12.5",
    "def f(x):\n    return  x\n", "😀👍🏽 ﬁ ① Ａ", "e\u0301 \u00a0x\u3000y", "Ω≈ç√ ꙮ \U0001f9ff",
    "▁a ▁",
]  # fmt: skip


def _same(path: Path, texts: list[str]) -> None:
    import sentencepiece

    peer = sentencepiece.SentencePieceProcessor(model_file=str(path))
    proto = read_bpe(path)
    assert proto is not None
    ours = fast_tokenizer(proto, add_bos=False, add_eos=False)
    for text in texts:
        ids = peer.encode(text)
        assert ours.encode(text).ids == ids, repr(text)
        assert ours.decode(ids) == peer.decode(ids), repr(text)


@pytest.mark.parametrize("kind", sorted(SPM_SETTINGS))
def test_a_converted_tokenizer_is_sentencepiece_itself(kind: str, tmp_path: Path) -> None:
    from polypaca import builtin

    path = train_spm(tmp_path, kind)
    rows = [
        row["output"]
        for code in ("en", "zh", "no")
        for row in islice(builtin.instruction_rows("tiny", code), 50)
    ]
    draw = random.Random(1)
    mixed = ["".join(draw.choices("ab e\n 12世是<_▁é😀", k=12)) for _ in range(300)]
    _same(path, HARD + rows + mixed)


@pytest.mark.data
def test_llamas_tokenizer_is_sentencepiece_itself(data_folder: Path) -> None:
    lines = [
        line
        for code in LANGUAGES
        for line in (data_folder / "flores" / f"flores-dev.{code}")
        .read_text("utf-8")
        .splitlines()[:60]
    ]
    _same(data_folder / "tokenizers" / "llama" / "tokenizer.model", HARD + lines)


def test_what_is_added_and_special_comes_from_the_settings(tmp_path: Path) -> None:
    train_spm(tmp_path, "baichuan")
    settings = {
        "add_bos_token": False,
        "add_eos_token": False,
        "pad_token": {"__type": "AddedToken", "content": "<unk>"},
        "tokenizer_class": "BaichuanTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_baichuan.BaichuanTokenizer", None]},
    }
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    assert write_fast_tokenizer(tmp_path / "out", tmp_path)
    tokenizer = load_tokenizer(tmp_path / "out")
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<s>",
        "</s>",
        "<unk>",
    )
    ids = tokenizer("Name three animals.")["input_ids"]
    assert tokenizer.bos_token_id not in ids
    assert tokenizer.decode(ids) == "Name three animals."
    assert tokenizer("a</s>")["input_ids"][-1] == tokenizer.eos_token_id


def test_llama_starts_with_the_beginning_of_a_sequence(tmp_path: Path) -> None:
    train_spm(tmp_path, "llama")
    assert write_fast_tokenizer(tmp_path / "out", tmp_path)
    tokenizer = load_tokenizer(tmp_path / "out")
    ids = tokenizer("Name three animals.")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id
    assert ids[-1] != tokenizer.eos_token_id


def test_other_files_of_that_name_are_left_to_transformers(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_text("IQ== 0\nIg== 1\n")  # as Llama 3's
    assert not write_fast_tokenizer(tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()
