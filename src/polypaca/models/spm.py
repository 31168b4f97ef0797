"""A fast tokenizer from a SentencePiece BPE model, as its own settings say.

Transformers rebuilds LLaMA's tokenizer from the vocabulary alone; a model that strips or
normalises white space (OpenLLaMA) or adds no leading space (Baichuan-2) then encodes otherwise
than in pretraining. Here all of it comes from the file, whose format is
https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_json

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer

MODEL_FILE = "tokenizer.model"
_BPE = 2  # TrainerSpec.ModelType
_NORMAL, _UNKNOWN, _CONTROL, _USER_DEFINED = 1, 2, 3, 4  # SentencePiece.Type
_SPACE = "▁"
_KEPT = ("model_max_length", "padding_side", "chat_template")
_ROLES = ("bos_token", "eos_token", "unk_token", "pad_token")


def read_bpe(path: Path) -> Any | None:
    """The model in a SentencePiece file; None if it is of another kind than BPE, or none at all."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from sentencepiece import sentencepiece_model_pb2

    proto = sentencepiece_model_pb2.ModelProto()  # type: ignore[attr-defined]
    try:
        proto.ParseFromString(path.read_bytes())
    except DecodeError:
        return None
    return proto if proto.pieces and proto.trainer_spec.model_type == _BPE else None


def fast_tokenizer(proto: Any, *, add_bos: bool, add_eos: bool) -> Tokenizer:
    """A tokenizer that encodes and decodes like SentencePiece itself.

    `proto` comes from `read_bpe`. Control pieces such as `</s>` are special tokens: written in a
    text they count as what they are, as everywhere in Transformers.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from tokenizers.processors import TemplateProcessing

    fallback = proto.trainer_spec.byte_fallback
    dummy = proto.normalizer_spec.add_dummy_prefix
    own = [piece.piece for piece in proto.pieces if piece.type == _USER_DEFINED]
    tokenizer = Tokenizer(
        models.BPE(
            vocab={piece.piece: number for number, piece in enumerate(proto.pieces)},
            merges=_merges(proto),
            unk_token=proto.trainer_spec.unk_piece,
            fuse_unk=True,
            byte_fallback=fallback,
            ignore_merges=bool(own),
        )
    )
    tokenizer.normalizer = _normalizer(proto.normalizer_spec)
    if own:
        # SentencePiece emits these whole and merges nothing with them, the longest first.
        pattern = "|".join(re.escape(piece) for piece in sorted(own, key=len, reverse=True))
        tokenizer.pre_tokenizer = pre_tokenizers.Split(_regex(pattern), "isolated")
    steps: list[Any] = [decoders.Replace(_SPACE, " ")]
    steps += [decoders.ByteFallback()] if fallback else []
    steps += [decoders.Fuse()]
    steps += [decoders.Strip(content=" ", left=1, right=0)] if dummy else []
    tokenizer.decoder = decoders.Sequence(steps)
    special = [piece.piece for piece in proto.pieces if piece.type in (_UNKNOWN, _CONTROL)]
    tokenizer.add_special_tokens([AddedToken(piece, normalized=False) for piece in special])
    bos, eos = proto.trainer_spec.bos_piece, proto.trainer_spec.eos_piece
    before, after = [bos] * add_bos, [eos] * add_eos
    if before or after:
        tokenizer.post_processor = TemplateProcessing(
            single=[*before, "$A", *after],
            pair=[*before, "$A", *after, *before, "$B", *after],
            special_tokens=[(token, tokenizer.token_to_id(token)) for token in before + after],
        )
    return tokenizer


def write_fast_tokenizer(folder: Path, source: Path, *, add_bos: bool = True) -> bool:
    """Write the tokenizer of a model folder that has only `tokenizer.model` as a fast one.

    Which tokens are special, and whether a beginning or end of sequence is added, is read from
    `tokenizer_config.json`; where that does not say, `add_bos` holds, and no end is added. False,
    and nothing written, where the file is no SentencePiece BPE model.
    """
    from transformers import PreTrainedTokenizerFast

    proto = read_bpe(source / MODEL_FILE)
    if proto is None:
        return False
    said = _tokenizer_settings(source)
    tokenizer = fast_tokenizer(
        proto,
        add_bos=bool(said.get("add_bos_token", add_bos)),
        add_eos=bool(said.get("add_eos_token", False)),
    )
    spec = proto.trainer_spec
    roles = {"bos_token": spec.bos_piece, "eos_token": spec.eos_piece, "unk_token": spec.unk_piece}
    roles |= {role: said[role] for role in _ROLES if said.get(role)}
    known = {
        role: token for role, token in roles.items() if tokenizer.token_to_id(token) is not None
    }
    kept = {key: said[key] for key in _KEPT if said.get(key) is not None}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **known, **kept).save_pretrained(folder)  # type: ignore[no-untyped-call]
    return True


def _tokenizer_settings(source: Path) -> dict[str, Any]:
    """What a folder's settings say of its tokenizer, with tokens as plain texts."""
    said: dict[str, Any] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        path = source / name
        if path.is_file():
            said |= read_json(path)
    return {
        key: v["content"] if isinstance(v, dict) and "content" in v else v
        for key, v in said.items()
    }


def _merges(proto: Any) -> list[tuple[str, str]]:
    """All ways to put a piece together from two others, the likeliest piece first."""
    normal = {
        piece.piece: (-piece.score, number)
        for number, piece in enumerate(proto.pieces)
        if piece.type == _NORMAL
    }
    ranked = [
        (*rank, piece[:cut], piece[cut:])
        for piece, rank in normal.items()
        for cut in range(1, len(piece))
        if piece[:cut] in normal and piece[cut:] in normal
    ]
    return [(left, right) for _, _, left, right in sorted(ranked)]


def _normalizer(spec: Any) -> Any:
    """What happens to a text before it is cut, in SentencePiece's order."""
    from tokenizers import normalizers

    steps: list[Any] = []
    if spec.precompiled_charsmap:
        steps.append(normalizers.Precompiled(spec.precompiled_charsmap))
    if spec.remove_extra_whitespaces:
        steps.append(normalizers.Replace(_regex(r"\A +| +\z"), ""))
        steps.append(normalizers.Replace(_regex(" {2,}"), " "))
    if spec.add_dummy_prefix:
        steps.append(normalizers.Prepend(_SPACE))
    if spec.escape_whitespaces:
        steps.append(normalizers.Replace(" ", _SPACE))
    return normalizers.Sequence(steps)


def _regex(pattern: str) -> Any:
    from tokenizers import Regex

    return Regex(pattern)
