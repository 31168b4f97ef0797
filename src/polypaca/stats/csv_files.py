"""Small CSV files from a user, checked as a whole: all problems are reported together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from polypaca.core.csv_rows import csv_rows, divided, read_text
from polypaca.core.errors import DataError, Problem, UserError
from polypaca.stats.decimals import Decimals

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

Value = str | float | None  # None: an empty field of an optional column

_SHOWN = 20  # problems


@dataclass(frozen=True)
class NumberRow:
    """A row with the line that it begins on."""

    line: int
    values: dict[str, Value]

    def text(self, column: str) -> str:
        """The text of a column that the file was read with as text."""
        return str(self.values[column])

    def number(self, column: str) -> float | None:
        """The number of a column, None where it has none."""
        value = self.values.get(column)
        return value if isinstance(value, float) else None


@dataclass
class NumberTable:
    """The fields of a file, with its problems and notes."""

    path: Path
    delimiter: str
    header: list[str]
    records: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def read_table(path: Path, columns: Sequence[str]) -> NumberTable:
    """Read a file with a header, whose fields stand between commas, semicolons, tabs or bars.

    Rows of empty fields alone, which spreadsheets leave below a table, are skipped and counted.

    Args:
        path: UTF-8, with or without a byte order mark.
        columns: by these names the header is known, whatever stands between its fields.

    Raises:
        DataError: if the file cannot be read.
    """
    delimiter, body, above = divided(read_text(path), columns)
    records = csv_rows(body, delimiter, path, above)
    _, header = next(records, (1, []))
    table = NumberTable(path, delimiter, [name.strip() for name in header])
    blank = 0
    for line, fields in records:
        if not any(given.strip() for given in fields):
            blank += bool(fields)
        elif len(fields) != len(header):
            what = f"has {len(fields)} fields, but the header has {len(header)}"
            hint = f"quote fields that contain {_delimiter_name(delimiter)}"
            table.problems.append(Problem(f"{path}:{line}", what, hint))
        else:
            table.records.append((line, dict(zip(table.header, fields, strict=True))))
    if blank:
        rows = "1 row of empty fields was" if blank == 1 else f"{blank} rows of empty fields were"
        table.notes.append(f"{rows} skipped.")
    return table


def parse(
    table: NumberTable,
    *,
    texts: Sequence[str],
    numbers: Sequence[str],
    optional: Sequence[str] = (),
) -> list[NumberRow]:
    """The rows of a table; what is wrong with others is added to its problems.

    Args:
        table: as read; other columns are left alone.
        texts: columns of which no field may be empty.
        numbers: columns of finite numbers.
        optional: of these columns, those that may be absent or empty.

    Raises:
        DataError: if the header lacks a column, or there is no row below it.
    """
    required = [name for name in (*texts, *numbers) if name not in optional]
    _check_header(table, required)
    if not table.records and not table.problems:
        hint = f"add rows with {', '.join(required)}"
        raise DataError("has no rows below its header", path=table.path, line=2, hint=hint)
    written = [
        given.strip() for _, fields in table.records for n, given in fields.items() if n in numbers
    ]
    decimals = Decimals(table.delimiter, written)
    if decimals.comma:
        table.notes.append("Numbers were read with decimal commas.")
    rows = []
    for line, fields in table.records:
        chosen = {n: given for n, given in fields.items() if n in texts or n in numbers}
        values, wrong = _parse(chosen, numbers, optional, decimals)
        table.problems += [
            Problem(f"{table.path}:{line}, column {at}", what, hint) for at, what, hint in wrong
        ]
        if not wrong:
            rows.append(NumberRow(line, values))
    return rows


def raise_problems(problems: Sequence[Problem]) -> None:
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


def _delimiter_name(delimiter: str) -> str:
    return {",": "a comma", ";": "a semicolon", "\t": "a tab"}.get(delimiter, f"a {delimiter}")


def _check_header(table: NumberTable, required: Sequence[str]) -> None:
    header = table.header
    missing = [name for name in required if name not in header]
    if missing:
        there = f"its header has {', '.join(name for name in header if name) or 'nothing'}"
        meant = [name for name in header if name.casefold() in missing]
        raise DataError(
            f"lacks the column{'' if len(missing) == 1 else 's'} {', '.join(missing)}",
            path=table.path,
            line=1,
            hint=f"{there}; write {', '.join(meant)} in lower case" if meant else there,
        )
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise DataError(f"has the column {twice[0]} twice", path=table.path, line=1)


def _parse(
    given: dict[str, str], numbers: Sequence[str], optional: Sequence[str], decimals: Decimals
) -> tuple[dict[str, Value], list[tuple[str, str, str]]]:
    """A row's values, and what is wrong with it: the column, what, and what to do."""
    values: dict[str, Value] = {}
    wrong = []
    for name, written in given.items():
        text = written.strip()
        values[name] = text or None
        if not text and name not in optional:
            wrong.append((name, "is empty", "fill it in, or remove the row"))
        elif text and name in numbers:
            values[name] = number = decimals.number(text)
            if number is None:
                wrong.append((name, f"{text!r} is not a number", decimals.hint(text)))
    return values, wrong
