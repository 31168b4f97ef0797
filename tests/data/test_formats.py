from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import UserError
from polypaca.data.fields import FieldError
from polypaca.data.formats import (
    FORMATS,
    Exchange,
    check_format,
    describe_formats,
    find_format,
    has_format,
    read_exchange,
)

# A row of each format that asks "Add." and answers "2".
ROWS: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "Add.", "output": "2"},
    "dolly": {"instruction": "Add.", "response": "2"},
    "sharegpt": {
        "conversations": [{"from": "human", "value": "Add."}, {"from": "gpt", "value": "2"}]
    },
    "messages": {
        "messages": [{"role": "user", "content": "Add."}, {"role": "assistant", "content": "2"}]
    },
    "prompt-completion": {"prompt": "Add.", "completion": "2"},
    "question-answer": {"question": "Add.", "answer": "2"},
}
# Where the answer stands in each.
ANSWERS = {
    "alpaca": "output",
    "dolly": "response",
    "sharegpt": "conversations[1].value",
    "messages": "messages[1].content",
    "prompt-completion": "completion",
    "question-answer": "answer",
}
# The two shapes of a conversation: field, key of the speaker, key of the text, user, assistant.
SHAPES = {
    "sharegpt": ("conversations", "from", "value", "human", "gpt"),
    "messages": ("messages", "role", "content", "user", "assistant"),
}

WORDS = st.text(min_size=1).filter(str.strip)


def with_answer(name: str, answer: Any) -> dict[str, Any]:
    if name not in SHAPES:
        return {**ROWS[name], ANSWERS[name]: answer}
    return talk(name, ("user", "Add."), ("assistant", answer))


def talk(name: str, *messages: tuple[str, Any]) -> dict[str, Any]:
    """A conversation; speakers are given by the names that the format `messages` has for them."""
    field, speaker_key, text_key, user, assistant = SHAPES[name]
    names = {"user": user, "assistant": assistant}
    return {
        field: [
            {speaker_key: names.get(speaker, speaker), text_key: text} for speaker, text in messages
        ]
    }


def refused(row: dict[str, Any], name: str) -> tuple[str, str]:
    with pytest.raises(FieldError) as caught:
        read_exchange(row, name)
    return caught.value.field, caught.value.reason


@pytest.mark.parametrize("name", FORMATS)
class TestEveryFormat:
    def test_a_row_is_known_and_read(self, name: str) -> None:
        row = {"id": 1, "category": "maths", **ROWS[name]}
        assert find_format([row]) == name
        exchange = read_exchange(row, name)
        assert (exchange.instruction, exchange.input, exchange.output) == ("Add.", "", "2")
        assert set(ROWS[name]) <= set(exchange.used)
        assert not {"id", "category"} & set(exchange.used)
        assert exchange.further_messages == 0

    @pytest.mark.parametrize(
        ("answer", "reason"),
        [
            (8, "must be a string, not int (8)"),
            ({"a": 1}, "must be a string, not dict"),
            (None, "is null"),
            (" \n", "is empty"),
            ("\ud800", "half a character"),
        ],
    )
    def test_the_answer_must_be_text(self, name: str, answer: Any, reason: str) -> None:
        field, found = refused(with_answer(name, answer), name)
        assert field == ANSWERS[name]
        assert reason in found

    def test_a_row_without_its_fields_is_refused(self, name: str) -> None:
        first = FORMATS[name].fields[0][0]
        assert refused({"text": "Add."}, name) == (first, "is missing")

    def test_texts_stay_as_they_are(self, name: str) -> None:
        assert read_exchange(with_answer(name, "\tpass\r\n"), name).output == "\tpass\r\n"

    def test_rows_of_other_formats_are_refused(self, name: str) -> None:
        for other in FORMATS.keys() - {name}:
            field, reason = refused(ROWS[other], name)
            assert field == next(key for key in FORMATS[name].fields[0] if key not in ROWS[other])
            assert reason == f"is missing: the file is read as {name}, and this row is {other}"

    def test_it_is_described(self, name: str) -> None:
        assert f"{name} ({FORMATS[name].fields[0][0]}" in describe_formats()


def test_every_format_has_a_row_here() -> None:
    assert ROWS.keys() == ANSWERS.keys() == FORMATS.keys()


class TestFinding:
    def test_alpaca_wins_over_a_conversation(self) -> None:
        row = {**ROWS["messages"], **ROWS["alpaca"]}
        assert find_format([row]) == "alpaca"

    def test_a_conversation_wins_over_its_prompt(self) -> None:
        assert find_format([{**ROWS["prompt-completion"], **ROWS["messages"]}]) == "messages"

    def test_the_first_row_decides(self) -> None:
        assert find_format([ROWS["messages"], ROWS["alpaca"]]) == "messages"

    def test_rows_that_lack_a_field_decide_only_where_all_do(self) -> None:
        assert find_format([{"prompt": "Add."}, ROWS["alpaca"]]) == "alpaca"
        assert find_format([{"text": "a"}, {"prompt": "Add."}]) == "prompt-completion"

    def test_unused_columns_of_a_table_do_not_count(self) -> None:
        row = {"instruction": None, "output": None, **ROWS["messages"]}
        assert find_format([row]) == "messages"
        assert find_format([{**row, "instruction": "Add."}]) == "alpaca"

    @pytest.mark.parametrize("rows", [[], [{}], [{"text": "a", "label": "b"}]])
    def test_none(self, rows: list[dict[str, Any]]) -> None:
        assert find_format(rows) is None

    def test_a_row_that_has_the_fields_of_two_is_read_as_its_file(self) -> None:
        row = {**ROWS["alpaca"], **talk("messages", ("user", "Hi"), ("assistant", "Ho"))}
        assert has_format(row, "alpaca")
        assert has_format(row, "messages")
        assert read_exchange(row, "messages").instruction == "Hi"
        assert read_exchange(row, "alpaca").instruction == "Add."


def test_names() -> None:
    for name in ("auto", *FORMATS):
        assert check_format(name) == name
    with pytest.raises(UserError, match="'sharegtp'; did you mean sharegpt"):
        check_format("sharegtp")
    with pytest.raises(UserError, match="there are: auto, alpaca, dolly, sharegpt"):
        check_format("csv")


def test_alpaca_input() -> None:
    row = {**ROWS["alpaca"], "input": "1 1"}
    used = ("instruction", "input", "output")
    assert read_exchange(row, "alpaca") == Exchange("Add.", "1 1", "2", used)
    assert read_exchange({**row, "input": None}, "alpaca").input == ""
    assert refused({**row, "input": ["1"]}, "alpaca") == (
        "input",
        "must be a string, not list (['1'])",
    )


def test_prompt_and_response() -> None:
    row = {"prompt": "Add.", "response": "2"}
    name = "prompt-completion"
    assert find_format([row]) == name
    assert read_exchange(row, name) == Exchange("Add.", "", "2", ("prompt", "response"))
    both = {**row, "completion": "3"}
    assert read_exchange(both, name) == Exchange("Add.", "", "3", ("prompt", "completion"))
    assert refused({"prompt": "Add."}, name) == ("completion", "is missing")


@pytest.mark.parametrize("name", SHAPES)
class TestConversations:
    def test_a_system_message_stands_before_the_question(self, name: str) -> None:
        row = talk(name, ("system", "Be brief."), ("user", "Why?"), ("assistant", "So."))
        exchange = read_exchange(row, name)
        assert (exchange.instruction, exchange.output) == ("Be brief.\n\nWhy?", "So.")

    def test_an_empty_system_message_is_none(self, name: str) -> None:
        row = talk(name, ("system", " "), ("user", "Why?"), ("assistant", "So."))
        assert read_exchange(row, name).instruction == "Why?"

    def test_further_turns_are_counted(self, name: str) -> None:
        row = talk(
            name, ("user", "A?"), ("assistant", "A."), ("user", "B?"), ("assistant", "B."),
            ("user", "C?"),
        )  # fmt: skip
        exchange = read_exchange(row, name)
        assert (exchange.instruction, exchange.output) == ("A?", "A.")
        assert exchange.further_messages == 3

    def test_what_is_not_used_is_not_checked(self, name: str) -> None:
        row = talk(name, ("user", "A?"), ("assistant", "A."), ("user", ""), ("tool", 7))
        assert read_exchange(row, name).further_messages == 2

    @pytest.mark.parametrize(
        ("messages", "at", "key", "reason"),
        [
            ([("assistant", "Hi."), ("user", "A?")], 0, "speaker", "no user message stands before"),
            ([("system", "S"), ("assistant", "Hi.")], 1, "speaker", "no user message stands"),
            ([("user", "A?"), ("user", "B?"), ("assistant", "A")], 1, "speaker", "is the user's"),
            ([("user", "A?"), ("system", "S"), ("assistant", "A")], 1, "speaker", "the system's"),
            ([("user", "A?"), ("assistant", "A"), ("assistant", "B")], 2, "speaker", "second time"),
            ([("user", "A?"), ("tool", "x"), ("assistant", "A")], 1, "speaker", "is 'tool', which"),
            ([("user", "A?"), ("assistant", "A"), ("tool", "x")], 2, "speaker", "is 'tool', which"),
            ([("user", ""), ("assistant", "A")], 0, "text", "is empty"),
            ([("system", 3), ("user", "A?"), ("assistant", "A")], 0, "text", "must be a string"),
            ([("user", "A?")], None, "", "has no reply"),
            ([("system", "S")], None, "", "has no user message"),
            ([], None, "", "is empty"),
        ],
    )
    def test_what_cannot_be_read_is_named(
        self, name: str, messages: list[tuple[str, Any]], at: int | None, key: str, reason: str
    ) -> None:
        field, speaker_key, text_key, *_ = SHAPES[name]
        where = {"speaker": f".{speaker_key}", "text": f".{text_key}", "": ""}[key]
        found = refused(talk(name, *messages), name)
        assert found[0] == (field if at is None else f"{field}[{at}]{where}")
        assert reason in found[1]

    @pytest.mark.parametrize("value", ["Hi", 3, {"role": ["user"]}])
    def test_it_must_be_a_list(self, name: str, value: Any) -> None:
        field, *_ = SHAPES[name]
        kind = type(value).__name__
        assert refused({field: value}, name) == (field, f"must be a list of messages, not {kind}")

    def test_messages_must_be_objects_with_both_keys(self, name: str) -> None:
        field, speaker_key, text_key, user, _ = SHAPES[name]
        assert refused({field: ["Hi"]}, name) == (f"{field}[0]", "must be an object, not str")
        where = f"{field}[0].{speaker_key}"
        assert refused({field: [{text_key: "Hi"}]}, name) == (where, "is missing")
        for speaker in (["user"], 1):
            found = refused({field: [{speaker_key: speaker, text_key: "Hi"}]}, name)
            assert found[0] == where
            assert found[1].startswith("must be a string")
        assert refused({field: [{speaker_key: user}]}, name) == (
            f"{field}[0].{text_key}",
            "is missing",
        )

    @given(system=st.lists(WORDS, max_size=2), asked=WORDS, answer=WORDS, later=st.lists(WORDS))
    def test_the_first_exchange_is_found_and_the_rest_counted(
        self, name: str, system: list[str], asked: str, answer: str, later: list[str]
    ) -> None:
        before = [("system", text) for text in system]
        behind = [(("user", "assistant")[n % 2], text) for n, text in enumerate(later)]
        row = talk(name, *before, ("user", asked), ("assistant", answer), *behind)
        exchange = read_exchange(row, name)
        assert exchange.instruction == "\n\n".join([*system, asked])
        assert (exchange.output, exchange.further_messages) == (answer, len(later))


@pytest.mark.parametrize("speaker", ["gpt", "chatgpt", "bing", "bard", "assistant"])
@pytest.mark.parametrize("user", ["human", "user"])
def test_names_of_sharegpt(user: str, speaker: str) -> None:
    row = {"conversations": [{"from": user, "value": "A?"}, {"from": speaker, "value": "A."}]}
    assert read_exchange(row, "sharegpt").output == "A."


def test_the_developer_is_the_system() -> None:
    row = talk("messages", ("developer", "Be brief."), ("user", "Why?"), ("assistant", "So."))
    assert read_exchange(row, "messages").instruction == "Be brief.\n\nWhy?"


class TestParts:
    def row(self, parts: Any) -> dict[str, Any]:
        return talk("messages", ("user", parts), ("assistant", "A."))

    def test_texts_are_put_together(self) -> None:
        parts = [{"type": "text", "text": "Look: "}, {"type": "text", "text": "why?"}]
        assert read_exchange(self.row(parts), "messages").instruction == "Look: why?"

    @pytest.mark.parametrize(
        ("parts", "where", "reason"),
        [
            ([], "", "is empty"),
            ([{"type": "text", "text": " "}], "", "is empty"),
            ([{"type": "text", "text": 3}], "[0].text", "must be a string, not int (3)"),
            (["Hi"], "[0]", "must be an object, not str"),
            ([{"text": "Hi"}], "[0].type", "is None: only parts of type 'text' can be used"),
            (
                [{"type": "text", "text": "Hi"}, {"type": "image_url", "image_url": {}}],
                "[1].type",
                "is 'image_url': only parts of type 'text' can be used",
            ),
        ],
    )
    def test_others_are_refused(self, parts: Any, where: str, reason: str) -> None:
        found = refused(self.row(parts), "messages")
        assert found == (f"messages[0].content{where}", reason)


# Every way to write one request with its answer in columns of their own.
PAIRS = [pair for name in FORMATS.keys() - SHAPES.keys() for pair in FORMATS[name].fields]


@pytest.mark.parametrize(("request_column", "answer"), sorted(PAIRS))
class TestWhatBelongsToTheTask:
    def row(self, request_column: str, answer: str, **others: Any) -> dict[str, Any]:
        return {request_column: "Sum up.", answer: "Short.", **others}

    def read(self, row: dict[str, Any]) -> Exchange:
        name = find_format([row])
        assert name is not None
        return read_exchange(row, name, detected=True)

    @pytest.mark.parametrize("column", ["input", "context"])
    def test_its_input_is_read(self, request_column: str, answer: str, column: str) -> None:
        row = self.row(request_column, answer, **{column: "A long text."})
        exchange = self.read(row)
        assert (exchange.instruction, exchange.input) == ("Sum up.", "A long text.")
        assert set(row) == set(exchange.used)
        assert self.read({**row, column: None}).input == ""

    @pytest.mark.parametrize("column", ["system", "system_prompt"])
    def test_a_system_message_stands_before_it(
        self, request_column: str, answer: str, column: str
    ) -> None:
        row = self.row(request_column, answer, input="T")
        exchange = self.read({**row, column: "Be brief."})
        assert (exchange.instruction, exchange.input) == ("Be brief.\n\nSum up.", "T")
        assert self.read(self.row(request_column, answer, system="")).instruction == "Sum up."

    def test_of_a_history_the_first_exchange_is_read(
        self, request_column: str, answer: str
    ) -> None:
        history = [["Hi.", "Hello."], ["And you?", "Fine."]]
        row = self.row(request_column, answer, history=history, input="T", system="Be kind.")
        exchange = self.read(row)
        assert (exchange.instruction, exchange.input, exchange.output) == (
            "Be kind.\n\nHi.", "", "Hello.",
        )  # fmt: skip
        assert exchange.further_messages == 4
        messages = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
        exchange = self.read({**row, "history": messages})
        assert (exchange.instruction, exchange.output) == ("Be kind.\n\nHi.", "Hello.")
        assert exchange.further_messages == 2
        for nothing in ([], None, "", [["", ""]]):
            exchange = self.read({**row, "history": nothing})
            assert (exchange.output, exchange.further_messages) == ("Short.", 0)

    @pytest.mark.parametrize(
        ("history", "field", "reason"),
        [
            ("Hi. Hello.", "history", "must be a list of pairs, not str"),
            ([["Hi."]], "history[0]", "must be a pair"),
            ([{"role": "user", "content": "Hi."}], "history", "has no reply"),
            ([["Hi.", None]], "history[0][1]", "is null"),
            ([["", "Hello."]], "history[0][0]", "is empty"),
        ],
    )
    def test_a_history_that_cannot_be_read(
        self, request_column: str, answer: str, history: Any, field: str, reason: str
    ) -> None:
        with pytest.raises(FieldError) as caught:
            self.read(self.row(request_column, answer, history=history))
        assert caught.value.field == field
        assert caught.value.reason.startswith(reason)

    @pytest.mark.parametrize(
        "column",
        ["image", "images", "image_path", "Image URL", "videos", "audio", "tools", "functions"],
    )
    def test_what_no_text_can_say_is_refused(
        self, request_column: str, answer: str, column: str
    ) -> None:
        for value in ("a.png", [{"name": "find"}], {"bytes": "iVBO", "path": None}):
            with pytest.raises(FieldError, match="holds") as caught:
                self.read(self.row(request_column, answer, **{column: value}))
            assert caught.value.field == column
        empty: list[Any] = [None, "", "[]", [], {"bytes": None, "path": None}]
        for nothing in empty:
            row = self.row(request_column, answer, **{column: nothing})
            assert self.read(row).output == "Short."

    @pytest.mark.parametrize(
        ("column", "meant"),
        [("Input", "input"), ("inputs", "input"), (" context", "context"), ("System", "system"),
         ("systemPrompt", "system_prompt"), ("History", "history")],
    )  # fmt: skip
    def test_a_known_column_by_another_name_is_refused(
        self, request_column: str, answer: str, column: str, meant: str
    ) -> None:
        with pytest.raises(FieldError, match=f"rename it to `{meant}`"):
            self.read(self.row(request_column, answer, **{column: "A long text."}))

    @pytest.mark.parametrize("column", ["text", "passage", "document"])
    def test_a_text_that_was_not_read_is_refused(
        self, request_column: str, answer: str, column: str
    ) -> None:
        row = self.row(request_column, answer, **{column: "A long text."})
        with pytest.raises(FieldError, match="rename it to `input` if it belongs") as caught:
            self.read(row)
        assert caught.value.field == column
        name = find_format([row])
        assert name is not None
        # A format that is given says what is to be read.
        assert read_exchange(row, name).input == ""
        for repeating in (
            "Below is an instruction that describes a task. Write a response that appropriately "
            "completes the request.\n\n### Instruction:\nSum  up.\n\n### Response:Short.",
            "<s>[INST] Sum up. [/INST] Short.</s>",
            "short",
        ):
            assert self.read({**row, column: repeating}).output == "Short."
        for more in ("Sum up. Ferries sail.", "Is it short. or long?", "Sum up.渡船。Short."):
            with pytest.raises(FieldError, match="rename it"):
                self.read({**row, column: more})


@pytest.mark.parametrize("column", ["conversations", "messages", "conversation"])
@pytest.mark.parametrize("name", SHAPES)
class TestColumnsOfConversations:
    def row(self, name: str, column: str, *messages: tuple[str, str]) -> dict[str, Any]:
        return {column: next(iter(talk(name, *messages).values()))}

    def test_the_messages_tell_the_format(self, name: str, column: str) -> None:
        said = ("system", "Be brief."), ("user", "Why?"), ("assistant", "So.")
        row = self.row(name, column, *said)
        assert find_format([row]) == name
        exchange = read_exchange(row, name, detected=True)
        assert (exchange.instruction, exchange.output) == ("Be brief.\n\nWhy?", "So.")
        assert exchange.used == (column,)

    def test_a_column_may_hold_the_system_message(self, name: str, column: str) -> None:
        row = self.row(name, column, ("user", "Why?"), ("assistant", "So."))
        said = read_exchange({**row, "system": "Be brief."}, name)
        assert said.instruction == "Be brief.\n\nWhy?"
        inside = ("system", "Be brief."), ("user", "Why?"), ("assistant", "S")
        both = {**self.row(name, column, *inside), "system": "Be brief."}
        assert read_exchange(both, name).instruction == "Be brief.\n\nWhy?"

    def test_beside_a_pair_it_tells_what_is_left_out(self, name: str, column: str) -> None:
        row = {
            **ROWS["alpaca"],
            **self.row(
                name, column, ("user", "Add."), ("assistant", "2"), ("user", "Why?"),
                ("assistant", "So."),
            ),
        }  # fmt: skip
        assert read_exchange(row, "alpaca", detected=True).further_messages == 2
        with pytest.raises(FieldError, match=r"differs from instruction and output"):
            read_exchange({**row, "output": "3"}, "alpaca", detected=True)
        assert read_exchange({**row, "output": "3"}, "alpaca").output == "3"


def test_an_answer_by_another_name_is_to_be_renamed() -> None:
    row = {"id": 1, "instruction": "Add.", "input": "1 1", "chosen": "2", "rejected": "3"}
    name = find_format([row])
    assert name == "alpaca"
    assert refused(row, name) == (
        "output", "is missing: rename the answer's column to it; columns: chosen, rejected",
    )  # fmt: skip


def test_two_answers_are_not_chosen_between() -> None:
    row = {"instruction": "Add.", "output": "2", "response": "3"}
    with pytest.raises(FieldError, match="is not read, since instruction, output are"):
        read_exchange(row, "alpaca", detected=True)
    assert read_exchange({**row, "response": "2"}, "alpaca", detected=True).output == "2"


@pytest.mark.parametrize("column", ["input", "context", "system"])
@pytest.mark.parametrize("text", ["<noinput>", "No input", "N/A", "nan", "None", "无输入"])
def test_a_text_that_says_there_is_none_is_none_on_record(column: str, text: str) -> None:
    row = {**ROWS["alpaca"], column: text}
    exchange = read_exchange(row, "alpaca")
    assert (exchange.instruction, exchange.input) == ("Add.", "")
    assert exchange.repairs == (f"{column} {text!r} read as none",)
