"""Filters over translated examples: which row is rejected, by which filter, and why.

They judge the prose of a row: code, addresses and formulas may rightly stay as they are.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid.cleaning import has_letters, prose
from polypaca.langid.gate import check

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from polypaca.langid.contract import Detector

FIELDS = ("instruction", "input", "output")

# In the order in which they are tried: the ones that say most about what went wrong come first.
FILTERS: dict[str, str] = {
    "empty": "a field that has text in the source has none in the translation",
    "copied": "the translation repeats the words of the source instead of translating them",
    "repetition": "the translation says the same thing over and over where the source does not",
    "length-ratio": "a field is far shorter or longer than translations of its source usually are",
    "wrong-language": "the translation is in another language than the one asked for",
}


@dataclass(frozen=True)
class Limits:
    """Where the filters draw the line. Sizes are in English characters: see `size`.

    With the defaults, each filter rejects at most 0.5 % of the human translations of FLORES-200
    from English into eleven languages and of what Bergamot models make of it, except that
    `wrong-language` rejects 1 to 2 % in Chinese and 2.5 % in Norwegian: lid.176 errs there.

    Attributes:
        copied_words: words that the source must have before a row or field counts as copied. Words
            that begin with a capital do not count: names may rightly stay.
        copied_share: share (0..1) of them that must stand in the translation. It is at most 0.55
            in FLORES sentences (English-German, Russian-Bulgarian).
        loop_times: how often a stretch must repeat, one after the other: three times is rhetoric.
        loop_size: how long all of them must be together. Laughter is shorter.
        ratio_size: a shorter source field may be translated at any length, as words may.
        ratio_base: the factor by which the ratio of sizes of long texts may differ from 1,
            upwards and downwards.
        ratio_slack: what short texts get on top of it, divided by the root of the source's size:
            the spread of the ratio falls that way (standard deviation of its logarithm: 0.15 at
            60 characters, 0.06 from 700).
        language_size: a shorter translation may be in any language: detectors guess there.
    """

    copied_words: int = 8
    copied_share: float = 0.8
    loop_times: int = 4
    loop_size: float = 30
    ratio_size: float = 40
    ratio_base: float = 1.25
    ratio_slack: float = 6.0
    language_size: float = 40


# How many characters a translation of 1000 English characters has: medians over FLORES-200 dev and
# test (https://github.com/facebookresearch/flores). Other languages fall back on their script.
_LENGTH = {
    "bg": 1040,
    "bn": 975,
    "cs": 965,
    "de": 1160,
    "en": 1000,
    "es": 1185,
    "fi": 1055,
    "fr": 1185,
    "hi": 1000,
    "no": 1005,
    "ru": 1080,
}

# Latn: the middle of the languages above. The others: medians over the message catalogues of
# Django 5.2 (https://github.com/django/django). Where both have a language that is written in
# letters, catalogues and FLORES are within 8 % of each other.
_LENGTH_BY_SCRIPT = {"Arab": 920, "Hebr": 830, "Latn": 1060, "Thai": 860}

# Scripts whose characters say more than a letter does, and how many English characters each is
# worth: fitted to FLORES (zh) and Django's catalogues (ja, ko). Weighing the characters, not the
# language, keeps the measure right for Chinese sentences with names in Latin letters.
_DENSE = (
    (3.4, re.compile("[\u3400-\u9fff\uf900-\ufaff、。，！？；：「」（）]")),  # Han, its punctuation
    (1.7, re.compile("[\u3041-\u30ff]")),  # kana
    (2.0, re.compile("[\uac00-\ud7a3]")),  # Hangul
)

# A word: a run without white space, digits and punctuation. Not \w, which breaks Hindi and Bengali
# words at their vowel signs.
_WORD = re.compile(r"[^\s\d!-/:-@\[-`{-~¡¿«»·–—‘’‚“”„…।॥、。《》「」『』【】！（），：；？～]+")

# `prose` may need time in the square of a text's length, so it gets long texts in pieces, at the
# price that code which crosses a cut may count as prose.
_PIECE = 4_000

# The detector reads no more of a row than this: enough to be sure of any language.
_DETECTED = 20_000


@dataclass(frozen=True)
class _Row:
    """The prose of both sides of a row, field by field, and how to judge it."""

    source: dict[str, str]
    translated: dict[str, str]
    source_language: str
    target_language: str
    detector: Detector
    limits: Limits


def rejection(
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
    row = _Row(
        {field: _prose(source.get(field, "")) for field in FIELDS},
        {field: _prose(translated.get(field, "")) for field in FIELDS},
        languages.canonical(source_language),
        languages.canonical(target_language),
        detector,
        limits or Limits(),
    )
    for name in FILTERS if only is None else [name for name in FILTERS if name in only]:
        reason = _REASONS[name](row)
        if reason is not None:
            return name, reason
    return None


def size(text: str, language: str) -> float:
    """How long `text` would be in English, in characters, from how languages usually compare.

    Raises:
        ValueError: if `language` is not a language code.
    """
    dense = [(weight, len(pattern.findall(text))) for weight, pattern in _DENSE]
    plain = len(text) - sum(count for _, count in dense)
    return plain * _plain_weight(language) + sum(weight * count for weight, count in dense)


@lru_cache(maxsize=256)
def _plain_weight(language: str) -> float:
    import langcodes

    code = languages.canonical(language)
    script = langcodes.Language.get(code).maximize().script or ""
    return 1000 / _LENGTH.get(code, _LENGTH_BY_SCRIPT.get(script, 1000))


def _prose(text: str) -> str:
    if len(text) <= _PIECE:
        return prose(text)
    return " ".join(filter(None, map(prose, _pieces(text))))


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
    for what, before, after in sides:
        words = _common_words(before)
        total = words.total()
        kept = (words & _common_words(after)).total()
        if total >= row.limits.copied_words and kept >= row.limits.copied_share * total:
            return (
                f"{what}: {kept} of {total} words of the source stand in the translation as they "
                f"were ({kept / total:.0%}; the limit is {row.limits.copied_share:.0%})"
            )
    return None


def _common_words(texts: Sequence[str]) -> Counter[str]:
    """The words of `texts` that are not names as far as their first letter tells."""
    words = (word for text in texts for word in _WORD.findall(text))
    return Counter(word for word in words if not word[0].isupper())


def _repetition(row: _Row) -> str | None:
    limits = row.limits
    for field in FIELDS:
        text, before = _letters(row.translated[field]), _letters(row.source[field])
        language, source_language = row.target_language, row.source_language
        stretch, times = _loop(text, limits.loop_times)
        length = size(stretch, language) * times
        if length < limits.loop_size:
            continue
        old_stretch, old_times = _loop(before, limits.loop_times)
        # A refrain or a song has its loop in both.
        if 2 * size(old_stretch, source_language) * old_times < length:
            shown = stretch.strip()[:40]
            return f"{field}: {shown!r} stands there {times} times running, not so in the source"
    return None


def _letters(text: str) -> str:
    return " ".join(_WORD.findall(text)).casefold()


def _loop(text: str, least: int) -> tuple[str, int]:
    """The stretch that repeats right behind itself, and how often; the longest such loop.

    Only stretches that stand there at least `least` times count; ("", 0) where there is none.
    """
    gram = 6  # shorter ones recur by chance too often, longer ones see short loops too late
    last: dict[str, int] = {}
    period, matched, best_period, best_matched, best_end = 0, 0, 1, 0, 0
    for end in range(gram, len(text) + 1):
        piece = text[end - gram : end]
        if period and text[end - 1] == text[end - 1 - period]:
            matched += 1
        else:
            period, matched = end - last.get(piece, end), gram
        last[piece] = end
        long_enough = matched >= (least - 1) * period > 0
        if long_enough and matched + period > best_matched + best_period:
            best_period, best_matched, best_end = period, matched, end
    if not best_matched:
        return "", 0
    # The loop may have begun before its first recurring piece was seen.
    begin = best_end - best_matched - best_period
    while begin > 0 and text[begin - 1] == text[begin - 1 + best_period]:
        begin -= 1
    # The last stretch may lack the space behind it.
    return text[best_end - best_period : best_end], (best_end - begin + 1) // best_period


def _length_ratio(row: _Row) -> str | None:
    limits = row.limits
    for field in FIELDS:
        before = size(row.source[field], row.source_language)
        if before < limits.ratio_size or not has_letters(row.source[field]):
            continue
        ratio = size(row.translated[field], row.target_language) / before
        factor = limits.ratio_base + limits.ratio_slack / before**0.5
        if not 1 / factor <= ratio <= factor:
            return (
                f"{field}: {len(row.source[field])} characters became "
                f"{len(row.translated[field])}, {ratio:.2f} times what is usual for these "
                f"languages (from {1 / factor:.2f} to {factor:.2f} may stay)"
            )
    return None


def _wrong_language(row: _Row) -> str | None:
    text = " ".join(row.translated[field] for field in FIELDS if row.translated[field])
    if size(" ".join(_WORD.findall(text)), row.target_language) < row.limits.language_size:
        return None
    text = text[:_DETECTED]
    found = check(text, row.target_language, row.detector)
    if found.gate or found.detected is None:
        return None
    # A detector errs on a sentence now and then, more rarely on both its halves as well.
    middle = text.find(" ", len(text) // 2)
    middle = middle if middle >= 0 else len(text) // 2
    halves = (text[:middle], text[middle:])
    if any(check(half, row.target_language, row.detector).gate for half in halves):
        return None
    return (
        f"all fields: taken for {languages.name(found.detected)} by {row.detector.name} "
        f"({found.confidence:.0%} sure), not {languages.name(row.target_language)}"
    )


_REASONS: dict[str, Callable[[_Row], str | None]] = {
    "empty": _empty,
    "copied": _copied,
    "repetition": _repetition,
    "length-ratio": _length_ratio,
    "wrong-language": _wrong_language,
}
