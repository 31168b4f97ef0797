"""Folders for their owner's eyes alone: the cache holds prompts, answers and data of any study."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are not there, with mode 0700.

    One that is there keeps its mode: who shares a cache on purpose has made its folder so.

    Raises:
        OSError: if it cannot be made.
    """
    above = [folder]
    while not above[-1].parent.exists():
        above.append(above[-1].parent)
    for each in reversed(above):
        each.mkdir(mode=0o700, exist_ok=True)
