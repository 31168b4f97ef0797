"""The figures: Vega-Lite charts through Altair, drawn as SVG and PDF without a browser.

A figure is a set of small panels, one per model and method (and language). The page lays the
panels out for the width of the screen; the files hold them as one chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.results import TOTAL_PROMPTS
from polypaca.reporting.labels import LINE, label_lines, label_space
from polypaca.reporting.layout import (
    DASH,
    Group,
    Index,
    Measure,
    colours_of,
    columns_of,
    index_of,
    interval_of,
    level_of,
    names_of,
    panels_of,
    text_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Analysis

_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_INK, _MUTED, _RULE = "#222222", "#6b6b6b", "#e3e3e3"
_PLOT_WIDTH = 170  # with labels and numbers about 330: one panel fills a phone
_BAR = 12
_STEP = 22  # height of a row
_PERCENT = (0, 25, 50, 75, 100)
_GHOST = 0.32  # opacity of the bar before the gate

Chart = Any  # altair has no common base of simple and concatenated charts worth importing for


@dataclass(frozen=True)
class Panel:
    """One small chart: its heading, the chart, and the same content in words."""

    group: str
    title: str
    chart: Chart
    words: str


def score_panels(analysis: Analysis) -> list[Panel]:
    """Per group and language: each row's total after the gate, paler what it was before.

    Without ratings: the share of answers that pass the gate.
    """
    scores = index_of(analysis)
    top, ticks = (analysis.top, _totals(analysis.top)) if analysis.rated else (100.0, _PERCENT)
    panels = []
    for group in panels_of(analysis):
        form = _bars(names_of(group.rows), top, ticks, ghost=analysis.rated)
        for column in columns_of(analysis):
            if column.average:
                continue
            title = column.title if column.seen else f"{column.title} (unseen)"
            values = _values(analysis, group, scores, column.scope, column.language)
            if any(value["value"] is not None for value in values):
                panels.append(
                    Panel(
                        group.title,
                        title,
                        _filled(form, values),
                        _words(values, level_of(analysis)),
                    )
                )
    return panels


def robustness_panels(analysis: Analysis) -> list[Panel]:
    """Per group: the points that the gate takes, averaged over the seen languages."""
    if not analysis.rated:
        return []
    scores = index_of(analysis)
    found = []
    for group in panels_of(analysis):
        values = _values(analysis, group, scores, "seen", None, "robustness")
        if any(value["value"] is not None for value in values):
            found.append((group, values))
    highs = [v["high"] for _, values in found for v in values if v["value"] is not None]
    top = max([1.0, *highs])
    panels = []
    for group, values in found:
        # Linear and from zero: a log scale, as in the paper's Figure 4, has no place for a
        # recipe that loses nothing, and that is the best result there is.
        chart = _filled(_bars(names_of(group.rows), top), values)
        panels.append(Panel(group.title, group.title, chart, _words(values, level_of(analysis))))
    return panels


def needs_ghost_note(analysis: Analysis) -> bool:
    """Whether any bar of the per-language figure has a visible paler part."""
    return analysis.rated and any(
        score.robustness is not None and score.robustness.value > 0.05 for score in analysis.scores
    )


def score_figure(analysis: Analysis) -> Chart:
    """The per-language figure as one chart: a row of panels per model and method."""
    import altair as alt

    rows: dict[str, list[Panel]] = {}
    for panel in score_panels(analysis):
        rows.setdefault(panel.group, []).append(panel)
    if not rows:
        return _empty("No scores")
    charts = [
        alt.concat(
            *(panel.chart.properties(title=panel.title) for panel in panels),
            columns=3,
            spacing=24,
        ).properties(title=alt.TitleParams(text=group, fontSize=14, anchor="start", offset=12))
        for group, panels in rows.items()
    ]
    what = (
        [
            f"Total after the gate (solid) and before it (pale), 0 to {analysis.top:g}",
            f"Whiskers: {level_of(analysis)} intervals",
        ]
        if analysis.rated
        else [
            "Share of answers that pass the gate, in percent",
            f"Whiskers: {level_of(analysis)} intervals",
        ]
    )
    return _whole(alt.vconcat(*charts, spacing=36), f"{analysis.study}: scores by language", what)


def _totals(top: float) -> tuple[float, ...]:
    """Ticks of a scale of totals: whole points of the judge's scale, not more than five of them."""
    points = round(top / TOTAL_PROMPTS)
    each = -(-points // 5)
    return tuple(float(TOTAL_PROMPTS * point) for point in range(0, points + 1, each))


def robustness_figure(analysis: Analysis) -> Chart | None:
    """Total before minus after the gate, per recipe, over seen languages; None without ratings."""
    import altair as alt

    panels = robustness_panels(analysis)
    if not panels:
        return None
    charts = [panel.chart.properties(title=panel.title) for panel in panels]
    what = [
        "Points lost at the gate (total before minus after), averaged over seen languages",
        f"Linear scale; less is better; whiskers: {level_of(analysis)} intervals",
    ]
    chart = alt.concat(*charts, columns=2, spacing=24)
    return _whole(chart, f"{analysis.study}: language robustness", what)


def to_svg(chart: Chart) -> str:
    """Draw a chart as SVG text."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(_spec(chart)))


def to_pdf(chart: Chart) -> bytes:
    """Draw a chart as a PDF page, fonts embedded."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_pdf(_spec(chart)))


def figure_files(analysis: Analysis) -> dict[str, bytes]:
    """The figures as files, by name: `scores.svg`, `scores.pdf`, and likewise `robustness`."""
    figures = {"scores": score_figure(analysis), "robustness": robustness_figure(analysis)}
    files = {}
    for name, chart in figures.items():
        if chart is not None:
            files[f"{name}.svg"] = to_svg(chart).encode()
            files[f"{name}.pdf"] = to_pdf(chart)
    return files


def _values(
    analysis: Analysis,
    group: Group,
    scores: Index,
    scope: str,
    language: str | None,
    measure: Measure | None = None,
) -> list[dict[str, Any]]:
    """One record per row of a panel, in order; `value` is None where the row was not tested."""
    colours = colours_of(analysis)
    shown: Measure = measure or ("after" if analysis.rated else "gate")
    scale = 100 if shown == "gate" else 1
    values = []
    for place, (row, name) in enumerate(zip(group.rows, names_of(group.rows), strict=True)):
        score = scores.get((row.id, scope, language))
        interval = interval_of(score, shown)
        before = interval_of(score, "before") if shown == "after" else None
        values.append(
            {
                "place": place,
                "name": name,
                "lines": label_lines(name),
                "colour": colours[row.id],
                "value": None if interval is None else scale * interval.value,
                "low": None if interval is None else scale * interval.low,
                "high": None if interval is None else scale * interval.high,
                "before": None if before is None else before.value,
                "text": DASH if interval is None else text_of(interval.value, shown),
            }
        )
    return values


def _words(values: list[dict[str, Any]], level: str) -> str:
    parts = []
    for value in values:
        if value["value"] is None:
            parts.append(f"{value['name']}: no score")
            continue
        text = f"{value['name']}: {value['text']}"
        text += f" ({level} {value['low']:.1f} to {value['high']:.1f})"
        if value["before"] is not None:
            text += f", before the gate {value['before']:.1f}"
        parts.append(text)
    return "; ".join(parts)


def _rows_axis(labels: Sequence[Sequence[str]]) -> Any:
    import altair as alt

    # The space for names is given, not measured: the reader's fonts are not the drawer's.
    space = label_space(labels)
    axis = alt.Axis(domain=False, ticks=False, labels=False, minExtent=space, maxExtent=space)
    return alt.Y("place:O", title=None, axis=axis)


def _names(chart: Chart, labels: Sequence[Sequence[str]]) -> list[Chart]:
    """The rows' names left of the plot, each centred on its bar however many lines it has."""
    import altair as alt

    return [
        chart.transform_filter(f"length(datum.lines) == {count}")
        .mark_text(
            align="right",
            baseline="middle",
            fontSize=12,
            lineHeight=LINE,
            dy=-(count - 1) / 2 * LINE,
            color=_INK,
        )
        .encode(x=alt.value(-8), text="lines:N")
        for count in sorted({len(lines) for lines in labels})
    ]


def _filled(form: Chart, values: list[dict[str, Any]]) -> Chart:
    # Building a chart costs Altair more than drawing it: one form serves a group's languages.
    import altair as alt

    chart = form.copy(deep=False)
    chart.data = alt.InlineData(values=values)
    return chart


def _bars(
    names: list[str],
    top: float,
    ticks: Sequence[float] | None = None,
    *,
    ghost: bool = False,
) -> Chart:
    """Horizontal bars with whiskers and numbers, to be filled with values.

    Args:
        names: the rows, from top to bottom.
        top: the end of the scale.
        ticks: where to put ticks; without them the scale ends at a round number.
        ghost: whether the bars go on, paler, to `before`.
    """
    import altair as alt

    labels = [label_lines(name) for name in names]
    base = alt.Chart().encode(y=_rows_axis(labels))
    at = {"tickCount": 4} if ticks is None else {"values": list(ticks)}
    axis = alt.Axis(labelFontSize=11, labelFlush=False, **at)
    x = alt.X(
        "value:Q", title=None, scale=alt.Scale(domain=[0, top], nice=ticks is None), axis=axis
    )
    colour = alt.Color("colour:N", scale=None, legend=None)
    known = base.transform_filter("isValid(datum.value)")
    layers = [known.mark_bar(height=_BAR).encode(x=x, color=colour)]
    if ghost:
        # Only from `value` on: one bar over the other would darken the solid part.
        layers.append(
            base.transform_filter("isValid(datum.before)")
            .mark_bar(height=_BAR, opacity=_GHOST)
            .encode(x=x, x2="before:Q", color=colour)
        )
    layers += [_whiskers(known), _numbers(base), *_names(base, labels)]
    step = _STEP + round((max(map(len, labels)) - 1) * LINE)
    return alt.layer(*layers).properties(width=_PLOT_WIDTH, height=alt.Step(step))


def _whiskers(chart: Chart) -> Chart:
    return chart.mark_rule(strokeWidth=1.4, color=_INK).encode(x="low:Q", x2="high:Q")


def _numbers(chart: Chart) -> Chart:
    """The values as text in a gutter right of the plot."""
    import altair as alt

    return chart.mark_text(align="right", fontSize=11, color=_INK).encode(
        x=alt.value(_PLOT_WIDTH + 40), text="text:N"
    )


def _empty(text: str) -> Chart:
    import altair as alt

    return alt.Chart(alt.InlineData(values=[{}])).mark_text(text=text)


def _whole(chart: Chart, title: str, lines: list[str]) -> Chart:
    import altair as alt

    heading = alt.TitleParams(
        text=title,
        subtitle=lines,
        fontSize=16,
        subtitleFontSize=12,
        subtitleColor=_MUTED,
        subtitlePadding=6,
        anchor="start",
        offset=18,
    )
    return chart.properties(title=heading, background="white", padding=16)


def _spec(chart: Chart) -> dict[str, Any]:
    """The chart's Vega-Lite, in our dress."""
    spec: dict[str, Any] = chart.to_dict(validate=False)  # Vega-Lite's compiler checks it again
    spec.setdefault("background", "transparent")
    spec.setdefault("padding", 4)
    spec["config"] = {
        "font": _FONT,
        "aria": False,  # the words of a panel say it better than a label on every mark
        "view": {"stroke": None},
        "axis": {
            "labelColor": _MUTED,
            "gridColor": _RULE,
            "domainColor": _RULE,
            "tickColor": _RULE,
        },
        "axisY": {"labelColor": _INK, "grid": False},
        "title": {"color": _INK, "anchor": "start", "fontSize": 13, "fontWeight": 600},
    }
    return spec
