"""The language gate: is an answer in the language of its prompt?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from polypaca.core import languages
from polypaca.langid.cleaning import has_letters, prose

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.langid.contract import Detector


class Gate(NamedTuple):
    """What the gate says of one answer.

    `detected` is a canonical language code, or None where nothing could be detected;
    `confidence` is the probability (0..1) that the detector gives to it, 0 without one.
    """

    detected: str | None
    confidence: float
    gate: Literal[0, 1]


def check(
    response_text: str, expected_language: str, detector: Detector, *, required: bool = True
) -> Gate:
    """Gate one answer: 1 if its most probable language is the expected one, else 0.

    The gate follows the most probable language whatever its probability, as in the paper
    (arXiv 2309.08958): gating on confidence would lose short answers that are right. Codes are
    compared as `core.languages` makes them canonical. An answer without any letter gets 0. An
    answer whose letters are all in code, addresses or formulas is in no language: undetermined,
    gate 1.

    Args:
        response_text: the answer as it was given.
        expected_language: code of the prompt's language.
        detector: the loaded detector.
        required: False for prompts whose answer may be in another language; the gate is then 1,
            and the detected language is given for information.

    Raises:
        ValueError: if `expected_language` is not a language code.
    """
    expected = languages.canonical(expected_language)
    text = prose(response_text)
    if not has_letters(text):
        undetermined = has_letters(response_text)
        return Gate(None, 0.0, 1 if undetermined or not required else 0)
    detected, confidence = detector.scores(text, 1)[0]
    return Gate(detected, confidence, 1 if detected == expected or not required else 0)


def best_among(text: str, candidates: Iterable[str], detector: Detector) -> str | None:
    """The most probable language of `text` among `candidates`, as spelled there.

    None if the text has no letters outside code, addresses and formulas, or if the detector
    knows none of the candidates.

    Raises:
        ValueError: if a candidate is not a language code.
    """
    cleaned = prose(text)
    spelled = {languages.canonical(code): code for code in candidates}
    if not has_letters(cleaned):
        return None
    for language, _ in detector.scores(cleaned, 10_000):
        if language in spelled:
            return spelled[language]
    return None
