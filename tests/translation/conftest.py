"""Models for the tests of the engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import marian_format, tiny_seq2seq


@pytest.fixture(scope="session")
def bergamot_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Bergamot model from English into Spanish, word for word; needs `fxtranslate`."""
    pytest.importorskip("fxtranslate", reason="no fxtranslate: pip install 'polypaca[bergamot]'")
    folder = tmp_path_factory.mktemp("bergamot") / "enes"
    marian_format.write_folder(folder)
    return folder


@pytest.fixture(scope="session")
def ctranslate2_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny OPUS-MT model from English into Spanish, word for word, in CTranslate2's format."""
    pytest.importorskip("ctranslate2", reason="no ctranslate2: pip install 'polypaca[translate]'")
    folder = tmp_path_factory.mktemp("marian")
    trained = tiny_seq2seq.marian(folder / "transformers", steps=600)
    return tiny_seq2seq.convert(trained, folder / "en-es", ["source.spm", "target.spm"])
