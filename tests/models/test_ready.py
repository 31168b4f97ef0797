"""Every family from its files to a loaded model, by the code that a Hub id goes through."""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import UserError
from polypaca.core.work import Context
from polypaca.models.families import adapter_targets
from polypaca.models.loading import load_model, load_tokenizer, pad_token_id
from polypaca.models.size import parameter_count
from polypaca.stages.prepare import PrepareBase

from .tiny_families import FAMILIES, train_spm, write_baichuan, write_pickled

TEXT = "Below is an instruction.\n\n### Response:\nGrüße,  世界 12"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYPACA_CACHE", str(tmp_path / "cache"))


def _prepare(folder: Path, source: Path | str, **changes: Any) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    return PrepareBase(source=str(source), **changes).run(Context(folder)).recorded()


def _check(base: Path) -> None:
    """Finite logits, adapters in every layer, and padding that ends no response."""
    import torch

    model, tokenizer = load_model(base), load_tokenizer(base)
    ids = torch.tensor([tokenizer(TEXT)["input_ids"]])
    assert int(ids.max()) < model.config.vocab_size
    with torch.no_grad():
        assert torch.isfinite(model(ids).logits.float()).all()
    assert pad_token_id(tokenizer) != tokenizer.eos_token_id
    names = adapter_targets(model, model.config.model_type, "attention-qkv")
    assert names in (["query_key_value"], ["q_proj", "k_proj", "v_proj"])
    paths = [p for p, _ in model.named_modules() if p.rpartition(".")[2] in names]
    assert len(paths) == len(names) * model.config.num_hidden_layers
    assert parameter_count(base) == sum(p.numel() for p in model.parameters())
    assert not list(base.glob("*.bin"))


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_every_family_is_made_ready(family: str, tiny_model: Callable[[str], Path]) -> None:
    _check(tiny_model(family))


@pytest.mark.data
@pytest.mark.parametrize(
    ("family", "tokenizer"),
    [
        ("gpt_neox", "pythia/20B_tokenizer.json"),
        ("llama", "llama"),
        ("openllama", "openllama"),
        ("baichuan", "llama/tokenizer.model"),
    ],
)
def test_families_with_their_real_tokenizers_are_made_ready(
    family: str,
    tokenizer: str,
    tmp_path: Path,
    data_folder: Path,
    tiny_source: Callable[..., Path],
) -> None:
    _prepare(tmp_path / "base", tiny_source(family, data_folder / "tokenizers" / tokenizer))
    _check(tmp_path / "base")
    words = load_tokenizer(tmp_path / "base")
    assert words.decode(words(TEXT)["input_ids"], skip_special_tokens=True) == TEXT


def test_openllamas_tokenizer_encodes_as_sentencepiece(
    tmp_path: Path, tiny_source: Callable[..., Path]
) -> None:
    """Its model strips white space, which Transformers' own conversion does not."""
    import sentencepiece

    source = tiny_source("openllama")
    _prepare(tmp_path / "base", source)
    peer = sentencepiece.SentencePieceProcessor(model_file=str(source / "tokenizer.model"))
    ids = load_tokenizer(tmp_path / "base")("  Name   three ﬁne animals. ")["input_ids"]
    assert ids == [1, *peer.encode("  Name   three ﬁne animals. ")]


def test_pickled_weights_are_converted_once(tmp_path: Path) -> None:
    import torch

    source = tmp_path / "source"
    tokenizer = train_spm(tmp_path / "spm", "llama").parent
    source.mkdir()
    write_pickled(source, {**FAMILIES["llama"], "tie_word_embeddings": True}, tokenizer)
    before = torch.load(source / "pytorch_model.bin", weights_only=True)
    facts = _prepare(tmp_path / "one", source)
    assert facts["converted"] == "pickled weights to safetensors"
    assert facts["summary"] == "built"
    assert _prepare(tmp_path / "two", source)["summary"] == "taken from the cache"
    model = load_model(tmp_path / "two")
    after = model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert model.lm_head.weight is model.model.embed_tokens.weight
    # Prepared again over what a killed run left, and from other weights: other files.
    _prepare(tmp_path / "two", source)
    before["model.norm.weight"] += 1
    torch.save(before, source / "pytorch_model.bin")
    assert _prepare(tmp_path / "two", source)["summary"] == "built"
    assert torch.equal(load_model(tmp_path / "two").model.norm.weight, before["model.norm.weight"])


def test_a_conversion_that_fails_leaves_nothing_that_counts(tmp_path: Path) -> None:
    write_baichuan(tmp_path / "source")
    shard = tmp_path / "source" / "pytorch_model-00002-of-00002.bin"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:2000])
    with pytest.raises(UserError, match=r"pytorch_model-00002-of-00002\.bin cannot be read"):
        _prepare(tmp_path / "base", tmp_path / "source")
    assert not list((tmp_path / "base").iterdir())
    shard.write_bytes(whole)
    _prepare(tmp_path / "base", tmp_path / "source")
    _check(tmp_path / "base")


def test_a_linked_model_gets_a_fast_tokenizer_and_its_source_stays(tmp_path: Path) -> None:
    from polypaca.models.bases import initialise

    source = tmp_path / "source"
    tokenizer = train_spm(tmp_path / "spm", "llama").parent
    source.mkdir()
    initialise(source, FAMILIES["llama"], tokenizer, seed=1)
    (source / "tokenizer.json").unlink()
    settings = json.dumps({"tokenizer_class": "LlamaTokenizer", "model_max_length": 77})
    (source / "tokenizer_config.json").write_text(settings)
    shutil.copyfile(tokenizer / "tokenizer.model", source / "tokenizer.model")
    for _ in range(2):
        _prepare(tmp_path / "base", source)
        _check(tmp_path / "base")
    assert load_tokenizer(tmp_path / "base").model_max_length == 77
    assert (source / "tokenizer_config.json").read_text() == settings
    assert not (source / "tokenizer.json").exists()


def test_models_that_need_code_of_their_own_are_refused(tmp_path: Path) -> None:
    config = {"model_type": "homegrown", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"'homegrown' need code.*never run.*BLOOM.*Baichuan-2 7B"):
        _prepare(tmp_path / "base", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "homegrown"}))
    with pytest.raises(UserError, match="unknown type of causal language model, 'homegrown'"):
        _prepare(tmp_path / "base", tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    with pytest.raises(
        UserError, match=r"has no weights: it needs model\.safetensors or pytorch_model"
    ):
        _prepare(tmp_path / "base", tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match=r"config\.json is not valid JSON"):
        _prepare(tmp_path / "base", tmp_path)


class _Hub:
    """A Hub of one repository in a folder; notes what is asked for."""

    def __init__(self, repository: Path, snapshot: Path) -> None:
        self.repository, self.snapshot = repository, snapshot
        self.asked: list[str] = []

    def download(self, name: str, *, revision: str | None, allow_patterns: Iterable[str]) -> str:
        self.snapshot.mkdir(exist_ok=True)
        for path in self.repository.iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copyfile(path, self.snapshot / path.name)
                self.asked.append(path.name)
        return str(self.snapshot)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Hub:
    made = _Hub(tmp_path / "hub", tmp_path / "snapshot")
    monkeypatch.setattr("huggingface_hub.snapshot_download", made.download)
    return made


def test_pickles_are_downloaded_only_where_there_is_nothing_else(
    tmp_path: Path, hub: _Hub, tiny_source: Callable[..., Path]
) -> None:
    shutil.copytree(tiny_source("llama"), hub.repository)
    (hub.repository / "pytorch_model.bin").write_bytes(b"never read")
    _prepare(tmp_path / "base", "somebody/llama")
    assert "pytorch_model.bin" not in hub.asked
    _check(tmp_path / "base")


def test_a_repository_of_pickles_is_downloaded_and_converted(tmp_path: Path, hub: _Hub) -> None:
    write_baichuan(hub.repository)
    _prepare(tmp_path / "base", "baichuan-inc/tiny")
    assert "pytorch_model-00001-of-00002.bin" in hub.asked
    assert not any(name.endswith(".py") for name in hub.asked)
    _check(tmp_path / "base")


def test_a_model_that_cannot_be_used_is_refused_before_its_weights_are_fetched(
    tmp_path: Path, hub: _Hub
) -> None:
    hub.repository.mkdir()
    config = {"model_type": "homegrown", "auto_map": {"AutoModelForCausalLM": "modeling.Model"}}
    (hub.repository / "config.json").write_text(json.dumps(config))
    (hub.repository / "model.safetensors").write_bytes(b"large")
    with pytest.raises(UserError, match=r"somebody/model: models of type 'homegrown'"):
        _prepare(tmp_path / "base", "somebody/model")
    assert hub.asked == ["config.json"]


def test_a_tokenizer_from_the_hub_comes_without_weights(
    tmp_path: Path, hub: _Hub, tiny_source: Callable[..., Path]
) -> None:
    shutil.copytree(tiny_source("llama"), hub.repository)
    folder = tmp_path / "base"
    folder.mkdir()
    config = FAMILIES["gpt_neox"]
    _prepare(folder, "", config=dict(config), tokenizer="somebody/llama")
    assert "model.safetensors" not in hub.asked
    _check(folder)
