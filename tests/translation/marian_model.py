"""A tiny Marian model as `MarianMTModel.save_pretrained` writes it, and its conversion."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

WORDS = [
    "the cat sleeps in the house and the dog runs in the garden",
    "a house has two doors, and a garden has many trees",
    "el gato duerme en la casa y el perro corre en el huerto",
    "write a short story about a fish that wants to fly over the sea",
]


def write_marian(folder: Path, vocabulary: int = 96) -> Path:
    """Random weights in OPUS-MT's shape, with SentencePiece models for both sides."""
    import sentencepiece
    import torch
    from transformers import MarianConfig, MarianMTModel

    folder.mkdir(parents=True)
    text = folder / "text.txt"
    text.write_text("\n".join(WORDS * 20) + "\n")
    for side in ("source", "target"):
        sentencepiece.SentencePieceTrainer.train(
            input=str(text), model_prefix=str(folder / side), vocab_size=vocabulary,
            hard_vocab_limit=False, minloglevel=2, bos_id=-1, eos_id=0, unk_id=1, pad_id=-1,
        )  # fmt: skip
        (folder / f"{side}.model").rename(folder / f"{side}.spm")
        (folder / f"{side}.vocab").unlink()
    text.unlink()
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "source.spm"))
    vocab = {pieces.id_to_piece(n): n for n in range(pieces.get_piece_size())}
    pad = vocab.setdefault("<pad>", len(vocab))
    (folder / "vocab.json").write_text(json.dumps(vocab))
    torch.manual_seed(1)
    config = MarianConfig(
        vocab_size=len(vocab), d_model=32, encoder_layers=1, decoder_layers=1,
        encoder_attention_heads=2, decoder_attention_heads=2, encoder_ffn_dim=64,
        decoder_ffn_dim=64, max_position_embeddings=512, pad_token_id=pad, eos_token_id=0,
        bos_token_id=0, decoder_start_token_id=pad, forced_eos_token_id=0,
        scale_embedding=True, static_position_embeddings=True, activation_function="swish",
    )  # fmt: skip
    model = MarianMTModel(config)
    model.save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "MarianTokenizer", "source_lang": "en", "target_lang": "es"})
    )
    return folder


def convert(model: Path, folder: Path) -> Path:
    """Convert as the documentation says, `--copy_files source.spm target.spm` and all."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(model), copy_files=["source.spm", "target.spm"]).convert(str(folder))
    shutil.copyfile(model / "vocab.json", folder / "vocab.json")
    return folder
