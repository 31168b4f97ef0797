"""What every language detector offers."""

from __future__ import annotations

from typing import Protocol

# What detectors that have a class for text in no language (numbers, noise) call it here: the code
# of ISO 639-2 for "no linguistic content".
NO_LANGUAGE = "zxx"


class Detector(Protocol):
    """A loaded detector."""

    @property
    def name(self) -> str:
        """The row of the table that loaded it."""

    @property
    def signature(self) -> str:
        """Name and hash or version of the model, enough to know what made a result."""

    def predict(self, text: str, k: int) -> list[tuple[str, float]]:
        """At most `k` pairs of canonical language code and probability (0..1).

        The most probable comes first, each language once. Any string is allowed; what is said of a
        text without letters means nothing, and a detector may know nothing of a text and give no
        pair. A small `k` is faster.
        """
