"""A published Bergamot model: which files of a folder belong to it, and whether they are whole.

The engine reads what it is given, and wrong bytes come out as wrong words, so everything that can
be told from the bytes is told before it starts.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import UserError
from polypaca.core.languages import is_language, same_language

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MODELS = "https://mozilla.github.io/translations/firefox-models"
EXPECTED = (
    "a Bergamot model is a folder with model.XXYY.intgemm.alphas.bin, vocab.XXYY.spm (or "
    "srcvocab.XXYY.spm and trgvocab.XXYY.spm) and lex.50.50.XXYY.s2t.bin, each as it is or "
    f"gzipped (.gz), as published at {MODELS}"
)

# browsermt/marian-dev: src/common/binary.cpp (layout) and src/common/types.h (type codes)
_MODEL_VERSION = 1
_INTGEMM8 = 0x4101
_TYPES = {0x0101, 0x0404, _INTGEMM8}
_OUTPUT_BIAS = "decoder_ff_logit_out_b"
_NEVER = -1e9
# browsermt/marian-dev: src/data/shortlist.h, BinaryShortlistGenerator
_SHORTLIST_MAGIC = 0xF11A48D5013417F5
_GOLDEN = 0x9E3779B9
_MASK = (1 << 64) - 1


@dataclass(frozen=True)
class _Parameter:
    """One parameter of a model file: type code, shape, and where its data start and end."""

    code: int
    shape: tuple[int, ...]
    start: int
    end: int


@dataclass(frozen=True)
class ModelFiles:
    """The files of one model.

    Attributes:
        model: weights and architecture.
        source: SentencePiece vocabulary of the source language.
        target: that of the target language; the same file where both share one.
        shortlist: which target pieces go with which source pieces; none to choose from all.
    """

    model: Path
    source: Path
    target: Path
    shortlist: Path | None


def find_model_files(
    folder: Path, source: str, target: str, *, shortlist: bool = True
) -> ModelFiles:
    """The files of the model from `source` into `target` in a folder.

    Raises:
        UserError: if the folder or a file is not there, more than one file fits, or the model's
            name says that it translates something else.
    """
    if not folder.is_dir():
        raise UserError(f"{folder} does not exist; {EXPECTED}")
    model = _find_file(folder, "model*.bin", source, target)
    if model is None:
        raise UserError(f"{folder} has no model.*.bin{_unusable_hint(folder)}; {EXPECTED}")
    _check_pair(model, source, target)
    shared = _find_file(folder, "vocab*.spm", source, target)
    vocabularies = [
        _find_file(folder, f"{side}vocab*.spm", source, target) for side in ("src", "trg")
    ]
    if not any(vocabularies):
        vocabularies = [shared, shared]
    reads, writes = vocabularies
    if reads is None or writes is None:
        lacks = "trgvocab" if reads else "srcvocab" if writes else "vocab"
        raise UserError(f"{folder} has no {lacks}.*.spm; {EXPECTED}")
    lexicon = _find_file(folder, "lex*.bin", source, target) if shortlist else None
    if shortlist and lexicon is None:
        raise UserError(
            f"{folder} has no lex.*.s2t.bin; set `shortlist: false` to translate without one "
            f"(slower, with different output); {EXPECTED}"
        )
    return ModelFiles(model, reads, writes, lexicon)


def read_file(path: Path) -> bytes:
    """What the file holds, unpacked if its name ends in `.gz`.

    Raises:
        UserError: if it cannot be read, is empty, or is not a whole gzip file.
    """
    try:
        data = path.read_bytes()
        if path.suffix == ".gz":
            data = gzip.decompress(data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UserError(f"{path} is damaged: {error}; download it again") from error
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    if data.startswith(b"version https://git-lfs"):
        raise UserError(f"{path} is only a Git LFS pointer; fetch the file with `git lfs pull`")
    if not data:
        raise UserError(f"{path} is empty; download it again")
    return data


def check_model_files(files: ModelFiles) -> str:
    """See that the files are whole and fit together; gives the SHA-256 of all they hold.

    Unpacked and gzipped files have the same hash.

    Raises:
        UserError: if a file is damaged, of another kind, or does not fit the others.
    """
    digest = hashlib.sha256()
    contents = [read_file(path) for path in (files.model, files.source, files.target)]
    for data in contents:
        digest.update(hashlib.sha256(data).digest())
    rows = _check_model(files.model, contents[0])
    _check_vocabulary(files.source, contents[1], rows[0])
    pieces = _check_vocabulary(files.target, contents[2], rows[1])
    if files.shortlist is not None:
        data = read_file(files.shortlist)
        digest.update(hashlib.sha256(data).digest())
        _check_shortlist(files.shortlist, data, pieces)
    return digest.hexdigest()


def _find_file(folder: Path, pattern: str, source: str, target: str) -> Path | None:
    """The file of that name; where more than one fits, the one whose name has the pair."""
    paths = sorted([*folder.glob(pattern), *folder.glob(f"{pattern}.gz")])
    # unpacked beside its packed self: one file
    paths = [path for path in paths if path.suffix != ".gz" or path.with_suffix("") not in paths]
    if len(paths) > 1:
        pairs = (f".{source}{target}.", f".{target}{source}.")
        named = [[path for path in paths if pair in path.name] for pair in pairs]
        paths = named[0] or (named[1] if pattern.startswith("vocab") else []) or paths
    if len(paths) > 1:
        names = ", ".join(path.name for path in paths)
        raise UserError(f"{folder} has several files that match {pattern}: {names}; keep one")
    return paths[0] if paths else None


def _unusable_hint(folder: Path) -> str:
    """What is wrong, if the model is there in a form that cannot be used."""
    if paths := sorted(folder.glob("model*.zst")):
        return f" ({paths[0].name} is there: unpack it with `zstd -d`)"
    if paths := sorted(folder.glob("model*.npz")):
        return f" ({paths[0].name} is there: not quantised; take the intgemm file)"
    return ""


def _check_pair(model: Path, source: str, target: str) -> None:
    """Published names carry the pair; a model used the wrong way round gives fluent nonsense."""
    pair = re.search(r"\.([a-z]{2})([a-z]{2})\.", model.name)
    if pair is None or not all(is_language(code) for code in pair.groups()):
        return
    if not (same_language(pair[1], source) and same_language(pair[2], target)):
        raise UserError(
            f"{model} translates {pair[1]} into {pair[2]}, not {source} into {target}; "
            f"{source}-{target} needs its own folder"
        )


def _damaged_error(path: Path, why: str) -> UserError:
    return UserError(f"{path} is damaged or not part of a Bergamot model: {why}; download it again")


def _check_model(path: Path, data: bytes) -> tuple[int, int]:
    """Gives the rows of the source's and of the target's embeddings."""
    if len(data) >= 8 and struct.unpack_from("<Q", data) != (_MODEL_VERSION,):
        raise _damaged_error(path, f"no Marian file of version {_MODEL_VERSION}")
    try:
        parameters = _parameters(data)
    except (struct.error, UnicodeDecodeError, MemoryError) as error:
        raise _damaged_error(path, "its header is cut off") from error
    size = max((item.end for item in parameters.values()), default=0)
    if size != len(data):
        raise _damaged_error(path, f"{len(data):,} bytes where its header says {size:,}")
    for name, item in parameters.items():
        if item.code not in _TYPES:
            raise _damaged_error(path, f"{name} is of the unknown type {item.code:#x}")
    if not {"special:model.yml", _OUTPUT_BIAS} <= parameters.keys():
        raise _damaged_error(path, f"no special:model.yml or no {_OUTPUT_BIAS} in it")
    if not any(item.code == _INTGEMM8 for item in parameters.values()):
        raise UserError(f"{path}: not quantised to int8: take the model.*.intgemm.alphas.bin file")
    if not any(name.endswith("_QuantMultA") for name in parameters):
        raise UserError(
            f"{path}: no activation scales in it: take the model.*.intgemm.alphas.bin file"
        )
    sides = [
        parameters.get(name, parameters.get("Wemb")) for name in ("encoder_Wemb", "decoder_Wemb")
    ]
    rows = [side.shape[0] for side in sides if side is not None]
    if len(rows) != len(sides):
        raise _damaged_error(path, "no embeddings in it")
    return rows[0], rows[1]


def _parameters(data: bytes) -> dict[str, _Parameter]:
    """The parameters of a model file, by name."""
    (count,) = struct.unpack_from("<Q", data, 8)
    headers = list(struct.iter_unpack("<QQQQ", data[16 : 16 + 32 * count]))
    at = 16 + 32 * count
    names, shapes, parameters = [], [], {}
    for length, *_ in headers:
        names.append(data[at : at + length - 1].decode())
        at += length
    for _, _, dimensions, _ in headers:
        shapes.append(struct.unpack_from(f"<{dimensions}i", data, at))
        at += 4 * dimensions
    (padding,) = struct.unpack_from("<Q", data, at)
    at += 8 + padding
    for name, shape, (_, code, _, size) in zip(names, shapes, headers, strict=True):
        parameters[name] = _Parameter(code, shape, at, at + size)
        at += size
    return parameters


def without_unknown(data: bytes, unknown: int) -> bytes:
    """A whole model file's bytes, changed so that the unknown piece is never chosen.

    Marian never writes it (`allow-unk: false`, src/translator/beam_search.cpp); fxtranslate 0.5
    does, as nothing at all, and goes on from there to another sentence.
    """
    bias = _parameters(data)[_OUTPUT_BIAS]
    at = bias.start + 4 * unknown
    return data[:at] + struct.pack("<f", _NEVER) + data[at + 4 :]


def _check_vocabulary(path: Path, data: bytes, rows: int) -> int:
    from sentencepiece import SentencePieceProcessor

    try:
        pieces: int = SentencePieceProcessor(model_proto=data).vocab_size()
    except RuntimeError as error:
        raise _damaged_error(path, "no SentencePiece vocabulary") from error
    if pieces > rows:
        raise UserError(
            f"{path}: {pieces:,} pieces, but the model has embeddings for {rows:,}: "
            "a vocabulary of another model"
        )
    return pieces


def _check_shortlist(path: Path, data: bytes, pieces: int) -> None:
    import numpy as np

    if len(data) < 48:
        raise _damaged_error(path, "its header is cut off")
    magic, checksum, _, _, offsets, entries = struct.unpack_from("<QQQQQQ", data)
    if magic != _SHORTLIST_MAGIC:
        raise _damaged_error(path, "no binary shortlist")
    size = 48 + 8 * offsets + 4 * entries
    if size != len(data):
        raise _damaged_error(path, f"{len(data):,} bytes where its header says {size:,}")
    words = np.frombuffer(data, "<u8", (len(data) - 16) // 8, 16).tolist()
    if _checksum(words) != checksum:
        raise _damaged_error(path, "wrong checksum")
    if entries and int(np.frombuffer(data, "<u4", entries, 48 + 8 * offsets).max()) >= pieces:
        raise UserError(f"{path}: names pieces that the vocabulary lacks: of another model")


def _checksum(words: Sequence[int]) -> int:
    """Marian's util::hashMem (src/common/hash.h) over 64-bit words."""
    seed = 0
    for word in words:
        seed ^= (word + _GOLDEN + (seed << 6) + (seed >> 2)) & _MASK
    return seed
