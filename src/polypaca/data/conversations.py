"""Conversations, in ShareGPT's and OpenAI's shape: the first exchange of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from polypaca.data.fields import FieldError, short_repr, text_field

if TYPE_CHECKING:
    from collections.abc import Mapping

_Speaker = Literal["system", "user", "assistant"]

# The columns that hold conversations, in either shape.
COLUMNS = ("conversations", "messages", "conversation")


@dataclass(frozen=True)
class _Shape:
    """How a message says who speaks and what."""

    speaker: str
    text: str
    speakers: Mapping[str, _Speaker]


# The names that occur in what was collected from ShareGPT, and `assistant`.
# https://huggingface.co/datasets/anon8231489123/ShareGPT_Vicuna_unfiltered
SHAREGPT = _Shape(
    "from",
    "value",
    {
        "system": "system",
        "human": "user",
        "user": "user",
        "gpt": "assistant",
        "chatgpt": "assistant",
        "bing": "assistant",
        "bard": "assistant",
        "assistant": "assistant",
    },
)
# OpenAI's roles; `developer` is the later name of `system`.
# https://platform.openai.com/docs/api-reference/chat/create
MESSAGES = _Shape(
    "role",
    "content",
    {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"},
)


@dataclass(frozen=True)
class FirstExchange:
    """What was said first.

    Attributes:
        system: the system's messages before the request, joined by blank lines; "" for none.
        request: the first user message.
        answer: the first answer.
        further: how many messages stand behind the answer.
    """

    system: str
    request: str
    answer: str
    further: int


def conversation_column(row: Mapping[str, Any]) -> str | None:
    """The column of a row that holds its conversation, None if there is none."""
    return next((name for name in COLUMNS if row.get(name) is not None), None)


def message_shape(row: Mapping[str, Any], column: str) -> _Shape:
    """The shape of the messages in a column; where they do not tell, that of its name."""
    messages = row.get(column)
    for message in messages if isinstance(messages, list) else ():
        if isinstance(message, dict):
            for shape in (SHAREGPT, MESSAGES):
                if shape.speaker in message:
                    return shape
    return SHAREGPT if column == "conversations" else MESSAGES


def first_exchange(row: Mapping[str, Any], column: str) -> FirstExchange:
    """The first user message of a conversation, the system's before it, and the first answer.

    What comes behind the answer is not used, and so not checked, but for the message right behind
    it: a second one by the assistant would be the rest of the answer.

    Raises:
        FieldError: naming what cannot be read, such as `messages[1].content`.
    """
    messages = _message_list(row, column)
    shape = message_shape(row, column)

    def speaker(number: int) -> _Speaker:
        return _speaker(messages[number], f"{column}[{number}]", shape)

    def text(number: int, *, required: bool = True) -> str:
        return _text(messages[number], f"{column}[{number}]", shape.text, required=required)

    count = len(messages)
    request_at = next((n for n in range(count) if speaker(n) != "system"), None)
    if request_at is None:
        raise FieldError(column, "has no user message")
    if speaker(request_at) == "assistant":
        place = f"{column}[{request_at}].{shape.speaker}"
        raise FieldError(place, "is the assistant's, and no user message stands before it")
    # An empty system message is how many data sets write that there is none.
    system = [part for part in (text(n, required=False) for n in range(request_at)) if part.strip()]
    request = text(request_at)
    answer_at = request_at + 1
    if answer_at == count:
        raise FieldError(column, "has no reply to its user message")
    if speaker(answer_at) != "assistant":
        place = f"{column}[{answer_at}].{shape.speaker}"
        raise FieldError(place, f"is the {speaker(answer_at)}'s where the reply should stand")
    answer = text(answer_at)
    next_at = answer_at + 1
    if next_at < count and speaker(next_at) == "assistant":
        place = f"{column}[{next_at}].{shape.speaker}"
        raise FieldError(place, "is the assistant's for the second time in a row")
    return FirstExchange("\n\n".join(system), request, answer, further=count - next_at)


def _message_list(row: Mapping[str, Any], column: str) -> list[Any]:
    messages = row.get(column)
    if messages is None:
        raise FieldError(column, "is null" if column in row else "is missing")
    if not isinstance(messages, list):
        raise FieldError(column, f"must be a list of messages, not {type(messages).__name__}")
    if not messages:
        raise FieldError(column, "is empty")
    return messages


def _speaker(message: Any, where: str, shape: _Shape) -> _Speaker:
    if not isinstance(message, dict):
        raise FieldError(where, f"must be an object, not {type(message).__name__}")
    name = _inner_text(message, where, shape.speaker)
    if name not in shape.speakers:
        raise FieldError(
            f"{where}.{shape.speaker}",
            f"is {short_repr(name)}, which is none of {', '.join(shape.speakers)}",
        )
    return shape.speakers[name]


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
            f"{where}.type", f"is {short_repr(kind)}: only parts of type 'text' can be used"
        )
    return _inner_text(part, where, "text", required=False)


def _inner_text(fields: Mapping[str, Any], where: str, key: str, *, required: bool = True) -> str:
    try:
        return text_field(fields, key, required=required)
    except FieldError as error:
        raise FieldError(f"{where}.{error.field}", error.reason) from None
