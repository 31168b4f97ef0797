"""Detectors' files on the Hugging Face Hub."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from polypaca.core.cache import is_intact_hub_file
from polypaca.core.errors import UserError, first_line


@dataclass(frozen=True)
class HubFile:
    """One file of a repository, at a revision that cannot change."""

    repository: str
    name: str
    revision: str

    @property
    def url(self) -> str:
        """Where a browser downloads it."""
        return f"https://huggingface.co/{self.repository}/resolve/{self.revision}/{self.name}"


def fetch(file: HubFile, detector: str) -> Path:
    """The file in the Hub's cache, downloaded if it is not there yet.

    Raises:
        UserError: if it is not there and cannot be downloaded; with its URL and what to do.
    """
    from huggingface_hub import hf_hub_download

    try:
        path = hf_hub_download(file.repository, file.name, revision=file.revision)
    except Exception as error:  # the library raises a dozen kinds for one cause
        reason = first_line(error)
        raise UserError(
            f"the model file of the language detector {detector} could not be "
            f"downloaded: {type(error).__name__}: {reason}; download {file.url} and set "
            f"`gate: {{detector: {detector}, model: path/to/{file.name}}}` or --model"
        ) from error
    if not is_intact_hub_file(Path(path)):
        raise UserError(
            f"the model file of the language detector {detector} is damaged: delete "
            f"{Path(path).resolve()} and run again"
        )
    return Path(path)
