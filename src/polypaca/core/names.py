"""Hints for mistyped names."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def suggest(word: str, valid: Iterable[str]) -> str:
    """`; did you mean X?` for a near miss, else the list of valid names."""
    names = [str(name) for name in valid]
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]}?"
    return f"; expected one of: {', '.join(names)}" if names else ""
