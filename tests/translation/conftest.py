"""Models for the tests of the engines."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from . import marian_format, tiny_seq2seq

Once = Callable[[str, Callable[[Path], None]], Path]


@pytest.fixture(scope="session")
def bergamot_model(once: Once) -> Path:
    """A tiny Bergamot model from English into Spanish, word for word; needs `fxtranslate`."""
    pytest.importorskip("fxtranslate", reason="no fxtranslate: pip install 'polypaca[bergamot]'")
    return once("enes", marian_format.write_folder)


@pytest.fixture(scope="session")
def ctranslate2_model(once: Once) -> Path:
    """A tiny OPUS-MT model from English into Spanish, word for word, in CTranslate2's format."""
    pytest.importorskip("ctranslate2", reason="no ctranslate2: pip install 'polypaca[translate]'")

    def train(folder: Path) -> None:
        trained = tiny_seq2seq.marian(folder / "transformers", steps=600)
        tiny_seq2seq.convert(trained, folder / "en-es", ["source.spm", "target.spm"])

    return once("marian", train) / "en-es"
