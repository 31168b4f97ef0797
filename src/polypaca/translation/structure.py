"""Telling what of a text is prose, and what must stand as it is in every language.

A text is cut into parts that join to the text again: fixed ones (code, list markers, white space,
line breaks) and prose, which never crosses a line. What stands inside prose and must survive
(inline code, addresses, formulas, tags, placeholders) are its spans; its numbers are told apart
from them, since engines carry numbers over well without help.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate

from polypaca.core.code_lines import code_lines
from polypaca.core.markup import FENCE
from polypaca.translation import spans


@dataclass(frozen=True)
class Segment:
    """A stretch of a text; `prose` says whether it is to be translated."""

    text: str
    prose: bool = False


# What opens code or a formula that may run over several lines. `$$` and raw HTML only where a line
# starts: elsewhere they are as likely a price range, and a tag that is talked of.
_OPENER = re.compile(
    rf"^[^\S\n]*{FENCE}"
    r"|(?<=[\s:])(?P<late>`{3,})(?=[\w+#-]*[^\S\n]*$)"
    r"|(?<!`)(?P<comment><!--)"
    r"|^[^\S\n]*<(?P<raw>script|style|pre|code|svg|math)\b(?=[^<>]*>)"
    r"|^[^\S\n]*(?P<dollars>\$\$)"
    r"|(?<!`)(?P<bracket>\\\[)"
    r"|(?<!`)\\begin\{(?P<env>[A-Za-z]+\*?)\}"
    r"|(?P<icu>\{[^\S\n]?\w{1,40}[^\S\n]?,[^\S\n]?(?:plural|selectordinal|select)[^\S\n]?,)",
    re.MULTILINE | re.IGNORECASE,
)
_CLOSERS = {"comment": "-->", "dollars": "$$", "bracket": "\\]"}
_BLANK_LINE = re.compile(r"\n\s*?\n")

# What stands before the prose of a line, in any number and order.
_PREFIX = re.compile(
    r"(?:\s"
    r"|>"
    r"|#{1,6}(?=\s)"
    r"|[-*+•‣◦▪▫·●○■□▶►➤➢✓✔✗✘–—](?=\s)(?:\s\[[ xX]\](?=\s))?"
    r"|\(?\d{1,3}(?:\.\d{1,3}){0,4}(?:\)(?=\s)|\.\)?(?=\s|[^\W\d]))"
    r"|[\d一二三四五六七八九十]{1,3}、|（[\d一二三四五六七八九十]{1,3}）"
    r"|\[\d{1,3}\](?=\s)"
    r"|\(?[^\W\d_]\)(?=\s)|\(?[ivxIVX]{1,5}[.)](?=\s)"
    r"|[A-Ha-h]\.(?=\s)(?!\s[A-Z]\.)"
    r")*"
)

# For a set of characters: digits of all scripts, superscripts, fractions, numbers in circles.
# Engines that normalise their input turn "m²" into "m2".
DIGITS = r"\d²³¹¼-¾\u2070\u2074-\u2079\u2080-\u2089\u2150-\u215f\u2460-\u249b"
_DIGIT = re.compile(f"[{DIGITS}]")
NUMBER = re.compile(f"[{DIGITS}]+(?:[.,:/٫٬][{DIGITS}]+)*")
_LETTER = re.compile(rf"[^\W_{DIGITS}]")

_ANY_PIPE = re.compile(r"(?<!\\)\|")
_SPACED_PIPE = re.compile(r"(?<=\s)\|(?=\s)")
# Without one of these no block can open.
_OPENER_SIGNS = ("```", "~~~", "<", "$$", "\\", "plural", "select")
_BRACE = re.compile(r"[{}]")
_LONGEST_MESSAGE = 4000


def split_segments(text: str) -> list[Segment]:
    """Cut a text into fixed parts and prose; the parts' texts join to `text` exactly.

    Prose parts hold no line break, are not blank, and start and end without white space.
    """
    parts: list[Segment] = []
    done = 0
    for start, end in _blocks(text):
        _add_lines(parts, text[done:start])
        _add_fixed(parts, text[start:end])
        done = end
    _add_lines(parts, text[done:])
    return parts


def has_prose(text: str) -> list[bool]:
    """For each line whether any of it is prose."""
    starts = [0, *accumulate(map(len, text.splitlines(keepends=True)))]
    flags = [False] * (len(starts) - 1)
    position = 0
    for segment in split_segments(text):
        if segment.prose:
            flags[bisect_right(starts, position) - 1] = True
        position += len(segment.text)
    return flags


def find_blocks(text: str) -> list[str]:
    """The fenced code, and the formulas, comments and raw HTML of several lines, in order."""
    return [text[start:end] for start, end in _blocks(text)]


def outline(text: str) -> list[tuple[str, str, int]]:
    """For each line what stands before and behind its words, and how many table pipes it has.

    Two texts with the same outline have as many lines, the same indentation, list markers, blank
    lines and line ends. Lines inside of `find_blocks` count too.
    """
    rows = []
    for line in text.splitlines(keepends=True):
        body = line.rstrip()
        lead = _PREFIX.match(body)
        rows.append((lead[0] if lead else "", line[len(body) :], _pipes(body)))
    return rows


def count_contents(text: str) -> tuple[Counter[str], Counter[str]]:
    """How often each span and each number outside of spans occurs in a line of prose."""
    counts = Counter(text[start:end] for start, end in spans.find_spans(text))
    rest = spans.blank_spans(text) if counts else text
    return counts, Counter(NUMBER.findall(rest))


def is_special(text: str) -> bool:
    """Whether `text` may hold a span or a number; False is certain, True is not."""
    return _DIGIT.search(text) is not None or spans.may_have_spans(text)


def has_words(text: str) -> bool:
    """Whether a letter stands outside of the spans, so that there is something to translate."""
    if not _LETTER.search(text):
        return False
    return not spans.may_have_spans(text) or _LETTER.search(spans.blank_spans(text)) is not None


def _blocks(text: str) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    if not _has_one(text, _OPENER_SIGNS):
        return found
    absent: set[str] = set()  # a closer not found once is not looked for again: linear time
    position = 0
    while opener := _OPENER.search(text, position):
        kind = opener.lastgroup or ""
        start, position = opener.start(), opener.end()
        if kind in {"fence", "late"}:
            end = _fence_end(text, opener[kind], opener.end())
            if end or kind == "fence":
                position = end or len(text)
                found.append((opener.start(kind), position))
            continue
        if kind == "icu":
            end = _message_end(text, start)
            position = max(position, end)
            if "\n" in text[start:end]:
                found.append((start, end))
            continue
        closer = _CLOSERS.get(kind) or (
            f"\\end{{{opener['env']}}}" if kind == "env" else f"</{opener['raw']}>"
        )
        close = -1 if closer in absent else text.find(closer, opener.end())
        if close < 0:
            absent.add(closer)
            continue
        inside = text[opener.end() : close]
        if kind in {"dollars", "bracket"} and _BLANK_LINE.search(inside):
            continue
        position = close + len(closer)
        # On one line it is a span of that line's prose.
        if "\n" in inside:
            found.append((start, position))
    return found


def _fence_end(text: str, fence: str, position: int) -> int:
    """Where a fenced block ends, behind its closing fence; 0 if nothing closes it."""
    # A fence at the end of a line of code closes too: models write it so.
    close = re.compile(rf"{fence}{fence[0]}*(?=[^\S\n]*$)", re.MULTILINE)
    first_line = text.find("\n", position)
    match = close.search(text, first_line) if first_line >= 0 else None
    return match.end() if match else 0


def _message_end(text: str, start: int) -> int:
    """Where the braces of a message that opens at `start` are all closed; 0 if they are not."""
    depth = 0
    for brace in _BRACE.finditer(text, start, start + _LONGEST_MESSAGE):
        depth += 1 if brace[0] == "{" else -1
        if depth == 0:
            return brace.end()
    return 0


def _add_fixed(parts: list[Segment], text: str) -> None:
    if text:
        parts.append(Segment(text))


def _add_lines(parts: list[Segment], text: str) -> None:
    lines = text.splitlines(keepends=True)
    for line, is_code in zip(lines, code_lines(lines), strict=True):
        if is_code:
            parts.append(Segment(line))
        elif "|" in line:
            _add_row(parts, line)
        else:
            _add_prose(parts, line)


def _add_prose(parts: list[Segment], line: str) -> None:
    body = line.rstrip()
    prefix = _PREFIX.match(body)
    start = prefix.end() if prefix else 0
    if not _LETTER.search(body, start):
        parts.append(Segment(line))
        return
    if start:
        parts.append(Segment(body[:start]))
    parts.append(Segment(body[start:], prose=True))
    if len(body) < len(line):
        parts.append(Segment(line[len(body) :]))


def _add_row(parts: list[Segment], line: str) -> None:
    """Add a line that holds pipes: the cells of a table, or prose such as "|x| > 1"."""
    if not _pipes(line):
        _add_prose(parts, line)
        return
    masked = spans.blank_spans(line, width=True)
    done = 0
    for match in _pipe(line).finditer(masked):
        _add_cell(parts, line[done : match.start()])
        parts.append(Segment("|"))
        done = match.end()
    _add_cell(parts, line[done:])


def _add_cell(parts: list[Segment], cell: str) -> None:
    if cell:
        _add_prose(parts, cell)


def _pipes(line: str) -> int:
    """How many pipes a table row has; 0 for a line that is none."""
    return len(_pipe(line).findall(line)) if "|" in line else 0


def _pipe(line: str) -> re.Pattern[str]:
    """What parts cells: any pipe where the row starts with one, else pipes between spaces."""
    return _ANY_PIPE if line.lstrip().startswith("|") else _SPACED_PIPE


def _has_one(text: str, words: tuple[str, ...]) -> bool:
    for word in words:  # noqa: SIM110 - any() of a generator takes three times as long
        if word in text:
            return True
    return False
