"""Words and sentences of any script, for comparing texts."""

from __future__ import annotations

import re

# A word: a run without white space, digits and punctuation. Not \w, which breaks Hindi and Bengali
# words at their vowel signs.
WORD = re.compile(r"[^\s\d!-/:-@\[-`{-~¡¿«»·–—‘’‚“”„…।॥、。《》「」『』【】！（），：；？～]+")

SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？।])|\n")


def normalise_words(text: str) -> str:
    """The words of a text in small letters, with single spaces between them."""
    return " ".join(WORD.findall(text)).casefold()
