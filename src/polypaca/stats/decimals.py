"""Numbers as people and spreadsheets write them: read rightly, or not at all.

`float` also reads `1_10` (as 110), and what a comma or a point means depends on the file.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# \d is a decimal digit of any script, and no superscript: full-width digits are read, 12² is not.
_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?")
_COMMA = re.compile(r"[+-]?(\d*),(\d+)")
_GROUPS = re.compile(r"[+-]?\d{1,3}(?:[.,]\d{3})+")
_SAME = str.maketrans("−－＋．，", "--+.,")  # minus sign and full-width forms


class Decimals:
    """How one file writes its decimals, and what that makes of a field."""

    def __init__(self, delimiter: str, fields: Sequence[str]) -> None:
        """Find it from all numbers of a file; where fields stand between commas it is a point."""
        written = [field.translate(_SAME) for field in fields]
        commas = [field for field in written if _COMMA.fullmatch(field)]
        points = [field for field in written if "." in field]
        self.comma = bool(commas) and delimiter != ","
        # One, two or four digits behind a mark are no thousands; three might be.
        self.told = not (self.comma or (points and delimiter == ";")) or any(
            not _may_be_thousands(field) for field in (commas or points)
        )

    def number(self, field: str) -> float | None:
        """The finite number that a field holds without any doubt, else None."""
        text = field.translate(_SAME)
        if not self.told and _may_be_thousands(text):
            return None
        if self.comma:
            if "." in text:
                return None
            text = text.replace(",", ".", 1)
        if not _NUMBER.fullmatch(text):
            return None
        found = float(text)
        return found if math.isfinite(found) else None

    def hint(self, field: str) -> str:
        """How to write a field that is no number."""
        text = field.translate(_SAME)
        if re.fullmatch(r"[+-]?(nan|inf(inity)?|n/?a|null|none|-+)", text, re.IGNORECASE):
            return "leave the row out where there is no rating"
        if "%" in text or "٪" in text:
            return "write it without the percent sign, as 12.5"
        if self.comma and "." in text:
            return "other numbers of the file have decimal commas: write all alike, as 12.5"
        if not self.told and _may_be_thousands(text):
            return "it may be thousands or decimals: write it as 1234 or as 1.234"
        if re.search(r"\d[\s_,.'’]\d", text):
            return "write it as 12.5, with a decimal point and nothing between thousands"
        return "write it as 12.5"


def _may_be_thousands(field: str) -> bool:
    return bool(_GROUPS.fullmatch(field)) and not field.lstrip("+-").startswith("0")
