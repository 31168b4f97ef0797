from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.core.errors import DataError, UserError
from polypaca.data.instructions import (
    instructions_from_rows,
    load_instructions,
    without_entities,
)

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.core.readers import OnBadRow

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
        "flags": [],
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
    "number": ({"output": 8}, "output", "must be a string, not int (8)"),
    "list": ({"input": ["a"]}, "input", "must be a string, not list"),
    "id true": ({"id": True}, "id", "must be a string or an integer"),
    "id float": ({"id": 1.5}, "id", "must be a string or an integer"),
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
        load(tmp_path, [{"instruction": "A", "reply": "b"}])


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


LINE = json.dumps(GOOD).encode()
TALK: dict[str, Any] = {
    "id": "t",
    "instruction": 5,
    "split": "test",
    "messages": [
        {"role": "user", "content": "A?"},
        {"role": "assistant", "content": "A."},
        {"role": "user", "content": "B?"},
        {"role": "assistant", "content": "B."},
    ],
}
DEFECTS = {
    "not JSON": (LINE[:-1], ":3: is not valid JSON"),
    "Latin-1": (b'{"id": "b", "instruction": "caf\xe9", "output": "c"}', ":3: is not valid UTF-8"),
    "wrong type": (b'{"id": "b", "instruction": "A", "output": []}', ":3, field output: must be"),
    "missing": (b'{"id": "b", "instruction": "A"}', ":3, field output: is missing"),
    "another format": (
        b'{"id": "b", "prompt": "A", "completion": "b"}',
        ":3, field instruction: is missing: the file is read as alpaca, and this row is "
        "prompt-completion",
    ),
}


@pytest.mark.parametrize(("line", "message"), DEFECTS.values(), ids=DEFECTS.keys())
def test_a_defect_is_found_among_mixed_line_ends(tmp_path: Path, line: bytes, message: str) -> None:
    path = tmp_path / "x.en.jsonl"
    path.write_bytes(LINE + b"\r\n\n" + line + b"\n" + LINE.replace(b'"a"', b'"c"'))
    with pytest.raises(DataError) as caught:
        load_instructions(path, "en", on_bad_row="error")
    assert f"x.en.jsonl{message}" in str(caught.value)
    read = load_instructions(path, "en", on_bad_row="reject")
    assert [item.source for item in read.items] == ["a", "c"]
    assert [row.line for row in read.rejected] == [3]
    assert [row.repair for row in read.repaired] == ["CRLF line ends read as LF (1 of 4 lines)"]


class TestFormats:
    def test_a_conversation_becomes_an_item_and_its_rest_is_on_record(self, tmp_path: Path) -> None:
        last = {**TALK, "id": "u", "messages": TALK["messages"][:2]}
        read = load(tmp_path, [TALK, last])
        assert (read.format, read.further_turns) == ("messages", 1)
        assert [(row.line, row.repair) for row in read.repaired] == [
            (1, "further turns left out (2 messages)")
        ]
        example = read.items[0].example("train").model_dump()
        assert (example["instruction"], example["input"], example["output"]) == ("A?", "", "A.")
        # The conversation is used; columns that happen to have an example's names are kept.
        assert "messages" not in example
        assert (example["row_instruction"], example["row_split"]) == (5, "test")

    def test_a_bad_message_is_named(self, tmp_path: Path) -> None:
        bad = {"id": "b", "messages": [{"role": "user", "content": "A?"}, {"role": "assistant"}]}
        with pytest.raises(DataError, match=r"jsonl:2, field messages\[1\]\.content: is missing"):
            load(tmp_path, [TALK, bad])
        read = load(tmp_path, [TALK, bad], "reject")
        assert [row.reason for row in read.rejected] == ["field messages[1].content: is missing"]
        assert json.loads(read.rejected[0].row) == bad

    def test_rejected_rows_are_not_counted_as_cut(self, tmp_path: Path) -> None:
        read = load(tmp_path, [TALK, TALK], "reject")
        assert (len(read.items), len(read.rejected), read.further_turns) == (1, 1, 1)

    def test_the_format_may_be_given(self) -> None:
        row = {**TALK, **GOOD}
        reads = {
            name: instructions_from_rows([row], "en", on_bad_row="error", label="x", format=name)
            for name in ("alpaca", "messages")
        }
        assert {name: (r.format, r.items[0].output) for name, r in reads.items()} == {
            "alpaca": ("alpaca", "2"),
            "messages": ("messages", "A."),
        }
        assert reads["alpaca"].items[0].others["messages"] == TALK["messages"]
        with pytest.raises(DataError, match=r"set `data\.format` to alpaca or messages"):
            instructions_from_rows([row], "en", on_bad_row="error", label="x")

    def test_an_unknown_format(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match="'alpacca'; did you mean alpaca"):
            load_instructions(tmp_path, "en", on_bad_row="error", format="alpacca")
        with pytest.raises(UserError, match="'alpacca'; did you mean alpaca"):
            instructions_from_rows([], "en", on_bad_row="error", label="x", format="alpacca")

    @pytest.mark.parametrize("on_bad_row", ["error", "reject", "repair"])
    def test_unknown_fields_are_listed_with_the_formats(
        self, tmp_path: Path, on_bad_row: OnBadRow
    ) -> None:
        with pytest.raises(DataError) as caught:
            load(tmp_path, [{"id": "a", "text": "b"}] * 2, on_bad_row)
        message = str(caught.value)
        assert "x.en.jsonl:1: its fields match no instruction format (id, text)" in message
        assert "alpaca (instruction, output), dolly (instruction, response), sharegpt" in message
        assert "into `input` or `context`" in message
        assert "on_bad_row" not in message

    def test_a_table_of_conversations(self, tmp_path: Path) -> None:
        import pyarrow
        import pyarrow.parquet

        table = pyarrow.Table.from_pylist([TALK])
        pyarrow.parquet.write_table(table, tmp_path / "x.parquet")
        read = load_instructions(tmp_path / "x.parquet", "en", on_bad_row="error")
        assert (read.format, read.items[0].output, read.further_turns) == ("messages", "A.", 1)


class TestColumns:
    def test_what_is_not_read_is_listed_once_and_kept(self, tmp_path: Path) -> None:
        rows = [
            {**GOOD, "id": "a", "category": "maths", "note": ""},
            {**GOOD, "id": "b", "category": "maths", "topic": "book", "note": None},
        ]
        read = load(tmp_path, rows)
        assert read.not_read == ("category", "topic")
        assert read.items[1].others == {"category": "maths", "topic": "book", "note": None}

    def test_rows_that_cannot_be_trained_on_are_set_aside(self, tmp_path: Path) -> None:
        rows = [{**GOOD, "image": "a.png"}, {**GOOD, "id": "b", "image": None}]
        with pytest.raises(DataError, match=r"jsonl:1, field image: holds an image"):
            load(tmp_path, rows)
        read = load(tmp_path, rows, "reject")
        assert [item.source for item in read.items] == ["b"]
        assert [row.line for row in read.rejected] == [1]

    def test_no_input_is_on_record_whatever_the_policy(self, tmp_path: Path) -> None:
        rows = [{**GOOD, "input": "<noinput>"}, {**GOOD, "id": "b"}]
        policies: list[OnBadRow] = ["error", "reject", "repair"]
        for on_bad_row in policies:
            read = load(tmp_path, rows, on_bad_row)
            assert [item.input for item in read.items] == ["", "1 1"]
            assert [(r.line, r.repair) for r in read.repaired] == [
                (1, "input '<noinput>' read as none")
            ]
            assert read.no_input == 1


def test_entities_are_replaced_on_record(tmp_path: Path) -> None:
    rows = [
        {**GOOD, "input": "1 &lt; 2", "output": "Yes, it&#39;s less."},
        {**GOOD, "id": "b", "output": "Write `&lt;`."},
    ]
    read = without_entities(load(tmp_path, rows))
    assert [item.texts() for item in read.items] == [
        ("Add.", "1 < 2", "Yes, it's less."),
        ("Add.", "1 1", "Write `&lt;`."),
    ]
    assert [(r.line, r.repair) for r in read.repaired] == [
        (1, "HTML entities replaced (&lt;, &#39;)")
    ]


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
        assert read.format == "alpaca"
        # Their conversations go on behind the exchange that stands in columns of its own.
        assert read.further_turns == (80 if pattern.startswith("mt_bench") else 0)


@pytest.mark.data
def test_published_rows_without_input_say_so_in_many_ways(data_folder: Path) -> None:
    pattern = data_folder / "instructions" / "alpaca.{language}.json"
    read = load_instructions(pattern, "en", on_bad_row="error")
    assert read.no_input == 8
    written = {
        "noinput", "Noinput", "No input", "No Input", "NoInput", "No input.", "< noinput >",
        "`<noinput>`",
    }  # fmt: skip
    assert {row.repair for row in read.repaired} == {f"input {t!r} read as none" for t in written}


@pytest.mark.data
def test_published_conversations_hold_the_same_first_exchange(data_folder: Path) -> None:
    pattern = data_folder / "instructions" / "mt_bench.{language}.jsonl"
    for language in ("en", "fi", "hi"):
        alpaca = load_instructions(pattern, language, on_bad_row="error")
        talks = load_instructions(pattern, language, on_bad_row="error", format="messages")
        assert [(item.source, item.instruction, item.output) for item in talks.items] == [
            (item.source, item.instruction, item.output) for item in alpaca.items
        ]
        assert talks.further_turns == len(talks.items) == 80


@pytest.mark.data
def test_published_labels_are_no_instructions(data_folder: Path) -> None:
    pattern = data_folder / "instructions" / "sib200.{language}.jsonl"
    with pytest.raises(
        DataError, match=r"sib200\.es\.jsonl:1: .*\(id, lang, split, text, category"
    ):
        load_instructions(pattern, "es", on_bad_row="reject")
