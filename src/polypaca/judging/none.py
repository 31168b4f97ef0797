"""No judge: ratings stay null, and a report shows gate pass rates alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from polypaca.core.settings import Choice
from polypaca.judging.contract import make_verdict, no_progress

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, JudgeContext, Progress


class NoJudgeSettings(Choice):
    """No ratings: the report shows gate pass rates alone."""

    kind: Literal["none"] = "none"


class NoJudge:
    """The judge that rates nothing; every verdict has status `unrated`."""

    signature = "none"
    scale = (1.0, 3.0)

    def __init__(self, settings: NoJudgeSettings, context: JudgeContext) -> None:
        """Nothing is needed."""

    def judge(self, items: Sequence[Item], progress: Progress = no_progress) -> Iterator[Verdict]:
        """One verdict an item."""
        for done, item in enumerate(items, start=1):
            yield make_verdict(item, judge=self.signature, status="unrated")
            progress(done)
