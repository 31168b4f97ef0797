"""Columns that mean something beside a request and its answer: read, or a reason to stop.

A text that belongs to a task (Alpaca's `input` and `system`, Dolly's `context`) is read. A row that
needs what cannot be trained on (a picture, tools) is no row. A column that seems to belong to the
task and is not read is refused, by what to rename; all others are left aside and listed.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from polypaca.data.conversations import COLUMNS as CONVERSATIONS
from polypaca.data.conversations import first_exchange
from polypaca.data.fields import FieldError, text_field
from polypaca.data.placeholders import is_placeholder

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

REQUESTS = ("instruction", "prompt", "question")
ANSWERS = ("output", "response", "completion", "answer")
INPUTS = ("input", "context")
SYSTEM = ("system", "system_prompt")
HISTORY = "history"

_PICTURE = "holds an image, but only text can be trained on"
_FILM = "holds a video, but only text can be trained on"
_SOUND = "holds audio, but only text can be trained on"
_TOOLS = "holds tools, which instructions cannot use"
_UNUSABLE = {
    "image": _PICTURE,
    "img": _PICTURE,
    "picture": _PICTURE,
    "photo": _PICTURE,
    "pixelvalues": _PICTURE,
    "video": _FILM,
    "audio": _SOUND,
    "tools": _TOOLS,
    "toolcall": _TOOLS,
    "functions": _TOOLS,
    "functioncall": _TOOLS,
}
_FILE_OF = re.compile(r"(?:s|paths?|urls?|files?|bytes|base64)$")
_READ = (*REQUESTS, *ANSWERS, *INPUTS, *SYSTEM, HISTORY, *CONVERSATIONS)
_MEANT = {
    **{name.replace("_", ""): name for name in _READ},
    **{f"{name}s": name for name in ("instruction", "input", "context", "output")},
    "sysprompt": "system",
}
# Often what the task is about, and read by no format.
_PASSAGES = ("text", "passage", "document", "article", "paragraph")


# What prompt templates write around the texts of a row: in a column that holds a whole prompt, this
# is all that there is beside them. The sentence is Alpaca's.
_TEMPLATE = re.compile(
    r"below is an instruction that describes a task(?:, paired with an input that provides further "
    r"context)?\. write a response that appropriately completes the request\.|"
    r"<[^<>]{1,30}>|\[/?\w+\]|"
    r"\b(?:instruction|input|context|response|output|human|user|assistant|question|answer|system|"
    r"prompt|q|a)\s*:"
)


def check_usable(row: Mapping[str, Any]) -> None:
    """Refuse a row that means what no text can say, or has a known column under another name.

    Raises:
        FieldError: naming the column, and what to rename it to.
    """
    for column, value in row.items():
        name = re.sub(r"[\W_]+", "", str(column).casefold())
        if column not in _READ and name in _MEANT and not is_empty(value):
            raise FieldError(str(column), f"is not read: rename it to `{_MEANT[name]}`")
        reason = _UNUSABLE.get(name) or _UNUSABLE.get(_FILE_OF.sub("", name))
        if reason and not is_empty(value):
            raise FieldError(str(column), reason)


def join_texts(row: Mapping[str, Any], names: Collection[str]) -> tuple[str, list[str]]:
    """The texts of columns, one below the other, each once; and what was taken for no text.

    Raises:
        FieldError: if one is no text.
    """
    texts: list[str] = []
    repairs = []
    for column in names:
        text = "" if is_empty(row.get(column)) else text_field(row, column)
        if is_placeholder(text):
            repairs.append(f"{column} {text.strip()!r} read as none")
        elif text.strip() and text not in texts:
            texts.append(text)
    return "\n\n".join(texts), repairs


def first_of_history(row: Mapping[str, Any]) -> tuple[str, str, int] | None:
    """The first request and answer of Alpaca's `history`, and how many messages stand behind them.

    None where there is no history. A history is a list of pairs, or of messages.

    Raises:
        FieldError: if it is none.
    """
    value = row.get(HISTORY)
    if is_empty(value):
        return None
    if not isinstance(value, list):
        raise FieldError(HISTORY, f"must be a list of pairs, not {type(value).__name__}")
    if isinstance(value[0], dict):
        first = first_exchange(row, HISTORY)
        request = "\n\n".join(part for part in (first.system, first.request) if part)
        return request, first.answer, first.further
    for number, pair in enumerate(value):
        if not (isinstance(pair, list) and len(pair) == 2):
            raise FieldError(f"{HISTORY}[{number}]", "must be a pair of a request and its answer")
    request, answer = (_text_at(value[0][place], place) for place in (0, 1))
    return request, answer, 2 * (len(value) - 1)


def check_all_read(
    row: Mapping[str, Any], used: Collection[str], texts: Collection[str], format_name: str
) -> None:
    """Refuse a row with a text that seems to belong to its task and was not read.

    What stands in a text that was read, or holds such texts and a template around them, is none.

    Args:
        row: the row.
        used: the columns that were read.
        texts: what was read from them.
        format_name: the format that was found for the file.

    Raises:
        FieldError: naming the column and what to do.
    """
    known = sorted((_folded(text) for text in texts if text.strip()), key=len, reverse=True)
    for column in (*REQUESTS, *ANSWERS, *_PASSAGES):
        value = row.get(column)
        if column in used or not isinstance(value, str) or is_empty(value) or is_placeholder(value):
            continue
        if not _repeats(_folded(value), known):
            read_columns = ", ".join(name for name in used if not is_empty(row.get(name)))
            raise FieldError(
                column,
                f"is not read, since {read_columns} are: rename it to `input` if it belongs to the "
                f"task, else remove it or set `data.format: {format_name}`",
            )


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: null, false, blank, or nothing but such values inside."""
    if isinstance(value, str):
        return value.strip() in ("", "[]", "{}", "null")
    if isinstance(value, list | tuple):
        return all(map(is_empty, value))
    if isinstance(value, dict):
        return all(map(is_empty, value.values()))
    return value is None or value is False


def _text_at(value: Any, place: int) -> str:
    where = f"{HISTORY}[0][{place}]"
    try:
        return text_field({where: value}, where)
    except FieldError as error:
        raise FieldError(where, error.reason) from None


def _repeats(text: str, known: Collection[str]) -> bool:
    if any(text in other for other in known):
        return True
    for other in known:
        text = text.replace(other, " ")
    return not re.search(r"\w", _TEMPLATE.sub(" ", text))


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())
