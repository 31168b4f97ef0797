"""How well a judge agrees with human raters: `polypaca agree FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from polypaca.core.errors import Problem
from polypaca.core.results import Result
from polypaca.stats.alpha import Alpha, alpha_interval
from polypaca.stats.correlations import KINDS, Correlation, correlation
from polypaca.stats.csv_files import Row, read_rows, stop_at

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.table import Table

ALPHA_NEEDS_ITEMS = "alpha needs ratings of single answers: a column `item`"


class LanguageAgreement(Result):
    """The agreement of judge and humans in one language."""

    language: str
    systems: int
    items: int | None
    pearson: Correlation
    spearman: Correlation
    kendall: Correlation
    alpha_interval: Alpha | None
    alpha_ordinal: Alpha | None


class Agreement(Result):
    """The agreement in every language of a file."""

    confidence: float
    languages: list[LanguageAgreement]
    methods: dict[str, str]
    notes: list[str]


METHODS = {
    "pearson": "Fisher's z",
    "spearman": "Fisher's z with the error of Bonett & Wright (2000)",
    "kendall": "tau-b; Fisher's z with the error of Fieller, Hartley & Pearson (1957), t quantile",
    "alpha": "Krippendorff's; percentile bootstrap over items",
}


def agree(path: Path, *, confidence: float = 0.95) -> Agreement:
    """Read ratings and compute the agreement by language.

    The file has the columns `system`, `language`, `judge`, `human`, a row for each system and
    language; with a column `item`, a row for each answer. Correlations are over systems (with
    items: over the means of their items), alpha is over items, with judge and human as two raters
    on one scale.

    Raises:
        DataError: if the file cannot be read.
        UserError: naming every row that is wrong.
    """
    rows, problems = read_rows(
        path,
        texts=("system", "language", "item"),
        numbers=("judge", "human"),
        optional=("item",),
    )
    has_items = any("item" in row.values for row in rows)
    problems += _repeated(path, rows, has_items=has_items)
    stop_at(problems)
    by_language: dict[str, list[Row]] = {}
    for row in rows:
        by_language.setdefault(row.text("language"), []).append(row)
    found = [
        _language(code, own, has_items=has_items, confidence=confidence)
        for code, own in by_language.items()
    ]
    notes = [
        f"{part.language}, {kind}: {note}"
        for part in found
        for kind in KINDS
        if (note := getattr(part, kind).note)
    ]
    if not has_items:
        notes.append(ALPHA_NEEDS_ITEMS)
    return Agreement(confidence=confidence, languages=found, methods=METHODS, notes=notes)


def _repeated(path: Path, rows: Sequence[Row], *, has_items: bool) -> list[Problem]:
    """Rows that say a thing twice, or do not say which item they rate."""
    problems = []
    seen: dict[tuple[str, ...], int] = {}
    for row in rows:
        where = f"{path}:{row.line}"
        if has_items and row.values.get("item") is None:
            problems.append(Problem(f"{where}, column item", "is empty", "name the prompt"))
            continue
        key = tuple(row.text(name) for name in ("system", "language", *["item"] * has_items))
        if key in seen:
            hint = "" if has_items else "ratings of single answers need a column item"
            problems.append(
                Problem(f"{where}, column system", f"{key} is on line {seen[key]} already", hint)
            )
        seen.setdefault(key, row.line)
    return problems


def _language(
    code: str, rows: Sequence[Row], *, has_items: bool, confidence: float
) -> LanguageAgreement:
    systems: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        pair = (row.number("judge") or 0.0, row.number("human") or 0.0)
        systems.setdefault(row.text("system"), []).append(pair)
    means = [np.mean(pairs, axis=0) for pairs in systems.values()]
    judge, human = ([float(pair[side]) for pair in means] for side in (0, 1))
    found = {kind: correlation(kind, judge, human, confidence) for kind in KINDS}
    interval = ordinal = None
    if has_items:
        ratings = np.array([pair for pairs in systems.values() for pair in pairs])
        # Answers of all systems to one prompt are drawn together: they are alike.
        prompts = np.unique(_items(rows, systems), return_inverse=True)[1]
        interval = alpha_interval(ratings, "interval", confidence=confidence, groups=prompts)
        ordinal = alpha_interval(ratings, "ordinal", confidence=confidence, groups=prompts)
    return LanguageAgreement(
        language=code,
        systems=len(systems),
        items=len(rows) if has_items else None,
        alpha_interval=interval,
        alpha_ordinal=ordinal,
        **found,
    )


def _items(rows: Sequence[Row], systems: dict[str, list[tuple[float, float]]]) -> list[str]:
    """The items in the order of the systems."""
    by_system: dict[str, list[str]] = {name: [] for name in systems}
    for row in rows:
        by_system[row.text("system")].append(row.text("item"))
    return [item for items in by_system.values() for item in items]


def agreement_table(found: Agreement) -> Table:
    """The agreement as a table for a terminal."""
    from rich.table import Table

    table = Table(
        title=f"Judge and human, {100 * found.confidence:g} % intervals", title_justify="left"
    )
    with_alpha = any(part.alpha_interval for part in found.languages)
    table.add_column("language")
    table.add_column("systems", justify="right")
    alphas = ["alpha (interval)", "alpha (ordinal)"] if with_alpha else []
    for name in ["Pearson", "Spearman", "Kendall", *alphas]:
        table.add_column(name, justify="right")
    for part in found.languages:
        values = [part.pearson, part.spearman, part.kendall]
        more = [part.alpha_interval, part.alpha_ordinal] if with_alpha else []
        cells = [_cell(value) for value in (*values, *more)]
        table.add_row(part.language, str(part.systems), *cells)
    return table


def _cell(found: Correlation | Alpha | None) -> str:
    if found is None or found.value is None:
        return "–"
    if found.low is None or found.high is None:
        return f"{found.value:.4f}"
    return f"{found.value:.4f} ({found.low:.2f} to {found.high:.2f})"
