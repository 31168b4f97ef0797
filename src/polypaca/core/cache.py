"""Where all studies of a machine keep what was made once."""

from __future__ import annotations

import os
from pathlib import Path

CACHE_VARIABLE = "POLYPACA_CACHE"


def cache_folder() -> Path:
    """The folder that studies share (`POLYPACA_CACHE`, else `~/.cache/polypaca`)."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "polypaca"
