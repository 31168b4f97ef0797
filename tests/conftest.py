"""Fixtures that several tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """The folder of public data files; tests that use it carry the marker `data`."""
    beside = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("POLYPACA_TEST_DATA", beside)).resolve()
    if not folder.is_dir():
        pytest.skip(f"no data folder at {folder}: set POLYPACA_TEST_DATA")
    return folder
