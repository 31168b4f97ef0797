"""Language confusion inside an answer: by lines and by words.

Marchisio et al. (2024), Understanding and Mitigating Language Confusion in LLMs, section 3.2,
https://arxiv.org/abs/2406.20052, and their https://github.com/for-ai/language-confusion. What
differs here is said in docs/language-gate.md.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, Protocol

from polypaca.core import languages
from polypaca.langid.blocks import without_code
from polypaca.langid.cleaning import extract_prose_lines, without_block_quotes
from polypaca.langid.content import word_count
from polypaca.langid.gate import match_language
from polypaca.langid.normalisation import normalise
from polypaca.langid.scripts import is_in_script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.records import GateReason
    from polypaca.langid.contract import Detector

_SHORTEST_LINE = 5  # words, as in the paper

# A word of more than three letters, all lower case, as in the paper's list of English words: names
# and abbreviations (iPhone, DNA, km) are none. Not part of a longer name, such as file.name or
# user_name.
_LATIN_WORD = re.compile(r"(?<![A-Za-z0-9_.@/'’-])[a-z]{4,}(?![A-Za-z0-9_@/'’-]|\.[A-Za-z])")


def long_lines(response_text: str) -> list[str]:
    """The cleaned lines of an answer that have five words or more; block quotes are left out."""
    lines = extract_prose_lines(without_block_quotes(without_code(normalise(response_text))))
    return [line for line in lines if word_count(line) >= _SHORTEST_LINE]


def line_gate(response_text: str, expected: str, detector: Detector) -> Literal[0, 1] | None:
    """1 if every line of five words or more is in the expected language, 0 if one is not.

    None if there is no such line. The mean over answers is the paper's line-level pass rate.

    Raises:
        ValueError: if `expected` is not a language code.
    """
    lines = long_lines(response_text)
    if not lines:
        languages.canonical(expected)
        return None
    matches = (match_language(line, expected, detector) for line in lines)
    return 0 if any(match.result == "other" for match in matches) else 1


def word_gate(response_text: str, expected: str) -> Literal[0, 1] | None:
    """1 if an answer in another script has no word in Latin letters, 0 if it has one.

    Words count from four letters on and in lower case alone, in lines of five words or more; they
    are English as a rule, but no list of words is asked. None if the expected language is written
    in Latin letters, if the answer is not mostly in the language's script, or if it has no such
    line. The mean over the answers that pass `line_gate` is the paper's word-level pass rate.

    Raises:
        ValueError: if `expected` is not a language code.
    """
    if languages.script(expected) == "Latn":
        return None
    lines = long_lines(response_text)
    if not lines or not is_in_script("\n".join(lines), expected):
        return None
    return 0 if any(_LATIN_WORD.search(line) for line in lines) else 1


def line_and_word_gates(
    response_text: str, expected: str, detector: Detector, reason: GateReason
) -> tuple[Literal[0, 1] | None, Literal[0, 1] | None]:
    """`line_gate` and `word_gate` of an answer that the gate decided on for this reason.

    None of both for what is exempt, which may mix languages, and for what is no answer.
    """
    if reason not in ("language", "undetermined"):
        return None, None
    return line_gate(response_text, expected, detector), word_gate(response_text, expected)


class GateOutcome(Protocol):
    """What there is to count of an answer."""

    @property
    def gate(self) -> int | None: ...  # noqa: D102
    @property
    def reason(self) -> str | None: ...  # noqa: D102
    @property
    def line_gate(self) -> int | None: ...  # noqa: D102
    @property
    def word_gate(self) -> int | None: ...  # noqa: D102


def tally(results: Sequence[GateOutcome]) -> dict[str, Any]:
    """How many answers pass, how many each reason decided, and passes by line and by word.

    By word, those count that pass by line, as in the paper.
    """
    lines = [result.line_gate for result in results if result.line_gate is not None]
    words = [r.word_gate for r in results if r.line_gate == 1 and r.word_gate is not None]
    return {
        "passed": sum(result.gate for result in results if result.gate),
        "reasons": dict(sorted(Counter(r.reason for r in results if r.reason).items())),
        "line_told": len(lines),
        "line_passed": sum(lines),
        "word_told": len(words),
        "word_passed": sum(words),
    }
