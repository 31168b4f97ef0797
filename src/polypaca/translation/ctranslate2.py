"""CTranslate2: OPUS-MT (Marian) and NLLB models from the Hugging Face Hub, on a CPU or GPU.

https://opennmt.net/CTranslate2/guides/transformers.html says how to convert and call them.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from polypaca.core.errors import MissingExtraError, StageError, UserError
from polypaca.core.files import sha256_file, sha256_text
from polypaca.core.names import nearest
from polypaca.core.settings import RUN_ONLY, USER_PATH, Choice
from polypaca.translation.contract import Untranslated
from polypaca.translation.ctranslate2_languages import language_token

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from polypaca.translation.contract import EngineContext

_MARIAN_FILES = ("source.spm", "target.spm")
_NLLB_FILE = "sentencepiece.bpe.model"
_VOCABULARIES = ("shared_vocabulary", "source_vocabulary", "target_vocabulary")

# Marian models have 512 positions (`max_position_embeddings` of the OPUS-MT configurations). NLLB's
# have 1024, but were trained on no more than 512 tokens (https://arxiv.org/abs/2207.04672).
_POSITIONS = 512

# In order of preference: half the memory or less, and faster, at nearly the same quality
# (https://opennmt.net/CTranslate2/quantization.html).
_PREFERRED = {"cpu": ("int8", "float32"), "cuda": ("int8_float16", "float16", "float32")}

# OPUS has `{0}` on both sides, in localisation files. `X0X` is the last resort.
_PLACEHOLDERS = ("{{{}}}", "[{}]", "<{}>", "({})", "X{}X")


@dataclass(frozen=True)
class _Codec:
    """How a text becomes the model's tokens, and tokens a text.

    Attributes:
        pieces: the text's tokens, without special ones.
        text: the text of a translation's tokens, without special ones.
        before: special tokens before the source.
        after: special tokens after the source.
        prefix: what every translation starts with.
    """

    pieces: Callable[[str], list[str]]
    text: Callable[[Sequence[str]], str]
    before: tuple[str, ...]
    after: tuple[str, ...]
    prefix: tuple[str, ...]


class CTranslate2Settings(Choice):
    """OPUS-MT and NLLB models, converted to CTranslate2's format."""

    kind: Literal["ctranslate2"] = "ctranslate2"
    model: Annotated[str, USER_PATH] = Field(
        description="the model's folder; {source} and {language} are filled in"
    )
    beam_size: int = Field(default=4, ge=1, description="the number of beams; 1: greedy decoding")
    compute_type: str = Field(
        default="default",
        description="int8, float32, ...; default: int8 where the device supports it",
    )
    device: Annotated[Literal["auto", "cpu", "cuda"], RUN_ONLY] = Field(
        default="auto", description="auto: the first GPU if there is one, else the CPU"
    )
    max_batch_tokens: Annotated[int, RUN_ONLY] = Field(
        default=2048, ge=1, description="the most source tokens of a batch"
    )
    max_length: int = Field(
        default=256, ge=1, lt=_POSITIONS, description="the most tokens of a translation"
    )
    source_token: str | None = Field(
        default=None, description="the source language's token in an NLLB model, such as zho_Hant"
    )
    target_token: str | None = Field(
        default=None, description="the target language's token, such as >>por_BR<<; empty for none"
    )


class CTranslate2:
    """A converted OPUS-MT or NLLB model, with the SentencePiece models copied into its folder.

    In int8 on a CPU, the default, only texts of one length in tokens share a batch. Nothing is
    padded, sums of products are exact, and so a text's translation is the same, bit for bit,
    whatever else is translated with it and with however many threads. Batches are then fuller, and
    work faster, the more texts come at once. In floating point and on a GPU lengths are mixed, and
    sums differ in their last bits with the batch, which may decide between two translations that
    the model holds equally good.

    Texts of more than 512 tokens are `Untranslated`: models cannot read them, and what was cut
    would be lost silently. Translations that reach `max_length` end there and are returned.
    """

    name = "ctranslate2"
    unit: Literal["sentence", "line"] = "sentence"

    def __init__(self, settings: CTranslate2Settings, context: EngineContext) -> None:
        """Load the model; on a CPU so many batches are translated at once as there are threads.

        Raises:
            UserError: if files are missing or damaged, the device cannot do what is wanted, or the
                model does not know a language.
            MissingExtraError: if ctranslate2 is not installed.
        """
        if context.threads < 1:
            raise UserError(f"threads must be at least 1, not {context.threads}")
        folder, source, target = Path(settings.model), context.source, context.target
        command = _conversion(folder, source, target)
        files = _files(folder, command)
        self._settings = settings
        self._translator, version = _load(folder, command, settings, context.threads)
        compute_type = self._translator.compute_type
        self._mixed = self._translator.device != "cpu" or not compute_type.startswith("int8")
        languages = (source, settings.source_token), (target, settings.target_token)
        self._codec = codec = _codec(folder, command, *languages)
        self._form = _placeholder(codec, _vocabulary(folder, "source"))
        digest = sha256_text("".join(f"{path.name} {sha256_file(path)}\n" for path in files))
        parts = {
            "ctranslate2": version,
            "model": digest[:16],
            "compute_type": compute_type,
            "beam_size": settings.beam_size,
            "max_length": settings.max_length,
            "languages": " ".join((*codec.before, *codec.prefix)) or None,
        }
        self.signature = " ".join(f"{key}={value}" for key, value in parts.items() if value)

    def translate(self, texts: Sequence[str]) -> list[str | Untranslated]:
        """One outcome a text, in order.

        Raises:
            StageError: if CTranslate2 fails, as when memory runs out.
        """
        codec = self._codec
        outcomes: list[str | Untranslated] = [Untranslated("empty translation")] * len(texts)
        groups: dict[int, list[tuple[int, list[str]]]] = {}
        for index, text in enumerate(texts):
            pieces = codec.pieces(text)
            tokens = [*codec.before, *pieces, *codec.after]
            if not pieces:
                outcomes[index] = Untranslated("no characters that the model can read")
            elif len(tokens) > _POSITIONS:
                outcomes[index] = Untranslated(
                    f"{len(tokens)} tokens, more than the {_POSITIONS} that the model can read"
                )
            else:
                groups.setdefault(0 if self._mixed else len(tokens), []).append((index, tokens))
        try:
            # All are under way before the first is waited for, the longest first, so that every
            # thread has work to the end.
            running = [
                (index, result)
                for _, group in sorted(groups.items(), reverse=True)
                for (index, _), result in zip(group, self._start(group), strict=True)
            ]
            for index, result in running:
                tokens = result.result().hypotheses[0][len(codec.prefix) :]
                outcomes[index] = codec.text(tokens) or outcomes[index]
        except RuntimeError as error:
            raise StageError(
                f"CTranslate2 failed: {error}; if memory ran out, set a smaller max_batch_tokens"
            ) from error
        return outcomes

    def _start(self, group: Sequence[tuple[int, list[str]]]) -> list[Any]:
        """Results to wait for, of texts that may share a batch."""
        prefix = list(self._codec.prefix)
        results: list[Any] = self._translator.translate_batch(
            [tokens for _, tokens in group],
            [prefix] * len(group) if prefix else None,
            asynchronous=True,
            max_batch_size=self._settings.max_batch_tokens,
            batch_type="tokens",
            beam_size=self._settings.beam_size,
            max_input_length=0,
            max_decoding_length=self._settings.max_length + len(prefix),
            # An empty answer is the model's own: it is reported, not filled in.
            min_decoding_length=0,
            # Marian's own decoder forbids it too.
            disable_unk=True,
        )
        return results

    def placeholder(self, n: int) -> str:
        """The first form that the model's own pieces spell, and that comes back byte for byte."""
        return self._form.format(n)

    def close(self) -> None:
        """Free the model's memory."""
        self._translator.unload_model()


def _conversion(folder: Path, source: str, target: str) -> str:
    """The command that converts such a model, for messages."""
    name, copied = f"Helsinki-NLP/opus-mt-{source}-{target}", " ".join(_MARIAN_FILES)
    if (folder / _NLLB_FILE).exists() or "nllb" in folder.name.lower():
        name, copied = "facebook/nllb-200-distilled-600M", _NLLB_FILE
    return (
        f"ct2-transformers-converter --model {name} --output_dir {folder} --copy_files {copied} "
        "--force"
    )


def _files(folder: Path, command: str) -> list[Path]:
    """The files that determine a translation; all are there, and none is empty."""
    if not folder.is_dir():
        raise UserError(
            f"{folder} is not a folder with a converted model; convert one with: {command}"
        )
    vocabularies = [path for name in _VOCABULARIES for path in folder.glob(f"{name}.*")]
    pieces = [folder / name for name in (*_MARIAN_FILES, _NLLB_FILE) if (folder / name).exists()]
    files = [folder / "config.json", folder / "model.bin", *sorted(vocabularies), *pieces]
    missing = [path.name for path in files if not path.is_file()]
    if not vocabularies:
        missing.append(f"{_VOCABULARIES[0]}.json")
    if missing:
        raise UserError(
            f"{folder} lacks {', '.join(missing)}: it is not a model in CTranslate2's format; "
            f"convert one with: {command}"
        )
    if not pieces or (len(pieces) == 1 and pieces[0].name in _MARIAN_FILES):
        lacking = [name for name in _MARIAN_FILES if not (folder / name).exists()]
        raise UserError(
            f"{folder} lacks the SentencePiece model: {' and '.join(lacking)} (OPUS-MT) or "
            f"{_NLLB_FILE} (NLLB); convert it again with --copy_files: {command}"
        )
    empty = [path.name for path in files if path.stat().st_size == 0]
    if empty:
        raise UserError(f"{folder}: {', '.join(empty)} is empty; convert it again with: {command}")
    return files


def _load(
    folder: Path, command: str, settings: CTranslate2Settings, threads: int
) -> tuple[Any, str]:
    """The loaded model, and the version of CTranslate2."""
    try:
        import ctranslate2
    except ImportError as error:
        raise MissingExtraError("the translation engine ctranslate2", "translate") from error

    device, compute_type = str(settings.device), settings.compute_type
    gpus = ctranslate2.get_cuda_device_count()
    if device == "cuda" and not gpus:
        raise UserError("CUDA finds no GPU; set device to cpu or auto")
    if device == "auto":
        device = "cuda" if gpus else "cpu"
    supported = sorted(ctranslate2.get_supported_compute_types(device))
    if compute_type == "default":
        compute_type = next(name for name in _PREFERRED[device] if name in supported)
    if compute_type not in supported:
        hint = nearest(compute_type, ["default", *supported])
        raise UserError(f"the device {device} does not support compute_type {compute_type!r}{hint}")
    try:
        # Whole batches side by side are faster than threads within one, and how a sum is split
        # over threads then never depends on their number.
        translator = ctranslate2.Translator(
            str(folder),
            device=device,
            compute_type=compute_type,
            inter_threads=threads if device == "cpu" else 1,
            intra_threads=1,
        )
        # Missing GPU libraries show when something is translated, not before.
        translator.translate_batch([["</s>"]], max_decoding_length=1)
    except (RuntimeError, ValueError) as error:
        raise UserError(
            f"cannot load the model in {folder}: {error}; if it is damaged, convert it again "
            f"with: {command}"
        ) from error
    return translator, str(ctranslate2.__version__)


def _codec(
    folder: Path, command: str, source: tuple[str, str | None], target: tuple[str, str | None]
) -> _Codec:
    """How the model in this folder takes and gives text; languages are a code and a token."""
    is_marian = (folder / _MARIAN_FILES[0]).exists()
    reader = _pieces(folder / (_MARIAN_FILES[0] if is_marian else _NLLB_FILE), command)
    writer = _pieces(folder / (_MARIAN_FILES[1] if is_marian else _NLLB_FILE), command)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    after = () if config.get("add_source_eos") else (config.get("eos_token", "</s>"),)
    before: tuple[str, ...]
    prefix: tuple[str, ...]
    if is_marian:
        # https://huggingface.co/docs/transformers/model_doc/marian: models of several target
        # languages want the target's token before the source; others have no such tokens.
        vocabulary = _vocabulary(folder, "source")
        tags = {token: token[2:-2] for token in vocabulary if re.fullmatch(r">>.+<<", token)}
        token = language_token(target[0], target[1], tags, "target_token") if tags else ""
        before, prefix = ((token,) if token else ()), ()
    else:
        # https://opennmt.net/CTranslate2/guides/transformers.html#nllb
        vocabulary = _vocabulary(folder, "target")
        tags = {
            token: token for token in vocabulary if re.fullmatch(r"[a-z]{3}_[A-Z][a-z]{3}", token)
        }
        before = (language_token(*source, tags, "source_token"),)
        prefix = (language_token(*target, tags, "target_token"),)

    special = {*tags, "<s>", "</s>", "<pad>", "<mask>"}

    def pieces(text: str) -> list[str]:
        # SentencePiece takes no lone surrogates.
        whole = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        encoded: list[str] = reader.encode(whole, out_type=str)
        return encoded

    def text(tokens: Sequence[str]) -> str:
        # A piece of a joint vocabulary that this SentencePiece model lacks keeps its mark.
        joined: str = writer.decode([token for token in tokens if token not in special])
        return " ".join(joined.replace("▁", " ").split())

    return _Codec(pieces=pieces, text=text, before=before, after=after, prefix=prefix)


def _pieces(path: Path, command: str) -> Any:
    import sentencepiece

    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise UserError(
            f"cannot read {path} as a SentencePiece model; convert the model again with: {command}"
        ) from error


def _vocabulary(folder: Path, side: Literal["source", "target"]) -> list[str]:
    """The tokens of a model that CTranslate2 has loaded."""
    for name in ("shared_vocabulary", f"{side}_vocabulary"):
        if (folder / f"{name}.json").exists():
            tokens: list[str] = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
            return tokens
        if (folder / f"{name}.txt").exists():  # written by converters before CTranslate2 3.10
            return (folder / f"{name}.txt").read_text(encoding="utf-8").split("\n")
    return []


def _placeholder(codec: _Codec, vocabulary: Collection[str]) -> str:
    """The first form that the model's own pieces spell, and that comes back byte for byte."""
    known = set(vocabulary)

    def survives(form: str) -> bool:
        text = " ".join(f"a {form.format(n)}, {form.format(n + 10)}." for n in range(10))
        plain = codec.pieces(text)
        needed = [piece for n in range(20) for piece in codec.pieces(form.format(n))]
        return known.issuperset(needed) and codec.text(plain) == text

    return next((form for form in _PLACEHOLDERS if survives(form)), _PLACEHOLDERS[-1])
