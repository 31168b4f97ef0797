"""The table of instruction formats: what a row looks like, and how it becomes Alpaca's fields.

To add one, write a function from a row to an `Exchange` and give it a row of `FORMATS`; the
contract test in `tests/data/test_formats.py` then covers it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.names import nearest
from polypaca.data.columns import (
    HISTORY,
    INPUTS,
    SYSTEM,
    check_all_read,
    check_usable,
    first_of_history,
    is_empty,
    join_texts,
)
from polypaca.data.conversations import SHAREGPT, conversation_column, first_exchange, message_shape
from polypaca.data.fields import FieldError, text_field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AUTO = "auto"


@dataclass(frozen=True)
class Exchange:
    """One instruction and its answer, as a row had them.

    Attributes:
        instruction: what was asked, a system message before it.
        input: Alpaca's context of the instruction; "" for none.
        output: the answer.
        used: the row's fields that were read, the `id` left aside.
        further_messages: how many messages behind the first answer were left out.
        repairs: what was read otherwise than it stands, such as `<noinput>` as no input.
        system: of a conversation, until it stands before the instruction.
    """

    instruction: str
    input: str
    output: str
    used: tuple[str, ...]
    further_messages: int = 0
    repairs: tuple[str, ...] = ()
    system: str = ""


@dataclass(frozen=True)
class Format:
    """A row of the table.

    Attributes:
        fields: the sets of fields by which a row of this format is known: any of them will do.
        exchange: reads a row; raises `FieldError`.
    """

    fields: tuple[tuple[str, ...], ...]
    exchange: Callable[[Mapping[str, Any]], Exchange]


def check_format(name: str) -> str:
    """The name, if it is `auto` or in the table.

    Raises:
        UserError: naming the nearest.
    """
    if name != AUTO and name not in FORMATS:
        near = nearest(name, [AUTO, *FORMATS])
        raise UserError(f"unknown instruction format {name!r}{near}")
    return name


def find_format(rows: Sequence[Mapping[str, Any]]) -> str | None:
    """The format of a file: that of its first row which has all fields of one.

    Where no row has, the first row decides that has at least one of the fields, so that the
    missing one can be named. None if there is no such row either. Where a row has the fields of
    several formats, the first of the table counts.
    """
    whole = (name for row in rows for name in FORMATS if has_format(row, name))
    part = (name for row in rows for name, form in FORMATS.items() if _has_any(row, form))
    return next(whole, None) or next(part, None)


def has_format(row: Mapping[str, Any], name: str) -> bool:
    """Whether a row has all fields of a format.

    A null counts where another of the fields has a value: then it is a defect. Where all are null,
    they are columns of a table that this row has no use for.
    """
    column = conversation_column(row)
    if name in ("sharegpt", "messages") and column is not None:
        # The messages tell, whatever their column is called.
        return (message_shape(row, column) is SHAREGPT) == (name == "sharegpt")
    return any(
        all(field in row for field in fields) and any(row[field] is not None for field in fields)
        for fields in FORMATS[name].fields
    )


def read_exchange(row: Mapping[str, Any], name: str, *, detected: bool = False) -> Exchange:
    """The instruction and answer of a row, with all that belongs to them.

    A system message stands before the instruction. Of a conversation, and of Alpaca's `history`,
    the first exchange is read.

    Args:
        row: the row's fields.
        name: the format in which its file is read.
        detected: whether the format was found, not given: then a column that seems to belong to the
            task must have been read.

    Raises:
        FieldError: naming the field, such as `conversations[1].value`, if it is missing, empty, of
            the wrong type or out of turn, if it cannot be trained on, or if the row is in another
            format than its file.
    """
    if not has_format(row, name):
        other = find_format([row])
        missing = [field for field in FORMATS[name].fields[0] if row.get(field) is None]
        if missing and other is not None and other != name and has_format(row, other):
            raise FieldError(
                missing[0], f"is missing: the file is read as {name}, and this row is {other}"
            )
    check_usable(row)
    exchange = FORMATS[name].exchange(row)
    if detected:
        exchange = _checked(row, exchange, name)
    return _with_context(row, exchange)


def describe_formats() -> str:
    """The table in words: `alpaca (instruction, output), ...`."""
    return ", ".join(f"{name} ({', '.join(form.fields[0])})" for name, form in FORMATS.items())


def _has_any(row: Mapping[str, Any], form: Format) -> bool:
    return any(row.get(field) is not None for fields in form.fields for field in fields)


def _pair(request: str, answers: Sequence[str]) -> Format:
    """A format of one request and one answer, each in a column of its own."""

    def exchange(row: Mapping[str, Any]) -> Exchange:
        answer = next((name for name in answers if row.get(name) is not None), None)
        answer = answer or next((name for name in answers if name in row), answers[0])
        instruction = text_field(row, request)
        if answer not in row:
            raise _no_answer(row, request, answer)
        return Exchange(instruction, "", text_field(row, answer), used=(request, answer))

    return Format(tuple((request, answer) for answer in answers), exchange)


def _no_answer(row: Mapping[str, Any], request: str, answer: str) -> FieldError:
    known = ("id", request, *INPUTS, *SYSTEM, HISTORY)
    others = [str(name) for name, value in row.items() if name not in known and not is_empty(value)]
    hint = f": rename the answer's column to it; columns: {', '.join(others)}" if others else ""
    return FieldError(answer, f"is missing{hint}")


def _conversation(row: Mapping[str, Any], preferred: str) -> Exchange:
    column = preferred if row.get(preferred) is not None else conversation_column(row) or preferred
    first = first_exchange(row, column)
    return Exchange(first.request, "", first.answer, (column,), first.further, system=first.system)


def _sharegpt(row: Mapping[str, Any]) -> Exchange:
    return _conversation(row, "conversations")


def _messages(row: Mapping[str, Any]) -> Exchange:
    return _conversation(row, "messages")


# In this order where a row has the fields of several: Alpaca's are what training uses, and
# `prompt` often stands beside a conversation as its first message. LLM Foundry calls the answer
# to a prompt `response`, TRL and others `completion`.
# https://github.com/mosaicml/llm-foundry/blob/main/llmfoundry/data/finetuning/tasks.py
FORMATS: dict[str, Format] = {
    "alpaca": _pair("instruction", ["output"]),
    "dolly": _pair("instruction", ["response", "completion", "answer"]),
    "sharegpt": Format((("conversations",),), _sharegpt),
    "messages": Format((("messages",),), _messages),
    "prompt-completion": _pair("prompt", ["completion", "response", "output", "answer"]),
    "question-answer": _pair("question", ["answer", "response", "output", "completion"]),
}


def _with_context(row: Mapping[str, Any], exchange: Exchange) -> Exchange:
    """The exchange with the system's message before it and its input, or that of its history."""
    context, repairs = join_texts(row, INPUTS)
    system, more = join_texts(row, SYSTEM)
    # Some conversations repeat the column's text as their first message.
    parts = [system, exchange.system] if system != exchange.system else [system]
    used = [name for name in (*INPUTS, *SYSTEM, HISTORY) if name in row]
    history = first_of_history(row)
    if history is not None:
        request, answer, further = history
        # The row's own exchange is the last turn: without those before it, it makes no sense.
        exchange = replace(
            exchange,
            instruction=request,
            output=answer,
            further_messages=further + 2 + exchange.further_messages,
        )
        context = ""
    return replace(
        exchange,
        instruction="\n\n".join([*(part for part in parts if part.strip()), exchange.instruction]),
        input=context,
        used=(exchange.used[0], *used, *exchange.used[1:]),
        repairs=(*repairs, *more),
        system="",
    )


def _checked(row: Mapping[str, Any], exchange: Exchange, name: str) -> Exchange:
    """The exchange, where all that seems to belong to its task was read.

    A conversation beside it that begins with the same exchange tells how many turns are left out.
    """
    beside = (join_texts(row, columns)[0] for columns in (INPUTS, SYSTEM))
    texts = (exchange.instruction, exchange.output, *beside)
    check_all_read(row, exchange.used, texts, name)
    column = conversation_column(row)
    if column is None or column in exchange.used or is_empty(row[column]):
        return exchange
    try:
        first = first_exchange(row, column)
    except FieldError:
        first = None
    if first is None or first.answer.strip() != exchange.output.strip():
        raise FieldError(
            column,
            f"differs from {exchange.used[0]} and {exchange.used[-1]}: set `data.format` to "
            f"{name} or messages to choose one",
        )
    return replace(exchange, further_messages=exchange.further_messages + first.further)
