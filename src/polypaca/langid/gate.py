"""The language gate: is an answer in the language of its prompt?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from polypaca.core import languages
from polypaca.langid.cleaning import has_letters, prose, without_block_quotes, without_passages
from polypaca.langid.content import in_script_of, is_loop, is_names, is_short, latin_part
from polypaca.langid.contract import NO_LANGUAGE
from polypaca.langid.neighbours import settle

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.core.records import GateReason
    from polypaca.langid.contract import Detector

# What is left beside quotations must have so many characters, or the quotation is the answer.
_ENOUGH = 20
# For the probability of a language that the detector did not put first.
_RUNNERS_UP = 5


class Gate(NamedTuple):
    """What the gate says of one answer.

    `detected` is a canonical language code, or None where nothing could be detected;
    `confidence` is the probability (0..1) that the detector gives to it, 0 without one. `reason`
    says what decided.
    """

    detected: str | None
    confidence: float
    gate: Literal[0, 1]
    reason: GateReason


def check(
    response_text: str,
    expected_language: str,
    detector: Detector,
    *,
    prompt: str | None = None,
    required: bool = True,
) -> Gate:
    """Gate one answer: 1 if it is in the expected language, or in none; else 0.

    What decides, in this order (docs/language-gate.md has the definitions and their cost):

    - exempt, 1: not `required`; the detected language is given for information.
    - empty, 0: nothing but white space.
    - degenerate, 0: no letter or digit, or one short unit over and over.
    - undetermined, 1: no letter outside code, addresses and formulas; names alone; three words or
      fewer in the language's script that the detector takes for another language.
    - language: the detector's most probable language, whatever its probability, as in the paper
      (arXiv 2309.08958), but for the neighbours that spelling tells apart. Of an answer that is
      mostly in Latin letters and should not be, that part decides.

    Args:
        response_text: the answer as it was given.
        expected_language: code of the prompt's language.
        detector: the loaded detector.
        prompt: the prompt's text; passages of it in the answer do not count.
        required: False for prompts whose answer may be in another language.

    Raises:
        ValueError: if `expected_language` is not a language code.
    """
    expected = languages.canonical(expected_language)
    text = prose(response_text)
    if not required:
        return Gate(*detect(text, detector), 1, "exempt")
    no_answer = _no_answer(response_text, text)
    if no_answer is not None:
        return Gate(*detect(text, detector), 0, no_answer)
    own = own_words(response_text, text, prompt)
    own = latin_part(own, expected_language) or own
    detected, confidence = (None, 0.0) if is_names(own) else detect(own, detector)
    if detected is None:
        return Gate(None, 0.0, 1, "undetermined")
    if languages.same_canonical(detected, expected):
        return Gate(detected, confidence, 1, "language")
    if is_short(own) and in_script_of(own, expected_language):
        return Gate(detected, confidence, 1, "undetermined")
    return Gate(detected, confidence, 0, "language")


def own_words(response_text: str, cleaned: str, prompt: str | None) -> str:
    """The answer's prose without block quotes and passages of the prompt.

    Where these are all or nearly all of it, they are the answer and stay.

    Args:
        response_text: the answer as it was given.
        cleaned: `prose` of it.
        prompt: the prompt's text, if it is known.
    """
    unquoted = without_block_quotes(response_text)
    own = cleaned if unquoted == response_text else prose(unquoted)
    if prompt is not None:
        own = without_passages(own, prompt)
    return own if len(own) >= _ENOUGH else cleaned


def detect(text: str, detector: Detector) -> tuple[str | None, float]:
    """The language of cleaned text and its probability (0..1); None where it is in none."""
    ranked = detector.scores(text, 1) if has_letters(text) else []
    if not ranked or ranked[0][0] == NO_LANGUAGE:
        return None, 0.0
    detected, confidence = ranked[0]
    settled = settle(text, detected)
    if settled != detected:
        confidence = dict(detector.scores(text, _RUNNERS_UP)).get(settled, 0.0)
    return settled, confidence


def _no_answer(response_text: str, cleaned: str) -> Literal["empty", "degenerate"] | None:
    if not response_text.strip():
        return "empty"
    if has_letters(cleaned):
        return "degenerate" if is_loop(cleaned) else None
    return None if any(map(str.isalnum, response_text)) else "degenerate"


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
    # Nearly always one of the first few is it; to rank all languages takes much longer.
    for ranked in (_RUNNERS_UP, 10_000):
        for language, _ in detector.scores(cleaned, ranked):
            if language in spelled:
                return spelled[language]
    return None
