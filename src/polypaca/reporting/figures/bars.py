"""Horizontal bars with intervals, the panels of figures, and charts as files.

Vega-Lite charts through Altair, drawn as SVG and PDF without a browser.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.reporting.figures.labels import LINE, label_lines, label_space
from polypaca.reporting.layout import (
    DASH,
    Index,
    Measure,
    RowGroup,
    format_value,
    get_interval,
    row_colours,
    row_names,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.results import Analysis

_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_INK, _MUTED, _RULE = "#222222", "#6b6b6b", "#e3e3e3"
_PLOT_WIDTH = 170  # with labels and numbers about 330: one panel fills a phone
_BAR = 12
_STEP = 22  # height of a row
_GHOST = 0.32  # opacity of the bar before the gate

Chart = Any  # altair has no common base of simple and concatenated charts worth importing for


@dataclass(frozen=True)
class Panel:
    """One small chart: its heading, the chart, and the same content in words."""

    group: str
    title: str
    chart: Chart
    words: str


def to_svg(chart: Chart) -> str:
    """Draw a chart as SVG text."""
    import vl_convert

    return str(vl_convert.vegalite_to_svg(_spec(chart)))


def to_pdf(chart: Chart) -> bytes:
    """Draw a chart as a PDF page, fonts embedded."""
    import vl_convert

    return bytes(vl_convert.vegalite_to_pdf(_spec(chart)))


def bar_values(
    analysis: Analysis,
    group: RowGroup,
    scores: Index,
    scope: str,
    language: str | None,
    measure: Measure | None = None,
) -> list[dict[str, Any]]:
    """One record per row of a panel, in order; `value` is None where the row was not tested."""
    colours = row_colours(analysis)
    shown: Measure = measure or ("after" if analysis.rated else "gate")
    scale = 100 if shown == "gate" else 1
    values = []
    for place, (row, name) in enumerate(zip(group.rows, row_names(group.rows), strict=True)):
        score = scores.get((row.id, scope, language))
        interval = get_interval(score, shown)
        before = get_interval(score, "before") if shown == "after" else None
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
                "text": DASH if interval is None else format_value(interval.value, shown),
            }
        )
    return values


def spoken_values(values: list[dict[str, Any]], level: str) -> str:
    """A panel's values in words, for those who hear it."""
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


def filled(form: Chart, values: list[dict[str, Any]]) -> Chart:
    """A chart without data, with these values in it."""
    # Building a chart costs Altair more than drawing it: one form serves a group's languages.
    import altair as alt

    chart = form.copy(deep=False)
    chart.data = alt.InlineData(values=values)
    return chart


def bars(
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


def empty_chart(text: str) -> Chart:
    """A chart that says why there is none."""
    import altair as alt

    return alt.Chart(alt.InlineData(values=[{}])).mark_text(text=text)


def whole_chart(chart: Chart, title: str, lines: list[str]) -> Chart:
    """A chart as a file has it: with a title, and lines beneath it."""
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
