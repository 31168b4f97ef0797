"""How well a judge agrees with human raters: `polypaca agree FILE`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from polypaca.core.errors import Problem
from polypaca.core.results import Result
from polypaca.core.tables import Column, Grid
from polypaca.stats.alpha import Alpha, alpha_interval
from polypaca.stats.correlations import KINDS, Correlation, Kind, correlation
from polypaca.stats.csv_files import NumberRow, parse, raise_problems, read_table
from polypaca.stats.scales import gap_note, tops_note
from polypaca.stats.scores_csv import agreement_rows, is_report_scores
from polypaca.stats.spellings import (
    duplicate_problem,
    item_key,
    language_key,
    name_key,
    unify_spellings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLUMNS = ("system", "language", "item", "judge", "human", "row", "scope", "control")
NOTHING_COMMON = Correlation(
    value=None, low=None, high=None, note="the systems have no item in common"
)
_NAMED = 3  # systems with the fewest items
ALPHA_NEEDS_ITEMS = "alpha needs ratings of single answers: a column `item`"


class LanguageAgreement(Result):
    """The agreement of judge and humans in one language."""

    language: str
    systems: int
    items: int | None = Field(description="rated answers, of all systems together")
    common: int | None = Field(default=None, description="items that every system has")
    of: int | None = Field(default=None, description="items that any system has")
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
    items: over the means of the items that all systems of the language have), alpha is over all
    items, with judge and human as two raters on one scale.

    Raises:
        DataError: if the file cannot be read.
        UserError: naming every row that is wrong.
    """
    table = read_table(path, COLUMNS)
    if is_report_scores(table):
        table = agreement_rows(table)
    texts = ("system", "language", "item")
    rows = parse(table, texts=texts, numbers=("judge", "human"), optional=("item",))
    has_items = any(row.values.get("item") is not None for row in rows)
    keys = {"system": name_key, "language": language_key, "item": item_key}
    joined, spelled = unify_spellings(rows, keys)
    problems = [*table.problems, *_repeated(path, rows, joined, has_items=has_items)]
    raise_problems(problems)
    by_language: dict[str, list[NumberRow]] = {}
    for row in joined:
        by_language.setdefault(row.text("language"), []).append(row)
    agreements = [
        _language(code, part, has_items=has_items, confidence=confidence)
        for code, part in by_language.items()
    ]
    notes = [*table.notes, *spelled]
    for agreement in agreements:
        notes += _notes(agreement, by_language[agreement.language])
    if not has_items:
        notes.append(ALPHA_NEEDS_ITEMS)
    return Agreement(confidence=confidence, languages=agreements, methods=METHODS, notes=notes)


def _repeated(
    path: Path, written: Sequence[NumberRow], rows: Sequence[NumberRow], *, has_items: bool
) -> list[Problem]:
    """Duplicate rows, and rows without an item."""
    problems = []
    seen: dict[tuple[str, ...], int] = {}
    names = ("system", "language", *["item"] * has_items)
    for row, original in zip(rows, written, strict=True):
        where = f"{path}:{row.line}"
        if has_items and row.values.get("item") is None:
            problems.append(Problem(f"{where}, column item", "is empty", "write the prompt's id"))
            continue
        key = tuple(row.text(name) for name in names)
        if key in seen:
            hint = "" if has_items else "ratings of single answers need a column item"
            at = f"{where}, column system"
            problems.append(duplicate_problem(at, original, key, names, seen[key], hint))
        seen.setdefault(key, row.line)
    return problems


def _language(
    code: str, rows: Sequence[NumberRow], *, has_items: bool, confidence: float
) -> LanguageAgreement:
    by_system = _by_system(rows)
    systems = {name: [_pair(row) for row in own] for name, own in by_system.items()}
    interval = ordinal = common = total = None
    if has_items:
        ratings = np.array([pair for pairs in systems.values() for pair in pairs])
        # Answers of all systems to one prompt are drawn together: they are alike.
        items = [row.text("item") for own in by_system.values() for row in own]
        prompts = np.unique(items, return_inverse=True)[1]
        interval = alpha_interval(ratings, "interval", confidence=confidence, groups=prompts)
        ordinal = alpha_interval(ratings, "ordinal", confidence=confidence, groups=prompts)
        shared = _common(by_system)
        common, total = len(shared), len(set(items))
        systems = {
            name: [_pair(row) for row in own if row.text("item") in shared]
            for name, own in by_system.items()
        }
    found: dict[Kind, Correlation]
    if common == 0 and len(systems) > 1:
        found = dict.fromkeys(KINDS, NOTHING_COMMON)
    else:
        # Means over different items compare the items, not the systems.
        means = [np.mean(pairs, axis=0) for pairs in systems.values()]
        # Rounded, so that equal totals are equal in whatever order their items were added.
        judge, human = ([float(f"{pair[side]:.12g}") for pair in means] for side in (0, 1))
        found = {kind: correlation(kind, judge, human, confidence) for kind in KINDS}
    return LanguageAgreement(
        language=code,
        systems=len(systems),
        items=len(rows) if has_items else None,
        common=common,
        of=total,
        alpha_interval=interval,
        alpha_ordinal=ordinal,
        **found,
    )


def _by_system(rows: Sequence[NumberRow]) -> dict[str, list[NumberRow]]:
    found: dict[str, list[NumberRow]] = {}
    for row in rows:
        found.setdefault(row.text("system"), []).append(row)
    return found


def _pair(row: NumberRow) -> tuple[float, float]:
    return row.number("judge") or 0.0, row.number("human") or 0.0


def _common(by_system: dict[str, list[NumberRow]]) -> set[str]:
    """The items that every system has."""
    return set.intersection(*({row.text("item") for row in own} for own in by_system.values()))


def _notes(found: LanguageAgreement, rows: Sequence[NumberRow]) -> list[str]:
    """What a reader must know of one language's numbers."""
    code = found.language
    notes = [_items_note(found, rows)] if found.common != found.of else []
    whys: dict[str, list[str]] = {}
    for kind in KINDS:
        if note := getattr(found, kind).note:
            whys.setdefault(note, []).append(kind)
    notes += [f"{code}, {', '.join(kinds)}: {note}" for note, kinds in whys.items()]
    pairs = [_pair(row) for row in rows]
    judge, human = ([pair[side] for pair in pairs] for side in (0, 1))
    if found.alpha_interval is not None:
        if found.alpha_interval.value is None:
            notes.append(f"{code}, alpha: all ratings are equal")
        notes += [note for note in (tops_note(code, judge, human),) if note]
    for column in ("item", "system"):
        for side, name in enumerate(("judge", "human")):
            groups: dict[str, list[float]] = {}
            for row, pair in zip(rows, pairs, strict=True):
                groups.setdefault(str(row.values.get(column)), []).append(pair[side])
            means = {group: float(np.mean(own)) for group, own in groups.items()}
            if note := gap_note(f"{code}, column {name}", means, f"{column}s"):
                notes.append(note)
    return notes


def _items_note(found: LanguageAgreement, rows: Sequence[NumberRow]) -> str:
    counts = {name: len(own) for name, own in _by_system(rows).items()}
    fewest = sorted(counts, key=lambda name: counts[name])[:_NAMED]
    few = ", ".join(f"{name} {counts[name]}" for name in fewest)
    if found.common == 0:
        return (
            f"{found.language}: no item is rated for all {found.systems} systems, so there are no "
            f"correlations; leave out the systems with the fewest items ({few})."
        )
    return (
        f"{found.language}: not all systems have the same items; correlations are over the "
        f"{found.common} of {found.of} that all have (fewest items: {few}). Alpha is over all."
    )


def agreement_table(found: Agreement) -> Grid:
    """The agreement as a table for a terminal."""
    with_alpha = any(part.alpha_interval for part in found.languages)
    alphas = ["alpha (interval)", "alpha (ordinal)"] if with_alpha else []
    names = ["systems", "Pearson", "Spearman", "Kendall", *alphas]
    title = f"Judge and human, {100 * found.confidence:g} % intervals"
    grid = Grid(title, "language", [Column(name) for name in names])
    for part in found.languages:
        values = [part.pearson, part.spearman, part.kendall]
        more = [part.alpha_interval, part.alpha_ordinal] if with_alpha else []
        grid.add(part.language, str(part.systems), *(_cell(value) for value in (*values, *more)))
    return grid


def _cell(found: Correlation | Alpha | None) -> str:
    if found is None or found.value is None:
        return "–"
    value = f"{found.value:.4f}".replace("-0.0000", "0.0000")
    if found.low is None or found.high is None:
        return value
    return f"{value} ({found.low:.2f} to {found.high:.2f})"
