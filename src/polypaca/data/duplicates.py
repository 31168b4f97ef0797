"""Rows of one data set that ask the same thing."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from polypaca.data.normal import normalised

if TYPE_CHECKING:
    from collections.abc import Iterable

Key = Literal["task", "all"]


def find_duplicates(rows: Iterable[tuple[str, str, str, str]], key: Key = "task") -> dict[str, str]:
    """The rows that repeat an earlier one, which is kept.

    Rows are compared as `normal.normalised` has them: without case, punctuation and spacing. Where
    the instruction ends and the input begins does not matter.

    Args:
        rows: source, instruction, input and output of each row of one language; sources differ.
        key: `task` compares instruction and input alone, so that two answers to one question are
            duplicates; `all` compares the output too.

    Returns:
        For each duplicate's source the source of the first such row, in the order of the rows.
    """
    first: dict[bytes, str] = {}
    duplicates: dict[str, str] = {}
    for source, instruction, context, output in rows:
        task = f"{normalised(instruction)} {normalised(context)}".strip()
        text = f"{task}\n{normalised(output)}" if key == "all" else task
        # A digest, so that memory does not grow with the length of the texts.
        digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        kept = first.setdefault(digest, source)
        if kept != source:
            duplicates[source] = kept
    return duplicates
