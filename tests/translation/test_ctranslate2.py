from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from polypaca.core.errors import UserError
from polypaca.translation import ctranslate2
from polypaca.translation.contract import Untranslated

from .marian_model import WORDS, convert, write_marian

TEXTS = [*WORDS, "the cat", "a fish flies in the garden", "two doors and a story"]


def test_greedy_translations_are_those_of_transformers(tmp_path: Path) -> None:
    pytest.importorskip("ctranslate2", reason="no ctranslate2: pip install 'polypaca[translate]'")
    import sentencepiece
    import torch
    from transformers import MarianMTModel

    folder = write_marian(tmp_path / "marian")
    engine = ctranslate2.make(
        "en", "es", model=convert(folder, tmp_path / "ct2"), beam_size=1, compute_type="float32",
        max_length=12,
    )  # fmt: skip
    found = engine.translate(TEXTS)
    model = MarianMTModel.from_pretrained(folder)
    source, target = (
        sentencepiece.SentencePieceProcessor(model_file=str(folder / f"{side}.spm"))
        for side in ("source", "target")
    )
    for text, translation in zip(TEXTS, found, strict=True):
        ids = torch.tensor([[*source.encode(text), 0]])
        with torch.no_grad():
            output = model.generate(
                ids, max_new_tokens=12, num_beams=1, do_sample=False, forced_eos_token_id=None,
                bad_words_ids=[[model.config.pad_token_id], [1]],
            )[0].tolist()[1:]  # fmt: skip
        pieces = [source.id_to_piece(i) for i in output if i not in (0, model.config.pad_token_id)]
        expected = target.decode_pieces(pieces).strip()
        assert translation == expected or (not expected and isinstance(translation, Untranslated))
    assert sum(isinstance(translation, str) for translation in found) >= 3


def test_int8_output_does_not_depend_on_the_batch(ctranslate2_model: Path) -> None:
    engine = ctranslate2.make("en", "es", model=ctranslate2_model, max_length=12)
    together = engine.translate(TEXTS)
    assert [engine.translate([text])[0] for text in TEXTS] == together


def test_a_text_that_the_model_cannot_read_has_a_reason(ctranslate2_model: Path) -> None:
    engine = ctranslate2.make("en", "es", model=ctranslate2_model, max_length=5)
    long, short = engine.translate(["the cat sleeps " * 300, "the cat"])
    assert isinstance(long, Untranslated)
    assert "512" in long.reason
    assert isinstance(short, str)


@pytest.mark.parametrize("name", ["model.bin", "source.spm", "target.spm"])
def test_what_is_missing_is_named(ctranslate2_model: Path, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ctranslate2_model, folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match=re.escape(name)):
        ctranslate2.make("en", "es", model=folder)


def test_a_damaged_model_is_an_error(ctranslate2_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(ctranslate2_model, folder)
    (folder / "model.bin").write_bytes((folder / "model.bin").read_bytes()[:100])
    with pytest.raises(UserError):
        ctranslate2.make("en", "es", model=folder)
