"""Keeps text text: a tokenizer that does not read special tokens out of what users wrote."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from tokenizers import Tokenizer

    from polypaca.core.tokens import RenderedPrompt

# Characters for private use (Unicode, section 23.5) that stand for special tokens of a template.
_FIRST, _FILL = 0xF0000, "\U0010fffd"
_NOBODY_WRITES = "\U0010fffc"


@dataclass(frozen=True)
class Controls:
    """A tokenizer's special tokens.

    Attributes:
        tokens: how each id looks in text.
        unknown: ids that also stand for what the vocabulary lacks.
    """

    tokens: dict[int, str]
    unknown: frozenset[int]

    def among(
        self, ids: Sequence[int], offsets: Sequence[tuple[int, int]], text: RenderedPrompt
    ) -> bool:
        """Whether any was read from what a user wrote."""
        for token, span in zip(ids, offsets, strict=True):
            if token not in self.tokens:
                continue
            # White space around a token may have been taken for a part of it.
            start, end = _without_edges(text, *span)
            if token in self.unknown and text[start:end] != self.tokens[token]:
                continue
            if any(start < stop and end > begin for begin, stop in text.user):
                return True
        return False


def _without_edges(text: str, start: int, end: int) -> tuple[int, int]:
    part = text[start:end]
    return end - len(part.lstrip()), start + len(part.rstrip())


def controls_of(tokenizer: Tokenizer, end_of_sequence: int) -> Controls:
    """The special tokens of a tokenizer."""
    tokens = {
        number: token.content
        for number, token in tokenizer.get_added_tokens_decoder().items()
        if token.special
    }
    tokens.setdefault(end_of_sequence, tokenizer.id_to_token(end_of_sequence) or "")
    lacking = tokenizer.encode(_NOBODY_WRITES, add_special_tokens=False).ids
    return Controls(tokens, frozenset(tokens).intersection(lacking))


def protected(text: RenderedPrompt, controls: Controls) -> str:
    """The text with the template's own special tokens in the writing of `without_specials`.

    Each takes as many characters as before.
    """
    signs = _signs(controls.tokens.items())
    longest_first = sorted(signs, key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, longest_first)))
    parts, place = [], 0
    for start, end in (*text.user, (len(text), len(text))):
        own = str(text[place:start])
        parts += [pattern.sub(lambda match: signs[match[0]], own), str(text[start:end])]
        place = end
    return "".join(parts)


def _signs(tokens: Iterable[tuple[int, str]]) -> dict[str, str]:
    """What stands for each token: as many characters, the first of which tells it from others."""
    return {
        token: chr(_FIRST + place) + _FILL * (len(token) - 1)
        for place, (_, token) in enumerate(sorted(tokens))
        if token
    }


def without_specials(tokenizer: Tokenizer, controls: Controls) -> Tokenizer | None:
    """A copy that finds special tokens in the writing of `protected` alone; None if none works.

    Vocabulary, ids and everything else stay as they are.
    """
    tokens = tuple(sorted(controls.tokens.items()))
    return _made(tokenizer, tokens, tokenizer.get_vocab_size())


@lru_cache(maxsize=2)
def _made(tokenizer: Tokenizer, tokens: tuple[tuple[int, str], ...], size: int) -> Tokenizer | None:
    from tokenizers import Tokenizer as FastTokenizer

    signs = _signs(tokens)
    content = json.loads(tokenizer.to_str())
    for token in content["added_tokens"]:
        token["content"] = signs.get(token["content"], token["content"])
    model = content["model"]
    vocabulary = model["vocab"]
    if isinstance(vocabulary, dict):
        model["vocab"] = {signs.get(word, word): number for word, number in vocabulary.items()}
    else:
        model["vocab"] = [[signs.get(word, word), score] for word, score in vocabulary]
    if "merges" in model:
        model["merges"] = [pair for pair in model["merges"] if not _touches(pair, signs)]
    if isinstance(model.get("unk_token"), str):
        model["unk_token"] = signs.get(model["unk_token"], model["unk_token"])
    try:
        return FastTokenizer.from_str(json.dumps(content, ensure_ascii=False))
    except Exception:  # noqa: BLE001  # the library raises bare exceptions
        return None


def _touches(pair: Any, signs: Mapping[str, str]) -> bool:
    left, right = pair if isinstance(pair, list) else pair.split(" ", maxsplit=1)
    return left in signs or right in signs or left + right in signs


def without_limits(tokenizer: Tokenizer) -> Tokenizer:
    """The tokenizer, or a copy of one that pads or truncates, which does neither."""
    if tokenizer.padding is None and tokenizer.truncation is None:
        return tokenizer
    from tokenizers import Tokenizer as FastTokenizer

    copy = FastTokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy
