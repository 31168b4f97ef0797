from __future__ import annotations

import datetime
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.core.readers import LoadedRows, OnBadRow, read_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., LoadedRows]

POLICIES: list[OnBadRow] = ["error", "reject", "repair"]
GOOD = b'{"id": "a"}'


@pytest.fixture
def read(tmp_path: Path) -> Read:
    def read(data: bytes, on_bad_row: OnBadRow = "error", name: str = "rows.jsonl") -> LoadedRows:
        path = tmp_path / name
        path.write_bytes(data)
        return read_rows(path, on_bad_row=on_bad_row)

    return read


def fields(read: LoadedRows) -> list[dict[str, Any]]:
    return [row.fields for row in read.rows]


@pytest.mark.parametrize("on_bad_row", POLICIES)
class TestHarmless:
    def test_blank_lines_keep_line_numbers_and_do_not_count_as_rows(
        self, read: Read, on_bad_row: OnBadRow
    ) -> None:
        result = read(b'\n{"id": 1}\n  \n\t\n{"id": 2}', on_bad_row)
        assert [(row.line, row.number) for row in result.rows] == [(2, 1), (5, 2)]
        assert not result.rejected
        assert not result.repaired

    def test_crlf_is_recorded_once(self, read: Read, on_bad_row: OnBadRow) -> None:
        result = read(b'{"id": 1}\r\n{"id": 2}\r\n', on_bad_row)
        assert fields(result) == [{"id": 1}, {"id": 2}]
        assert [r.repair for r in result.repaired] == ["CRLF line ends read as LF (2 lines)"]

    def test_mixed_line_ends(self, read: Read, on_bad_row: OnBadRow) -> None:
        result = read(b'{"id": 1}\r\n{"id": 2}\n{"id": 3}', on_bad_row)
        assert len(result.rows) == 3
        assert [r.repair for r in result.repaired] == ["CRLF line ends read as LF (1 of 3 lines)"]

    def test_old_mac_line_ends(self, read: Read, on_bad_row: OnBadRow) -> None:
        result = read(b'{"id": 1}\r{"id": 2}\r', on_bad_row)
        assert fields(result) == [{"id": 1}, {"id": 2}]
        assert [r.repair for r in result.repaired] == ["CR line ends read as LF"]

    def test_byte_order_mark(self, read: Read, on_bad_row: OnBadRow) -> None:
        result = read(b"\xef\xbb\xbf" + GOOD, on_bad_row)
        assert fields(result) == [{"id": "a"}]
        assert [r.repair for r in result.repaired] == ["byte order mark removed"]

    def test_unicode_line_separators_split_nothing(self, read: Read, on_bad_row: OnBadRow) -> None:
        text = "one\u2028two\u2029three\x85four"
        result = read(json.dumps({"t": text}, ensure_ascii=False).encode() + b"\n", on_bad_row)
        assert fields(result) == [{"t": text}]

    def test_empty_file(self, read: Read, on_bad_row: OnBadRow) -> None:
        assert read(b"", on_bad_row).rows == []


BROKEN = {
    "truncated": (b'{"id": "b', "is not valid JSON"),
    "not UTF-8": (b'{"id": "caf\xe9"}', "is not valid UTF-8 (byte 0xe9 at byte 12)"),
    "array": (b"[1, 2]", "is an array, not an object"),
    "null": (b"null", "is null, not an object"),
    "number": (b"12", "is a number, not an object"),
    "too deep": (b"[" * 100_000, "nested more than 100 deep"),
    "huge number": (b'{"id": ' + b"1" * 5000 + b"}", "is not valid JSON"),
    "field named twice": (b'{"id": 1, "id": 2}', "names a field twice"),
}


@pytest.mark.parametrize(("line", "reason"), BROKEN.values(), ids=BROKEN.keys())
class TestBadLines:
    def test_error_names_file_line_and_remedy(self, read: Read, line: bytes, reason: str) -> None:
        with pytest.raises(DataError) as caught:
            read(GOOD + b"\n\n" + line + b"\n" + GOOD)
        message = str(caught.value)
        assert "rows.jsonl:3: " in message
        assert reason in message
        assert "on_bad_row: reject" in message
        assert "on_bad_row: repair" in message

    @pytest.mark.parametrize("on_bad_row", ["reject", "repair"])
    def test_rejected_with_reason(
        self, read: Read, line: bytes, reason: str, on_bad_row: OnBadRow
    ) -> None:
        result = read(GOOD + b"\n\n" + line + b"\n" + GOOD, on_bad_row)
        assert [(row.line, row.number) for row in result.rows] == [(1, 1), (4, 3)]
        (rejected,) = result.rejected
        assert rejected.line == 3
        assert reason in rejected.reason
        assert not result.repaired


REPAIRABLE = {
    "stray quote": (b'{"id": "why?""}', {"id": "why?"}, "stray quotation mark"),
    "comma behind": (b'{"id": "a"},', {"id": "a"}, "comma after the closing brace"),
    "comma inside": (b'{"id": "a", }', {"id": "a"}, "comma before the closing brace"),
    "raw tab": (b'{"id": "a\tb"}', {"id": "a\tb"}, "control characters"),
    "lone surrogate": (b'{"id": "a\\ud800"}', {"id": "a\ufffd"}, "lone surrogates"),
}


@pytest.mark.parametrize(("line", "expected", "repair"), REPAIRABLE.values(), ids=REPAIRABLE.keys())
class TestRepairs:
    def test_repaired_on_record(
        self, read: Read, line: bytes, expected: dict[str, str], repair: str
    ) -> None:
        result = read(GOOD + b"\n" + line + b"\r\n", "repair")
        assert fields(result) == [{"id": "a"}, expected]
        assert not result.rejected
        assert repair in result.repaired[-1].repair
        assert result.repaired[-1].line == 2

    def test_rejected_unless_asked(
        self, read: Read, line: bytes, expected: dict[str, str], repair: str
    ) -> None:
        del expected, repair
        result = read(GOOD + b"\n" + line, "reject")
        assert [r.line for r in result.rejected] == [2]
        with pytest.raises(DataError):
            read(GOOD + b"\n" + line)


def test_surrogate_pairs_are_characters(read: Read) -> None:
    assert fields(read(b'{"id": "\\ud83d\\ude00"}')) == [{"id": "\U0001f600"}]


def test_empty_last_value_is_no_defect(read: Read) -> None:
    result = read(b'{"id": ""}', "repair")
    assert fields(result) == [{"id": ""}]
    assert not result.repaired


ROW = st.dictionaries(st.text(max_size=5), st.text() | st.integers() | st.none(), max_size=3)


def dumped(row: dict[str, Any], *, ascii_only: bool) -> bytes:
    # Half characters have no UTF-8; where they may occur they are escaped.
    return json.dumps(row, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")


GOOD_LINES = st.builds(dumped, ROW, ascii_only=st.booleans())
BLANK_LINES = st.sampled_from([b"", b" ", b"\t ", b"\r"])
BROKEN_LINES = st.one_of(
    st.binary().map(lambda data: data.replace(b"\n", b"")),
    GOOD_LINES.map(lambda line: line[:-1]),
    st.sampled_from([line for line, _ in BROKEN.values()]),
    st.sampled_from([line for line, *_ in REPAIRABLE.values()]),
)
FILES = st.lists(
    st.tuples(st.one_of(GOOD_LINES, BLANK_LINES, BROKEN_LINES), st.sampled_from([b"\n", b"\r\n"])),
    max_size=12,
)


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=FILES, final_newline=st.booleans(), on_bad_row=st.sampled_from(["reject", "repair"]))
def test_every_non_blank_line_is_accepted_or_rejected(
    tmp_path: Path,
    lines: list[tuple[bytes, bytes]],
    final_newline: bool,
    on_bad_row: OnBadRow,
) -> None:
    data = b"".join(line + end for line, end in lines)
    if not final_newline:
        data = data.rstrip(b"\r\n")
    # These begin another encoding, or lines of another kind: cases of their own above.
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:3] == b"\xef\xbb\xbf" or b"\n" not in data:
        return
    path = tmp_path / "rows.jsonl"
    path.write_bytes(data)
    result = read_rows(path, on_bad_row=on_bad_row)
    blank = [n for n, line in enumerate(data.split(b"\n"), 1) if not line.strip()]
    seen = sorted([row.line for row in result.rows] + [row.line for row in result.rejected])
    assert seen == [n for n in range(1, data.count(b"\n") + 2) if n not in blank]
    assert sum(r.repair.startswith("CRLF") for r in result.repaired) <= 1


@given(rows=st.lists(ROW, max_size=5))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_json_and_jsonl_hold_the_same_rows(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    lines, array = tmp_path / "rows.jsonl", tmp_path / "rows.json"
    lines.write_text("".join(json.dumps(row) + "\n" for row in rows))
    array.write_text(json.dumps(rows, indent=1))
    read = [fields(read_rows(path, on_bad_row="reject")) for path in (lines, array)]
    assert read[0] == read[1]


class TestArrays:
    def test_rows_are_numbered(self, read: Read) -> None:
        result = read(b'\xef\xbb\xbf[\r\n {"id": 1},\r\n {"id": 2}\r\n]\r\n', name="rows.json")
        assert [(row.line, row.fields["id"]) for row in result.rows] == [(1, 1), (2, 2)]

    def test_bad_elements_follow_the_policy(self, read: Read) -> None:
        data = b'[{"id": 1}, 7, {"id": 1, "id": 2}, {"id": "\\ud800"}]'
        result = read(data, "reject", name="rows.json")
        assert [row.line for row in result.rows] == [1]
        assert [r.line for r in result.rejected] == [2, 3, 4]
        assert [row.line for row in read(data, "repair", name="rows.json").rows] == [1, 4]
        with pytest.raises(DataError, match=r"rows\.json:2: is a number"):
            read(data, name="rows.json")

    @pytest.mark.parametrize("on_bad_row", POLICIES)
    def test_a_broken_array_is_an_error_at_its_break(
        self, read: Read, on_bad_row: OnBadRow
    ) -> None:
        with pytest.raises(DataError, match=r"rows\.json:3: is a broken JSON array"):
            read(b'[\n{"id": 1},\n{"id": }\n]', on_bad_row, name="rows.json")

    def test_not_utf8(self, read: Read) -> None:
        with pytest.raises(DataError, match=r"rows\.json:2: is not valid UTF-8 \(byte 0xe9\)"):
            read(b'[\n{"id": "\xe9"}]', "reject", name="rows.json")

    def test_another_value(self, read: Read) -> None:
        with pytest.raises(DataError, match="holds an object, not an array"):
            read(b'{\n"data": []\n}', name="rows.json")

    def test_json_lines_under_the_name_json(self, read: Read) -> None:
        result = read(b'{"id": 1}\nbroken\n{"id": 2}\n', "reject", name="rows.json")
        assert [row.line for row in result.rows] == [1, 3]

    def test_an_array_under_the_name_jsonl_says_so(self, read: Read) -> None:
        with pytest.raises(DataError, match=r"must be named \.json"):
            read(b'[\n{"id": 1}\n]\n')


class TestParquet:
    def write(self, path: Path, rows: list[dict[str, Any]]) -> Path:
        import pyarrow
        import pyarrow.parquet

        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        return path

    def test_rows_in_order(self, tmp_path: Path) -> None:
        rows = [{"id": n, "text": f"ä{n}", "more": [n]} for n in range(3000)]
        result = read_rows(self.write(tmp_path / "a.parquet", rows), on_bad_row="error")
        assert fields(result) == rows
        assert result.rows[-1].line == 3000

    def test_values_without_json(self, tmp_path: Path) -> None:
        day = datetime.date(2024, 2, 29)
        path = self.write(tmp_path / "a.parquet", [{"day": day, "x": float("nan"), "n": None}])
        assert fields(read_rows(path, on_bad_row="error")) == [
            {"day": "2024-02-29", "x": None, "n": None}
        ]

    def test_bad_utf8_is_one_bad_row(self, tmp_path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        binary = pyarrow.array([b"good", b"caf\xe9", b"fine"])
        text = binary.cast(pyarrow.string(), safe=False)
        path = tmp_path / "a.parquet"
        pyarrow.parquet.write_table(pyarrow.table({"text": text}), path)
        result = read_rows(path, on_bad_row="reject")
        assert fields(result) == [{"text": "good"}, {"text": "fine"}]
        assert [r.line for r in result.rejected] == [2]

    def test_damaged_and_missing(self, tmp_path: Path) -> None:
        path = tmp_path / "a.parquet"
        with pytest.raises(DataError, match="cannot be read"):
            read_rows(path, on_bad_row="repair")
        path.write_bytes(b"PAR1 no more")
        with pytest.raises(DataError, match="not a readable Parquet file"):
            read_rows(path, on_bad_row="repair")


def test_files_that_cannot_be_read(read: Read, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_rows(tmp_path / "none.jsonl", on_bad_row="repair")
    with pytest.raises(DataError, match=r"unknown suffix '\.csv'.*\.jsonl"):
        read(b"a,b", name="rows.csv")
    with pytest.raises(DataError, match=r"is UTF-16.*iconv"):
        read('{"id": 1}'.encode("utf-16"), "repair")


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
@pytest.mark.parametrize("depth", [100, 900, 3000, 100_000])
def test_a_row_that_nests_too_deeply_is_one_bad_row(
    tmp_path: Path, opening: str, closing: str, depth: int
) -> None:
    value = opening * depth + "1" + closing * depth
    path = tmp_path / "a.jsonl"
    path.write_text(f'{{"a": 1}}\n{{"b": {value}}}\n{{"c": 3}}\n')
    with pytest.raises(DataError, match=r"a\.jsonl:2: is nested more than 100 deep"):
        read_rows(path, on_bad_row="error")
    read = read_rows(path, on_bad_row="reject")
    assert [row.line for row in read.rows] == [1, 3]
    assert [row.reason for row in read.rejected] == ["is nested more than 100 deep"]
    array = tmp_path / "a.json"
    array.write_text(f'[{{"b": {value}}}]')
    with pytest.raises(DataError, match="nested more than 100 deep"):
        read_rows(array, on_bad_row="error")
