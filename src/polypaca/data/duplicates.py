"""Rows of one data set that ask the same thing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from polypaca.data.normalisation import normalise

if TYPE_CHECKING:
    from collections.abc import Iterable


def find_duplicates(rows: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """The rows that repeat an earlier one, which is kept.

    Rows are compared as `normalisation.normalise` has them: without case, punctuation and spacing.
    Where the instruction ends and the input begins does not matter.

    Args:
        rows: source, instruction and input of each row of one language; sources differ. Two answers
            to one question are duplicates.

    Returns:
        For each duplicate's source the source of the first such row, in the order of the rows.
    """
    first: dict[bytes, str] = {}
    duplicates: dict[str, str] = {}
    for source, instruction, context in rows:
        text = f"{normalise(instruction)} {normalise(context)}".strip()
        # A digest, so that memory does not grow with the length of the texts.
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        kept = first.setdefault(digest, source)
        if kept != source:
            duplicates[source] = kept
    return duplicates
