"""The table of judges.

To add one, write its settings and its class in a file of its own and give it a row; the contract
test in `tests/judging/test_judges.py` then covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from polypaca.core.rows import Table, read_choice
from polypaca.core.settings import Choice
from polypaca.judging.contract import JudgeContext, no_progress
from polypaca.judging.llm import LlmJudge, LlmJudgeSettings, check_prompts
from polypaca.judging.none import NoJudge, NoJudgeSettings
from polypaca.judging.reference import ReferenceJudge, ReferenceJudgeSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, Judge, Progress
    from polypaca.langid.settings import GateSettings


@dataclass(frozen=True)
class JudgeRow:
    """A row.

    Attributes:
        settings: the class of the judge's settings.
        make: `make(settings, context)` gives the judge.
        check: `check(settings)` looks at what can be looked at before anything runs, and raises
            UserError.
        needs_references: whether every prompt must come with a reference.
        uses_gate: whether verdicts depend on the gate's detector.
    """

    settings: type[Choice]
    make: Callable[[Any, JudgeContext], Judge]
    check: Callable[[Any], object] = lambda settings: None
    needs_references: bool = False
    uses_gate: bool = False


JUDGES: Table[JudgeRow] = Table(
    "judge",
    "polypaca.judges",
    JudgeRow,
    {
        "reference": JudgeRow(
            ReferenceJudgeSettings, ReferenceJudge, needs_references=True, uses_gate=True
        ),
        "llm": JudgeRow(LlmJudgeSettings, LlmJudge, check_prompts),
        "none": JudgeRow(NoJudgeSettings, NoJudge),
    },
)

JudgeChoice = Annotated[
    SerializeAsAny[Choice], BeforeValidator(lambda value: read_choice(value, JUDGES))
]


def load(
    settings: Choice, *, gate: GateSettings, cache: Path | None = None, account: Path | None = None
) -> Judge:
    """Make the judge of these settings; the arguments are those of `JudgeContext`.

    Raises:
        UserError: if there is no such judge, or it lacks what it needs.
    """
    judge = JUDGES.row(settings.kind).make(settings, JudgeContext(gate, cache, account))
    package = JUDGES.version_of(settings.kind)
    return _PluginJudge(judge, package) if package else judge


class _PluginJudge:
    """A judge of another package, which signs with that package's version as well."""

    def __init__(self, judge: Judge, package: str) -> None:
        self._judge = judge
        self.signature, self.scale = f"{judge.signature}|package:{package}", judge.scale

    def judge(self, items: Sequence[Item], progress: Progress = no_progress) -> Iterator[Verdict]:
        for verdict in self._judge.judge(items, progress):
            suffix = verdict.judge.removeprefix(self._judge.signature)
            yield verdict.model_copy(update={"judge": self.signature + suffix})
