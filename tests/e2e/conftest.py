"""Runs that several tests start from."""

from __future__ import annotations

import subprocess
from pathlib import Path

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
analyze: {resamples: 100}
"""
# The folders of `out`, but for those of the base models and the data.
AFTER_THE_MIXTURES = ("cells", "systems", "analysis", "report", "logs", ".run")
AFTER_THE_DATA = ("translations", "lengths", "mixtures", *AFTER_THE_MIXTURES)


def _write(folder: Path, tokenizer: Path) -> Path:
    write_data(folder, prompts=4)
    path = folder / "small.yaml"
    path.write_text(study_text(STUDY, tokenizer))
    return path


@pytest.fixture
def study(tmp_path: Path, tokenizer_file: Path) -> Path:
    """A small study of which nothing is done."""
    return _write(tmp_path, tokenizer_file)


@pytest.fixture(scope="session")
def finished(
    tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The same study once it has been run, and what the run said; only to be read or copied."""
    path = _write(tmp_path_factory.mktemp("finished"), tokenizer_file)
    result = polypaca(path)
    assert result.returncode == 0, result.stdout + result.stderr
    return path, result


@pytest.fixture
def mixed(finished: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> Path:
    """The same study with its mixtures drawn, and nothing trained."""
    return copied(finished[0], tmp_path, *AFTER_THE_MIXTURES)
