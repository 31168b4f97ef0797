"""Filters over translated examples: which row is rejected, by which filter, and why.

They judge the prose of a row, each field by itself: code, addresses and formulas may rightly stay
as they are.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid.cleaning import extract_prose_lines, has_letters
from polypaca.translation import spans
from polypaca.translation.loops import find_loop, longest_sign_run, variety
from polypaca.translation.sizes import english_size
from polypaca.translation.structure import has_prose
from polypaca.translation.words import SENTENCE_END, WORD, normalise_words
from polypaca.translation.wrong_language import wrong_language_reason

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from polypaca.langid.contract import Detector

FIELDS = ("instruction", "input", "output")

# In the order in which they are tried: the ones that say most about what went wrong come first.
FILTERS: dict[str, str] = {
    "empty": "a field that has text in the source has none in the translation",
    "copied": "the translation repeats the words of the source instead of translating them",
    "repetition": "the translation says the same, or nearly, over and over; the source does not",
    "length-ratio": "a field is far shorter or longer than translations of its source usually are",
    "wrong-language": "a field or a part of one is in another language than the one asked for",
}


@dataclass(frozen=True)
class Limits:
    """Where the filters draw the line. Sizes are in English characters: see `sizes.english_size`.

    With the defaults, each filter rejects at most 0.3 % of the human translations of FLORES-200
    (dev and test) from English into eleven languages and of what Bergamot models make of it, except
    that `wrong-language` rejects 1.7 % in Norwegian: lid.176 errs there. Of Dolly in Finnish, where
    fields are of all lengths, at most 0.5 % each, of MSVAMP in six languages 0.8 %: loops and
    answers in the place of questions.

    Attributes:
        copied_words: words that the source must have before a row, field or sentence counts as
            copied. Words that begin with a capital do not count: names may rightly stay.
        copied_share: share (0..1) of them that must stand in the translation. It is at most 0.55
            in FLORES sentences (English-German, Russian-Bulgarian).
        same_words: words side by side that a field must have to count as copied when it is the
            same to the letter; all but one of them must not begin with a capital.
        loop_times: how often a stretch must repeat, one after the other: three times is rhetoric.
        loop_size: how long all of them must be together. Laughter is shorter.
        variety: share (0..1) of different stretches (see `loops.variety`) below which a text drifts
            in a circle, unless its source does too. The least in 3353 answers of Dolly is 0.40 in
            English and in Finnish, of each two that translate each other.
        ratio_size: a shorter source field may lose or gain `ratio_free` on top of what follows, but
            never become longer than one of this size may.
        ratio_free: what short texts get: "Yes." may well become "Sí, por supuesto."
        ratio_base: the factor by which the ratio of sizes of long texts may differ from 1,
            upwards and downwards.
        ratio_slack: what short texts get on top of it, divided by the root of the source's size:
            the spread of the ratio falls that way (standard deviation of its logarithm: 0.15 at
            60 characters, 0.06 from 700).
        language_size: a shorter field may be in any language of the right script: detectors guess
            there.
        part_size: a part of a field that is so long must not be in another language either.
        sure: confidence (0..1) at which the detector need not be asked about both halves as well.
        very_sure: confidence (0..1) at which a part of a field is taken to be in that language.
    """

    copied_words: int = 8
    copied_share: float = 0.8
    same_words: int = 4
    loop_times: int = 4
    loop_size: float = 30
    variety: float = 0.45
    ratio_size: float = 40
    ratio_free: float = 20
    ratio_base: float = 1.25
    ratio_slack: float = 6.0
    language_size: float = 40
    part_size: float = 60
    sure: float = 0.7
    very_sure: float = 0.9


# `extract_prose_lines` may need time in the square of a text's length, so it gets long texts in
# pieces, at the price that code which crosses a cut may count as prose.
_PIECE = 4_000

_CLAUSE = re.compile(r"[,;:.!?()\n]|\s[-–—]\s")
# Text that drifts in a circle has at most this share of its source's variety.
_DRIFT = 0.65
_FEW = 3  # words: too few to say anything by their script or by their being the same


@dataclass(frozen=True)
class _Row:
    """The prose of both sides of a row, field by field, and how to judge it."""

    source: dict[str, str]
    translated: dict[str, str]
    source_language: str
    target_language: str
    target: str  # the same as it was given, perhaps with a script
    detector: Detector
    limits: Limits


def find_rejection(
    source: Mapping[str, str],
    translated: Mapping[str, str],
    *,
    source_language: str,
    target_language: str,
    detector: Detector,
    limits: Limits | None = None,
    only: Sequence[str] | None = None,
) -> tuple[str, str] | None:
    """The first filter that rejects a translated row, and the reason in words; None if it may stay.

    Takes time linear in the length of the row. Where source and target count as one language
    (`core.languages.same_language`), nothing counts as copied.

    Args:
        source: the source example's `instruction`, `input` and `output`; a missing field is empty,
            other fields are not looked at.
        translated: the same fields, translated.
        source_language: code of the language translated from.
        target_language: code of the language translated into.
        detector: a loaded language detector.
        limits: where the lines are drawn; None for the defaults.
        only: names of the filters to apply; None for all.

    Raises:
        ValueError: if one of the codes is not a language code.
    """
    sides = {field: _sides(source.get(field, ""), translated.get(field, "")) for field in FIELDS}
    row = _Row(
        {field: before for field, (before, _) in sides.items()},
        {field: after for field, (_, after) in sides.items()},
        languages.canonical(source_language),
        languages.canonical(target_language),
        target_language,
        detector,
        limits or Limits(),
    )
    for name in FILTERS if only is None else [name for name in FILTERS if name in only]:
        reason = _REASONS[name](row)
        if reason is not None:
            return name, reason
    return None


def translatable_prose(text: str) -> str:
    """The prose of a text, a line a line."""
    return _sides("", text)[1]


def _sides(before: str, after: str) -> tuple[str, str]:
    """The prose of a field and of its translation, line by line; code that stayed is in neither."""
    lines, others = before.splitlines(), after.splitlines()
    prose_there = has_prose(before)
    if len(lines) != len(others):
        kept = [line for line, there in zip(lines, prose_there, strict=True) if there]
        others = [line for line, there in zip(others, has_prose(after), strict=True) if there]
        return _prose(kept), _prose(others)
    pairs = [
        (line, other)
        for line, other, there in zip(lines, others, prose_there, strict=True)
        if there or line != other
    ]
    return _prose([line for line, _ in pairs]), _prose([other for _, other in pairs])


def _prose(lines: Sequence[str]) -> str:
    text = "\n".join(map(spans.blank_spans, lines))
    pieces = [text] if len(text) <= _PIECE else _pieces(text)
    return "\n".join(line for piece in pieces for line in extract_prose_lines(piece))


def _pieces(text: str) -> Iterable[str]:
    """Cut at the last line break or space of each piece, if it has any."""
    start = 0
    while start < len(text):
        end = start + _PIECE
        if end < len(text):
            line, space = text.rfind("\n", start, end), text.rfind(" ", start, end)
            end = max(line if line >= 0 else space, start) + 1 if max(line, space) >= 0 else end
        yield text[start:end]
        start = end


def _empty(row: _Row) -> str | None:
    for field in FIELDS:
        before, after = row.source[field], row.translated[field]
        if has_letters(before) and not has_letters(after):
            return f"{field}: {len(before)} characters of text became {len(after)} without letters"
    return None


def _copied(row: _Row) -> str | None:
    if row.source_language == row.target_language:
        return None
    sides = [("all fields", [row.source[f] for f in FIELDS], [row.translated[f] for f in FIELDS])]
    sides += [(field, [row.source[field]], [row.translated[field]]) for field in FIELDS]
    for place, before, after in sides:
        words = _common_words(before)
        total = words.total()
        same = (words & _common_words(after)).total()
        if total >= row.limits.copied_words and same >= row.limits.copied_share * total:
            return (
                f"{place}: {same} of {total} words of the source are unchanged in the translation "
                f"({same / total:.0%}; the limit is {row.limits.copied_share:.0%})"
            )
    return _same_row(row) or _same_field(row) or _same_sentence(row)


def _same_row(row: _Row) -> str | None:
    worded = [field for field in FIELDS if has_letters(row.source[field])]
    words = _common_words([row.source[field] for field in worded]).total()
    if words >= _FEW and all(
        normalise_words(row.source[f]) == normalise_words(row.translated[f]) for f in worded
    ):
        return "all fields: the translation is the source"
    return None


def _same_field(row: _Row) -> str | None:
    for field in FIELDS:
        text = row.source[field]
        if normalise_words(text) != normalise_words(row.translated[field]):
            continue
        for clause in _CLAUSE.split(text):
            words = WORD.findall(clause)
            if len(words) >= row.limits.same_words and len(words) - 1 <= _small(words):
                return f"{field}: the translation is the source: {clause.strip()[:60]!r}"
    return None


def _same_sentence(row: _Row) -> str | None:
    for field in FIELDS:
        after = f" {normalise_words(row.translated[field])} "
        for sentence in SENTENCE_END.split(row.source[field]):
            words = WORD.findall(sentence)
            # "Fa la la la la" is no sentence.
            told = _small(words) >= row.limits.copied_words <= 2 * len(set(words))
            if told and f" {normalise_words(sentence)} " in after:
                return f"{field}: a sentence of the source is unchanged: {sentence.strip()[:60]!r}"
    return None


def _small(words: Sequence[str]) -> int:
    return sum(not word[0].isupper() for word in words)


def _common_words(texts: Sequence[str]) -> Counter[str]:
    """The words of `texts` that are not names as far as their first letter tells."""
    words = (word for text in texts for word in WORD.findall(text))
    return Counter(word for word in words if not word[0].isupper())


def _repetition(row: _Row) -> str | None:
    for field in FIELDS:
        before, after = row.source[field], row.translated[field]
        run = longest_sign_run(after)
        if run >= row.limits.loop_size and run > 2 * longest_sign_run(before):
            return f"{field}: one character is repeated {run} times, unlike in the source"
        reason = _loop(row, normalise_words(before), normalise_words(after))
        if reason is not None:
            return f"{field}: {reason}"
    return None


def _loop(row: _Row, before: str, after: str) -> str | None:
    limits = row.limits
    stretch, times = find_loop(after, limits.loop_times)
    length = english_size(stretch, row.target_language) * times
    if length >= limits.loop_size:
        old_stretch, old_times = find_loop(before, limits.loop_times)
        # A refrain or a song has its loop in both.
        if 2 * english_size(old_stretch, row.source_language) * old_times < length:
            shown = stretch.strip()[:40]
            return f"{shown!r} is repeated {times} times, unlike in the source"
    share, part = variety(after)
    if share < limits.variety and share < _DRIFT * variety(before)[0]:
        return f"it goes in circles, unlike the source: {part.strip()[:60]!r}"
    return None


def _length_ratio(row: _Row) -> str | None:
    limits = row.limits
    for field in FIELDS:
        before = english_size(row.source[field], row.source_language)
        after = english_size(row.translated[field], row.target_language)
        if not has_letters(row.source[field]) and not has_letters(row.translated[field]):
            continue
        least, most = _bounds(before, limits)
        if least <= after <= most:
            continue
        sides = f"{len(row.source[field])} characters became {len(row.translated[field])}"
        if before < limits.ratio_size:
            return f"{field}: {sides}; the limit is {most:.0f} English characters"
        factor = limits.ratio_base + limits.ratio_slack / before**0.5
        return (
            f"{field}: {sides}, {after / before:.2f} times what is usual for these "
            f"languages (allowed: {1 / factor:.2f} to {factor:.2f})"
        )
    return None


def _bounds(before: float, limits: Limits) -> tuple[float, float]:
    """The least and the most that a text of this size may become."""

    def factor(length: float) -> float:
        return limits.ratio_base + limits.ratio_slack / math.sqrt(length)

    if before >= limits.ratio_size:
        return before / factor(before), before * factor(before)
    most = before * factor(before) if before else 0.0
    ceiling = limits.ratio_size * factor(limits.ratio_size)
    return 0.0, min(most + limits.ratio_free, ceiling)


def _wrong_language(row: _Row) -> str | None:
    for field in FIELDS:
        text = row.translated[field]
        reason = wrong_language_reason(
            text, row.target, row.detector, row.limits, source=row.source_language
        )
        if reason is not None:
            return f"{field}: {reason}"
    return None


_REASONS: dict[str, Callable[[_Row], str | None]] = {
    "empty": _empty,
    "copied": _copied,
    "repetition": _repetition,
    "length-ratio": _length_ratio,
    "wrong-language": _wrong_language,
}
