"""A file may be written in many ways: it gives the same numbers, or an error with its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core.errors import DataError, UserError
from polypaca.stats.csv_files import NumberRow, parse, raise_problems, read_table

COLUMNS = ("name", "score")
ROWS = [("a", 12.5), ("b", 7.25), ("c", 130.0)]


def _read(path: Path) -> list[NumberRow]:
    table = read_table(path, COLUMNS)
    rows = parse(table, texts=("name",), numbers=("score",))
    raise_problems(table.problems)
    return rows


def _written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "x.csv"
    path.write_bytes(text.encode(encoding))
    return path


def _text(delimiter: str = ",", decimal: str = ".", end: str = "\n", space: str = "") -> str:
    lines = [
        ["name", "score"],
        *([name, f"{score:g}".replace(".", decimal)] for name, score in ROWS),
    ]
    return "".join((delimiter + space).join(line) + end for line in lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("space", ["", " "])
def test_however_it_is_written_the_numbers_are_the_same(
    tmp_path: Path, delimiter: str, end: str, encoding: str, space: str
) -> None:
    rows = _read(_written(tmp_path, _text(delimiter, end=end, space=space), encoding))
    assert [(row.text("name"), row.number("score")) for row in rows] == ROWS
    assert [row.line for row in rows] == [2, 3, 4]
    if delimiter != ",":
        rows = _read(_written(tmp_path, _text(delimiter, ",", end, space), encoding))
        assert [row.number("score") for row in rows] == [score for _, score in ROWS]


def test_what_spreadsheets_add(tmp_path: Path) -> None:
    path = _written(tmp_path, "sep=;\r\n" + _text(";", ",", "\r\n") + ";\r\n;\r\n")
    table = read_table(path, COLUMNS)
    rows = parse(table, texts=("name",), numbers=("score",))
    assert [(row.line, row.number("score")) for row in rows] == [(3, 12.5), (4, 7.25), (5, 130.0)]
    assert table.notes == [
        "2 rows of empty fields were skipped.", "Numbers were read with decimal commas.",
    ]  # fmt: skip


@settings(max_examples=300)
@given(
    st.lists(st.floats(0.001, 5000).map(lambda x: round(x, 3)), min_size=1, max_size=6),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([".", ","]),
    st.sampled_from(["", ",", ".", " ", "_", "'"]),
    st.integers(0, 3),
)
def test_no_other_numbers_ever(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[float],
    delimiter: str,
    decimal: str,
    thousands: str,
    digits: int,
) -> None:
    """Whatever stands for thousands and decimals: the numbers that were meant, or an error."""
    # Between commas or tabs a point is a decimal point.
    if decimal == thousands or (thousands == "." and delimiter != ";" and not digits):
        return
    marks = str.maketrans({",": thousands, ".": decimal})
    written = [f"{value:,.{digits}f}".translate(marks) for value in values]
    quoted = [f'"{text}"' if delimiter in text else text for text in written]
    lines = [f"name{delimiter}score", *(f"n{at}{delimiter}{t}" for at, t in enumerate(quoted))]
    path = _written(tmp_path_factory.mktemp("c"), "\n".join(lines))
    try:
        found = [row.number("score") for row in _read(path)]
    except UserError:
        return  # what it says is tested below
    assert found == [float(f"{value:.{digits}f}") for value in values]


@pytest.mark.parametrize(
    ("field", "hint"),
    [
        ("1_10", "nothing between thousands"),
        ('"5,685.6"', "nothing between thousands"),
        ("5 685", "nothing between thousands"),
        ("56.9%", "without the percent sign"),
        ("NaN", "leave the row out"),
        ("inf", "leave the row out"),
        ("-", "leave the row out"),
        ("12²", "write it as 12.5"),
        ("1e999", "write it as 12.5"),
        ("0x10", "write it as 12.5"),
        ('"56,9"', "with a decimal point"),
    ],
)
def test_a_field_in_doubt_is_told_with_line_and_column(
    tmp_path: Path, field: str, hint: str
) -> None:
    with pytest.raises(UserError, match=r"x\.csv:3, column score: .* is not a number") as caught:
        _read(_written(tmp_path, f"name,score\na,1\nb,{field}\n"))
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("９５", 95),
        ("９５．５", 95.5),
        ("९५.५", 95.5),
        ("−3.5", -3.5),
        ("+2", 2),
        ("1e2", 100),
        (".5", 0.5),
    ],
)  # fmt: skip
def test_numbers_without_doubt_are_read(tmp_path: Path, field: str, value: float) -> None:
    (row,) = _read(_written(tmp_path, f"name,score\na,{field}\n"))
    assert row.number("score") == value


@pytest.mark.parametrize("text", ["1,234", "1.234", "12.345"])
def test_three_digits_behind_a_mark_may_be_thousands_where_commas_are_decimals(
    tmp_path: Path, text: str
) -> None:
    with pytest.raises(UserError, match="may be thousands or decimals"):
        _read(_written(tmp_path, f"name;score\na;{text}\nb;7\n"))
    rows = _read(_written(tmp_path, f"name;score\na;0{'.' if '.' in text else ','}949\nb;{text}\n"))
    assert rows[1].number("score") == float(text.replace(",", "."))


def test_two_kinds_of_decimals_in_one_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r":3, column score: '7\.5' .* have decimal commas"):
        _read(_written(tmp_path, "name;score\na;56,9\nb;7.5\n"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    with pytest.raises(DataError, match=r"x\.csv:1: is UTF-16 .*save it as UTF-8"):
        _read(_written(tmp_path, _text(), encoding))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r":1: lacks the columns name, score \(its header has nothing\)"),
        ("name,score\n", r":2: has no rows .*name, score"),
        ("Name,Score\na,1\n", r":1: lacks .*write Name, Score in lower case"),
        ('name,score\na,1\n"b,2\nc,3\n', r":3: is no CSV: unexpected end of data"),
    ],
)
def test_files_of_another_shape_are_told_with_their_line(
    tmp_path: Path, text: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        _read(_written(tmp_path, text))


def test_a_row_is_known_by_the_line_that_it_begins_on(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"x\.csv:3, column score: is empty"):
        _read(_written(tmp_path, 'name,score\na,1\n"b\nc",\n'))
