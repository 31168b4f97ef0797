"""Names beside bars: on as many lines as they need, in whatever font the reader has."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from polypaca.core.tables import wrap_name

if TYPE_CHECKING:
    from collections.abc import Sequence

LINE = 14.0  # pixels from one line to the next, for a font of 12
_WIDEST = 150.0
_LINES = 5

# Advance widths in em, rounded up from the wider ones of common fonts (DejaVu Sans, Verdana): the
# page is read in a font that is not known when it is drawn.
_EM = {
    **dict.fromkeys("ijl.,:;'|!·", 0.4),
    **dict.fromkeys("ftr -()[]/", 0.46),
    **dict.fromkeys("mMW@%", 1.1),
    **dict.fromkeys("wOQGDNHUж", 0.85),
}
_BY_CATEGORY = {"Ll": 0.65, "Lu": 0.78, "Nd": 0.65, "Mn": 0.0, "Me": 0.0, "Cf": 0.0}
_OTHER = 0.85


def label_lines(name: str) -> list[str]:
    """A name's lines, none wider than there is room for; of a very long one the first and last."""
    lines = wrap_name(name, _WIDEST, text_width).split("\n")
    if len(lines) > _LINES:
        lines = [*lines[:2], "…", *lines[3 - _LINES :]]
    return lines


def text_width(text: str) -> float:
    """About the most pixels that a text takes in a sans-serif font of 12 pixels."""
    return sum(12 * _em(character) for character in text)


def label_space(labels: Sequence[Sequence[str]]) -> float:
    """The room that labels need, with a margin."""
    return max([70.0, *(text_width(line) + 10 for lines in labels for line in lines)])


def _em(character: str) -> float:
    if character in _EM:
        return _EM[character]
    if unicodedata.east_asian_width(character) in "WF":
        return 1.05
    category = unicodedata.category(character)
    # Capitals and small letters of other scripts than Latin are wider on the whole.
    wider = 0.1 if ord(character) > 0x24F and category in ("Ll", "Lu") else 0.0
    return _BY_CATEGORY.get(category, _OTHER) + wider
