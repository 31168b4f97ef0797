"""What the numbers must know of a system: who it is, and for which recipe it answers what."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

SystemKind = Literal["cell", "shuffled", "base", "model", "served", "given"]


@dataclass(frozen=True)
class SystemLabel:
    """One system of a study.

    Attributes:
        system: its id.
        kind: what it is: a trained cell, a cell's answers shuffled, an untuned base, or one that
            was not trained here.
        model: the name of its base model, or its own.
        method: of its training; None if it was not trained.
        answers_for: by recipe, the languages that it answers for it. A cell may serve several.
        name: its own name, where its kind has one.
        seed: of its training.
        budgets: that its training cost; None where it was not trained, or the size is an amount.
        tuned_on: the test languages that it was trained on.
    """

    system: str
    kind: SystemKind
    model: str
    method: str | None = None
    answers_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    name: str | None = None
    seed: int | None = None
    budgets: float | None = None
    tuned_on: tuple[str, ...] = ()
