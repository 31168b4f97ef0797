"""Ready base models: linked from a folder or the Hub's cache, built once, or initialised."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text, write_json

if TYPE_CHECKING:
    from collections.abc import Callable

_WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "*.tiktoken")


def cache_folder() -> Path:
    """Where built bases and judge replies are shared between studies (`POLYPACA_CACHE`)."""
    given = os.environ.get("POLYPACA_CACHE")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "polypaca"


def locate(source: str, revision: str | None) -> Path:
    """The folder of a model or the file of a tokenizer: the given one, or a Hub snapshot.

    Raises:
        UserError: if there is no such folder or repository, or it cannot be reached.
    """
    folder = Path(source).expanduser()
    if folder.exists():
        return folder
    if folder.is_absolute() or source.startswith("."):
        raise UserError(f"no such file or folder: {source}")
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(_WANTED)))
    except Exception as error:  # the library raises a dozen kinds for one cause
        reason = str(error).strip().split("\n")[0]
        raise UserError(
            f"{source} could not be downloaded from the Hub: {type(error).__name__}: {reason}; "
            "check the name and the network, or give a folder"
        ) from error


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
        raise UserError(f"{source}: no model or tokenizer files in it")
    return {"source": str(source), "files": linked, "summary": f"linked from {source}"}


def cached(
    folder: Path,
    settings: dict[str, Any],
    build: Callable[[Path], dict[str, Any]],
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Build a base once for all studies, under a lock, and link it into `folder`.

    `settings` must determine what `build` writes; whoever comes second waits for the first.
    """
    key = sha256_text(json.dumps(settings, sort_keys=True))[:32]
    shelf = cache_folder() / "bases"
    shelf.mkdir(parents=True, exist_ok=True)
    ready = shelf / key
    with (shelf / f"{key}.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress(0.0, "waiting for another run that builds it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not (ready / "facts.json").exists():
            # What a killed build left behind is in nobody's way, but it is in nobody's use either.
            for leftover in shelf.glob(f"{key}.building-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            building = Path(tempfile.mkdtemp(prefix=f"{key}.building-", dir=shelf))
            building.chmod(0o755)
            facts = build(building)
            write_json(building / "facts.json", facts)
            shutil.rmtree(ready, ignore_errors=True)
            building.rename(ready)
            facts = {**facts, "summary": "built"}
        else:
            facts = json.loads((ready / "facts.json").read_text(encoding="utf-8"))
            facts["summary"] = "taken from the cache"
    facts = {**link(folder, ready), **facts}
    (folder / "facts.json").unlink()
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
        raise UserError(f"no model can be made from this config: {error}") from error
    model.save_pretrained(folder)
    words.save_pretrained(folder)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return {
        "parameters": parameters,
        "summary": f"{parameters / 1e6:.1f}M parameters with random weights",
    }
