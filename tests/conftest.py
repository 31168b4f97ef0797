"""Fixtures that several tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

TEXT = [
    "Name three animals. The cat, the dog and the horse are animals that people know well.",
    "Nombra tres animales. El gato, el perro y el caballo son animales que la gente conoce bien.",
    "Below is an instruction that describes a task. Write a response.\n\n### Instruction:\n",
]
_SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
FAMILIES = {
    "gpt_neox": {**_SMALL, "intermediate_size": 64, "max_position_embeddings": 512},
    "bloom": {"hidden_size": 32, "n_layer": 2, "n_head": 2},
    "llama": {**_SMALL, "intermediate_size": 64, "max_position_embeddings": 512},
}


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data files; tests that use it carry the marker `data`."""
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("POLYPACA_TEST_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set POLYPACA_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def tokenizer_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small byte-level BPE tokenizer, as a bare tokenizer.json."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(TEXT * 5, trainer)
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    tokenizer.save(str(path))
    return path


@pytest.fixture(scope="session")
def tiny_model(
    tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path
) -> Callable[[str], Path]:
    """Folders with tiny models of random weights, by family, made once."""
    from polypaca.models.bases import initialise

    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = tmp_path_factory.mktemp(family)
            config = {"model_type": family, **FAMILIES[family]}
            initialise(made[family], config, tokenizer_file, seed=1)
        return made[family]

    return folder
