"""Reading a judge's decision from its words: the `[[...]]` that is its own and that it calls so.

Where there is one number, it is the rating. Where there are several, the one that the words call
the rating counts; where they call none or several so, none does: a wrong number is worse than a
judgement that is asked for again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from polypaca.judging.attribution import judge_brackets, sentence_before
from polypaca.judging.brackets import (
    CORRECTION,
    PREFERENCE,
    RATING,
    find_brackets,
    normalise_brackets,
    to_ascii,
)
from polypaca.llm.thoughts import split_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from polypaca.core.records import Preference
    from polypaca.judging.brackets import Bracket, Labels

Value = TypeVar("Value")

LOWEST, HIGHEST = 1.0, 3.0  # the paper's scale

_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_WITH_COMMA = re.compile(r"([0-9]+),([0-9]{1,2})")
# Between two brackets: the second is how far the scale goes, or a range or choice of two.
_OUT_OF = re.compile(
    r"\s*(?:out\s+of|of|/|／|von|sur|su|sobre|de|di|из|على|में\s+से)\s*", re.IGNORECASE
)
_OR = re.compile(r"\s*(?:[-–—~/,]|to|or|and|bis|oder|und|o|y|ou|et|或|至|到)\s*", re.IGNORECASE)
# Behind a bracket: how far the scale goes, as a plain number.
_SCALE_END = re.compile(r"[*_`\"]*\s*(?:/|／|out\s+of)\s*[*_\[]*(\d+(?:\.\d+)?)", re.IGNORECASE)
_SUPPOSED = re.compile(r"\b(?:if|were|had|unless)\b", re.IGNORECASE)
_FINAL = re.compile(
    r"\b(?:final|overall|total|revised|corrected)\b|最终|最終|総合|综合|總分|总分", re.IGNORECASE
)
_AROUND = " \t*_~`#>\"'“”.。!"
_PREFERENCES: dict[str, Preference] = {"A": "a", "B": "b", "C": "tie"}
# How clearly a bracket is called the decision.
_UNLABELLED, _AFTER_COLON, _LABELLED, _LABELLED_FINAL = range(4)


@dataclass(frozen=True)
class Reading:
    """What was read of a judge's words.

    Attributes:
        words: its words, without its thoughts.
        rating: the number, where one was asked for and found.
        preference: likewise.
        reason: why nothing was found; empty if something was.
        thought: whether thoughts were left out.
    """

    words: str
    rating: float | None = None
    preference: Preference | None = None
    reason: str = ""
    had_thoughts: bool = False


def read_rating(
    text: str,
    low: float = LOWEST,
    high: float = HIGHEST,
    judged: Sequence[str] = (),
    *,
    truncated: bool = False,
) -> Reading:
    """The rating in a judge's words, or why there is none that leaves no doubt.

    A rating is a plain decimal number in [low, high], with digits of any script; fractions are
    taken as given, `[[2.5]]`, since the paper's totals carry halves (arXiv 2309.08958, table 3).

    Args:
        text: what the judge said, with its thoughts or without.
        low: the lowest rating.
        high: the highest rating.
        judged: the response, or the responses, under judgement.
        truncated: whether the limit of tokens ended it; there is no rating then.
    """

    def number(said: str) -> tuple[float | None, str]:
        rating = _as_number(said, low, high)
        if rating is None:
            return None, "is not a number"
        if not low <= rating <= high:
            return None, f"is outside {low:g}..{high:g}"
        return rating, ""

    words, reason, thought = _visible_text(text, "[[rating]]", truncated=truncated)
    rating: float | None = None
    if not reason:
        visible = normalise_brackets(words)
        found, reason = _decisive_brackets(visible, judged, RATING, high)
        rating, reason = _agreed_value(found, number, "rating") if found else (None, reason)
        mismatch = _scale_mismatch(visible, found, high) if rating is not None else ""
        if mismatch:
            rating, reason = None, mismatch
    return Reading(words, rating=rating, reason=reason, had_thoughts=thought)


def read_preference(text: str, judged: Sequence[str] = (), *, truncated: bool = False) -> Reading:
    """The `[[A]]`, `[[B]]` or `[[C]]` in a judge's words as `a`, `b` or `tie`; as `read_rating`."""

    def preference(said: str) -> tuple[Preference | None, str]:
        found = _PREFERENCES.get(said)
        return found, "" if found else "is neither A, B nor C"

    words, reason, thought = _visible_text(text, "[[A]], [[B]] or [[C]]", truncated=truncated)
    chosen: Preference | None = None
    if not reason:
        found, reason = _decisive_brackets(normalise_brackets(words), judged, PREFERENCE, None)
        chosen, reason = _agreed_value(found, preference, "decision") if found else (None, reason)
    return Reading(words, preference=chosen, reason=reason, had_thoughts=thought)


def _visible_text(text: str, wanted: str, *, truncated: bool) -> tuple[str, str, bool]:
    """A judge's words without thoughts, why they decide nothing as a whole, and if it thought."""
    reply = split_thoughts(text, truncated=truncated)
    reason = ""
    if reply.unfinished:
        reason = f"no {wanted} in the judge's words, which end within its thoughts"
    elif truncated:
        reason = f"no {wanted} that counts in the judge's words"
    return reply.text, reason + (" (cut off)" if reason and truncated else ""), bool(reply.thoughts)


def _decisive_brackets(
    text: str, judged: Sequence[str], labels: Labels, high: float | None
) -> tuple[list[Bracket], str]:
    """The brackets among which the decision is, or why there are none."""
    candidates = find_brackets(text, labels)
    decisions = judge_brackets(text, candidates, judged, labels)
    if not decisions:
        whose = "own " if candidates else ""
        wanted = "[[rating]]" if labels is RATING else "[[A]], [[B]] or [[C]]"
        return [], f"no {wanted} in the judge's {whose}words"
    # The prompt's own `[[rating]]` decides nothing beside a number.
    decisions = [b for b in decisions if not labels.is_label(b.content)] or decisions
    decisions, levels = _label_levels(text, decisions, labels, high)
    highest = max(levels)
    return [b for b, level in zip(decisions, levels, strict=True) if level == highest], ""


def _label_levels(
    text: str, brackets: list[Bracket], labels: Labels, high: float | None
) -> tuple[list[Bracket], list[int]]:
    """The brackets without ends of the scale and what was corrected, and how they are called."""
    kept: list[Bracket] = []
    levels: list[int] = []
    for bracket in brackets:
        level = _label_level(text, bracket, labels, is_last=bracket is brackets[-1])
        between = text[kept[-1].end : bracket.start].strip("*_` \t") if kept else None
        if between is not None and high is not None and _OUT_OF.fullmatch(between or " "):
            value = _as_number(bracket.content, high, high)
            if value == high:
                continue
        if between is not None and CORRECTION.fullmatch(between or " "):
            level = max(level, levels.pop())
            kept.pop()
        elif between is not None and (_OR.fullmatch(between) or _OUT_OF.fullmatch(between or " ")):
            level = max(level, levels[-1])
        kept.append(bracket)
        levels.append(level)
    return kept, levels


def _label_level(text: str, bracket: Bracket, labels: Labels, *, is_last: bool) -> int:
    before = sentence_before(text, bracket.start).strip(_AROUND) or _heading(text, bracket)
    bare = "".join(character for character in before if character not in '*_~#`"“„')
    label = labels.match_end(bare)
    is_called = bracket.labelled or (label and not label["weak"])
    if is_called and _SUPPOSED.search(bare[: label.start()] if label else bare):
        return _UNLABELLED
    if is_called:
        around = bare + text[bracket.start : bracket.end]
        return _LABELLED_FINAL if _FINAL.search(around) else _LABELLED
    if is_last and _stands_alone(text, bracket):
        return _LABELLED
    return _AFTER_COLON if label or bare.rstrip().endswith((":", "：")) else _UNLABELLED


def _heading(text: str, bracket: Bracket) -> str:
    """The end of the line before a bracket that begins its own line: a heading may be the label."""
    above, newline, before = text[: bracket.start].rpartition("\n")
    if not newline or before.strip(_AROUND):
        return ""
    return sentence_before(text, len(above.rstrip(_AROUND + "\n")))


def _stands_alone(text: str, bracket: Bracket) -> bool:
    """Whether the bracket is the whole of the last line."""
    before = text[: bracket.start].rpartition("\n")[2].strip(_AROUND)
    return not before and not text[bracket.end :].strip(_AROUND + "\n")


def _agreed_value(
    brackets: Sequence[Bracket], read: Callable[[str], tuple[Value | None, str]], what: str
) -> tuple[Value | None, str]:
    """What all brackets say alike, or why that is nothing."""
    values = {repr(read(bracket.content)): read(bracket.content) for bracket in brackets}
    if len(values) == 1:
        value, wrong = next(iter(values.values()))
        return value, wrong and f"the judge's [[{_excerpt(brackets[-1])}]] {wrong}"
    last, wrong = read(brackets[-1].content)
    if last is None:
        return None, f"the judge's last [[{_excerpt(brackets[-1])}]] {wrong}"
    several = " and ".join(dict.fromkeys(f"[[{_excerpt(bracket)}]]" for bracket in brackets))
    return None, f"the judge writes {several}, and which is its {what} is not clear"


def _excerpt(bracket: Bracket) -> str:
    return bracket.content if len(bracket.content) <= 40 else bracket.content[:40] + "…"


def _as_number(said: str, low: float, high: float) -> float | None:
    """A number's value; None for what is none, or may be two."""
    number = to_ascii(said).removesuffix(".")
    comma = _WITH_COMMA.fullmatch(number)
    if comma:
        # `2,5` is a fraction in most languages, unless both could be ratings.
        both = low <= float(comma[1]) <= high and low <= float(comma[2]) <= high
        return None if both else float(f"{comma[1]}.{comma[2]}")
    return float(number) if _NUMBER.fullmatch(number) else None


def _scale_mismatch(text: str, brackets: Sequence[Bracket], high: float) -> str:
    """Why a rating is on another scale, as `[[2]]/5` is where the scale ends at 3."""
    for bracket in brackets:
        end = _SCALE_END.match(text, bracket.end)
        if end and float(to_ascii(end[1])) != high:
            return f"the judge's [[{_excerpt(bracket)}]] is out of {end[1]}, not of {high:g}"
    return ""
