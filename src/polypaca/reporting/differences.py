"""The page's tables of differences: what was compared, by how much, and whether that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.reporting.layout import DASH, has_unseen, language_name, row_groups, row_names

if TYPE_CHECKING:
    from polypaca.core.results import Analysis, Comparison

_FAMILIES = (
    ("headline", "Recipes", "every two recipes of one model and method, over {averages}"),
    ("systems", "Recipes and other systems", "recipes against systems that were not trained here"),
    ("controls", "Controls", "rows against their controls, in languages they were not tuned on"),
    (None, "Other scopes", "for reading only: no claim is made of these"),
)


def difference_tables(analysis: Analysis) -> list[dict[str, Any]]:
    """A table a family of tests, and one of the differences over averages that claim nothing.

    Single languages are left to the CSV, but for those of which something is claimed.
    """
    titles = row_titles(analysis)
    averages = f"the seen {'and over the unseen ' * has_unseen(analysis)}languages"
    tables = []
    for family, title, what in _FAMILIES:
        rows = [
            _line(analysis, item, titles)
            for item in analysis.comparisons
            if item.family == family
            and (family or item.scope != "language")
            and (item.scope != "all" or has_unseen(analysis))
            and (analysis.rated or item.measure == "gate")
        ]
        if rows:
            tables.append(
                {
                    "title": title,
                    "what": what.format(averages=averages),
                    "tested": family is not None,
                    "seeds": any(row["seeds"] for row in rows),
                    "margin": any(row["margin"] for row in rows),
                    "rows": rows,
                }
            )
    return tables


def row_titles(analysis: Analysis) -> dict[str, tuple[str, str]]:
    """What to call a row, and the model and method that it is of, by its id."""
    return {
        # What was not trained here is known by its name.
        row.id: (name, group.title if row.method else "")
        for group in row_groups(analysis)
        for row, name in zip(group.rows, row_names(group.rows), strict=True)
    }


def _line(
    analysis: Analysis, item: Comparison, titles: dict[str, tuple[str, str]]
) -> dict[str, Any]:
    (a, group_a), (b, group_b) = (titles.get(row, (row, "")) for row in (item.a, item.b))
    same = group_a == group_b
    share = item.measure == "gate"
    scale, unit = (100, "\u00a0pp") if share else (1, "")
    difference = item.difference
    scope = {"all": "all languages", "transfer": "languages not tuned on"}.get(
        item.scope, f"{item.scope} languages"
    )
    if item.language:
        scope = language_name(analysis, item.language)
    return {
        "a": a if same or not group_a else f"{a} ({group_a})",
        "b": b if same or not group_b else f"{b} ({group_b})",
        "group": group_a if same else "",
        "scope": scope,
        "measure": {"after": "after the gate", "before": "before the gate"}.get(
            item.measure, "gate pass rate"
        ),
        "value": f"{signed(scale * difference.value)}{unit}",
        "range": f"{signed(scale * difference.low)} to {signed(scale * difference.high)}",
        "method": difference.method,
        "seeds": f"{signed(scale * item.seeds.low)} to {signed(scale * item.seeds.high)}"
        if item.seeds
        else "",
        "p": p_text(item.p_adjusted),
        "raw": p_text(item.p),
        "shown": item.shown,
        "margin": _margin(item),
        "detectable": DASH if item.detectable is None else f"{scale * item.detectable:.1f}{unit}",
    }


def _margin(item: Comparison) -> str:
    if item.margin is None:
        return ""
    within = "within" if item.margin.shown else "not shown within"
    return f"{within} {item.margin.margin:g} (p\u00a0{p_text(item.margin.p_adjusted)})"


def p_text(value: float | None) -> str:
    """A p-value to three decimals; a dash where there is none."""
    if value is None:
        return DASH
    return "<\u00a00.001" if value < 0.001 else f"{value:.3f}"


def signed(value: float) -> str:
    """A difference with its sign, to one decimal: `+4.2`, `−0.7`, `0.0`."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text
