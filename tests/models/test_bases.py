from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.cache import HASHES
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_file
from polypaca.models.bases import build_cached, initialise, link, locate, prepare_base
from polypaca.models.loading import load_model, load_tokenizer, pad_token_id


def _ignore(fraction: float, text: str) -> None:
    pass


def test_a_bare_tokenizer_file_gets_its_special_tokens(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    assert (tokenizer.bos_token, tokenizer.eos_token) == ("<s>", "</s>")
    assert pad_token_id(tokenizer) == tokenizer.convert_tokens_to_ids("<pad>")


def test_padding_never_uses_the_end_token(tokenizer_file: Path) -> None:
    tokenizer = load_tokenizer(tokenizer_file)
    before = tokenizer.pad_token
    tokenizer.pad_token = tokenizer.eos_token
    try:
        assert pad_token_id(tokenizer) != tokenizer.eos_token_id
    finally:
        tokenizer.pad_token = before


@pytest.mark.data
def test_the_real_pythia_tokenizer_loads_from_its_file(data_folder: Path) -> None:
    tokenizer = load_tokenizer(data_folder / "tokenizers" / "pythia" / "20B_tokenizer.json")
    assert tokenizer.eos_token == "<|endoftext|>"
    assert pad_token_id(tokenizer) != tokenizer.eos_token_id
    assert tokenizer.decode(tokenizer("Grüße, 世界")["input_ids"]) == "Grüße, 世界"


def test_initial_weights_depend_on_the_seed_alone(tmp_path: Path, tokenizer_file: Path) -> None:
    import torch

    config = {"model_type": "gpt_neox", "hidden_size": 32, "num_hidden_layers": 1,
              "num_attention_heads": 2, "intermediate_size": 64}  # fmt: skip
    weights = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        initialise(tmp_path / name, config, tokenizer_file, seed)
        weights.append(load_model(tmp_path / name).gpt_neox.embed_in.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_config_that_is_none_is_an_error_in_words(tmp_path: Path, tokenizer_file: Path) -> None:
    with pytest.raises(UserError, match="cannot build a model from this config"):
        initialise(tmp_path, {"model_type": "gpt_neo_xx"}, tokenizer_file, 1)


def test_a_model_folder_is_linked_not_copied(
    tmp_path: Path, tiny_model: Callable[[str], Path]
) -> None:
    link(tmp_path / "base", locate(str(tiny_model("llama")), None))
    assert (tmp_path / "base" / "model.safetensors").is_symlink()
    load_model(tmp_path / "base")


def test_folders_without_a_model_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no model or tokenizer files"):
        link(tmp_path / "base", tmp_path / "empty")
    with pytest.raises(UserError, match="no such file or folder"):
        locate(str(tmp_path / "none"), None)


def test_pickled_weights_are_not_read(tmp_path: Path, tiny_model: Callable[[str], Path]) -> None:
    import torch

    shutil.copytree(tiny_model("llama"), tmp_path / "m")
    (tmp_path / "m" / "model.safetensors").unlink()
    torch.save(load_model(tiny_model("llama")).state_dict(), tmp_path / "m" / "pytorch_model.bin")
    with pytest.raises(UserError, match="no causal language model could be loaded"):
        load_model(tmp_path / "m")


def test_a_base_is_built_once_for_all_studies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    built = []

    def build(folder: Path) -> dict[str, Any]:
        built.append(folder)
        (folder / "config.json").write_text("{}")
        return {"loss": 1.5}

    for study in ("one", "two"):
        facts = build_cached(tmp_path / study, {"base": "x"}, build, _ignore)
        assert facts["loss"] == 1.5
        assert [path.name for path in (tmp_path / study).iterdir()] == ["config.json"]
    assert len(built) == 1
    build_cached(tmp_path / "three", {"base": "y"}, build, _ignore)
    assert len(built) == 2


@pytest.mark.parametrize("change", ["zeroed", "removed", "cut", "without hashes"])
def test_a_damaged_base_is_set_aside_and_built_again(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    weights = bytes(range(1, 200)) * 50

    def build(folder: Path) -> dict[str, Any]:
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_bytes(weights)
        return {"loss": 1.5}

    build_cached(tmp_path / "one", {"base": "x"}, build, _ignore)
    file = (tmp_path / "one" / "model.safetensors").resolve()
    stat = file.stat()
    if change == "zeroed":
        file.write_bytes(weights[:1000] + bytes(1000) + weights[2000:])
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    elif change == "removed":
        file.unlink()
    elif change == "cut":
        file.write_bytes(weights[:1000])
    else:
        (file.parent / HASHES).unlink()
    facts = build_cached(tmp_path / "two", {"base": "x"}, build, _ignore)
    assert facts["summary"] == "built again, since what the cache held was damaged"
    assert f"damaged in the cache: {file.parent}" in caplog.text
    assert file.parent.with_name(f"{file.parent.name}.damaged").is_dir()
    # The first study's links lead to what was built again.
    assert (tmp_path / "one" / "model.safetensors").read_bytes() == weights
    again = build_cached(tmp_path / "three", {"base": "x"}, build, _ignore)
    assert again["summary"] == "taken from the cache"


def test_a_damaged_download_of_the_hub_is_refused(
    tmp_path: Path, tiny_source: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))
    source = tiny_source("llama")
    (tmp_path / "blobs").mkdir()
    (tmp_path / "snapshot").mkdir()
    for file in source.iterdir():
        blob = tmp_path / "blobs" / sha256_file(file)
        shutil.copyfile(file, blob)
        (tmp_path / "snapshot" / file.name).symlink_to(blob)
    assert prepare_base(tmp_path / "base", tmp_path / "snapshot", _ignore)["files"]
    blob = (tmp_path / "snapshot" / "model.safetensors").resolve()
    blob.write_bytes(bytes(blob.stat().st_size))
    with pytest.raises(UserError, match=rf"model.safetensors is damaged .* delete {blob}"):
        prepare_base(tmp_path / "base", tmp_path / "snapshot", _ignore)


def test_a_build_that_fails_leaves_nothing_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))

    def fail(folder: Path) -> dict[str, Any]:
        (folder / "config.json").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError, match="killed"):
        build_cached(tmp_path / "one", {"base": "x"}, fail, _ignore)

    def build(folder: Path) -> dict[str, Any]:
        (folder / "config.json").write_text("whole")
        return {}

    build_cached(tmp_path / "one", {"base": "x"}, build, _ignore)
    assert (tmp_path / "one" / "config.json").read_text() == "whole"
