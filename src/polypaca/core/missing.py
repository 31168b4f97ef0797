"""When what did not come (answers, judgements) is too much to go on without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# With more than this share missing, something is wrong with the server rather than with prompts.
TOLERATED = 0.1


@dataclass(frozen=True)
class Missing:
    """Why one thing did not come, and whether asking again will not help."""

    reason: str
    lasting: bool = False


@dataclass(frozen=True)
class Wanted:
    """What was asked for.

    Attributes:
        what: in the plural, with what became of those that are missing: `judgements failed`.
        count: how many there should be.
        setting: the study's setting that tolerates more.
    """

    what: str
    count: int
    setting: str


def failures(wanted: Wanted, missing: Sequence[Missing], tolerated: float = TOLERATED) -> int:
    """How many of what is missing the next run asks for again.

    Raises:
        StageError: if a greater share than is tolerated is missing.
    """
    again = sum(not each.lasting for each in missing)
    if missing and len(missing) > tolerated * wanted.count + 1e-9:
        raise StageError(
            f"{len(missing)} of {wanted.count} {wanted.what}, the first: {missing[0].reason}; "
            f"{_advice(again, len(missing))} (up to {tolerated:.3g} of all are done without: "
            f"`{wanted.setting}`)"
        )
    return again


def missing_words(missing: Sequence[Missing], what: str) -> str:
    """For a summary, how many are missing and what to do; empty if none is."""
    if not missing:
        return ""
    again = sum(not each.lasting for each in missing)
    return f", {len(missing)} of them {what}: {_advice(again, len(missing))}"


def _advice(again: int, count: int) -> str:
    if not again:
        return "asking again will not help"
    if again == count:
        return "run again to retry them"
    return f"run again to ask for {again} of those, the others will not come"
