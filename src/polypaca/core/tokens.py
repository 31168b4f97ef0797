"""From prompts and responses to token ids, in one way for training, measuring and asking.

An answer is asked for after the very tokens that stand before responses in training. A prompt that
ends in white space may lose some of it to the response's first token (`ASSISTANT: ` + `Purple` has
the token ` Purple`): that is left to the response, in training as in asking. What users wrote is
text, though it may read `</s>`; only the template's own special tokens are special.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.plain_text import controls_of, protected, without_limits, without_specials

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from tokenizers import Encoding, Tokenizer

_BATCH = 1000  # rows tokenized at a time: bounds memory
_TAIL = 64  # characters at a prompt's end that tell where its tokens end
# How responses begin. Punctuation may merge with what stands before it, too, but the words decide:
# such a response is cut off from its prompt where words are.
_WORDS = ("A", "The", "hi", "Él", "Да", "我", "の", "ال", "क", "1")
# Something to stand before a text that goes on, since some tokenizers begin texts in their own way.
_ANCHORS = ("\n", "a", ":", "。")


class RenderedPrompt(str):
    """A prompt that knows which of its text is a user's; the rest is the template's.

    Attributes:
        user: (start, end) of each text of a user, in characters, in their order.
    """

    user: tuple[tuple[int, int], ...]

    def __new__(cls, text: str, user: Iterable[tuple[int, int]] = ()) -> RenderedPrompt:
        """The text as it is."""
        made = super().__new__(cls, text)
        made.user = tuple((start, end) for start, end in user if start < end)
        return made


@dataclass(frozen=True)
class TokenizedRow:
    """A prompt with its response and what closes it, as tokens.

    Attributes:
        ids: all tokens, without an end-of-sequence token at their end.
        offsets: of each token, in characters of prompt + response + closing.
        first: how many tokens are asked for an answer; those that follow are the response's.
        special: whether a user's text has special tokens in it that could not be kept text.
    """

    ids: list[int]
    offsets: list[tuple[int, int]]
    first: int
    special: bool = False


@dataclass(frozen=True)
class _Read:
    """A text's tokens, and whether special ones were read from a user's text."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    special: bool

    def beginning(self, size: int) -> list[int]:
        return self.ids[:size]


class Encoder:
    """Turns rendered prompts, and rows, into tokens.

    Args:
        tokenizer: of the `tokenizers` library (in Transformers, `backend_tokenizer`); it is not
            changed, and its own padding and truncation are ignored.
        end_of_sequence: the token's id.
        special_tokens: whether the tokenizer puts its own around a text; a chat template has them
            in it.
    """

    def __init__(self, tokenizer: Tokenizer, end_of_sequence: int, special_tokens: bool) -> None:
        self._tokenizer = without_limits(tokenizer)
        self._end, self._adds = end_of_sequence, special_tokens
        self._controls = controls_of(self._tokenizer, end_of_sequence)
        self._held: dict[str, int] = {}

    def prompts(self, texts: Iterable[str]) -> Iterator[tuple[list[int], bool]]:
        """What each prompt is asked with, and whether a user's text in it is not kept text.

        There is no end-of-sequence token at the end: a prompt is not at its end.
        """
        source = iter(texts)
        while batch := list(itertools.islice(source, _BATCH)):
            for read in self._asked(batch):
                yield read.ids, read.special

    def rows(self, pairs: Iterable[tuple[str, str]], closing: str = "") -> Iterator[TokenizedRow]:
        """Rows of (prompt, response); `closing` is what the template puts behind a response."""
        source = iter(pairs)
        while batch := list(itertools.islice(source, _BATCH)):
            yield from self._rows(batch, closing)

    def _rows(self, pairs: Sequence[tuple[str, str]], closing: str) -> list[TokenizedRow]:
        asked = self._asked([prompt for prompt, _ in pairs])
        wholes = self._read([_whole(prompt, response, closing) for prompt, response in pairs])
        rows = [
            TokenizedRow(whole.ids, whole.offsets, len(before.ids), whole.special)
            for before, whole in zip(asked, wholes, strict=True)
        ]
        for index, (before, whole) in enumerate(zip(asked, wholes, strict=True)):
            if whole.beginning(len(before.ids)) != before.ids:
                rows[index] = self._cut_off(*pairs[index], closing, before)
        return rows

    def _asked(self, prompts: Sequence[str]) -> list[_Read]:
        return self._read([_beginning(text, len(text) - self._held_back(text)) for text in prompts])

    def _cut_off(self, prompt: str, response: str, closing: str, before: _Read) -> TokenizedRow:
        """A row whose tokens would straddle the place that answers are asked at."""
        start = len(prompt) - self._held_back(prompt)
        rest = _whole(prompt, response, closing)
        behind = self._continued(_ending(rest, start))
        offsets = [(start + begin, start + end) for begin, end in behind.offsets]
        return TokenizedRow(
            before.ids + behind.ids,
            before.offsets + offsets,
            len(before.ids),
            before.special or behind.special,
        )

    def _continued(self, text: RenderedPrompt) -> _Read:
        """The tokens of a text that does not stand at the beginning."""
        for anchor in _ANCHORS:
            size = len(anchor)
            user = [(start + size, end + size) for start, end in text.user]
            alone, read = self._read(
                [RenderedPrompt(anchor), RenderedPrompt(anchor + text, user)], adds=False
            )
            count = len(alone.ids)
            if read.beginning(count) != alone.ids:
                continue
            if all(start >= size for start, _ in read.offsets[count:]):
                offsets = [(start - size, end - size) for start, end in read.offsets[count:]]
                return _Read(read.ids[count:], offsets, read.special)
        return self._read([text], adds=False)[0]

    def _held_back(self, prompt: str) -> int:
        """How many white-space characters at a prompt's end are left to the response.

        The least that leaves the same tokens before responses of all kinds, or none.
        """
        spaces = len(prompt) - len(prompt.rstrip())
        if not spaces or spaces == len(prompt):
            return 0
        user = getattr(prompt, "user", ())
        own = prompt[user[-1][1] :] if user else prompt
        tail = own[-_TAIL:] if own.strip() else prompt[-spaces - 1 :]
        if tail not in self._held:
            self._held[tail] = self._held_back_from(tail, spaces)
        return self._held[tail]

    def _held_back_from(self, tail: str, spaces: int) -> int:
        wholes = self._plainly([tail + word for word in _WORDS])
        beginnings = self._plainly([tail[: len(tail) - held] for held in range(spaces + 1)])
        for held, beginning in enumerate(beginnings):
            size = len(beginning.ids)
            if all(whole.ids[:size] == beginning.ids for whole in wholes):
                return held
        return 0

    def _plainly(self, texts: Sequence[str]) -> list[Encoding]:
        return self._tokenizer.encode_batch(list(texts), add_special_tokens=False)

    def _read(self, texts: Sequence[RenderedPrompt], adds: bool | None = None) -> list[_Read]:
        """Tokens of texts, without an end-of-sequence token at their end."""
        adds = self._adds if adds is None else adds
        encodings = self._tokenizer.encode_batch(list(map(str, texts)), add_special_tokens=adds)
        wrong = [
            index
            for index, (text, encoding) in enumerate(zip(texts, encodings, strict=True))
            if self._misread(text, encoding)
        ]
        plain = without_specials(self._tokenizer, self._controls) if wrong else None
        still = set(wrong)
        if plain is not None:
            shown = [protected(texts[index], self._controls) for index in wrong]
            again = plain.encode_batch(shown, add_special_tokens=adds)
            for index, encoding in zip(wrong, again, strict=True):
                encodings[index] = encoding
                if not self._misread(texts[index], encoding):
                    still.discard(index)
        return [self._taken(encoding, index in still) for index, encoding in enumerate(encodings)]

    def _misread(self, text: RenderedPrompt, encoding: Encoding) -> bool:
        """Whether a user's text was read as a special token."""
        return bool(text.user) and self._controls.among(encoding.ids, encoding.offsets, text)

    def _taken(self, encoding: Encoding, special: bool) -> _Read:
        ids: list[int] = encoding.ids
        size = len(ids) - bool(ids and ids[-1] == self._end)
        return _Read(ids[:size], encoding.offsets[:size], special)


def encoder_of(tokenizer: Any, special_tokens: bool = True) -> Encoder:
    """The encoder for a fast tokenizer of Transformers."""
    return Encoder(tokenizer.backend_tokenizer, tokenizer.eos_token_id, special_tokens)


def _whole(prompt: str, response: str, closing: str) -> RenderedPrompt:
    user = getattr(prompt, "user", ())
    end = len(prompt) + len(response)
    return RenderedPrompt(prompt + response + closing, (*user, (len(prompt), end)))


def _beginning(prompt: str, size: int) -> RenderedPrompt:
    user = getattr(prompt, "user", ())
    return RenderedPrompt(prompt[:size], ((start, min(end, size)) for start, end in user))


def _ending(text: RenderedPrompt, start: int) -> RenderedPrompt:
    return RenderedPrompt(text[start:], ((max(a, start) - start, b - start) for a, b in text.user))
