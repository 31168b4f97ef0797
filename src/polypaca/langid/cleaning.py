"""Taking out of an answer what is in no natural language, or is not the answer's own words."""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from polypaca.core.markup import COMMAND, DOLLARS, EMAIL, ENTITY, TAG
from polypaca.langid.blocks import is_program, read_fences
from polypaca.langid.normalisation import normalise

if TYPE_CHECKING:
    from collections.abc import Callable


class _Pair(NamedTuple):
    """What is between an opening mark and the next closing mark with the same key."""

    opening: re.Pattern[str]
    closing: re.Pattern[str]
    key: Callable[[re.Match[str]], str]
    one_line: bool = False
    read: Callable[[str], bool] | None = None  # what is in between, if that is prose


def _is_sentence(text: str) -> bool:
    """Whether what is set as code is a sentence: four words or more, and no sign of code."""
    words = sum(any(map(str.isalpha, word)) for word in text.split())
    return words >= _SENTENCE and not _CODE_SIGN.search(text) and not is_program(text)


_SENTENCE = 4
_CODE_SIGN = re.compile(r"[={};<>\[\]|\\]|\w\(|--\w|\$\w")
_RUN = re.compile(r"`+")
_DISPLAY = re.compile(r"\$\$")

# Environments and commands of LaTeX: formulas, programs and pictures, and what sets prose.
_FORMULAS = (
    "(?:math|displaymath|equation|align|aligned|alignat|flalign|gather|gathered|multline|eqnarray|split"
    "|cases|array|[bBpvV]?matrix|smallmatrix|tikzpicture|verbatim|lstlisting|minted|algorithm"
    "|algorithmic)"
)
_SETTING = (
    "text(?:bf|it|tt|sc|rm|sf|sl|up|md|normal)?|emph|underline|(?:sub)*section|chapter|part"
    "|(?:sub)?paragraph|title|author|caption|footnote|item|mbox"
)

# Marker, and a pattern or a pair: tried where the marker occurs, which spares most texts most of
# the work. Applied in this order, each match becoming a space. All but those of addresses need one
# of `_DELIMITERS`, and none can match across the spaces that are put in: so cleaning a cleaned text
# changes nothing. Pairs are no patterns: `<!--.*?-->` would look through the rest of the text once
# for each `<!--` that nothing closes.
_RULES: tuple[tuple[str, re.Pattern[str] | _Pair], ...] = (
    ("`", _Pair(_RUN, _RUN, lambda run: run[0], one_line=True, read=_is_sentence)),
    # ASCII only: Chinese text may go on right behind an address.
    ("://", re.compile(r"(?:https?|ftp)://[!-;=?-~]+", re.IGNORECASE)),
    ("www.", re.compile(r"www\.[!-;=?-~]+")),
    # A path of Windows, before its parts are taken for commands of LaTeX.
    (":\\", re.compile(r"(?<![A-Za-z])[A-Za-z]:\\[\w.~\\-]*", re.ASCII)),
    ("@", re.compile(EMAIL)),
    ("<!--", _Pair(re.compile("<!--"), re.compile("-->"), lambda _: "")),
    (
        "<",
        _Pair(
            re.compile(r"<(script|style)\b[^<>]*>", re.IGNORECASE),
            re.compile(r"</(script|style)\s*>", re.IGNORECASE),
            lambda tag: tag[1].lower(),
        ),
    ),
    ("<", re.compile(TAG)),
    (
        "\\",
        _Pair(
            re.compile(rf"\\begin\{{({_FORMULAS}\*?)\}}"),
            re.compile(rf"\\end\{{({_FORMULAS}\*?)\}}"),
            lambda environment: environment[1],
        ),
    ),
    (
        "\\",
        _Pair(
            re.compile(r"\\[\[(]"),
            re.compile(r"\\[\])]"),
            lambda bracket: "[]" if bracket[0][1] in "[]" else "()",
        ),
    ),
    ("$$", _Pair(_DISPLAY, _DISPLAY, lambda _: "")),
    ("$", re.compile(DOLLARS)),
    # What commands set in another type or size is prose.
    ("\\", re.compile(rf"\\(?:{_SETTING})\*?\{{([^{{}}\n]*)\}}")),
    ("\\", re.compile(COMMAND)),
)

_ENTITY = re.compile(ENTITY)
_DELIMITERS = "`~<>$\\"
_BLOCK_QUOTE = re.compile(r"^[ \t]*>[^\n]*$", re.MULTILINE)

# So many words in the prompt's order are taken for a quotation of it. Shorter stretches come about
# by themselves, where an answer takes up the question.
_QUOTED_WORDS = 8
# In scripts without spaces a character counts for half a word.
_QUOTED_CHARACTERS = 16
_UNSPACED = 20  # characters a word, on average: a text without spaces


def extract_prose(text: str) -> str:
    """The natural-language part of `text`, white space folded to single spaces.

    Its form is `normalisation.normalise`. Code, URLs, e-mail addresses, HTML tags and LaTeX are
    taken out, and so are stray delimiters of these; what is prose in fences is read
    (`blocks.read_fences`), and so are sentences that are set as code. The result may be empty, and
    is its own prose. The time is linear in the length of the text.
    """
    return " ".join(_without_markup(text).split())


def extract_prose_lines(text: str) -> list[str]:
    """The same as `extract_prose` line by line; empty lines are left out."""
    lines = (" ".join(line.split()) for line in _without_markup(text).split("\n"))
    return [line for line in lines if line]


def without_block_quotes(text: str) -> str:
    """`text` without Markdown's block quotes, lines that begin with `>`."""
    return _BLOCK_QUOTE.sub("", text) if ">" in text else text


def without_passages(text: str, prompt: str) -> str:
    """`text` without the passages that it shares with `prompt`, white space folded.

    A passage is at least eight words (16 characters in a text without spaces) in the prompt's
    order; letter case and punctuation count. Both texts are taken as `extract_prose` leaves them.
    """
    passages, vocabulary, marks = _passages(prompt)
    # Nearly no answer has any; this is quick to tell.
    if not any(mark in text for mark in marks):
        return text
    pieces, size, glue = _pieces(text)
    if b"\1" * size not in bytes(map(vocabulary.__contains__, pieces)):
        return text
    quoted = [False] * len(pieces)
    known = covered = 0
    for end, piece in enumerate(pieces, 1):
        # Only where so many of the prompt's words follow one another is there one to look up.
        known = known + 1 if piece in vocabulary else 0
        if known >= size and glue.join(pieces[end - size : end]) in passages:
            first = max(end - size, covered)
            quoted[first:end] = [True] * (end - first)
            covered = end
    if not covered:
        return text
    kept = (" " if dropped else piece for piece, dropped in zip(pieces, quoted, strict=True))
    return " ".join(glue.join(kept).split())


def has_letters(text: str) -> bool:
    """Whether `text` has at least one letter of any script."""
    return any(map(str.isalpha, text))


def _without_markup(text: str) -> str:
    text = normalise(text)
    if "&" in text:
        text = normalise(_ENTITY.sub(_letter, text))
    if "```" in text or "~~~" in text:
        text = normalise(read_fences(text))
    for marker, rule in _RULES:
        if marker in text:
            text = _cut(text, rule) if isinstance(rule, _Pair) else rule.sub(_left, text)
    for delimiter in _DELIMITERS:
        text = text.replace(delimiter, " ")
    return text


def _letter(entity: re.Match[str]) -> str:
    """The letter that HTML writes by name or number; a space for other signs."""
    letter = html.unescape(entity[0])
    return letter if letter.isalpha() and not letter.isascii() else " "


def _left(match: re.Match[str]) -> str:
    """What of markup is text: what a command sets in another type."""
    return f" {match[1]} " if match.re.groups else " "


def _cut(text: str, pair: _Pair) -> str:
    closing: dict[str, list[tuple[int, int]]] = {}
    for match in pair.closing.finditer(text):
        closing.setdefault(pair.key(match), []).append(match.span())
    if not closing:
        return text
    kept, end = [], 0
    for match in pair.opening.finditer(text):
        if match.start() < end:
            continue
        candidates = closing.get(pair.key(match), [])
        index = bisect_left(candidates, (match.end(), match.end()))
        if index == len(candidates):
            continue
        start, stop = candidates[index]
        if pair.one_line and text.find("\n", match.end(), start) >= 0:
            continue
        kept.append(text[end : match.start()])
        end = stop
        inner = text[match.end() : start]
        if pair.read is not None and pair.read(inner):
            kept.append(inner)
    return " ".join([*kept, text[end:]])


def _pieces(text: str) -> tuple[list[str], int, str]:
    """The words or characters of a text, how many make a passage, and what is between them."""
    words = text.split()
    if len(text) < _UNSPACED * len(words):
        return words, _QUOTED_WORDS, " "
    return list(text), _QUOTED_CHARACTERS, ""


@lru_cache(maxsize=4096)
def _passages(prompt: str) -> tuple[frozenset[str], frozenset[str], tuple[str, ...]]:
    """Every stretch of a prompt that is long enough, all its words, and marks of such stretches.

    The marks are stretches of half the length, end to end: each passage holds one of them whole.
    Many systems answer a prompt, so this is kept.
    """
    pieces, size, glue = _pieces(extract_prose(prompt))
    starts = range(len(pieces) - size + 1)
    passages = frozenset(glue.join(pieces[start : start + size]) for start in starts)
    half = size // 2
    marks = (glue.join(pieces[at : at + half]) for at in range(0, len(pieces) - half + 1, half))
    return passages, frozenset(pieces), tuple(marks) if passages else ()
