"""Prepare base models: linked or converted from a folder or the Hub, built, or initialised."""

from __future__ import annotations

import errno
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.cache import HASHES, cache_folder, cached_folder, is_intact_hub_file
from polypaca.core.errors import UserError, first_line
from polypaca.core.files import read_json, sha256_cached, sha256_text, write_json
from polypaca.models import spm
from polypaca.models.weights import (
    PICKLED,
    SAFETENSORS,
    read_tensors,
    weight_files,
    without_tied_heads,
    write_shards,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from torch import Tensor

_SETTINGS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken")
_WANTED = (*_SETTINGS, "*.safetensors")
_WANTED_PICKLED = ("pytorch_model*.bin",)
# Model types whose checkpoints Transformers does not read, and which are converted.
_CONVERTED = ("baichuan",)
_UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.ENOENT)


def locate(source: str, revision: str | None, *, weights: bool = True) -> Path:
    """The folder of a model or the file of a tokenizer: the given one, or a Hub snapshot.

    From the Hub weights come as safetensors, and as PyTorch's pickles only where there are none;
    without `weights` the tokenizer and settings alone. A model that cannot be used is refused
    before its weights are fetched.

    Raises:
        UserError: if there is no such folder or repository, it cannot be reached, or it holds a
            model that needs code of its own.
    """
    folder = Path(source).expanduser()
    if folder.exists():
        return folder
    if folder.is_absolute() or source.startswith("."):
        raise UserError(f"no such file or folder: {source}")
    if not weights:
        return _download(source, revision, _SETTINGS)
    check_supported(_config(_download(source, revision, ["config.json"])), source)
    snapshot = _download(source, revision, _WANTED)
    if not weight_files(snapshot, SAFETENSORS):
        snapshot = _download(source, revision, _WANTED_PICKLED)
    return snapshot


def _download(source: str, revision: str | None, patterns: Iterable[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(patterns)))
    except Exception as error:  # the library raises a dozen kinds for one cause
        reason = first_line(error)
        # Errors of the network are OSErrors too, but without a number of their own.
        local = isinstance(error, OSError) and error.errno in _UNWRITABLE
        remedy = "set HF_HOME to a writable folder" if local else "check the name and the network"
        raise UserError(
            f"{source} could not be downloaded from the Hub: {type(error).__name__}: {reason}; "
            f"{remedy}, or give a folder"
        ) from error


def check_supported(config: Mapping[str, Any], where: str) -> None:
    """Refuse a model that Transformers does not have and that cannot be converted.

    Raises:
        UserError: with `where` the model is from, and which ones work.
    """
    kind = config.get("model_type")
    if kind is None or kind in _CONVERTED:
        return
    from transformers import __version__
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    works = (
        f"use any causal language model that Transformers {__version__} includes "
        "(BLOOM, GPT-NeoX, LLaMA, Mistral, Qwen, Gemma and others) or Baichuan-2 7B, which is "
        "converted"
    )
    if "auto_map" in config:
        raise UserError(
            f"{where}: models of type {kind!r} need code from the checkpoint, which is never run; "
            f"{works}"
        )
    raise UserError(f"{where}: unknown type of causal language model, {kind!r}; {works}")


def prepare_base(
    folder: Path, source: Path, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """Prepare a model in `folder`: weights as safetensors, and a fast tokenizer.

    Files in these formats are linked. Weights that are pickles, and checkpoints that Transformers
    does not read, are converted once for all studies, in the shared cache.

    Raises:
        UserError: if the folder holds no model that can be used.
    """
    config = _config(source)
    check_supported(config, str(source))
    for pattern in (*_WANTED, *_WANTED_PICKLED):
        for path in source.glob(pattern):
            _check_download(path)
    converted = config.get("model_type") in _CONVERTED
    safetensors, pickled = weight_files(source, SAFETENSORS), weight_files(source, PICKLED)
    if not safetensors and not pickled:
        raise UserError(
            f"{source} has no weights: it needs {SAFETENSORS} or {PICKLED}, or their shards"
        )
    if safetensors and not converted:
        facts = link(folder, source)
        add_fast_tokenizer(folder, source)
    else:
        inputs = [*(safetensors or pickled), *_small_files(source)]
        settings = {
            "convert": config["model_type"] if converted else "safetensors",
            "format": 1,
            "files": {path.name: sha256_cached(path) for path in inputs},
        }

        def build(target: Path) -> dict[str, Any]:
            if converted:
                from polypaca.models.baichuan import convert_baichuan

                progress(0.0, "converting")
                return convert_baichuan(target, source)
            return _to_safetensors(target, source, progress)

        facts = build_cached(folder, settings, build, progress)
    return _with_notice(facts, _vocabulary_notice(folder))


def _vocabulary_notice(folder: Path) -> str:
    from polypaca.models.loading import load_tokenizer
    from polypaca.models.vocabulary import check_vocabulary

    return check_vocabulary(folder, load_tokenizer(folder))


def _with_notice(facts: dict[str, Any], notice: str) -> dict[str, Any]:
    return {**facts, "summary": f"{facts['summary']}; {notice}"} if notice else facts


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        return {}
    try:
        config: dict[str, Any] = read_json(path)
    except ValueError as error:
        raise UserError(f"{path} is not valid JSON: {error}") from error
    return config


def _small_files(source: Path) -> list[Path]:
    """Settings and tokenizer of a model folder, without the index of its weights."""
    found = {path for pattern in _SETTINGS for path in source.glob(pattern)}
    return sorted(path for path in found if not path.name.endswith(".index.json"))


def _check_download(path: Path) -> None:
    if not is_intact_hub_file(path):
        raise UserError(
            f"{path} is damaged in the Hub's cache: it differs from what was downloaded; "
            f"delete {path.resolve()} and run again"
        )


def _to_safetensors(
    target: Path, source: Path, progress: Callable[[float, str], None]
) -> dict[str, Any]:
    """Copy a model folder with its pickled weights as safetensors."""
    from transformers import AutoConfig

    for path in _small_files(source):
        shutil.copyfile(path, target / path.name)
    try:
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
    except (OSError, ValueError) as error:
        reason = first_line(error)
        raise UserError(f"{source}: its config.json cannot be used: {reason}") from error
    tied = bool(getattr(config.get_text_config(), "tie_word_embeddings", False))
    size = sum(path.stat().st_size for path in weight_files(source, PICKLED))
    tensors = _with_progress(read_tensors(source), size, progress)
    shards = write_shards(target, without_tied_heads(tensors, tied=tied))
    add_fast_tokenizer(target, source)
    return {"converted": "pickled weights to safetensors", "shards": shards}


def _with_progress(
    tensors: Iterable[tuple[str, Tensor]], size: int, progress: Callable[[float, str], None]
) -> Iterator[tuple[str, Tensor]]:
    done = 0
    for name, tensor in tensors:
        yield name, tensor
        done += tensor.numel() * tensor.element_size()
        progress(min(1.0, done / size), "writing safetensors")


def add_fast_tokenizer(folder: Path, source: Path) -> bool:
    """Write a fast tokenizer where `source` has only a SentencePiece model; whether it did."""
    if (source / "tokenizer.json").is_file() or not (source / spm.MODEL_FILE).is_file():
        return False
    with tempfile.TemporaryDirectory(prefix=".tokenizer-", dir=folder) as name:
        if not spm.write_fast_tokenizer(Path(name), source):
            return False
        # Files here may be links into somebody else's folder: they are replaced, not written to.
        for path in Path(name).iterdir():
            path.replace(folder / path.name)
    return True


def link(folder: Path, source: Path) -> dict[str, Any]:
    """Link the files of a model into `folder`; nothing is copied."""
    folder.mkdir(parents=True, exist_ok=True)
    linked = 0
    for pattern in _WANTED:
        for file in source.glob(pattern):
            target = folder / file.name
            target.unlink(missing_ok=True)
            target.symlink_to(file.resolve())
            linked += 1
    if not linked:
        raise UserError(f"{source} has no model or tokenizer files")
    return {"source": str(source), "files": linked, "summary": f"linked from {source}"}


def build_cached(
    folder: Path,
    settings: dict[str, Any],
    build: Callable[[Path], dict[str, Any]],
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> dict[str, Any]:
    """Build a base once for all studies, under a lock, and link it into `folder`.

    `settings` must determine what `build` writes; whoever comes second waits for the first. A base
    from the cache is hashed before; a damaged one is set aside, with a notice, and built again.
    """
    built = cache_folder() / "bases" / sha256_text(json.dumps(settings, sort_keys=True))[:32]

    def fill(target: Path) -> None:
        write_json(target / "facts.json", build(target))

    def waiting() -> None:
        progress(0.0, "waiting for another run that builds it")

    with cached_folder(built, fill, again="it is built again", waiting=waiting) as how:
        facts = read_json(built / "facts.json")
    facts = {**link(folder, built), **facts, "summary": how}
    for name in ("facts.json", HASHES):
        (folder / name).unlink()
    return facts


def initialise(folder: Path, config: dict[str, Any], tokenizer: Path, seed: int) -> dict[str, Any]:
    """Write a model with random weights and a copy of a tokenizer into `folder`.

    Sizes that the config leaves out are Transformers' defaults; the vocabulary is made as large
    as the tokenizer.

    Raises:
        UserError: if Transformers knows no such model, or the tokenizer cannot be loaded.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, set_seed

    from polypaca.models.loading import load_tokenizer

    words = load_tokenizer(tokenizer)
    settings = {"vocab_size": len(words), "eos_token_id": words.eos_token_id, **config}
    try:
        built = AutoConfig.for_model(settings.pop("model_type"), **settings)
        set_seed(seed)
        model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            built, trust_remote_code=False
        )
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"cannot build a model from this config: {error}") from error
    model.save_pretrained(folder)
    if not (tokenizer.is_dir() and add_fast_tokenizer(folder, tokenizer)):
        words.save_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    facts = {
        "parameters": parameters,
        "summary": f"{parameters / 1e6:.1f}M parameters with random weights",
    }
    return _with_notice(facts, _vocabulary_notice(folder))
