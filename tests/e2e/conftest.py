"""Runs that several tests start from."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One of pytest-xdist's processes at a time."""
    with (folder / "finished.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _write(folder: Path, tokenizer: Path) -> Path:
    folder.mkdir(exist_ok=True)
    write_data(folder)
    path = folder / STUDY_FILE
    path.write_text(study_text(STUDY, tokenizer))
    return path


@pytest.fixture
def study(tmp_path: Path, tokenizer_file: Path) -> Path:
    """A small study of which nothing is done."""
    return _write(tmp_path, tokenizer_file)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, tokenizer_file: Path) -> Finished:
    """The same study once it has been run; only to be read or copied.

    Processes of pytest-xdist have temporary folders beside each other, and share this one.
    """
    top = tmp_path_factory.getbasetemp()
    top = top.parent if "PYTEST_XDIST_WORKER" in os.environ else top
    said = top / "finished" / "said.txt"
    with _alone(top):
        if not said.exists():
            result = polypaca(_write(said.parent, tokenizer_file))
            assert result.returncode == 0, result.stdout + result.stderr
            said.write_text(result.stdout)
    return Finished(said.parent / STUDY_FILE, said.read_text())


@pytest.fixture
def mixed(finished: Finished, tmp_path: Path) -> Path:
    """The same study with its mixtures drawn, and nothing trained."""
    return copied(finished.study, tmp_path, *AFTER_THE_MIXTURES)
