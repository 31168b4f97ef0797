"""Encode prompts as tokens, and cut or refuse those that are too long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import UserError
from polypaca.core.tokens import Encoder, encoder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OnLong = Literal["error", "cut"]
_NAMED = 5  # prompts listed in a message


@dataclass(frozen=True)
class Limit:
    """The limit on the tokens of a prompt.

    Attributes:
        tokens: at most.
        why: what sets the limit, in words.
        more: how to raise it, in words.
        on_long: for longer prompts: refuse all, or cut the end of the request off.
    """

    tokens: int
    why: str
    more: str
    on_long: OnLong = "error"


def prompt_limit(tokens: int, on_long: OnLong) -> Limit:
    """The limit that a study sets."""
    more = "Raise it where the model and memory allow that"
    return Limit(tokens, "generate.max_prompt_tokens", more, on_long)


@dataclass(frozen=True)
class EncodedPrompts:
    """Prompts as tokens.

    Attributes:
        tokens: of each prompt, template and all.
        cut: names of prompts whose end was cut off.
        special: names of prompts with special tokens in their text that could not be kept text.
    """

    tokens: list[list[int]]
    cut: list[str]
    special: list[str]


def encode_prompts(
    tokenizer: Any,
    prompts: Sequence[tuple[str, str]],
    render: Callable[[str], str],
    limit: Limit,
    *,
    special_tokens: bool = True,
) -> EncodedPrompts:
    """Render prompts with a template and tokenize them.

    Args:
        tokenizer: a fast tokenizer of Transformers.
        prompts: name (for messages) and text of each.
        render: puts a text into the template.
        limit: on tokens.
        special_tokens: whether the tokenizer adds its own (a chat template contains them).

    Raises:
        UserError: if a prompt has no tokens at all, or too many.
    """
    encoder = encoder_of(tokenizer, special_tokens)
    read = list(encoder.prompts(render(text) for _, text in prompts))
    tokens = [ids for ids, _ in read]
    names = [name for name, _ in prompts]
    for name, ids in zip(names, tokens, strict=True):
        if not ids:
            raise UserError(f"prompt {name} has no tokens: there is nothing to continue")
    long = [number for number, ids in enumerate(tokens) if len(ids) > limit.tokens]
    if long and limit.on_long == "error":
        raise prompts_too_long({names[number]: len(tokens[number]) for number in long}, limit)
    for number in long:
        tokens[number] = _cut(encoder, *prompts[number], render, limit)
    special = [name for name, (_, misread) in zip(names, read, strict=True) if misread]
    return EncodedPrompts(tokens, [names[number] for number in long], special)


def join_names(names: Sequence[str]) -> str:
    """Some of the names, and how many more there are."""
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def prompts_too_long(lengths: dict[str, int], limit: Limit) -> UserError:
    """The error for prompts of too many tokens, by their names."""
    longest = max(lengths, key=lambda name: lengths[name])
    return UserError(
        f"prompt {longest} has {lengths[longest]:,} tokens, more than "
        f"{limit.tokens:,}: {limit.why}. Too long: {join_names(list(lengths))}. {limit.more}, set "
        "generate.on_long_prompt to cut, or leave these prompts out"
    )


def _cut(
    encoder: Encoder, name: str, text: str, render: Callable[[str], str], limit: Limit
) -> list[int]:
    """The tokens of as much of a prompt as fits."""

    def tokens_of(size: int) -> list[int]:
        ((ids, _),) = encoder.prompts([render(text[:size])])
        return ids

    if len(tokens_of(0)) > limit.tokens:
        raise UserError(
            f"prompt {name} does not fit: the template alone has {len(tokens_of(0)):,} tokens, "
            f"more than {limit.tokens:,}: {limit.why}"
        )
    fits, too_much = 0, len(text)
    while too_much - fits > 1:
        middle = (fits + too_much) // 2
        if len(tokens_of(middle)) <= limit.tokens:
            fits = middle
        else:
            too_much = middle
    return tokens_of(fits)
