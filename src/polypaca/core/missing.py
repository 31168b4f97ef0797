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
class Requested:
    """What was asked for.

    Attributes:
        what: in the plural, with what became of those that are missing: `judgements failed`.
        count: how many there should be.
        setting: the study's setting that tolerates more.
    """

    what: str
    count: int
    setting: str


def check_missing(
    requested: Requested, missing: Sequence[Missing], tolerated: float = TOLERATED
) -> int:
    """How many of what is missing the next run asks for again.

    Raises:
        StageError: if a greater share than is tolerated is missing.
    """
    retryable = sum(not each.lasting for each in missing)
    if missing and len(missing) > tolerated * requested.count + 1e-9:
        raise StageError(
            f"{len(missing)} of {requested.count} {requested.what}, the first: "
            f"{missing[0].reason}; {_advice(retryable, len(missing))} (the share that may be "
            f"missing is {tolerated:.3g}: see `{requested.setting}`)"
        )
    return retryable


def describe_missing(missing: Sequence[Missing], what: str) -> str:
    """For a summary, how many are missing and what to do; empty if none is."""
    if not missing:
        return ""
    retryable = sum(not each.lasting for each in missing)
    return f", {len(missing)} of them {what}: {_advice(retryable, len(missing))}"


def _advice(retryable: int, count: int) -> str:
    if not retryable:
        return "retrying will not help"
    if retryable == count:
        return "run again to retry them"
    return f"run again to retry {retryable} of those; the others cannot be retried"
