"""Reading a judge's decision from its words: the last `[[...]]` that is its own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.records import Preference

LOWEST, HIGHEST = 1.0, 3.0  # the paper's scale

_BRACKETS = re.compile(r"\[\[([^\[\]]*)\]\]")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
# Judges that reason write this first where their server does not take it out.
_THOUGHTS = re.compile(r"\s*<think>.*?(?:</think>|\Z)", re.DOTALL)
# What a judge marks as not its own words, within one line. Single quotes are apostrophes too.
_MARKED = re.compile(
    r"\"([^\"\n]*)\"|“([^”\n]*)”|„([^“”\n]*)[“”]|«([^»\n]*)»|`([^`\n]*)`|「([^」\n]*)」"
)
_QUOTED_LINE = re.compile(r"^[ \t]*>(.*)$|^```.*\n((?:.*\n)*?)```", re.MULTILINE)
# So many characters before a bracket that stand before it in the response too are no chance.
_ECHO = 20
_PREFERENCES: dict[str, Preference] = {"A": "a", "B": "b", "C": "tie"}


def parse_rating(
    text: str, low: float = LOWEST, high: float = HIGHEST, judged: Sequence[str] = ()
) -> float | None:
    """The rating in the last `[[...]]` of a judge's words, or None if that is not one.

    A rating is a plain decimal number in [low, high]; fractions are taken as given, `[[2.5]]`,
    since the paper's totals carry halves (arXiv 2309.08958, table 3). Earlier brackets never
    count: a judge may think aloud before it decides. Nor do those that it quotes from what it
    judges, see `own_words`.

    Args:
        text: what the judge said.
        low: the lowest rating.
        high: the highest rating.
        judged: the response, or the responses, under judgement.
    """
    return _read(text, low, high, judged)[0]


def why_unrated(
    text: str, low: float = LOWEST, high: float = HIGHEST, judged: Sequence[str] = ()
) -> str:
    """Why `parse_rating` finds no rating in these words; empty if it finds one."""
    return _read(text, low, high, judged)[1]


def parse_preference(text: str, judged: Sequence[str] = ()) -> Preference | None:
    """What the last `[[A]]`, `[[B]]` or `[[C]]` says: `a`, `b` or `tie`; None if it is neither."""
    found = _BRACKETS.findall(own_words(text, judged))
    return _PREFERENCES.get(found[-1].strip()) if found else None


def own_words(text: str, judged: Sequence[str]) -> str:
    """A judge's words without its thoughts and without brackets quoted from what it judges.

    A `[[...]]` is quoted if it stands in quotation marks, in a quoted line or in a fence, and all
    that is marked stands in a response as well; or if the 20 characters before it stand before it
    in a response. White space does not tell apart. A response that holds no bracket changes
    nothing.
    """
    text = _THOUGHTS.sub("", text, count=1) if _THOUGHTS.match(text) else text
    sources = [_squeezed(each) for each in judged if _BRACKETS.search(each)]
    if not sources:
        return text
    for pattern in (_QUOTED_LINE, _MARKED):
        text = pattern.sub(lambda mark: "" if _is_quote(mark, sources) else mark[0], text)
    return _BRACKETS.sub(lambda found: "" if _is_echo(found, text, sources) else found[0], text)


def _is_quote(mark: re.Match[str], sources: Sequence[str]) -> bool:
    inside = _squeezed(next((group for group in mark.groups() if group is not None), ""))
    return bool(_BRACKETS.search(inside)) and any(inside in source for source in sources)


def _is_echo(found: re.Match[str], text: str, sources: Sequence[str]) -> bool:
    before = _squeezed(text[: found.end()])
    echo = before[-(len(_squeezed(found[0])) + _ECHO) :]
    return len(before) >= len(echo) > _ECHO and any(echo in source for source in sources)


def _squeezed(text: str) -> str:
    return " ".join(text.split())


def _read(text: str, low: float, high: float, judged: Sequence[str]) -> tuple[float | None, str]:
    found = _BRACKETS.findall(own_words(text, judged))
    if not found:
        own = "own " if _BRACKETS.search(text) else ""
        return None, f"no [[rating]] in the judge's {own}words"
    last = found[-1].strip()
    shown = last if len(last) <= 40 else last[:40] + "…"
    if not _NUMBER.fullmatch(last):
        return None, f"the judge's last [[{shown}]] is not a number"
    rating = float(last)
    if not low <= rating <= high:
        return None, f"the judge's last [[{shown}]] is outside {low:g}..{high:g}"
    return rating, ""
