"""Tables for a terminal of any width: no number is ever cut or broken.

Where a table is too wide its columns go on in a second block below, each beside the names again;
where not even one column fits beside the names, every number gets a line of its own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

_GAP = 2  # blank columns between two columns of a table
_NAME = 12  # what names are not squeezed below while anything else can give way
_LEAST = 4


@dataclass(frozen=True)
class Column:
    """A column of values; `strong` ones, such as averages, stand out."""

    title: str
    strong: bool = False


@dataclass(frozen=True)
class _Line:
    name: str
    cells: tuple[tuple[str, str], ...]  # each with what stands, dimmed, below it
    dim: bool
    heading: bool


@dataclass
class Grid:
    """A name and values a line; rich prints it as wide as there is room."""

    title: str
    names: str  # what is above the names
    columns: Sequence[Column]
    caption: str = ""
    _lines: list[_Line] = field(default_factory=list)

    def add(self, name: str, *cells: str | tuple[str, str], dim: bool = False) -> None:
        """Add a line: its name, and a value for each column, or a pair of one below the other."""
        pairs = tuple((cell, "") if isinstance(cell, str) else cell for cell in cells)
        self._lines.append(_Line(name, pairs, dim, heading=False))

    def add_heading(self, text: str) -> None:
        """Add a line over those that follow."""
        self._lines.append(_Line(text, (), dim=False, heading=True))

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        """What rich prints within the width of `options`."""
        from rich.text import Text

        if self.title:
            yield Text(self.title, style="bold")
        blocks = self._blocks(options.max_width)
        if blocks is None:
            yield from self._list()
        for number, (columns, widths) in enumerate(blocks or ()):
            if number:
                yield Text()
            yield self._table(columns, widths)
        if self.caption:
            yield Text(self.caption, style="dim")

    def _blocks(self, room: int) -> list[tuple[list[int], list[int]]] | None:
        """Columns of each block and their widths, that of the names first; None if none fits."""
        names = self._width_of([self.names, *(line.name for line in self._lines)])
        values = [self._width_of(self._column(at)) for at in range(len(self.columns))]
        full = [max(own, _cells(c.title)) for own, c in zip(values, self.columns, strict=True)]
        if names + sum(full) + _GAP * len(full) <= room:
            return [(list(range(len(full))), [names, *full])]
        # A title may be broken between its words.
        words = [max([0, *map(_cells, c.title.split())]) for c in self.columns]
        needed = [max(own, word) for own, word in zip(values, words, strict=True)]
        least = min(names, max(_NAME, room // 4))
        if max(needed, default=0) + _GAP + least > room:
            least = min(names, room - _GAP - max(needed, default=0))
        if least < min(names, _LEAST):
            return None
        blocks: list[list[int]] = [[]]
        used = least
        for at, width in enumerate(needed):
            if blocks[-1] and used + _GAP + width > room:
                blocks.append([])
                used = least
            blocks[-1].append(at)
            used += _GAP + width
        return [
            (own, [min(names, room - sum(needed[at] + _GAP for at in own)), *widths])
            for own in blocks
            for widths in [[needed[at] for at in own]]
        ]

    def _column(self, at: int) -> list[str]:
        return [text for line in self._lines if line.cells for text in line.cells[at]]

    def _width_of(self, texts: Sequence[str]) -> int:
        return max([1, *(_cells(text) for text in texts)])

    def _table(self, columns: Sequence[int], widths: Sequence[int]) -> Table:
        from rich import box
        from rich.table import Table
        from rich.text import Text

        # The box adds a blank between two columns.
        table = Table(
            box=box.SIMPLE_HEAD, show_edge=False, padding=(0, _GAP - 1, 0, 0), pad_edge=False
        )
        table.add_column(Text(self.names), width=widths[0], overflow="fold")
        for at, width in zip(columns, widths[1:], strict=True):
            column = self.columns[at]
            table.add_column(
                Text(column.title, justify="right"),
                justify="right",
                width=width,
                overflow="fold",
                style="bold" if column.strong else "",
            )
        for line in self._lines:
            if line.heading:
                table.add_section()
                table.add_row(Text(wrap_name(line.name, widths[0]), style="dim italic"))
            else:
                cells = [_cell(*line.cells[at]) for at in columns]
                name = Text(wrap_name(line.name, widths[0]))
                table.add_row(name, *cells, style="dim" if line.dim else None)
        return table

    def _list(self) -> Iterator[Text]:
        """A line a value, for a terminal that has no room for columns."""
        from rich.text import Text

        for line in self._lines:
            yield Text(line.name, style="dim italic" if line.heading else "bold", overflow="fold")
            for column, (text, below) in zip(self.columns, line.cells, strict=False):
                values = f"{text} {below}".strip()
                yield Text(f"{column.title} {values}", overflow="fold")


def _cells(text: str) -> int:
    """How many columns of a terminal a text takes; those of other scripts may take two each."""
    from rich.cells import cell_len

    return cell_len(text)


def print_line(console: Console, text: str) -> None:
    """Print a sentence: broken between words on a terminal, and one line in a file or pipe."""
    soft = not console.is_terminal
    console.print(text, markup=False, highlight=False, soft_wrap=soft)


def wrap_name(name: str, room: float, measure: Callable[[str], float] | None = None) -> str:
    """A name on lines no wider than `room`, broken behind blanks, dots, hyphens and the like.

    A part that is wider by itself is broken anywhere.

    Args:
        name: any text.
        room: in what `measure` gives.
        measure: how wide a text is; by default in columns of a terminal.
    """
    measure = measure or _cells
    lines = [""]
    for part in re.findall(r"[^\s./_-]*(?:[\s./_-]+|$)", name):
        if lines[-1] and measure((lines[-1] + part).rstrip()) > room:
            lines.append("")
        lines[-1] += part
        while measure(lines[-1].rstrip()) > room and (cut := _fitting(lines[-1], room, measure)):
            lines[-1:] = [lines[-1][:cut], lines[-1][cut:]]
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _fitting(text: str, room: float, measure: Callable[[str], float]) -> int:
    """How many characters of a text fit, at least one; 0 if that is all of it."""
    count = 1
    while count < len(text) and measure(text[: count + 1]) <= room:
        count += 1
    return count if count < len(text) else 0


def _cell(text: str, below: str) -> Text:
    from rich.text import Text

    cell = Text(text, justify="right")
    if below:
        cell.append(f"\n{below}", style="not bold dim")
    return cell
