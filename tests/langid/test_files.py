from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from polypaca.core.errors import DataError, UserError
from polypaca.langid.files import identify, summarise, to_json, to_text

SPANISH = "La casa vieja está junto al río, y los niños juegan en el jardín."
ENGLISH = "The old house stands by the river, and the children play in it."


def _write(path: Path, text: str) -> str:
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_text_a_line(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.txt", f"{SPANISH}\n\n{ENGLISH}\n")
    found = identify(file, expect="es")
    assert [(row.line, row.detected, row.gate, row.reason) for row in found] == [
        (1, "es", 1, "language"),
        (2, None, 0, "empty"),
        (3, "en", 0, "language"),
    ]
    assert [row.line_gate for row in found] == [1, None, 0]


def test_without_a_language_there_is_no_gate(tmp_path: Path) -> None:
    found = identify(_write(tmp_path / "a.txt", f"{SPANISH}\n42"))
    assert [(row.detected, row.gate) for row in found] == [("es", None), (None, None)]
    assert to_text(found).endswith("2 texts: es 1, none 1")


def test_json_lines_with_their_languages(tmp_path: Path) -> None:
    rows = [
        {"response": SPANISH, "language": "spa", "text": ENGLISH},
        {"response": ENGLISH, "language": "es", "prompt": "?"},
        {"response": ENGLISH, "language": "es", "prompt": f"Di: {ENGLISH}"},
        {
            "response": f"{SPANISH} {ENGLISH} {ENGLISH}",
            "language": "es",
            "prompt": f"Di: {ENGLISH}",
        },
    ]
    file = _write(tmp_path / "a.jsonl", "\n\n".join(map(json.dumps, rows)))
    found = identify(file)
    assert [(row.line, row.gate) for row in found] == [(1, 1), (3, 0), (5, 0), (7, 1)]
    assert [row.gate for row in identify(file, field="response", expect="en")] == [0, 1, 1, 0]


@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_delimited(tmp_path: Path, ending: str) -> None:
    mark = "," if ending == "csv" else "\t"
    lines = [f"id{mark}completion", f'1{mark}"{SPANISH}\n{SPANISH}"', f'2{mark}"{ENGLISH}"']
    found = identify(_write(tmp_path / f"a.{ending}", "\r\n".join(lines)), expect="es")
    assert [(row.line, row.detected, row.gate) for row in found] == [(2, "es", 1), (4, "en", 0)]


@pytest.mark.parametrize("above", ["", "sep=;\n"])
def test_what_divides_the_fields_is_seen(tmp_path: Path, above: str) -> None:
    rows = f'{above}id;text\n1; "{SPANISH}"\n2;"{ENGLISH}"\n'
    found = identify(_write(tmp_path / "a.csv", rows), expect="es")
    first = 3 if above else 2
    assert [(row.line, row.detected) for row in found] == [(first, "es"), (first + 1, "en")]


def test_the_summary_counts(tmp_path: Path) -> None:
    found = identify(_write(tmp_path / "a.txt", f"{SPANISH}\n{ENGLISH}\n42\n..."), expect="es")
    assert summarise(found) == {
        "texts": 4,
        "missing": 0,
        "detected": {"none": 2, "es": 1, "en": 1},
        "expected": 4,
        "passed": 2,
        "reasons": {"degenerate": 1, "language": 2, "undetermined": 1},
        "line_told": 2,
        "line_passed": 1,
        "word_told": 0,
        "word_passed": 0,
    }
    assert json.loads(to_json(found))["summary"] == summarise(found)
    assert to_text(found).splitlines()[1].split() == [
        "1",
        "es",
        f"{found[0].confidence:.2f}",
        "1",
        "language",
    ]
    assert "2 of 4 pass the gate (degenerate 1, language 2, undetermined 1)" in to_text(found)


@pytest.mark.parametrize(
    ("name", "content", "field", "message"),
    [
        ("a.jsonl", '{"text": "a"}\n{"text"', None, r"a\.jsonl:2: is not valid JSON"),
        ("a.jsonl", "[1]", None, r"a\.jsonl:1: is an array, not an object"),
        ("a.jsonl", '{"text": 3}', None, r"a\.jsonl:1, field text: must be a string, not 3"),
        ("a.jsonl", '{"txt": "a"}', None, r"a\.jsonl: has no column .*--field; its columns: txt"),
        ("a.jsonl", '{"text": "a"}', "txet", r"no column 'txet'; did you mean text"),
        (
            "a.jsonl",
            '{"text": "a", "language": "xx"}',
            None,
            r"a\.jsonl:1, field language: unknown",
        ),
        ("a.csv", "text,id\na,1\nb", None, r"a\.csv:3: has 1 fields, but the header has 2"),
        ("a.csv", 'text\n"a"b\n', None, r"a\.csv:2: is no CSV"),
        ("a.txt", "a", "text", "has one text per line and no columns"),
    ],
)
def test_bad_rows_are_named(
    tmp_path: Path, name: str, content: str, field: str | None, message: str
) -> None:
    file = _write(tmp_path / name, content)
    with pytest.raises(DataError, match=message):
        identify(file, field=field)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt: cannot be read"):
        identify(str(tmp_path / "none.txt"))
    (tmp_path / "a.txt").write_bytes(b"good\n\xff\xfe")
    with pytest.raises(DataError, match=r"a\.txt:2: is not UTF-8"):
        identify(str(tmp_path / "a.txt"))
    with pytest.raises(UserError, match=r"'spanish'; did you mean es\?"):
        identify(str(tmp_path / "a.txt"), expect="spanish")


ROWS = [{"id": 1, "output": SPANISH}, {"id": 2, "output": None}, {"id": 3, "output": ENGLISH}]


def _tables(folder: Path) -> dict[str, str]:
    """The same three rows in every form that data comes in."""
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), folder / "a.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in ROWS)
    return {
        "array": _write(folder / "array.json", json.dumps(ROWS, indent=1)),
        "lines": _write(folder / "lines.json", lines),
        "jsonl": _write(folder / "a.JSONL", lines),
        "marked": _write(folder / "marked.jsonl", "\ufeff" + lines.replace("\n", "\r\n")),
        "parquet": str(folder / "a.parquet"),
        "array without an ending": _write(folder / "array", json.dumps(ROWS)),
        "lines in a text file": _write(folder / "lines.txt", lines),
        "a row without it": _write(
            folder / "b.jsonl", lines.replace('"output": null', '"other": "x"')
        ),
    }


@pytest.mark.parametrize(
    "form",
    ["array", "lines", "jsonl", "marked", "parquet", "array without an ending",
     "lines in a text file", "a row without it"],
)  # fmt: skip
def test_what_prepare_reads_is_read_and_nulls_are_counted(tmp_path: Path, form: str) -> None:
    found = identify(_tables(tmp_path)[form], expect="es")
    assert [(row.detected, row.gate, row.missing) for row in found] == [
        ("es", 1, False),
        (None, 0, True),
        ("en", 0, False),
    ]
    assert "1 of them are null or missing, and count as empty" in to_text(found)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json", ""), ("a.json", "[]"), ("a.json", "\n \n"), ("a.jsonl", ""), ("a.txt", ""),
        ("a.txt", "\n\n"), ("a.csv", ""), ("a.csv", "text\n"), ("a", "[]"), ("a.json", "{}"),
        ("a.json", '{"rows": []}'), ("a.json", '"text"'), ("a.json", '[["a"]]'),
        ("a.jsonl", "[" * 3000), ("a.json", "[" * 100000 + "]" * 100000), ("a.parquet", "PAR1"),
    ],
)  # fmt: skip
def test_a_file_without_texts_is_no_success(tmp_path: Path, name: str, content: str) -> None:
    with pytest.raises(DataError):
        identify(_write(tmp_path / name, content))


@pytest.mark.parametrize("form", ["array", "lines"])
def test_json_on_standard_input_is_known_by_its_beginning(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    data = Path(_tables(tmp_path)[form]).read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert [row.detected for row in identify("-")] == ["es", None, "en"]


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    row = json.dumps({"answer": SPANISH}).encode()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(row)))
    assert identify("-", field="answer")[0].detected == "es"


def test_the_command(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.txt", f"{SPANISH}\n{ENGLISH}\n")
    command = [sys.executable, "-m", "polypaca.cli", "langid"]
    run = subprocess.run(
        [*command, file, "--expect", "es", "--json"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert [row["gate"] for row in json.loads(run.stdout)["rows"]] == [1, 0]
    failed = subprocess.run(
        [*command, file, "--column", "text"], capture_output=True, text=True, check=False
    )
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: ")
    assert "Traceback" not in failed.stderr
