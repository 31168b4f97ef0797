"""The page: one HTML file with everything in it, opened from disk, asking nothing of a network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.reporting.costs import data_table, ledger_table
from polypaca.reporting.differences import difference_tables
from polypaca.reporting.figures import FIGURES
from polypaca.reporting.figures.bars import to_svg
from polypaca.reporting.heldout import heldout_table
from polypaca.reporting.layout import (
    DASH,
    SHARES,
    Measure,
    ScoreColumn,
    confidence_level,
    format_range,
    format_value,
    get_interval,
    language_name,
    plain_number,
    row_colours,
    row_groups,
    row_names,
    score_columns,
    scores_by_key,
    shown_measures,
)
from polypaca.reporting.opinions import judges_table, preference_table
from polypaca.reporting.reader import reader_data, safe_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Analysis, RowLabel, Score, ScoredResponse
    from polypaca.reporting.figures.bars import Panel

_TEMPLATES = Path(__file__).parent / "templates"
# media.css changes what the others say, so it comes last.
_STYLES = ("page.css", "figures.css", "answers.css", "media.css")
_SCRIPTS = ("answers.js",)

# {top} is the highest total.
_TABS: dict[Measure, tuple[str, str]] = {
    "after": (
        "After the gate",
        "Total per language after the gate, 0 to {top}: an answer in the wrong language counts 0.",
    ),
    "strict": (
        "Undetermined as 0",
        "Total per language after the gate, 0 to {top}, where answers in no language that could be "
        "told (only code, formulas, names or very few words) count 0 as well; elsewhere they pass "
        "the gate.",
    ),
    "before": (
        "Before the gate",
        "Total per language before the gate, 0 to {top}: the ratings alone, whatever the language "
        "of the answer.",
    ),
    "gate": (
        "Gate pass rate",
        "Share of answers that are in the language of their prompt.",
    ),
    "robustness": (
        "Lost at the gate",
        "Total before minus after the gate. Less is better: 0 means every answer is in the "
        "language of its prompt.",
    ),
    "line_gate": (
        "Every line",
        "Share of answers of which every line is in the language of the prompt (line-level pass "
        "rate, arXiv 2406.20052), among those with a line long enough to tell.",
    ),
    "word_gate": (
        "Every word",
        "Share of answers without an English word among those whose lines are in the language "
        "(word-level pass rate, arXiv 2406.20052), in languages whose script is not Latin.",
    ),
}


def render_page(
    analysis: Analysis, responses: Sequence[ScoredResponse], *, max_prompts: int = 50
) -> str:
    """The report as one self-contained HTML page.

    Args:
        analysis: what `analyze` found.
        responses: every system's answers, for reading; order decides which prompts come first.
        max_prompts: at most so many prompts per language are put in the page, which says so.
    """
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _joined(_SCRIPTS)
    data = reader_data(analysis, responses, max_prompts)
    html = environment.get_template("page.html").render(
        a=analysis,
        policy=_policy(script),
        style=Markup(_joined(_STYLES)),  # noqa: S704
        script=Markup(script),  # noqa: S704
        data=Markup(safe_json(data)),  # noqa: S704
        reader=data,
        facts=_facts(analysis),
        tables=[_table(analysis, measure) for measure in shown_measures(analysis)],
        differences=difference_tables(analysis),
        preferences=preference_table(analysis),
        judges=judges_table(analysis),
        figures=[shown for name in FIGURES for shown in _figures(name, analysis)],
        heldout=heldout_table(analysis),
        ledger=ledger_table(analysis),
        training_data=data_table(analysis),
        data_notes=analysis.data_notes,
        signature=_flat(analysis.signature),
        dash=DASH,
        level=confidence_level(analysis),
    )
    # A study's own texts may hold half characters too; a file cannot.
    return html.encode("utf-8", "replace").decode("utf-8")


def _joined(names: Sequence[str]) -> str:
    return "\n".join((_TEMPLATES / name).read_text(encoding="utf-8") for name in names)


def _policy(script: str) -> str:
    """Nothing may be fetched, and no script may run but ours."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _facts(analysis: Analysis) -> list[str]:
    """What was trained and tested, in a few short phrases."""
    seen = [lang for lang in analysis.test_languages if lang in analysis.train_languages]
    unseen = [lang for lang in analysis.test_languages if lang not in analysis.train_languages]
    names = [language_name(analysis, language) for language in analysis.train_languages]
    facts = [f"Tuned on {', '.join(names)}"]
    tested = []
    if seen:
        tested.append(f"{len(seen)} seen language{'s' * (len(seen) > 1)}")
    if unseen:
        tested.append(
            f"{len(unseen)} unseen ({', '.join(language_name(analysis, u) for u in unseen)})"
        )
    facts.append(f"tested in {' and '.join(tested)}")
    counts = sorted({s.prompts for s in analysis.scores if s.scope == "language"})
    if counts:
        number = str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
        facts.append(f"{number} prompts per language")
    return facts


def _table(analysis: Analysis, measure: Measure) -> dict[str, Any]:
    """The main table for one measure, ready for the template."""
    columns, scores = score_columns(analysis), scores_by_key(analysis)
    colours = row_colours(analysis)
    groups: list[dict[str, Any]] = []
    cells: list[dict[str, Any]] = []
    for group in row_groups(analysis):
        best = {} if group.control else _best(analysis, group.rows, measure)
        rows = []
        for row, name in zip(group.rows, row_names(group.rows), strict=True):
            line = [
                _cell(
                    scores.get((row.id, column.scope, column.language)),
                    column,
                    measure,
                    best.get(column),
                )
                for column in columns
            ]
            cells += line
            rows.append(
                {
                    "name": name,
                    "colour": colours[row.id],
                    "budgets": DASH if row.budgets is None else plain_number(row.budgets, 2),
                    "cells": line,
                }
            )
        groups.append({"title": group.title, "control": group.control, "rows": rows})
    title, caption = _TABS[measure]
    return {
        "measure": measure,
        "title": title,
        "caption": caption.format(top=f"{analysis.top:g}"),
        "columns": columns,
        "seen": sum(column.seen for column in columns),
        "unseen": sum(not column.seen for column in columns),
        "groups": groups,
        "failed": sum(cell["failed"] for cell in cells if not cell["average"]),
        "marked": any(cell["best"] for cell in cells),
    }


def _cell(
    score: Score | None, column: ScoreColumn, measure: Measure, best: str | None
) -> dict[str, Any]:
    """One number of the main table; where there is none, `why` says why not."""
    interval = get_interval(score, measure)
    text = format_value(interval.value, measure) if interval else None
    return {
        "text": text,
        "range": format_range(interval, measure) if interval else "",
        "why": "not tested" if score is None else "no answer has a rating",
        "average": column.average,
        "best": text is not None and text == best,
        "failed": score.failed if score is not None and measure not in SHARES else 0,
    }


def _best(
    analysis: Analysis, rows: tuple[RowLabel, ...], measure: Measure
) -> dict[ScoreColumn, str]:
    """Per column, the best value as it is written, where there is something to compare.

    What is written decides, so that two equal numbers are both best; a column in which all are
    equal has none.
    """
    scores = scores_by_key(analysis)
    best = {}
    for column in score_columns(analysis):
        found = [
            get_interval(scores.get((row.id, column.scope, column.language)), measure)
            for row in rows
        ]
        values = [interval.value for interval in found if interval is not None]
        if len({format_value(value, measure) for value in values}) > 1:
            pick = min(values) if measure == "robustness" else max(values)
            best[column] = format_value(pick, measure)
    return best


def _figures(name: str, analysis: Analysis) -> list[dict[str, Any]]:
    """A figure for the page, its panels by group, each drawn for inlining; none without panels."""
    figure = FIGURES[name]
    panels = figure.panels(analysis)
    if not panels and figure.optional:
        return []
    groups: dict[str, list[dict[str, Any]]] = {}
    for number, panel in enumerate(panels):
        is_whole_group = panel.title == panel.group
        label = panel.title if is_whole_group else f"{panel.group}, {panel.title}"
        svg = _inline(panel, f"{label}. {panel.words}.", f"{name}{number}")
        heading = "" if is_whole_group else panel.group
        groups.setdefault(heading, []).append({"title": panel.title, "svg": svg})
    shown = [{"title": title, "panels": drawn} for title, drawn in groups.items()]
    caption = figure.caption(analysis)
    return [
        {
            "section": figure.section,
            "heading": figure.heading,
            "link": figure.link,
            "caption": caption,
            "groups": shown,
        }
    ]


def _inline(panel: Panel, label: str, prefix: str) -> Any:
    """A panel's SVG as part of the page: scales with its place, speaks its content."""
    from markupsafe import Markup, escape

    svg = to_svg(panel.chart)
    head, body = svg.split(">", 1)
    box = re.search(r'viewBox="[\d. ]+"', head)
    # Identifiers are one name space for the whole page.
    body = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{prefix}-", body)
    view = box[0] if box else ""
    # Vega escapes every text that it puts into an SVG.
    return Markup(f'<svg {view} role="img" aria-label="{escape(label)}">{body}')  # noqa: S704


def _flat(value: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested settings as lines: `judge.kind`, `reference`."""
    lines = []
    for key, item in value.items():
        name = f"{prefix}{key}"
        if isinstance(item, dict) and item:
            lines += _flat(item, f"{name}.")
        elif isinstance(item, str):
            lines.append((name, item))
        else:
            lines.append((name, json.dumps(item, ensure_ascii=False, default=str)))
    return lines
