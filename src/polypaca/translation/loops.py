"""Text that says the same over and over, to the letter or with small changes."""

from __future__ import annotations

import re
from collections import Counter

# A sign that is no letter, digit or blank, alone or with a blank behind, again and again.
_SIGNS = re.compile(r"([^\w\s])\1{9,}|(?:([^\w\s])\s){9,}\2")
_DENSE = re.compile("[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3]")


def find_loop(text: str, least: int) -> tuple[str, int]:
    """The stretch that repeats right behind itself, and how often; the longest such loop.

    Only stretches that stand there at least `least` times count; ("", 0) where there is none.
    """
    gram = 6  # shorter ones recur by chance too often, longer ones see short loops too late
    last: dict[str, int] = {}
    period, matched, best_period, best_matched, best_end = 0, 0, 1, 0, 0
    for end in range(gram, len(text) + 1):
        piece = text[end - gram : end]
        if period and text[end - 1] == text[end - 1 - period]:
            matched += 1
        else:
            period, matched = end - last.get(piece, end), gram
        last[piece] = end
        long_enough = matched >= (least - 1) * period > 0
        if long_enough and matched + period > best_matched + best_period:
            best_period, best_matched, best_end = period, matched, end
    if not best_matched:
        return "", 0
    # The loop may have begun before its first recurring piece was seen.
    begin = best_end - best_matched - best_period
    while begin > 0 and text[begin - 1] == text[begin - 1 + best_period]:
        begin -= 1
    # The last stretch may lack the space behind it.
    return text[best_end - best_period : best_end], (best_end - begin + 1) // best_period


def longest_sign_run(text: str) -> int:
    """How long the longest run of one sign is, such as `.....` or `- - -`; 0 below ten of it."""
    return max((len(match[0]) for match in _SIGNS.finditer(text)), default=0)


def variety(text: str) -> tuple[float, str]:
    """The share (0..1) of different stretches in the part of a text that has fewest, and that part.

    Stretches are six characters long in parts of 240, or three in parts of 90 where a character is
    a syllable or more. (1, "") for shorter texts. Takes linear time.
    """
    gram, part = (3, 90) if 2 * len(_DENSE.findall(text)) > len(text) else (6, 240)
    if len(text) < part:
        return 1.0, ""
    there: Counter[str] = Counter()
    least, place = part, 0
    for start in range(len(text) - gram + 1):
        there[text[start : start + gram]] += 1
        gone = start - (part - gram + 1)
        if gone >= 0:
            old = text[gone : gone + gram]
            there[old] -= 1
            if not there[old]:
                del there[old]
        if gone >= -1 and len(there) < least:
            least, place = len(there), gone + 1
    return least / (part - gram + 1), text[place : place + part]
