"""Whether a text, or a part of it, is in another language than it should be in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid.content import word_count
from polypaca.langid.gate import check_response
from polypaca.langid.scripts import is_in_script
from polypaca.translation.sizes import size
from polypaca.translation.words import SENTENCE, WORD, letters

if TYPE_CHECKING:
    from polypaca.langid.contract import Detector
    from polypaca.langid.gate import GateDecision
    from polypaca.translation.filters import Limits

# The detector reads no more of a text than this: enough to be sure of any language.
_READ = 20_000
_NAMES = 0.6  # share of capitalised words from which on a text may be names; German has half
_FEW = 3  # words: fewer say nothing by their script


@dataclass(frozen=True)
class _Asked:
    language: str
    detector: Detector
    limits: Limits

    def check(self, text: str) -> GateDecision:
        return check_response(text, self.language, self.detector)

    def size(self, text: str) -> float:
        return size(letters(text), self.language)


def foreign(
    text: str, language: str, detector: Detector, limits: Limits, *, source: str | None = None
) -> str | None:
    """Why a text is not, or not all, in `language`; None if it is or if that cannot be told.

    A long text is also looked at in halves and, where `source` is given, sentence by sentence: one
    in the language translated from was left as it was.

    Args:
        text: prose, without code and addresses.
        language: code of the language that it should be in.
        detector: a loaded language detector.
        limits: from which size and confidence on it is believed.
        source: canonical code of the language that the text was translated from.
    """
    asked = _Asked(language, detector, limits)
    text = text[:_READ]
    if asked.size(text) < limits.language_size:
        return _script(text, asked)
    found = asked.check(text)
    middle = text.find(" ", len(text) // 2)
    middle = middle if middle >= 0 else len(text) // 2
    halves = (text[:middle], text[middle:])
    if not found.gate and _is_plausible(text, found, asked):
        # A detector errs on a sentence now and then, more rarely on both its halves as well.
        if found.confidence >= limits.sure or not any(asked.check(half).gate for half in halves):
            return _taken("", found, asked)
        return None
    for half in halves:
        other = asked.check(half)
        if _counts(half, other, asked):
            return _taken(f"{half.strip()[:40]!r} is ", other, asked)
    for sentence in SENTENCE.split(text) if source else ():
        other = asked.check(sentence)
        if other.detected == source and _counts(sentence, other, asked):
            return _taken(f"{sentence.strip()[:40]!r} is ", other, asked)
    return None


def _script(text: str, asked: _Asked) -> str | None:
    """What a short text, whose language cannot be told, shows by its letters."""
    if word_count(text) < _FEW or is_in_script(text, asked.language) or asked.check(text).gate:
        return None
    return f"hardly any letter of {languages.name(asked.language)}'s script"


def _counts(part: str, found: GateDecision, asked: _Asked) -> bool:
    if found.gate or found.confidence < asked.limits.very_sure:
        return False
    return asked.size(part) >= asked.limits.part_size and _is_plausible(part, found, asked)


def _is_plausible(text: str, found: GateDecision, asked: _Asked) -> bool:
    """Whether a text can be in the language it is taken for, which is another one.

    Detectors guess wildly at what is in another script, and at lists of names.
    """
    if found.detected is None or languages.same_language(found.detected, asked.language):
        return False
    if not is_in_script(text, found.detected):
        return False
    words = WORD.findall(text)
    names = sum(word[0].isupper() and not word.isupper() for word in words)
    return found.confidence >= asked.limits.very_sure or names <= _NAMES * len(words)


def _taken(what: str, found: GateDecision, asked: _Asked) -> str:
    assert found.detected is not None
    return (
        f"{what}taken for {languages.name(found.detected)} by {asked.detector.name} "
        f"({found.confidence:.0%} sure), not {languages.name(asked.language)}"
    )
