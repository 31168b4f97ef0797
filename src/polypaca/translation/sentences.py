"""Splitting prose into sentences, so that nothing is lost."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING

from polypaca.translation.spans import find_spans

if TYPE_CHECKING:
    from collections.abc import Callable

# sentencex 1.0 panics where white space of several bytes follows an initial ("B\u00a0."), and takes
# no lone surrogates.
_UNSAFE = re.compile(r"[^\S ]|[\ud800-\udfff]")
# Where sentencex cuts and no sentence ends: before a lower-case letter ("Dne 3. října"), and behind
# the initial of a name ("M. Dupont").
_ABBREVIATED = re.compile(r"\.\s+$")
_INITIAL = re.compile(r"(?:^|\s)[^\W\d_]\.\s+$")


def split_sentences(text: str, language: str) -> list[str]:
    """Split a line of prose into sentences that join to `text` exactly, white space included.

    White space belongs to the sentence before it. No cut falls inside a span of
    `spans.find_spans`.

    Args:
        text: a line or more; an empty text gives no sentences.
        language: code of its language (BCP 47). The rules are those of the library sentencex
            (https://github.com/wikimedia/sentencex); for a language that it does not know, those of
            a related or of no particular one.
    """
    if not text:
        return []
    masked = text if text.isascii() else _UNSAFE.sub(" ", text)
    for start, end in find_spans(text):
        masked = masked[:start] + "x" * (end - start) + masked[end:]
    pieces = _segmenter()(language.split("-", maxsplit=1)[0], masked)
    if len(pieces) < 2:
        return [text]
    sentences: list[str] = []
    start = end = 0
    for piece, following in zip(pieces, [*pieces[1:], ""], strict=True):
        end += len(piece)
        if following and _goes_on(piece, following):
            continue
        sentences.append(text[start:end])
        start = end
    return sentences


def _goes_on(piece: str, following: str) -> bool:
    if not _ABBREVIATED.search(piece):
        return False
    return following[0].islower() or _INITIAL.search(piece) is not None


@cache
def _segmenter() -> Callable[[str, str], list[str]]:
    import sentencex  # type: ignore[import-untyped]

    segment: Callable[[str, str], list[str]] = sentencex.segment
    return segment
