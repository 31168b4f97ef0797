from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.core.errors import DataError
from polypaca.data.instructions import instructions_from_rows, load_instructions

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.data.readers import OnBadRow

GOOD = {"id": "a", "instruction": "Add.", "input": "1 1", "output": "2"}


def load(folder: Path, rows: list[Any], on_bad_row: OnBadRow = "error") -> Any:
    (folder / "x.en.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load_instructions(folder / "x.{language}.jsonl", "en", on_bad_row=on_bad_row)


def test_an_item_becomes_a_record(tmp_path: Path) -> None:
    row = {**GOOD, "lang": "en", "category": "maths", "name": None, "split": "test"}
    (item,) = load(tmp_path, [row]).items
    assert item.example("validation").model_dump() == {
        "id": "a.en",
        "source": "a",
        "split": "validation",
        "language": "en",
        "instruction": "Add.",
        "input": "1 1",
        "output": "2",
        "origin": ["x.{language}.jsonl"],
        "lang": "en",
        "category": "maths",
        "name": None,
        "row_split": "test",
    }


def test_missing_or_null_input_is_empty(tmp_path: Path) -> None:
    rows = [{"instruction": "A", "output": "b"}, {"instruction": "A", "output": "b", "input": None}]
    assert [item.input for item in load(tmp_path, rows).items] == ["", ""]


def test_texts_are_kept_as_they_are(tmp_path: Path) -> None:
    row = {"instruction": "  def f():\r\n", "output": "\tpass\n"}
    (item,) = load(tmp_path, [row]).items
    assert (item.instruction, item.output) == ("  def f():\r\n", "\tpass\n")


def test_row_numbers_stand_for_missing_ids(tmp_path: Path) -> None:
    rows = [{"instruction": "A", "output": ""}, {"instruction": "B", "output": "b"}]
    read = load(tmp_path, rows, "reject")
    # The rejected row keeps its number, or all later rows would lose their translations.
    assert [item.source for item in read.items] == ["2"]
    assert read.numbered


def test_blank_lines_do_not_shift_row_numbers(tmp_path: Path) -> None:
    line = '{"instruction": "A", "output": "b"}'
    (tmp_path / "x.en.jsonl").write_text(f"{line}\n\n{line}\n")
    read = load_instructions(tmp_path / "x.{language}.jsonl", "en", on_bad_row="error")
    assert [item.source for item in read.items] == ["1", "2"]


def test_ids_may_be_numbers(tmp_path: Path) -> None:
    read = load(tmp_path, [{**GOOD, "id": 7}])
    assert [item.source for item in read.items] == ["7"]
    assert not read.numbered


BAD = {
    "empty instruction": ({"instruction": " \n"}, "instruction", "is empty"),
    "empty output": ({"output": ""}, "output", "is empty"),
    "null output": ({"output": None}, "output", "is null"),
    "number": ({"output": 8}, "output", "must be text, not int (8)"),
    "list": ({"input": ["a"]}, "input", "must be text, not list"),
    "id true": ({"id": True}, "id", "must be text or a whole number"),
    "id float": ({"id": 1.5}, "id", "must be text or a whole number"),
    "id empty": ({"id": ""}, "id", "is empty"),
    "id null": ({"id": None}, "id", "is missing, though other rows of the file have one"),
    "id twice": ({"id": "first"}, "id", "'first' is used twice, in lines 1 and 2"),
}


@pytest.mark.parametrize(("change", "field", "reason"), BAD.values(), ids=BAD.keys())
def test_bad_fields(tmp_path: Path, change: dict[str, Any], field: str, reason: str) -> None:
    rows = [{**GOOD, "id": "first"}, {**GOOD, **change}, {**GOOD, "id": "last"}]
    with pytest.raises(DataError) as caught:
        load(tmp_path, rows)
    assert f"x.en.jsonl:2, field {field}: {reason}" in str(caught.value)
    policies: list[OnBadRow] = ["reject", "repair"]
    for on_bad_row in policies:
        read = load(tmp_path, rows, on_bad_row)
        assert [item.source for item in read.items] == ["first", "last"]
        (rejected,) = read.rejected
        assert (rejected.line, rejected.reason[: len(field) + 7]) == (2, f"field {field}:")
        assert reason in rejected.reason
        assert json.loads(rejected.row) == rows[1]


def test_a_missing_field_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="field output: is missing"):
        load(tmp_path, [{"instruction": "A", "response": "b"}])


def test_the_readers_findings_are_kept(tmp_path: Path) -> None:
    line = json.dumps(GOOD).encode()
    (tmp_path / "x.en.jsonl").write_bytes(line + b",\r\nbroken\r\n")
    read = load_instructions(tmp_path / "x.{language}.jsonl", "en", on_bad_row="repair")
    assert len(read.items) == 1
    assert [r.line for r in read.rejected] == [2]
    assert len(read.repaired) == 2


def test_nothing_usable(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none of its 2 rows can be used; the first: field outp"):
        load(tmp_path, [{"instruction": "A"}, {"instruction": "B"}], "reject")
    with pytest.raises(DataError, match="holds no rows"):
        load(tmp_path, [], "reject")


def test_rows_in_memory_pass_the_same_checks() -> None:
    rows = [GOOD, {**GOOD, "id": "b", "output": "\ud800"}]
    read = instructions_from_rows(rows, "en", on_bad_row="reject", label="builtin:tiny")
    assert [item.example("train").origin for item in read.items] == [["builtin:tiny"]]
    (rejected,) = read.rejected
    assert rejected.file == "builtin:tiny (en)"
    assert "half a character" in rejected.reason
    rejected.model_dump_json()
    with pytest.raises(DataError, match=r"builtin:tiny \(en\):2, field output"):
        instructions_from_rows(rows, "en", on_bad_row="error", label="builtin:tiny")


@pytest.mark.data
@pytest.mark.parametrize(
    ("pattern", "sizes"),
    [
        ("alpaca.{language}.json", {"en": 999, "zh": 1000}),
        ("seed_tasks.{language}.jsonl", {"en": 175, "fr": 175, "ru": 137, "zh": 175}),
        ("mt_bench.{language}.jsonl", {"en": 80, "bn": 80, "hi": 80}),
        ("msvamp.{language}.jsonl", {"ru": 1000}),
    ],
)
def test_published_files(data_folder: Path, pattern: str, sizes: dict[str, int]) -> None:
    for language, size in sizes.items():
        read = load_instructions(
            data_folder / "instructions" / pattern, language, on_bad_row="error"
        )
        assert len(read.items) == size
        assert not read.rejected
        assert read.numbered == pattern.startswith("alpaca")
