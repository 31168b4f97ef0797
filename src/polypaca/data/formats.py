"""The table of instruction formats: what a row looks like, and how it becomes Alpaca's fields.

To add one, write a function from a row to an `Exchange` and give it a row of `FORMATS`; the
contract test in `tests/data/test_formats.py` then covers it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import UserError
from polypaca.core.names import nearest
from polypaca.data.fields import FieldError, short, text_field

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

AUTO = "auto"

_Speaker = Literal["system", "user", "assistant"]

# The names that occur in what was collected from ShareGPT, and `assistant`.
# https://huggingface.co/datasets/anon8231489123/ShareGPT_Vicuna_unfiltered
_SHAREGPT_SPEAKERS: dict[str, _Speaker] = {
    "system": "system",
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "chatgpt": "assistant",
    "bing": "assistant",
    "bard": "assistant",
    "assistant": "assistant",
}
# OpenAI's roles; `developer` is the later name of `system`.
# https://platform.openai.com/docs/api-reference/chat/create
_MESSAGE_SPEAKERS: dict[str, _Speaker] = {
    "system": "system",
    "developer": "system",
    "user": "user",
    "assistant": "assistant",
}


@dataclass(frozen=True)
class Exchange:
    """One instruction and its answer, as a row had them.

    Attributes:
        instruction: what was asked, a system message before it.
        input: Alpaca's context of the instruction; "" for none.
        output: the answer.
        used: the row's fields that were read, the `id` left aside.
        further_messages: how many messages behind the first answer were left out.
    """

    instruction: str
    input: str
    output: str
    used: tuple[str, ...]
    further_messages: int = 0


@dataclass(frozen=True)
class Format:
    """A row of the table.

    Attributes:
        fields: the sets of fields by which a row of this format is known: any of them will do.
        exchange: reads a row; raises `FieldError`.
    """

    fields: tuple[tuple[str, ...], ...]
    exchange: Callable[[Mapping[str, Any]], Exchange]


def known_format(name: str) -> str:
    """The name, if it is `auto` or in the table.

    Raises:
        UserError: naming the nearest.
    """
    if name != AUTO and name not in FORMATS:
        near = nearest(name, [AUTO, *FORMATS])
        raise UserError(f"no instruction format is called {name!r}{near}")
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
    return any(
        all(field in row for field in fields) and any(row[field] is not None for field in fields)
        for fields in FORMATS[name].fields
    )


def read_exchange(row: Mapping[str, Any], name: str) -> Exchange:
    """The instruction and answer of a row.

    Args:
        row: the row's fields.
        name: the format in which its file is read.

    Raises:
        FieldError: naming the field, such as `conversations[1].value`, if it is missing, empty, of
            the wrong type or out of turn, or if the row is in another format than its file.
    """
    if not has_format(row, name):
        other = find_format([row])
        if other is not None and other != name and has_format(row, other):
            missing = next(field for field in FORMATS[name].fields[0] if row.get(field) is None)
            raise FieldError(
                missing, f"is missing: the file is read as {name}, and this row is {other}"
            )
    return FORMATS[name].exchange(row)


def describe_formats() -> str:
    """The table in words: `alpaca (instruction, output), ...`."""
    return ", ".join(
        f"{name} ({'; or '.join(', '.join(fields) for fields in form.fields)})"
        for name, form in FORMATS.items()
    )


def _has_any(row: Mapping[str, Any], form: Format) -> bool:
    return any(row.get(field) is not None for fields in form.fields for field in fields)


def _alpaca(row: Mapping[str, Any]) -> Exchange:
    return Exchange(
        instruction=text_field(row, "instruction"),
        input=text_field(row, "input", required=False),
        output=text_field(row, "output"),
        used=("instruction", "input", "output"),
    )


def _prompt_completion(row: Mapping[str, Any]) -> Exchange:
    # LLM Foundry calls the answer `response`, TRL and others `completion`.
    # https://github.com/mosaicml/llm-foundry/blob/main/llmfoundry/data/finetuning/tasks.py
    answer = "response" if "response" in row and row.get("completion") is None else "completion"
    return Exchange(
        instruction=text_field(row, "prompt"),
        input="",
        output=text_field(row, answer),
        used=("prompt", answer),
    )


def _sharegpt(row: Mapping[str, Any]) -> Exchange:
    return _first_exchange(row, "conversations", "from", "value", _SHAREGPT_SPEAKERS)


def _messages(row: Mapping[str, Any]) -> Exchange:
    return _first_exchange(row, "messages", "role", "content", _MESSAGE_SPEAKERS)


# In this order where a row has the fields of several: Alpaca's are what training uses, and
# `prompt` often stands beside a conversation as its first message.
FORMATS: dict[str, Format] = {
    "alpaca": Format((("instruction", "output"),), _alpaca),
    "sharegpt": Format((("conversations",),), _sharegpt),
    "messages": Format((("messages",),), _messages),
    "prompt-completion": Format(
        (("prompt", "completion"), ("prompt", "response")), _prompt_completion
    ),
}


def _first_exchange(
    row: Mapping[str, Any],
    field: str,
    speaker_key: str,
    text_key: str,
    speakers: Mapping[str, _Speaker],
) -> Exchange:
    """The first user message of a conversation, the system's before it, and the first answer.

    What comes behind the answer is not used, and so not checked, but for the message right behind
    it: a second one by the assistant would be the rest of the answer.
    """
    messages = _message_list(row, field)

    def speaker(number: int) -> _Speaker:
        return _speaker(messages[number], f"{field}[{number}]", speaker_key, speakers)

    def text(number: int, *, required: bool = True) -> str:
        return _text(messages[number], f"{field}[{number}]", text_key, required=required)

    count = len(messages)
    asked = next((n for n in range(count) if speaker(n) != "system"), None)
    if asked is None:
        raise FieldError(field, "has no user message")
    if speaker(asked) == "assistant":
        where = f"{field}[{asked}].{speaker_key}"
        raise FieldError(where, "is the assistant's, and no user message stands before it")
    # An empty system message is how many data sets write that there is none.
    system = [part for part in (text(n, required=False) for n in range(asked)) if part.strip()]
    instruction = "\n\n".join([*system, text(asked)])
    answered = asked + 1
    if answered == count:
        raise FieldError(field, "has no reply to its user message")
    if speaker(answered) != "assistant":
        where = f"{field}[{answered}].{speaker_key}"
        raise FieldError(where, f"is the {speaker(answered)}'s where the reply should stand")
    output = text(answered)
    behind = answered + 1
    if behind < count and speaker(behind) == "assistant":
        where = f"{field}[{behind}].{speaker_key}"
        raise FieldError(where, "is the assistant's for the second time in a row")
    return Exchange(instruction, "", output, (field,), further_messages=count - behind)


def _message_list(row: Mapping[str, Any], field: str) -> list[Any]:
    messages = row.get(field)
    if messages is None:
        raise FieldError(field, "is null" if field in row else "is missing")
    if not isinstance(messages, list):
        raise FieldError(field, f"must be a list of messages, not {type(messages).__name__}")
    if not messages:
        raise FieldError(field, "is empty")
    return messages


def _speaker(message: Any, where: str, key: str, speakers: Mapping[str, _Speaker]) -> _Speaker:
    if not isinstance(message, dict):
        raise FieldError(where, f"must be an object, not {type(message).__name__}")
    name = _inner_text(message, where, key)
    if name not in speakers:
        raise FieldError(
            f"{where}.{key}", f"is {short(name)}, which is none of {', '.join(speakers)}"
        )
    return speakers[name]


def _text(message: Mapping[str, Any], where: str, key: str, *, required: bool) -> str:
    parts = message.get(key)
    if not isinstance(parts, list):
        return _inner_text(message, where, key, required=required)
    # Chat templates put text parts together with nothing between them.
    # https://huggingface.co/docs/transformers/chat_templating_multimodal
    where = f"{where}.{key}"
    text = "".join(_part(part, f"{where}[{number}]") for number, part in enumerate(parts))
    if required and not text.strip():
        raise FieldError(where, "is empty")
    return text


def _part(part: Any, where: str) -> str:
    if not isinstance(part, dict):
        raise FieldError(where, f"must be an object, not {type(part).__name__}")
    kind = part.get("type")
    if kind != "text":
        raise FieldError(
            f"{where}.type", f"is {short(kind)}: only parts of type 'text' can be used"
        )
    return _inner_text(part, where, "text", required=False)


def _inner_text(fields: Mapping[str, Any], where: str, key: str, *, required: bool = True) -> str:
    try:
        return text_field(fields, key, required=required)
    except FieldError as error:
        raise FieldError(f"{where}.{error.field}", error.reason) from None
