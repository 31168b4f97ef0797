"""The cache that studies share, or a folder of this study where that cannot be written to."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from polypaca.core.cache import CACHE_VARIABLE, cache_folder, private_folder
from polypaca.core.disk import full_disk_message
from polypaca.core.errors import StageError, UserError

if TYPE_CHECKING:
    from pathlib import Path


def ensure_cache(out: Path) -> str:
    """Let this process and its children use a cache that can be written to.

    Returns:
        A notice for the user; empty where the cache is the usual one.

    Raises:
        UserError: if the folder that `POLYPACA_CACHE` names cannot be written to.
        StageError: if its disk is full.
    """
    try:
        folder = cache_folder()
    except RuntimeError:  # no home folder is known
        return _use_study_cache(out, "there is no home folder")
    try:
        private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if full := full_disk_message(error, [folder]):
            raise StageError(full) from error
        if os.environ.get(CACHE_VARIABLE):
            raise UserError(
                f"{CACHE_VARIABLE}: {folder} cannot be written to: {error.strerror}; "
                "set it to a writable folder, or unset it"
            ) from error
        return _use_study_cache(out, f"{folder} cannot be written to ({error.strerror})")
    return ""


def _use_study_cache(out: Path, why: str) -> str:
    folder = (out / ".run" / "cache").absolute()
    os.environ[CACHE_VARIABLE] = str(folder)
    return (
        f"{why}: built bases, downloads and replies are kept in {folder}, for this study only; "
        f"set {CACHE_VARIABLE} to a writable folder to share them between studies"
    )
