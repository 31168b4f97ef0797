"""What goes beside what: groups of rows, order of languages, colours, and how numbers are written.

Tables, figures and the page share it, so that a recipe has one place and one colour everywhere.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Analysis, Interval, RowLabel, Scope, Score

Measure = Literal["after", "strict", "before", "gate", "robustness", "line_gate", "word_gate"]
SHARES: tuple[Measure, ...] = ("gate", "line_gate", "word_gate")  # of responses; others are totals
Index = dict[tuple[str, str, str | None], "Score"]

# Okabe & Ito's colours, which people with any colour vision tell apart. Black is left out: it
# vanishes on a dark page. The four recipes of the paper keep theirs from study to study.
_RECIPE_COLOURS = {
    "monolingual": "#0072B2",
    "multilingual": "#E69F00",
    "downsampled": "#009E73",
    "english": "#CC79A7",
}
_OTHER_COLOURS = ("#56B4E9", "#D55E00", "#F0E442")
_CONTROL_COLOURS = ("#8A8A8A", "#AFAFAF")
DASH = "–"


@dataclass(frozen=True)
class RowGroup:
    """Rows that stand together: the recipes of one model and method, or what is not trained."""

    title: str
    rows: tuple[RowLabel, ...]
    control: bool = False


@dataclass(frozen=True)
class ScoreColumn:
    """One column of scores: a language, or the average over the languages of a scope."""

    scope: Scope
    language: str | None
    title: str
    seen: bool

    @property
    def average(self) -> bool:
        """Whether the column is an average."""
        return self.language is None


def scores_by_key(analysis: Analysis) -> Index:
    """The scores, found by row, scope and language."""
    return {(score.row, score.scope, score.language): score for score in analysis.scores}


def row_groups(analysis: Analysis) -> list[RowGroup]:
    """Recipes by model and method, then other systems, then controls; each in the given order."""
    trained: dict[tuple[str, str], list[RowLabel]] = {}
    for row in analysis.rows:
        if not row.control and row.method is not None:
            trained.setdefault((row.model, row.method), []).append(row)
    groups = [
        RowGroup(f"{model} · {method}", tuple(rows)) for (model, method), rows in trained.items()
    ]
    others = tuple(row for row in analysis.rows if not row.control and row.method is None)
    controls = tuple(row for row in analysis.rows if row.control)
    if others:
        groups.append(RowGroup("Not trained in this study", others))
    if controls:
        groups.append(RowGroup("Controls", controls, control=True))
    return groups


def panel_groups(analysis: Analysis) -> list[RowGroup]:
    """The groups as figures show them: controls join the recipes that they are controls of."""
    groups = row_groups(analysis)
    controls = [row for group in groups if group.control for row in group.rows]
    panels: list[RowGroup] = []
    placed: set[str] = set()
    for group in groups:
        if group.control:
            continue
        first = group.rows[0]
        mine = [
            row
            for row in controls
            if first.method is not None
            and row.model == first.model
            and row.method in (None, first.method)
        ]
        placed.update(row.id for row in mine)
        panels.append(RowGroup(group.title, (*group.rows, *mine)))
    rest = tuple(row for row in controls if row.id not in placed)
    if rest:
        panels.append(RowGroup("Controls", rest, control=True))
    return panels


def row_names(rows: tuple[RowLabel, ...]) -> list[str]:
    """What to call each row, unique among them: a name that stands twice gets its model."""
    names = [row.name for row in rows]
    unique = []
    for row in rows:
        parts = [row.name]
        if names.count(row.name) > 1:
            parts += [row.model, row.method or ""]
        name = " · ".join(part for part in parts if part)
        unique.append(row.id if name in unique else name)
    return unique


def score_columns(analysis: Analysis) -> list[ScoreColumn]:
    """Seen languages, their average, unseen languages, their average (where there are several)."""
    columns = []
    scopes: tuple[Literal["seen", "unseen"], ...] = ("seen", "unseen")
    for scope in scopes:
        seen = scope == "seen"
        languages = [
            language
            for language in analysis.test_languages
            if (language in analysis.train_languages) == seen
        ]
        columns += [
            ScoreColumn("language", language, language_name(analysis, language), seen)
            for language in languages
        ]
        if len(languages) > 1:
            columns.append(ScoreColumn(scope, None, "average", seen))
    return columns


def has_unseen(analysis: Analysis) -> bool:
    """Whether a test language is none of the training languages; else all are the seen ones."""
    return not set(analysis.test_languages) <= set(analysis.train_languages)


def language_name(analysis: Analysis, code: str) -> str:
    """The name of a language as the analysis gives it, else the code itself."""
    return analysis.language_names.get(code, code)


def row_colours(analysis: Analysis) -> dict[str, str]:
    """A colour for each row's id, the same for one recipe under all models and methods."""
    by_recipe = dict(_RECIPE_COLOURS)
    colours = {}
    others = controls = 0
    for row in analysis.rows:
        key = row.recipe or row.name
        if row.control:
            # The same control of two models looks the same.
            key = f"control:{row.name}"
            if key not in by_recipe:
                by_recipe[key] = _CONTROL_COLOURS[controls % len(_CONTROL_COLOURS)]
                controls += 1
        elif key not in by_recipe:
            by_recipe[key] = _OTHER_COLOURS[others % len(_OTHER_COLOURS)]
            others += 1
        colours[row.id] = by_recipe[key]
    return colours


def get_interval(score: Score | None, measure: Measure) -> Interval | None:
    """One measure of a score, where it is known."""
    if score is None:
        return None
    value: Interval | None = getattr(score, measure)
    return value if value is not None and math.isfinite(value.value) else None


def shown_measures(analysis: Analysis) -> list[Measure]:
    """The measures that the analysis has, most important first."""
    found: list[Measure] = ["gate"]
    if analysis.rated:
        found = ["after", "before", "gate", "robustness"]
    optional: tuple[Measure, ...] = ("strict", "line_gate", "word_gate")
    found += [m for m in optional if any(getattr(s, m) is not None for s in analysis.scores)]
    return found


def format_value(value: float, measure: Measure) -> str:
    """A total with one decimal, or a share as whole percent."""
    if measure in SHARES:
        return f"{100 * value:.0f}\u00a0%"
    return f"{value:.1f}"


def format_range(interval: Interval, measure: Measure) -> str:
    """An interval as `81.2–92.0`."""
    if measure in SHARES:
        return f"{100 * interval.low:.0f}–{100 * interval.high:.0f}"
    return f"{interval.low:.1f}–{interval.high:.1f}"


def duration(seconds: float) -> str:
    """Seconds as a person says them: `48 s`, `3 min 20 s`, `17 h 5 min`."""
    if not math.isfinite(seconds):
        return DASH
    if seconds < 9.95:
        return f"{seconds:.1f}\u00a0s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    if whole < 3600:
        return f"{whole // 60}\u00a0min {whole % 60}\u00a0s"
    minutes = round(seconds / 60)
    return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"


def plain_number(value: float, decimals: int) -> str:
    """A number with thousands apart; trailing zeros dropped; a dash where it is not finite."""
    if not math.isfinite(value):
        return DASH
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def memory_size(size: int | None) -> str:
    """Bytes as a person says them: `384 MiB`, `17.2 GiB`; a dash where they are not known."""
    if size is None:
        return DASH
    if size < 2**30:
        return f"{size / 2**20:,.0f}\u00a0MiB"
    return f"{size / 2**30:,.1f}\u00a0GiB"


def range_text(values: Sequence[float], decimals: int = 0) -> str:
    """One number where all are written alike, else `58 to 60`; values must not be empty."""
    low, high = (f"{value:,.{decimals}f}" for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def confidence_level(analysis: Analysis) -> str:
    """The level of the analysis's intervals: `95 %`."""
    return f"{100 * analysis.confidence:g} %"
