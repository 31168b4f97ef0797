"""The table of language detectors.

To add one, write a loader in a file of its own and give it a row; the contract test in
`tests/langid/test_detectors.py` then covers it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import UserError
from polypaca.langid import fasttext_models

if TYPE_CHECKING:
    from collections.abc import Callable

    from polypaca.langid.contract import Detector


@dataclass(frozen=True)
class DetectorSpec:
    """A row: what the detector is, and the function that loads it."""

    summary: str
    load: Callable[[], Detector]


DETECTORS: dict[str, DetectorSpec] = {
    "lid176": DetectorSpec(
        "fastText lid.176 (compressed), 176 languages, offline", fasttext_models.load_lid176
    ),
}


def load(name: str) -> Detector:
    """Load the detector of that name.

    Raises:
        UserError: if there is no such detector, or its model file is missing or unreadable.
    """
    if name in DETECTORS:
        return DETECTORS[name].load()
    near = difflib.get_close_matches(name, DETECTORS, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}?" if near else f"there are: {', '.join(DETECTORS)}"
    raise UserError(f"no language detector is called {name!r}; {hint}")
