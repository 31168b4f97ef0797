"""The report's own `scores.csv`, as `compare` and `agree` take it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from polypaca.stats.csv_files import NumberTable

_OWN = ("row", "scope", "language", "control", "gate", "gate_low")
# What `agree` reads, and the columns that hold it.
_AGREED = {"system": "row", "language": "language", "judge": "before", "human": "human"}
_MEANT = {"after": "totals after the gate", "gate": "gate pass rates"}


def is_report_scores(table: NumberTable) -> bool:
    """Whether a table is what the report writes, perhaps with columns added."""
    return set(_OWN) <= set(table.header)


def comparison_rows(table: NumberTable) -> NumberTable:
    """The recipes' scores in single languages, as rows of `model, language, recipe, score`.

    Averages, controls and other systems are left out and counted, as is what has no rating; under
    `judge: none` the score is the gate pass rate.
    """
    measure = "after" if "after" in table.header else "gate"
    places = [(line, fields) for line, fields in table.records if fields["scope"] == "language"]
    recipes = [(line, own) for line, own in places if own["recipe"] and own["control"] != "true"]
    rated = [(line, own) for line, own in recipes if own[measure].strip()]
    note = _note(
        f"{_MEANT[measure]}, recipe against recipe",
        {
            "averages over languages": len(table.records) - len(places),
            "scores of controls and other systems": len(places) - len(recipes),
            "without a rating": len(recipes) - len(rated),
        },
    )
    header = ["model", "language", "recipe", "score", "low", "high"]
    records = [
        (line, dict(zip(header, _compared(fields, measure), strict=True))) for line, fields in rated
    ]
    return replace(table, header=header, records=records, notes=[*table.notes, note])


def _compared(fields: Mapping[str, str], measure: str) -> list[str]:
    model = " · ".join(part for part in (fields["model"], fields["method"]) if part)
    numbers = [fields[measure], fields[f"{measure}_low"], fields[f"{measure}_high"]]
    return [model, fields["language"], fields["recipe"], *numbers]


def agreement_rows(table: NumberTable) -> NumberTable:
    """Every row's total in single languages, as rows of `system, language, judge, human`.

    The judge's totals are those before the gate, which say what it thought of the answers.

    Raises:
        DataError: if nobody has added human totals, or nothing was rated.
    """
    if "before" not in table.header:
        raise DataError("has no ratings (judge: none)", path=table.path, line=1)
    if "human" not in table.header:
        raise DataError(
            "is the report's scores.csv, which has no column human",
            path=table.path,
            line=1,
            hint="add one with the human totals of each row and language",
        )
    places = [(line, fields) for line, fields in table.records if fields["scope"] == "language"]
    rated = [(line, own) for line, own in places if own["before"].strip() and own["human"].strip()]
    records = [(line, {name: own[at] for name, at in _AGREED.items()}) for line, own in rated]
    note = _note(
        "the judge's totals before the gate",
        {
            "averages over languages": len(table.records) - len(places),
            "without a total of both": len(places) - len(rated),
        },
    )
    return replace(table, header=list(_AGREED), records=records, notes=[*table.notes, note])


def _note(what: str, left_out: Mapping[str, int]) -> str:
    left = ", ".join(f"{count} {name}" for name, count in left_out.items() if count)
    return f"Read as the report's scores.csv: {what}{f'; left out: {left}' if left else ''}."
