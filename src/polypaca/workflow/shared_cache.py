"""Where what studies share is kept, if it can be written to, or else a folder of this study."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

from polypaca.core.cache import CACHE_VARIABLE, cache_folder, private_folder
from polypaca.core.disk import full_disk
from polypaca.core.errors import StageError, UserError

if TYPE_CHECKING:
    from pathlib import Path


def ensure_cache(out: Path) -> str:
    """Let this process and its children use a cache that can be written to.

    Returns:
        What to tell the user; empty where the cache is the usual one.

    Raises:
        UserError: if the folder that `POLYPACA_CACHE` names cannot be written to.
        StageError: if its disk is full.
    """
    try:
        folder = cache_folder()
    except RuntimeError:  # no home folder is known
        return _of_this_study(out, "there is no home folder")
    try:
        private_folder(folder)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if full := full_disk(error, [folder]):
            raise StageError(full) from error
        if os.environ.get(CACHE_VARIABLE):
            raise UserError(
                f"{CACHE_VARIABLE}: {folder} cannot be written to: {error.strerror}; name a folder "
                "that can, or unset it"
            ) from error
        return _of_this_study(out, f"{folder} cannot be written to ({error.strerror})")
    return ""


def _of_this_study(out: Path, why: str) -> str:
    folder = (out / ".run" / "cache").absolute()
    os.environ[CACHE_VARIABLE] = str(folder)
    return (
        f"{why}: what studies share (built bases, downloads, replies) is kept in {folder} for this "
        f"study alone; set {CACHE_VARIABLE} to a folder that can be written to, to share it"
    )
