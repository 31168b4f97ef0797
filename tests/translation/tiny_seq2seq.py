"""Tiny models as the Hugging Face Hub has them: OPUS-MT's shape and NLLB's."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

WORDS = {
    "the": "el",
    "a": "un",
    "cat": "gato",
    "dog": "perro",
    "horse": "caballo",
    "bird": "pájaro",
    "boy": "niño",
    "big": "grande",
    "old": "viejo",
    "sees": "ve",
    "hears": "oye",
    "loves": "ama",
    "follows": "sigue",
    "today": "hoy",
    "here": "aquí",
    "now": "ahora",
}
CHARACTERS = [
    "0123456789 {}[]<>().,;:!?%#-'\"",
    "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ",
]


def sentences(count: int, seed: int) -> list[str]:
    """Sentences of the words above, in English."""
    choose = random.Random(seed).choice

    def noun() -> str:
        adjective = choose(["", "big ", "old "])
        return f"{choose(['the', 'a'])} {adjective}{choose(['cat', 'dog', 'horse', 'bird', 'boy'])}"

    def sentence() -> str:
        verb = choose(["sees", "hears", "loves", "follows"])
        return f"{noun()} {verb} {noun()}{choose(['', ' today', ' here', ' now'])}"

    return [sentence() for _ in range(count)]


def word_for_word(sentence: str) -> str:
    return " ".join(WORDS[word] for word in sentence.split())


def marian(
    folder: Path,
    *,
    steps: int = 0,
    width: int = 64,
    layers: int = 1,
    extra_tokens: Sequence[str] = (),
    lines: Sequence[str] = (),
    size: int = 200,
) -> Path:
    """Write an OPUS-MT model; it is trained for `steps`, or has large random weights.

    600 steps, some seven seconds on one core, are enough to translate unseen sentences word for
    word. An untrained one may have pieces of other `lines`, at most `english_size` of them.
    """
    import torch
    from transformers import MarianConfig, MarianMTModel, MarianTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    known = sentences(2000, seed=1)
    translated = [word_for_word(line) for line in known]
    files = [
        _pieces(folder / "source.spm", [*known, *lines], WORDS, vocab_size=size),
        _pieces(folder / "target.spm", [*translated, *lines], WORDS.values(), vocab_size=size),
    ]
    pieces = sorted({model.id_to_piece(n) for model in files for n in range(3, len(model))})
    vocabulary = ["</s>", "<unk>", *extra_tokens, *pieces, "<pad>"]
    ids = {token: n for n, token in enumerate(vocabulary)}
    (folder / "vocab.json").write_text(json.dumps(ids), encoding="utf-8")
    tokenizer = MarianTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    pad = ids["<pad>"]
    config = MarianConfig(
        vocab_size=len(vocabulary),
        **_shape(width, layers),
        activation_function="swish",
        init_std=0.02 if steps else 0.15,  # larger ones answer each input in another way
        pad_token_id=pad,
        decoder_start_token_id=pad,
        bos_token_id=0,
        eos_token_id=0,
        forced_eos_token_id=None,
        max_position_embeddings=512,
    )
    model = MarianMTModel(config)
    if steps:
        _train(model, tokenizer, known, steps)
    model.generation_config.bad_words_ids = [[pad], [1]]
    model.save_pretrained(folder)
    return folder


def nllb(folder: Path, languages: Sequence[str]) -> Path:
    """Write an NLLB model of random weights that knows these languages."""
    import torch
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    lines = sentences(2000, seed=1)
    _pieces(
        folder / "sentencepiece.bpe.model",
        [*lines, *(word_for_word(line) for line in lines)],
        (),
        vocab_size=200,
        model_type="bpe",
        bos_id=1,
        eos_id=2,
        unk_id=0,
    )
    settings = {"tokenizer_class": "NllbTokenizer", "extra_special_tokens": list(languages)}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    (folder / "config.json").write_text('{"model_type": "m2m_100"}', encoding="utf-8")
    tokenizer = NllbTokenizer.from_pretrained(folder, src_lang=languages[0])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(1)
    config = M2M100Config(
        vocab_size=len(tokenizer),
        **_shape(32, 1),
        init_std=0.3,
        max_position_embeddings=1024,
    )
    model = M2M100ForConditionalGeneration(config)
    model.generation_config.bad_words_ids = [[tokenizer.unk_token_id]]
    model.save_pretrained(folder)
    return folder


def convert(folder: Path, output: Path, copy_files: Sequence[str]) -> Path:
    """Convert a model for CTranslate2."""
    from ctranslate2.converters import TransformersConverter

    TransformersConverter(str(folder), copy_files=list(copy_files)).convert(str(output), force=True)
    return output


def _shape(width: int, layers: int) -> dict[str, Any]:
    shape: dict[str, Any] = {"d_model": width, "dropout": 0.0, "scale_embedding": True}
    for side in ("encoder", "decoder"):
        shape |= {
            f"{side}_layers": layers,
            f"{side}_attention_heads": 4,
            f"{side}_ffn_dim": 2 * width,
        }
    return shape


def _pieces(path: Path, lines: Iterable[str], words: Iterable[str], **settings: Any) -> Any:
    """Train a SentencePiece model in which each of the words is one piece."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*lines, *CHARACTERS]),
        model_writer=model,
        hard_vocab_limit=False,
        character_coverage=1.0,
        user_defined_symbols=[f"▁{word}" for word in words],
        minloglevel=2,
        **settings,
    )
    path.write_bytes(model.getvalue())
    return sentencepiece.SentencePieceProcessor(model_file=str(path))


def _train(model: Any, tokenizer: Any, lines: list[str], steps: int) -> None:
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    pick = random.Random(1).sample
    optimizer = torch.optim.Adam(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.003, total_steps=steps)
    for _ in range(steps):
        batch = pick(lines, 64)
        targets = [word_for_word(line) for line in batch]
        inputs = tokenizer(batch, text_target=targets, return_tensors="pt", padding=True)
        inputs["labels"][inputs["labels"] == tokenizer.pad_token_id] = -100
        model(**inputs).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        # Decoding starts with <pad>, whose embedding is zero in Marian's models.
        model.get_input_embeddings().weight.data[tokenizer.pad_token_id] = 0
    torch.set_num_threads(threads)
