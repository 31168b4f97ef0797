"""Runs that several tests start from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from .studies import copied, polypaca, study_text, write_data

STUDY = """\
name: small
languages: {train: [en, es], test: [en, es]}
data: {instructions: "data.{language}.jsonl", validation: 4}
prompts: "prompts.{language}.jsonl"
MODELS
methods:
  lora: {learning_rate: 1e-2, batch_size: 8, epochs: 1, evaluations: 2}
  full: {learning_rate: 1e-3, batch_size: 8, epochs: 1, evaluations: 2, recipes: [english]}
recipes: [monolingual, multilingual, downsampled, english]
systems: [{base: tiny}, {shuffle: english}]
generate: {max_new_tokens: 6, num_beams: 1}
analyze: {resamples: 200}
"""
STUDY_FILE = "small.yaml"
# The folders of `out`, but for those of the base models and the data.
AFTER_THE_MIXTURES = ("cells", "systems", "analysis", "report", "logs", ".run")
AFTER_THE_DATA = ("translations", "lengths", "mixtures", *AFTER_THE_MIXTURES)


class Finished(NamedTuple):
    """A study that was run: its file, and what the run said."""

    study: Path
    said: str


def _write(folder: Path, tokenizer: Path) -> Path:
    write_data(folder)
    path = folder / STUDY_FILE
    path.write_text(study_text(STUDY, tokenizer))
    return path


@pytest.fixture
def study(tmp_path: Path, tokenizer_file: Path) -> Path:
    """A small study of which nothing is done."""
    return _write(tmp_path, tokenizer_file)


@pytest.fixture(scope="session")
def finished(once: Callable[[str, Callable[[Path], None]], Path], tokenizer_file: Path) -> Finished:
    """The same study once it has been run; only to be read or copied."""

    def run(folder: Path) -> None:
        result = polypaca(_write(folder, tokenizer_file))
        assert result.returncode == 0, result.stdout + result.stderr
        (folder / "said.txt").write_text(result.stdout)

    folder = once("finished", run)
    return Finished(folder / STUDY_FILE, (folder / "said.txt").read_text())


@pytest.fixture
def mixed(finished: Finished, tmp_path: Path) -> Path:
    """The same study with its mixtures drawn, and nothing trained."""
    return copied(finished.study, tmp_path, *AFTER_THE_MIXTURES)
