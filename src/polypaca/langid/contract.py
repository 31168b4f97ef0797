"""What every language detector offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# What detectors that have a class for text in no language (numbers, noise) call it here: the code
# of ISO 639-2 for "no linguistic content".
NO_LANGUAGE = "zxx"


@dataclass(frozen=True)
class Detector:
    """A loaded detector.

    Attributes:
        name: the row of the table that loaded it.
        signature: name and hash of the model, enough to know what made a result.
        scores: `scores(text, k)` gives at most `k` pairs of canonical language code and
            probability (0..1), most probable first, each language once. Any string is allowed;
            what it says of a text without letters means nothing, and it may know nothing of a
            text and give no pair. A small `k` is faster.
    """

    name: str
    signature: str
    scores: Callable[[str, int], list[tuple[str, float]]]
