"""The language gate: is an answer in the language of its prompt?"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, NamedTuple

from polypaca.core import languages
from polypaca.langid.blocks import without_code
from polypaca.langid.cleaning import (
    extract_prose,
    has_letters,
    without_block_quotes,
    without_passages,
)
from polypaca.langid.content import is_loop, is_only_names, is_short, without_names, word_count
from polypaca.langid.contract import NO_LANGUAGE
from polypaca.langid.neighbours import correct_by_spelling, has_distinctive_spelling
from polypaca.langid.neutral import has_words, without_neutral
from polypaca.langid.normalisation import detector_input, normalise
from polypaca.langid.scripts import fits_script, match_script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from polypaca.core.records import GateReason
    from polypaca.langid.contract import Detector

# What is left beside quotations must have so many characters, and more than a few words, or the
# quotation is the answer.
_MIN_CHARACTERS = 20
# For the probability of a language that the detector did not put first.
_RUNNERS_UP = 5
_RANKED = 20
# So sure of words with capitals, a detector has recognised a heading: of English, in which nearly
# all headings in a wrong language are, from three words on or of fewer; of any language.
_SURE_OF_ENGLISH = 0.8
_SURE_OF_FEW = 0.85
_SURE = 0.9
# So sure, it is believed of three words too: for eleven of FLORES' twelve languages it is wrong of
# at most one in 200 of their sentences' first three words.
_CERTAIN = 0.98
_FEW_WORDS = 2
_LONGEST_WORD = 60
# Less sure, it may have seen two languages: then each sentence of so many words is looked at.
_HALF_SURE = 0.7
_MIN_SENTENCE_WORDS = 5
_SENTENCE_END = re.compile(r"(?<=[.!?…。！？])\s*(?=\S)|\s[-*•]\s|\s(?=\d+[.)]\s)")
# Less sure, it may have gone by the names in a text.
_UNSURE = 0.5
# Fewer words than these are too few to tell Indonesian from Malay.
_SHORT_FOR_SISTERS = 30
# Fewer than these are too few to tell Danish from Norwegian if no word is spelt differently.
_SHORT_FOR_NEIGHBOURS = 8


class LanguageMatch(NamedTuple):
    """What there is to say of the language of an answer's own words.

    `result` is `same` or `other` than the expected language, or `undetermined`.
    """

    detected: str | None
    confidence: float
    result: Literal["same", "other", "undetermined"]


_UNDETERMINED = LanguageMatch(None, 0.0, "undetermined")


class GateDecision(NamedTuple):
    """What the gate says of one answer.

    `detected` is a canonical language code, or None where nothing could be detected;
    `confidence` is the probability (0..1) that the detector gives to it, 0 without one. `reason`
    says what decided.
    """

    detected: str | None
    confidence: float
    gate: Literal[0, 1]
    reason: GateReason


def check_response(
    response_text: str,
    expected_language: str,
    detector: Detector,
    *,
    prompt: str | None = None,
    required: bool = True,
) -> GateDecision:
    """Gate one answer: 1 if it is in the expected language, or in none; else 0.

    What decides, in this order (docs/language-gate.md has the definitions and their cost):

    - exempt, 1: not `required`; the detected language is given for information.
    - empty, 0: nothing but white space.
    - degenerate, 0: no letter or digit, or one short unit over and over.
    - undetermined, 1: nothing outside code, addresses, formulas and identifiers; names alone; three
      words or fewer in the language's script that the detector takes for another language; a
      sister language that no detector tells from it.
    - language: the detector's most probable language among those in the text's script, as in the
      paper (arXiv 2309.08958), but for the neighbours that spelling tells apart. Of an answer in
      several scripts the part that is most decides.

    Args:
        response_text: the answer as it was given.
        expected_language: code of the prompt's language.
        detector: the loaded detector.
        prompt: the prompt's text; passages of it in the answer do not count.
        required: False for prompts whose answer may be in another language.

    Raises:
        ValueError: if `expected_language` is not a language code.
    """
    languages.canonical(expected_language)
    uncoded = without_code(normalise(response_text))
    text = extract_prose(uncoded)
    if not required:
        return GateDecision(*detect(text, detector), 1, "exempt")
    unusable = _unusable_reason(response_text, text)
    if unusable is not None:
        return GateDecision(*detect(text, detector), 0, unusable)
    match = match_language(without_quotations(uncoded, text, prompt), expected_language, detector)
    reason: GateReason = "undetermined" if match.result == "undetermined" else "language"
    gate: Literal[0, 1] = 0 if match.result == "other" else 1
    return GateDecision(match.detected, match.confidence, gate, reason)


def match_language(cleaned: str, expected_language: str, detector: Detector) -> LanguageMatch:
    """Whether cleaned words are in a language, and whether that is the expected one.

    Raises:
        ValueError: if `expected_language` is not a language code.
    """
    expected = languages.canonical(expected_language)
    text = without_neutral(cleaned)
    if not has_words(text):
        return _UNDETERMINED
    deciding, fits, mixed = match_script(text, expected_language)
    detected, confidence = detect(deciding, detector, expected if fits else None)
    if detected is None:
        return _UNDETERMINED if fits else _UNDETERMINED._replace(result="other")
    same = fits and languages.same_canonical(detected, expected)
    one_word = len(deciding) < _LONGEST_WORD and word_count(deciding) == 1
    names = is_only_names(deciding, mixed=mixed) and not (same and one_word)
    if names and (mixed or not _is_heading(deciding, detected, confidence)):
        return _UNDETERMINED
    match = LanguageMatch(detected, confidence, "same" if same else "other")
    if not fits:
        return match
    if confidence < _HALF_SURE and not is_short(deciding):
        match = _by_sentences(deciding, match, expected, detector)
    return match if match.result == "same" else _resolve_doubt(deciding, match, expected, detector)


def _by_sentences(
    text: str, match: LanguageMatch, expected: str, detector: Detector
) -> LanguageMatch:
    """Whether a text of which the detector is not sure is mixed, and if so, which part is more."""
    lengths: dict[str, float] = {}
    for sentence in _SENTENCE_END.split(text):
        if word_count(sentence) < _MIN_SENTENCE_WORDS:
            continue
        detected, confidence = detect(sentence, detector)
        if detected is not None and confidence >= _HALF_SURE:
            lengths[detected] = lengths.get(detected, 0) + len(sentence)
    same = sum(n for code, n in lengths.items() if languages.same_canonical(code, expected))
    other = sum(n for code, n in lengths.items() if not _is_near(code, expected))
    is_same = same > other
    if not lengths or 2 * (same + other) < len(text) or is_same == (match.result == "same"):
        return match
    if is_same:
        return match._replace(detected=expected, result="same")
    return match._replace(detected=max(lengths, key=lengths.__getitem__), result="other")


def _is_near(language: str, expected: str) -> bool:
    return languages.same_canonical(language, expected) or languages.are_indistinguishable(
        language, expected, short=True
    )


def _resolve_doubt(
    text: str, match: LanguageMatch, expected: str, detector: Detector
) -> LanguageMatch:
    """What to make of a text in the right script that the detector takes for another language."""
    certain = match.confidence >= _CERTAIN and word_count(text) > _FEW_WORDS
    if (is_short(text) and not certain) or _are_sisters(text, match, expected, detector):
        return match._replace(result="undetermined")
    return _ignoring_names(text, match, expected, detector)


def _ignoring_names(
    text: str, match: LanguageMatch, expected: str, detector: Detector
) -> LanguageMatch:
    """What is told of a text, or what is beside its names where they leave the detector unsure."""
    rest = text if match.confidence >= _UNSURE else without_names(text)
    if rest == text:
        return match
    if is_short(rest):
        return match._replace(result="undetermined")
    detected, confidence = detect(rest, detector)
    if detected is not None and languages.same_canonical(detected, expected):
        return LanguageMatch(detected, confidence, "same")
    return match


def _is_heading(names: str, detected: str, confidence: float) -> bool:
    """Whether what might be names by its capitals is recognised as words of a language."""
    threshold = _SURE
    if detected == "en":
        threshold = _SURE_OF_FEW if word_count(names) <= _FEW_WORDS else _SURE_OF_ENGLISH
    return confidence >= threshold


def _are_sisters(text: str, match: LanguageMatch, expected: str, detector: Detector) -> bool:
    """Whether it is of the expected language's sisters, or more probably so than of another."""
    detected, words = match.detected or "", word_count(text)
    short = words < _SHORT_FOR_SISTERS
    if expected in ("da", "no"):
        # Where spelling says nothing, a detector that knows better takes a sentence to do so.
        short = words < _SHORT_FOR_NEIGHBOURS and not has_distinctive_spelling(text, expected)
    if languages.are_indistinguishable(detected, expected, short=short):
        return True
    if has_distinctive_spelling(text, detected):
        return False
    together = [
        probability
        for language, probability in detector.predict(detector_input(text), _RANKED)
        if languages.are_indistinguishable(language, expected, short=False)
    ]
    return sum(together) > match.confidence


def without_quotations(response_text: str, cleaned: str, prompt: str | None) -> str:
    """The answer's prose without block quotes and passages of the prompt.

    Where these are all or nearly all of it, they are the answer and stay.

    Args:
        response_text: the answer as it was given.
        cleaned: `extract_prose` of it.
        prompt: the prompt's text, if it is known.
    """
    unquoted = without_block_quotes(response_text)
    text = cleaned if unquoted == response_text else extract_prose(unquoted)
    if prompt is not None:
        text = without_passages(text, prompt)
    return text if len(text) >= _MIN_CHARACTERS and not is_short(text) else cleaned


def detect(text: str, detector: Detector, possible: str | None = None) -> tuple[str | None, float]:
    """The language of cleaned text and its probability (0..1); None where it is in none.

    A language that is not written in the text's script is none of its languages, whatever the
    detector says; `possible` is one that is known to be written in it.
    """
    text = detector_input(text)
    ranked = detector.predict(text, 1) if has_letters(text) else []
    if not ranked or ranked[0][0] == NO_LANGUAGE:
        return None, 0.0
    detected, confidence = ranked[0]
    settled = correct_by_spelling(text, detected)
    if settled != possible and not fits_script(text, settled):
        settled = _first_in_script(text, detector) or settled
    if settled != detected:
        confidence = dict(detector.predict(text, _RUNNERS_UP)).get(settled, 0.0)
    return settled, confidence


def _first_in_script(text: str, detector: Detector) -> str | None:
    """The most probable language that is written in the script of a text, or that alone is."""
    for language, _ in detector.predict(text, _RANKED):
        if language != NO_LANGUAGE and fits_script(text, language):
            return correct_by_spelling(text, language)
    return None


def _unusable_reason(response_text: str, cleaned: str) -> Literal["empty", "degenerate"] | None:
    if not response_text.strip():
        return "empty"
    if has_letters(cleaned):
        return "degenerate" if is_loop(cleaned) else None
    return None if any(map(str.isalnum, response_text)) else "degenerate"


def most_probable_among(text: str, candidates: Iterable[str], detector: Detector) -> str | None:
    """The most probable language of `text` among `candidates`, as spelled there.

    None if the text has no letters outside code, addresses and formulas, or if the detector
    knows none of the candidates.

    Raises:
        ValueError: if a candidate is not a language code.
    """
    cleaned = detector_input(extract_prose(text))
    spelled = {languages.canonical(code): code for code in candidates}
    if not has_letters(cleaned):
        return None
    # Nearly always one of the first few is it; to rank all languages takes much longer.
    for ranked in (_RUNNERS_UP, 10_000):
        for language, _ in detector.predict(cleaned, ranked):
            if language in spelled:
                return spelled[language]
    return None
