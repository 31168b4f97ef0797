"""What every judge takes and gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polypaca.core.files import sha256_text
from polypaca.core.records import PairVerdict, Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from polypaca.core.records import VerdictStatus

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


def _ignore(done: int) -> None:
    pass


@dataclass(frozen=True)
class Judge:
    """A judge, ready to work.

    Attributes:
        signature: what makes the verdicts: method, model, versions, prompt. `Verdict.judge`
            begins with it.
        verdicts: `verdicts(items, progress)` yields one verdict an item, in order.
        scale: the lowest and the highest rating that there may be.
    """

    signature: str
    verdicts: Callable[[Sequence[Item], Progress], Iterator[Verdict]]
    scale: tuple[float, float] = (1.0, 3.0)

    def judge(self, items: Sequence[Item], progress: Progress = _ignore) -> Iterator[Verdict]:
        """Yield one verdict an item, in order; `progress` is told how many are done.

        Raises:
            UserError: if these items cannot be judged in this way at all.
            StageError: if what the judge needs cannot be reached.
        """
        return self.verdicts(items, progress)


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


@dataclass(frozen=True)
class PairJudge:
    """A judge of pairs, ready to work.

    Attributes:
        signature: what makes the verdicts, as `Judge` has it.
        verdicts: `verdicts(items, progress)` yields one verdict an item, in order.
    """

    signature: str
    verdicts: Callable[[Sequence[PairItem], Progress], Iterator[PairVerdict]]

    def compare(
        self, items: Sequence[PairItem], progress: Progress = _ignore
    ) -> Iterator[PairVerdict]:
        """Yield one verdict an item, in order; `progress` is told how many are done.

        Raises:
            UserError: if these items cannot be judged in this way at all.
            StageError: if what the judge needs cannot be reached.
        """
        return self.verdicts(items, progress)


def verdict(
    item: Item,
    *,
    judge: str,
    status: VerdictStatus,
    rating: float | None = None,
    explanation: str = "",
    **asked: Any,
) -> Verdict:
    """The verdict on `item`; `asked` are the fields that say what a model was asked."""
    return Verdict(
        system=item.system,
        prompt_id=item.prompt_id,
        language=item.language,
        response_sha256=sha256_text(item.response),
        judge=judge,
        rating=rating,
        explanation=explanation,
        status=status,
        **asked,
    )
