"""No judge: ratings stay null, and a report shows gate pass rates alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.judging.contract import Judge, verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, Progress

_SIGNATURE = "none"


def make(*, cache: Path | None = None) -> Judge:
    """The judge that rates nothing; every verdict has status `unrated`."""
    return Judge(_SIGNATURE, _verdicts)


def _verdicts(items: Sequence[Item], progress: Progress) -> Iterator[Verdict]:
    for done, item in enumerate(items, start=1):
        yield verdict(item, judge=_SIGNATURE, status="unrated")
        progress(done)
