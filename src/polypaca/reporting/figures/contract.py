"""What a figure is: small panels, with a heading and a caption, on the page and in files.

The page lays the panels out for the width of the screen; the files hold them as one chart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from polypaca.reporting.figures.bars import empty_chart, whole_chart

if TYPE_CHECKING:
    from collections.abc import Callable

    from polypaca.core.results import Analysis
    from polypaca.reporting.figures.bars import Panel

Mark = Literal["solid", "ghost", "whisker", ""]


@dataclass(frozen=True)
class Caption:
    """What stands beside a figure.

    Attributes:
        title: of the chart in a file, behind the study's name.
        lines: beneath that title.
        keys: on the page: a mark of the chart and what it means.
        text: on the page, in place of keys.
    """

    title: str
    lines: list[str]
    keys: list[tuple[Mark, str]]
    text: str = ""


@dataclass(frozen=True)
class Figure:
    """A row of the table.

    Attributes:
        section: the page's section, as links name it.
        heading: of that section.
        link: the words of the link to it at the top of the page.
        panels: the panels of an analysis; none where it has nothing to show.
        caption: what stands beside them.
        columns: panels side by side in a file.
        optional: whether it is left out where it has no panel; else it says that it has none.
    """

    section: str
    heading: str
    link: str
    panels: Callable[[Analysis], list[Panel]]
    caption: Callable[[Analysis], Caption]
    columns: int = 3
    optional: bool = True


def combined_chart(figure: Figure, analysis: Analysis) -> Any:
    """All panels as one chart, a row of them for each group; None without any."""
    import altair as alt

    groups: dict[str, list[Panel]] = {}
    for panel in figure.panels(analysis):
        groups.setdefault(panel.group, []).append(panel)
    if not groups:
        return None if figure.optional else empty_chart("No scores")
    caption = figure.caption(analysis)
    title = f"{analysis.study}: {caption.title}"
    if all(len(panels) == 1 and panels[0].title == group for group, panels in groups.items()):
        titled = [panel.chart.properties(title=panel.title) for (panel,) in groups.values()]
        return whole_chart(
            alt.concat(*titled, columns=figure.columns, spacing=24), title, caption.lines
        )
    charts = [
        alt.concat(
            *(panel.chart.properties(title=panel.title) for panel in panels),
            columns=figure.columns,
            spacing=24,
        ).properties(title=alt.TitleParams(text=group, fontSize=14, anchor="start", offset=12))
        for group, panels in groups.items()
    ]
    return whole_chart(alt.vconcat(*charts, spacing=36), title, caption.lines)
