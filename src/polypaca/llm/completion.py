"""Reading what a completion says and what is billed for it; anything may stand under any name."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from polypaca.llm.account import Usage

_TEXT = ("text", "output_text")
_THOUGHTS = ("thinking", "reasoning", "reasoning_content", "redacted_thinking", "summary_text")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ChoiceContent:
    """What one choice of a completion holds.

    Attributes:
        text: the words; of a content in parts, all parts of text; None where there are none.
        finish_reason: as the server says it, or `refusal` where the text is the model's refusal.
        thought: whether there are thoughts apart from the text.
        left_out: kinds of parts that are no text.
    """

    text: str | None
    finish_reason: str
    thought: bool = False
    left_out: tuple[str, ...] = ()


def read_choice(choice: Any) -> ChoiceContent:
    """What a choice says, of a chat completion or of a plain one."""
    finish_reason = str(get_field(choice, "finish_reason") or "unknown")
    # A plain completion has its text where a chat completion has a message.
    plain = get_field(choice, "text")
    if isinstance(plain, str):
        return ChoiceContent(plain, finish_reason)
    message = get_field(choice, "message")
    text, refusal, thought, left_out = _content(get_field(message, "content"))
    thought = thought or any(_is_words(get_field(message, name)) for name in _THOUGHTS)
    refusal = refusal or get_field(message, "refusal")
    if not _is_words(text) and _is_words(refusal):
        return ChoiceContent(str(refusal), "refusal", thought, left_out)
    if text is None and thought:
        text = ""
    if text is not None and left_out:
        _tell_left_out(left_out)
    return ChoiceContent(text, finish_reason, thought, left_out)


def _content(content: Any) -> tuple[str | None, str, bool, tuple[str, ...]]:
    """The text of a content, its refusal, whether it holds thoughts, and other kinds of parts."""
    if isinstance(content, str):
        return content, "", False, ()
    if not isinstance(content, list):
        return None, "", False, ()
    texts: list[str] = []
    refusals: list[str] = []
    thought = False
    left_out: dict[str, None] = {}
    for part in content:
        kind = str(get_field(part, "type") or "text")
        words = part if isinstance(part, str) else get_field(part, "text")
        if kind in _THOUGHTS:
            thought = True
        elif kind == "refusal":
            refusals.append(str(get_field(part, "refusal") or ""))
        elif kind in _TEXT and isinstance(words, str):
            texts.append(words)
        else:
            left_out[kind] = None
    return ("".join(texts) if texts else None), "".join(refusals), thought, tuple(left_out)


@lru_cache
def _tell_left_out(kinds: tuple[str, ...]) -> None:
    _log.warning("leaving out the parts of replies that are not text: %s", ", ".join(kinds))


def read_usage(usage: Any) -> Usage | None:
    """The tokens that are billed, as the server counts; None where it does not.

    Some gateways leave the thinking out of `completion_tokens`; `total_tokens` has it, or
    `reasoning_tokens` are more than what they should be a part of. It is billed, as completion.
    """
    prompt, completion = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if prompt is None or completion is None:
        return None
    total = _count(usage, "total_tokens") or 0
    thinking = _count(get_field(usage, "completion_tokens_details"), "reasoning_tokens") or 0
    apart = completion + thinking if thinking > completion else 0
    return Usage(prompt, max(completion, total - prompt, apart))


def _count(value: Any, name: str) -> int | None:
    count = get_field(value, name)
    is_count = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return count if is_count else None


def _is_words(value: Any) -> bool:
    return bool(value.strip()) if isinstance(value, str) else bool(value)


def get_field(value: Any, name: str) -> Any:
    """A field of what may be no object at all; None where it is none, or has no such field."""
    return value.get(name) if isinstance(value, dict) else None
