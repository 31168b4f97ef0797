"""Outputs that were cut off before their end, as a generator's length limit cuts them."""

from __future__ import annotations

import re
import unicodedata

from polypaca.data.normalisation import split_tokens, tokens_per_word

# In words. Shorter outputs are titles, labels and short answers, which many write without a stop.
SHORTEST_OUTPUT = 30
SHORTEST_LINE = 12
# A last word without a stop may be carelessness, a last comma is none. Limits cut what is long.
SHORTEST_WITHOUT_STOP = 100

_NO_FULL_STOP = frozenset({"th", "lo"})  # a space ends a sentence there
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)", re.MULTILINE)
_ITEM = re.compile(r"\s*(?:[*+•‣●▪◦–—-]|\(?\w{1,3}[.)、:])\s*")
_NO_PROSE = re.compile(r" {4}|\t|\s*[#>|]")  # code, a heading, a quotation, a table's row
_CODE_OR_FORMULA = re.compile(r"[{}<>=\\|$_^`]|\w\(|;$|//|www\.|@\w|#\w")
_FACE = re.compile(r"[:;=]-?[(\[{]")
_BRACKETS = (("(（", ")）"), ("[［【", "]］】"), ("{｛", "}｝"))
_PAUSES = frozenset(",，、،;；؛:：([{（［【「『“‘«—–")


def looks_truncated(output: str, language: str) -> bool:
    """Whether an output seems to be cut off; made to be right where it says so, not to find all.

    Outputs of 30 words and more are, if one of these holds:

    1. A fence of code is open at the end.
    2. A bracket is open at the end, and the end is a letter, a number, or a mark inside sentences.
    3. The last line stops in the middle of a sentence, at a comma, a colon or the like, or at a
       letter if the output has 100 words; and all other lines like it end properly. A list item is
       judged by the items before it, two at least. A line of prose has 12 words itself, and is
       judged by the earlier ones of so many, if there are any. Headings, quotations, rows of
       tables, code, formulas and addresses are not judged.

    The numbers are this project's, set by reading what was found: on machine-written answers nearly
    all that is found is cut off. People leave out the last full stop; their answers are better left
    alone. In scripts without spaces characters are converted to words.

    Args:
        output: the answer.
        language: its code; for Thai and Lao, which have no full stop, the third rule is left out.
    """
    text = output.rstrip().rstrip("*_ \n")
    words = _words(text)
    if words < SHORTEST_OUTPUT:
        return False
    if len(_FENCE.findall(text)) % 2 or _has_open_bracket(text):
        return True
    if language in _NO_FULL_STOP or not _is_open(text):
        return False
    if text[-1] not in _PAUSES and words < SHORTEST_WITHOUT_STOP:
        return False
    return _stops_unlike_the_rest(text)


def _stops_unlike_the_rest(text: str) -> bool:
    """The third rule's comparison, for a text that does not end properly."""
    *earlier, last = [line.rstrip("*_ \r") for line in text.split("\n") if line.strip("*_ \r")]
    if _NO_PROSE.match(last) or _CODE_OR_FORMULA.search(last):
        return False
    earlier = [line for line in earlier if not _NO_PROSE.match(line)]
    if _ITEM.match(last):
        items = [line for line in earlier if _ITEM.match(line)]
        return len(items) >= 2 and not any(map(_is_open, items))
    prose = [line for line in earlier if not _ITEM.match(line) and _words(line) >= SHORTEST_LINE]
    return _words(last) >= SHORTEST_LINE and not any(map(_is_open, prose))


def _is_open(line: str) -> bool:
    """Whether a line stops where no sentence does."""
    return unicodedata.category(line[-1])[0] in "LM" or line[-1] in _PAUSES


def _has_open_bracket(text: str) -> bool:
    if not (_is_open(text) or text[-1].isdigit()):
        return False
    text = _FACE.sub("", text)
    return any(
        sum(map(text.count, opening)) > sum(map(text.count, closing))
        for opening, closing in _BRACKETS
    )


def _words(text: str) -> float:
    tokens = split_tokens(text)
    return len(tokens) / tokens_per_word(tokens)
