"""When failed judgements are too many to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError

if TYPE_CHECKING:
    from collections.abc import Sequence

# With more failures than this share, something is wrong with the judge rather than with answers.
MOST_FAILED = 0.05


def summary(what: str, count: int, reasons: Sequence[str]) -> dict[str, Any]:
    """The facts `failed` and `summary` on `count` judgements, of which one a reason failed.

    Args:
        what: what they are, in the plural: `judgements`.
        count: how many there are.
        reasons: why some failed.

    Raises:
        StageError: if more than one in twenty failed.
    """
    failed = len(reasons)
    if failed > MOST_FAILED * count:
        raise StageError(
            f"{failed} of {count} {what} failed, the first: {reasons[0]}; run again to retry them"
        )
    text = f"{count} {what}"
    if failed:
        text += f", {failed} of them failed: run again to retry them"
    return {"failed": failed, "summary": text}
