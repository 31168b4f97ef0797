"""Rows against their controls before the gate, in the languages they were not tuned on.

That is what shows whether an answer in the wrong language still answers the question.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polypaca.core.results import TOTAL_PROMPTS
from polypaca.stats.caveats import control_note
from polypaca.stats.comparisons import RowPair
from polypaca.stats.intervals import mean_over_languages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.results import Comparison, RowLabel
    from polypaca.core.systems import SystemLabel
    from polypaca.stats.answers import Table


def control_pairs(
    rows: Sequence[RowLabel], table: Table, systems: Sequence[SystemLabel]
) -> Iterator[RowPair]:
    """Every recipe but `monolingual` with the controls of its model and method."""
    tuned = {label.system: label.tuned_on for label in systems}
    for row in rows:
        if row.control or not row.recipe or row.recipe == "monolingual":
            continue
        foreign = tuple(code for code in table[row.id] if code not in tuned[row.systems[0]])
        for control in rows:
            mine = control.model == row.model and (
                control.recipe is None
                or (control.recipe, control.method) == (row.recipe, row.method)
            )
            if control.control and mine:
                yield RowPair(row.id, control.id, "transfer", None, foreign, "before", "controls")


def control_notes(
    rows: Sequence[RowLabel], table: Table, comparisons: Sequence[Comparison]
) -> list[str]:
    """What the controls of English alone say, in words; languages are those that both answer."""
    by_id = {row.id: row for row in rows}
    notes = []
    for test in comparisons:
        row, control = by_id[test.a], by_id[test.b]
        if test.family != "controls" or row.recipe != "english":
            continue
        mine, theirs = (_total(table, which, test.languages) for which in (row.id, control.id))
        notes.append(control_note(row, control, mine, theirs, test))
    return notes


def _total(table: Table, row: str, languages: Sequence[str]) -> float:
    columns = np.stack([table[row][code].prompt_values("before") for code in languages], axis=1)
    return TOTAL_PROMPTS * mean_over_languages(columns)
