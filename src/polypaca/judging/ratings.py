"""Reading a rating from a judge's words."""

from __future__ import annotations

import re

LOWEST, HIGHEST = 1.0, 3.0

_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\]")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")


def parse_rating(text: str) -> float | None:
    """The rating in the last `[[...]]` of a judge's words, or None if that is not one.

    A rating is a plain decimal number in [1, 3]; fractions are taken as given, `[[2.5]]`, since
    the paper's totals carry halves (arXiv 2309.08958, table 3). Earlier brackets never count: a
    judge may quote what it judges, or think aloud, before it decides.
    """
    return _read(text)[0]


def why_unrated(text: str) -> str:
    """Why `parse_rating` finds no rating in these words; empty if it finds one."""
    return _read(text)[1]


def _read(text: str) -> tuple[float | None, str]:
    found = _BRACKETS.findall(text)
    if not found:
        return None, "no [[rating]] in the judge's words"
    last = found[-1].strip()
    shown = last if len(last) <= 40 else last[:40] + "…"
    if not _NUMBER.fullmatch(last):
        return None, f"the judge's last [[{shown}]] is not a number"
    rating = float(last)
    if not LOWEST <= rating <= HIGHEST:
        return None, f"the judge's last [[{shown}]] is outside 1..3"
    return rating, ""
