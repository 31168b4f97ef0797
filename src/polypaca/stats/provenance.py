"""Where the numbers come from: the data's history, and the statistical methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.results import LanguageData

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.folders import InstructionFacts, TranslationFacts
    from polypaca.core.results import CellCost
    from polypaca.stats.settings import Statistics


def language_data(
    language: str, made: TranslationFacts, prepared: InstructionFacts
) -> LanguageData:
    """What became of a language's rows."""
    if made.engine is not None:
        return LanguageData(
            language=language,
            rows=made.rows,
            source_rows=made.source_rows,
            engine=made.engine,
            rejected=made.rejected,
            flagged=made.flagged,
            retried=made.retried,
            pieces=made.pieces,
        )
    return LanguageData(
        language=language,
        rows=made.rows,
        source_rows=None,
        engine=None,
        rejected=prepared.rejected_by_kind.get(language, {}),
        flagged=prepared.flagged.get(language, 0),
        notices=made.notices,
    )


def data_notes(prepared: InstructionFacts) -> list[str]:
    """How given rows were matched, and what was not read, or not as it stands."""
    shared = f"{prepared.shared_sources:,} are in all {len(prepared.rows)} languages."
    notes = []
    if prepared.matched_by == "id":
        notes.append(f"Rows were matched by their ids: {shared}")
    elif prepared.matched_by == "row number":
        notes.append(
            "Rows have no ids and were matched by position: row n of one file is taken for the "
            f"translation of row n of another; {shared}"
        )
    no_input = sum(prepared.no_input.values())
    if no_input:
        notes.append(f"{no_input:,} inputs such as <noinput> were read as empty.")
    if prepared.further_turns:
        cut = f"{prepared.further_turns:,} conversations were cut after their first exchange."
        notes.append(cut)
    columns = dict.fromkeys(name for part in prepared.columns_not_read.values() for name in part)
    if columns:
        notes.append(f"Columns of the data that were not read: {', '.join(columns)}.")
    return notes


def dropped_notes(cells: Sequence[CellCost]) -> list[str]:
    """Rows that no cell could learn from make its budget smaller than it says."""
    parts = [f"{cell.cell} {cell.dropped_rows}" for cell in cells if cell.dropped_rows]
    if not parts:
        return []
    return [
        "Rows with no response within max_length were not trained on, so these cells cost less "
        f"than their budgets: {', '.join(parts)}."
    ]


def statistical_methods(settings: Statistics) -> dict[str, str]:
    """How intervals and tests were computed, in words."""
    from polypaca.stats.intervals import BOOTSTRAP, GAFFKE
    from polypaca.stats.proportions import CLOPPER_PEARSON, WILSON

    margin = "" if settings.margin is None else f"; margin of {settings.margin:g} points"
    return {
        "intervals": f"{BOOTSTRAP} over prompts, {settings.resamples} resamples, "
        f"{100 * settings.confidence:g} %, seed {settings.seed}; "
        f"{GAFFKE} where few prompts differ; shares: {WILSON}, {CLOPPER_PEARSON} near 0 and 1",
        "tests": f"paired permutation of prompts, Holm{margin}",
    }
