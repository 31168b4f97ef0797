"""Whether a text, or a part of it, is in another language than it should be in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.langid.content import word_count
from polypaca.langid.gate import check_response
from polypaca.langid.scripts import is_in_script
from polypaca.translation.sizes import english_size
from polypaca.translation.words import SENTENCE_END, WORD, normalise_words

if TYPE_CHECKING:
    from polypaca.langid.contract import Detector
    from polypaca.langid.gate import GateDecision
    from polypaca.translation.filters import Limits

# The detector reads no more of a text than this: enough to be sure of any language.
_READ = 20_000
_NAMES = 0.6  # share of capitalised words from which on a text may be names; German has half
_FEW = 3  # words: fewer say nothing by their script


@dataclass(frozen=True)
class _Target:
    """The language that a text should be in, and how that is told."""

    language: str
    detector: Detector
    limits: Limits

    def check(self, text: str) -> GateDecision:
        return check_response(text, self.language, self.detector)

    def size(self, text: str) -> float:
        return english_size(normalise_words(text), self.language)


def wrong_language_reason(
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
    target = _Target(language, detector, limits)
    text = text[:_READ]
    if target.size(text) < limits.language_size:
        return _script(text, target)
    decision = target.check(text)
    middle = text.find(" ", len(text) // 2)
    middle = middle if middle >= 0 else len(text) // 2
    halves = (text[:middle], text[middle:])
    if not decision.gate and _is_plausible(text, decision, target):
        # A detector errs on a sentence now and then, more rarely on both its halves as well.
        if decision.confidence >= limits.sure or not any(
            target.check(half).gate for half in halves
        ):
            return _describe("", decision, target)
        return None
    for half in halves:
        other = target.check(half)
        if _counts(half, other, target):
            return _describe(f"{half.strip()[:40]!r} is ", other, target)
    for sentence in SENTENCE_END.split(text) if source else ():
        other = target.check(sentence)
        if other.detected == source and _counts(sentence, other, target):
            return _describe(f"{sentence.strip()[:40]!r} is ", other, target)
    return None


def _script(text: str, target: _Target) -> str | None:
    """What a short text, whose language cannot be told, shows by its letters."""
    if word_count(text) < _FEW or is_in_script(text, target.language) or target.check(text).gate:
        return None
    return f"hardly any letters are in {languages.name(target.language)}'s script"


def _counts(text: str, decision: GateDecision, target: _Target) -> bool:
    if decision.gate or decision.confidence < target.limits.very_sure:
        return False
    return target.size(text) >= target.limits.part_size and _is_plausible(text, decision, target)


def _is_plausible(text: str, decision: GateDecision, target: _Target) -> bool:
    """Whether a text can be in the language it is taken for, which is another one.

    Detectors guess wildly at what is in another script, and at lists of names.
    """
    if decision.detected is None or languages.same_language(decision.detected, target.language):
        return False
    if not is_in_script(text, decision.detected):
        return False
    words = WORD.findall(text)
    names = sum(word[0].isupper() and not word.isupper() for word in words)
    return decision.confidence >= target.limits.very_sure or names <= _NAMES * len(words)


def _describe(subject: str, decision: GateDecision, target: _Target) -> str:
    assert decision.detected is not None
    return (
        f"{subject}detected as {languages.name(decision.detected)} by {target.detector.name} "
        f"({decision.confidence:.0%} sure), not {languages.name(target.language)}"
    )
