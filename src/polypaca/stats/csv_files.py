"""Small CSV files from a user, checked as a whole: every problem is told at once."""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError, Problem, UserError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Value = str | float | None  # None: an empty field of an optional column

_SHOWN = 20  # problems


@dataclass(frozen=True)
class Row:
    """A row with the line that it ends on."""

    line: int
    values: dict[str, Value]

    def text(self, column: str) -> str:
        """The text of a column that the file was read with as text."""
        return str(self.values[column])

    def number(self, column: str) -> float | None:
        """The number of a column, None where it has none."""
        value = self.values.get(column)
        return value if isinstance(value, float) else None


def read_rows(
    path: Path,
    *,
    texts: Sequence[str],
    numbers: Sequence[str],
    optional: Sequence[str] = (),
) -> tuple[list[Row], list[Problem]]:
    """Read a CSV file with a header; other columns are left alone.

    Args:
        path: UTF-8, with or without a byte order mark.
        texts: columns of which no field may be empty.
        numbers: columns of finite numbers.
        optional: of these columns, those that may be absent or empty.

    Raises:
        DataError: if the file cannot be read, or its header lacks a column.
    """
    try:
        content = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise DataError("is not UTF-8", path=path, line=line, hint="save it as UTF-8") from None
    reader = csv.reader(io.StringIO(content, newline=""))
    rows: list[Row] = []
    problems: list[Problem] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(path, header, [n for n in (*texts, *numbers) if n not in optional])
        for fields in reader:
            if not fields:
                continue
            where = f"{path}:{reader.line_num}"
            if len(fields) != len(header):
                what = f"has {len(fields)} fields, the header {len(header)}"
                problems.append(Problem(where, what, "quote fields that hold a comma"))
                continue
            values, wrong = _parse(
                {n: f for n, f in zip(header, fields, strict=True) if n in texts or n in numbers},
                numbers,
                optional,
            )
            problems += [Problem(f"{where}, column {at}", what, hint) for at, what, hint in wrong]
            if not wrong:
                rows.append(Row(reader.line_num, values))
    except csv.Error as error:
        raise DataError(f"is no CSV: {error}", path=path, line=reader.line_num) from None
    if not rows and not problems:
        raise DataError("has no rows below its header", path=path)
    return rows, problems


def stop_at(problems: Sequence[Problem]) -> None:
    """Raise all the problems of a file together, if there are any.

    Raises:
        UserError: naming each; of very many the first, with a count of the rest.
    """
    if not problems:
        return
    ordered = sorted(problems, key=lambda problem: _line(problem.where))
    lines = [str(problem) for problem in ordered[:_SHOWN]]
    if len(problems) > _SHOWN:
        lines.append(f"and {len(problems) - _SHOWN} more problems")
    raise UserError("\n".join(lines))


def _line(where: str) -> int:
    """The line of `file.csv:12, column score`."""
    return int(where.rsplit(", column", maxsplit=1)[0].rsplit(":", maxsplit=1)[1])


def _check_header(path: Path, header: Sequence[str], required: Sequence[str]) -> None:
    missing = [name for name in required if name not in header]
    if missing:
        raise DataError(
            f"lacks the column{'' if len(missing) == 1 else 's'} {', '.join(missing)}",
            path=path,
            line=1,
            hint=f"its header has {', '.join(name for name in header if name) or 'nothing'}",
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(f"has the column {twice[0]} twice", path=path, line=1)


def _parse(
    given: dict[str, str], numbers: Sequence[str], optional: Sequence[str]
) -> tuple[dict[str, Value], list[tuple[str, str, str]]]:
    """A row's values, and what is wrong with it: the column, what, and what to do."""
    values: dict[str, Value] = {}
    wrong = []
    for name, written in given.items():
        field = written.strip()
        values[name] = field or None
        if not field and name not in optional:
            wrong.append((name, "is empty", "fill it in, or leave the row out"))
        elif field and name in numbers:
            values[name] = number = _number(field)
            if number is None:
                wrong.append((name, f"{field!r} is not a number", "write it as 12.5"))
    return values, wrong


def _number(field: str) -> float | None:
    try:
        found = float(field)
    except ValueError:
        return None
    return found if math.isfinite(found) else None
