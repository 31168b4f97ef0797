"""What every judge takes and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from polypaca.core.files import sha256_text
from polypaca.core.records import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.records import PairVerdict, VerdictStatus
    from polypaca.langid.settings import GateSettings


Progress = Callable[[int], None]  # told how many items are done so far


@dataclass(frozen=True)
class Item:
    """One answer to be judged.

    Attributes:
        system: the system that gave the answer.
        prompt_id: the id that all translations of the prompt share.
        language: the prompt's language.
        prompt: what was asked.
        response: what was answered.
        references: good answers to the same prompt by language, where there are any.
    """

    system: str
    prompt_id: str
    language: str
    prompt: str
    response: str
    references: Mapping[str, str] = field(default_factory=dict)


def no_progress(done: int) -> None:
    """Progress that nobody looks at."""


class Judge(Protocol):
    """A judge, ready to work."""

    @property
    def signature(self) -> str:
        """What makes the verdicts: method, model, versions, prompt. `Verdict.judge` begins so."""

    @property
    def scale(self) -> tuple[float, float]:
        """The lowest and the highest rating that there may be."""

    def judge(self, items: Sequence[Item], progress: Progress = no_progress) -> Iterator[Verdict]:
        """Yield one verdict an item, in order; `progress` is told how many are done.

        Raises:
            UserError: if these items cannot be judged in this way at all.
            StageError: if what the judge needs cannot be reached.
        """


@dataclass(frozen=True)
class JudgeContext:
    """What a judge is given beside its settings.

    Attributes:
        gate: the study's language gate, for judges that look for an answer's language.
        cache: a folder in which a judge may keep what it need not ask twice.
        account: the file in which it is kept what was asked and spent; None counts this judge
            alone.
    """

    gate: GateSettings
    cache: Path | None = None
    account: Path | None = None


@dataclass(frozen=True)
class PairItem:
    """Two answers to one prompt, to be compared.

    Attributes:
        system_a: the system that gave `response_a`.
        system_b: the system that gave `response_b`.
        prompt_id: the id that all translations of the prompt share.
        language: the prompt's language.
        prompt: what was asked.
        response_a: what the one answered.
        response_b: what the other answered.
        references: good answers to the same prompt by language, where there are any.
    """

    system_a: str
    system_b: str
    prompt_id: str
    language: str
    prompt: str
    response_a: str
    response_b: str
    references: Mapping[str, str] = field(default_factory=dict)


class PairJudge(Protocol):
    """A judge of pairs, ready to work."""

    @property
    def signature(self) -> str:
        """What makes the verdicts, as `Judge` has it."""

    def compare(
        self, items: Sequence[PairItem], progress: Progress = no_progress
    ) -> Iterator[PairVerdict]:
        """Yield one verdict an item, in order; `progress` is told how many are done.

        Raises:
            UserError: if these items cannot be judged in this way at all.
            StageError: if what the judge needs cannot be reached.
        """


def make_verdict(
    item: Item,
    *,
    judge: str,
    status: VerdictStatus,
    rating: float | None = None,
    explanation: str = "",
    **fields: Any,
) -> Verdict:
    """The verdict on `item`; `fields` are the fields that say what a model was asked."""
    return Verdict(
        system=item.system,
        prompt_id=item.prompt_id,
        language=item.language,
        response_sha256=sha256_text(item.response),
        judge=judge,
        rating=rating,
        explanation=explanation,
        status=status,
        **fields,
    )
