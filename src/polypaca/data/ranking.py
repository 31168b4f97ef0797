"""Random order by hash: the same on every machine and whatever order the data came in.

Each item's place depends on the seed and its own name alone, so that adding or removing an item
leaves the order of all others as it was.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def shuffle_by_hash(names: Iterable[str], *salt: str | int) -> list[str]:
    """The names in a random order that `salt` (a purpose, a seed) determines."""
    # The separator keeps ("a", "bc") and ("ab", "c") apart.
    prefix = hashlib.sha256("\x1f".join([*map(str, salt), ""]).encode())

    def place(name: str) -> tuple[bytes, str]:
        digest = prefix.copy()
        digest.update(name.encode())
        return digest.digest(), name

    return sorted(names, key=place)
