"""Scripts that are written without spaces between words.

Blocks of characters are those of https://www.unicode.org/Public/UCD/latest/ucd/Blocks.txt
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

# First and last code point of each block. Ideographs and kana:
EAST_ASIAN = (
    (0x2E80, 0x2FDF),  # CJK and Kangxi radicals
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x1AFF0, 0x1B16F),
    (0x20000, 0x323AF),
)
SOUTHEAST_ASIAN = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x1950, 0x19FF),  # Tai Le, New Tai Lue, Khmer symbols
    (0x1A20, 0x1AAF),  # Tai Tham
    (0xA9E0, 0xA9FF),
    (0xAA60, 0xAA7F),
)


def character_class(blocks: Iterable[tuple[int, int]]) -> str:
    """The inside of a regular expression's character class with these code points."""
    runs: list[list[int]] = []
    for first, last in sorted(blocks):
        if runs and first == runs[-1][1] + 1:
            runs[-1][1] = last
        else:
            runs.append([first, last])
    return "".join(f"\\U{first:08x}-\\U{last:08x}" for first, last in runs)
