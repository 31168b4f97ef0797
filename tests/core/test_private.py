from __future__ import annotations

import os
from pathlib import Path

from polypaca.core.private import private_folder


def _mode(folder: Path) -> int:
    return folder.stat().st_mode & 0o777


def test_what_is_made_is_for_its_owner_and_what_is_there_keeps_its_mode(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    before = os.umask(0)
    try:
        private_folder(shared / "a" / "b" / "c")
        private_folder(shared / "a" / "b" / "c")
    finally:
        os.umask(before)
    assert _mode(shared) == 0o755
    for folder in ("a", "a/b", "a/b/c"):
        assert _mode(shared / folder) == 0o700
