"""Every row's answers as arrays: one entry a prompt, for each language, measure and seed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from polypaca.core.results import RowLabel, ScoredResponse
    from polypaca.core.systems import SystemLabel

    Array = NDArray[np.float64]

Measure = Literal["after", "before", "robustness", "strict", "gate", "line_gate", "word_gate"]
Seed = int | None  # None: a system that is not trained
RECORDED: tuple[str, ...] = ("rating", "gate", "determined", "line_gate", "word_gate")


@dataclass(frozen=True)
class Answers:
    """One row's answers in one language; NaN where there is none, or none was rated."""

    seeds: tuple[Seed, ...]
    values: dict[Measure, Array]  # shape (seeds, prompts)

    def prompt_values(self, measure: Measure) -> Array:
        """The per-prompt values of a measure, averaged over the seeds that have one."""
        return nanmean(self.values[measure])

    def prompt_values_of_seed(self, measure: Measure, seed: Seed) -> Array | None:
        """The per-prompt values of one seed; of an untrained system whatever the seed."""
        if self.seeds == (None,):
            seed = None
        if seed not in self.seeds:
            return None
        found: Array = self.values[measure][self.seeds.index(seed)]
        return found

    @property
    def rated(self) -> int:
        """How many answers have a rating."""
        return int((~np.isnan(self.values["before"])).sum())

    @property
    def failed(self) -> int:
        """How many answers have none."""
        return int((~np.isnan(self.values["gate"])).sum()) - self.rated

    @property
    def undetermined(self) -> int:
        """How many rated answers pass the gate because no language could be told."""
        return int((self.values["after"] > self.values["strict"]).sum())


# row id -> language -> answers
Table = dict[str, dict[str, Answers]]


def stack_answers(parts: Mapping[Seed, Mapping[str, Array]]) -> Answers:
    """The answers of one row and language, from what was recorded by seed.

    `parts` holds arrays over prompts: `rating`, `gate` (0, 1), `determined` (0 where no language
    could be told), `line_gate` and `word_gate` (0, 1, NaN).
    """
    stacked = {name: np.stack([recorded[name] for recorded in parts.values()]) for name in RECORDED}
    rating, gate = stacked["rating"], stacked["gate"]
    after = rating * gate
    return Answers(
        seeds=tuple(parts),
        values={
            "before": rating,
            "after": after,
            "robustness": rating - after,
            "strict": after * stacked["determined"],
            "gate": gate,
            "line_gate": stacked["line_gate"],
            "word_gate": stacked["word_gate"],
        },
    )


def build_table(
    rows: Sequence[RowLabel],
    systems: Sequence[SystemLabel],
    scored: Mapping[str, Sequence[ScoredResponse]],
    ids: Sequence[str],
) -> Table:
    """All rows' answers: of each system those that it gives for the row's recipe.

    Args:
        rows: what is compared.
        systems: all of the study's.
        scored: every system's answers.
        ids: the prompts, in the order of the arrays.
    """
    labels = {label.system: label for label in systems}
    recorded = {system: _recorded(answers, ids) for system, answers in scored.items()}
    table: Table = {}
    for row in rows:
        parts: dict[str, dict[Seed, dict[str, Array]]] = {}
        for system in row.systems:
            languages = row.answers_in.get(system, recorded[system])
            for language, arrays in recorded[system].items():
                if language in languages:
                    parts.setdefault(language, {})[labels[system].seed] = arrays
        table[row.id] = {language: stack_answers(found) for language, found in parts.items()}
    return table


def _recorded(answers: Sequence[ScoredResponse], ids: Sequence[str]) -> dict[str, dict[str, Array]]:
    place = {prompt: index for index, prompt in enumerate(ids)}
    found: dict[str, dict[str, Array]] = {}
    for answer in answers:
        arrays = found.setdefault(
            answer.language, {name: np.full(len(ids), np.nan) for name in RECORDED}
        )
        at = place[answer.prompt_id]
        arrays["gate"][at] = answer.gate
        arrays["determined"][at] = answer.reason != "undetermined"
        # The word-level rate is one of answers that pass by line (arXiv 2406.20052, section 3.2).
        by_word = answer.word_gate if answer.line_gate == 1 else None
        recorded = {"rating": answer.rating, "line_gate": answer.line_gate, "word_gate": by_word}
        for name, value in recorded.items():
            arrays[name][at] = np.nan if value is None else value
    return found


def nanmean(values: Array) -> Array:
    """The mean over the first axis of what is there; NaN where nothing is."""
    present = ~np.isnan(values)
    counts = present.sum(axis=0)
    sums = np.where(present, values, 0.0).sum(axis=0)
    means: Array = np.full(values.shape[1], np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
