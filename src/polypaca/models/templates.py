"""Prompt templates: how an instruction becomes the text that a model continues.

The Alpaca template is a protocol constant that checkpoints and scores depend on, quoted to the
letter from github.com/tatsu-lab/stanford_alpaca. arXiv 2309.08958 uses it in English for every
language, with a newline after `### Response:` for LoRA and without it for full fine-tuning.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass, replace
from typing import Any

from polypaca.core.errors import UserError, first_line
from polypaca.core.tokens import RenderedPrompt

# Some chat templates write today's date, which would give other numbers on another day.
CHAT_DATE = datetime.date(2024, 7, 26)


@dataclass(frozen=True)
class Template:
    """How an instruction becomes the text that a model continues.

    Attributes:
        with_input: text with `{instruction}` and `{input}` in it.
        without_input: text with `{instruction}` in it.
        stop: a response ends where the model writes one of these: what starts the template's own
            sections, or a chat's next turn.
        closing: text that follows a response in training. Where it is empty, the end-of-sequence
            token follows.
        special_tokens: whether the tokenizer adds its own (a chat template has them in its text).
        ends: special tokens that end a response, beside the end-of-sequence token.
        date: the day that a chat template is told it is, where it asks (ISO 8601).
    """

    with_input: str
    without_input: str
    stop: tuple[str, ...]
    closing: str = ""
    special_tokens: bool = True
    ends: tuple[str, ...] = ()
    date: str | None = None

    def render(self, instruction: str, context: str = "") -> RenderedPrompt:
        """The text that a model is given: everything up to where its response starts."""
        text, user = "", []
        words = {"{instruction}": instruction, "{input}": context}
        for part in _FIELDS.split(self.with_input if context else self.without_input):
            if part in words:
                user.append((len(text), len(text) + len(words[part])))
            text += words.get(part, part)
        return RenderedPrompt(text, user)

    def cut(self, text: str) -> str:
        """A model's continuation up to where it starts another section, edges stripped."""
        places = [text.find(stop) for stop in self.stop]
        return text[: min((place for place in places if place >= 0), default=len(text))].strip()


_FIELDS = re.compile(r"(\{instruction\}|\{input\})")
_ALPACA = Template(
    with_input=(
        "Below is an instruction that describes a task, paired with an input that provides "
        "further context. Write a response that appropriately completes the request.\n\n"
        "### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n"
    ),
    without_input=(
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request.\n\n### Instruction:\n{instruction}\n\n### Response:\n"
    ),
    # Its own headings alone: an answer may have headings too.
    stop=("\n### Instruction:", "\n### Input:", "\n### Response:"),
)
TEMPLATES = {
    "alpaca": _ALPACA,
    "alpaca-no-newline": replace(
        _ALPACA,
        with_input=_ALPACA.with_input.removesuffix("\n"),
        without_input=_ALPACA.without_input.removesuffix("\n"),
    ),
}


def load_template(name: str, tokenizer: Any = None) -> Template:
    """A template by its name; `chat` is the tokenizer's own chat template.

    Raises:
        UserError: for `chat`, if the tokenizer has no chat template or one that cannot be used.
    """
    if name in TEMPLATES:
        return TEMPLATES[name]
    if not getattr(tokenizer, "chat_template", None):
        raise UserError(
            "the model's tokenizer has no chat template: use `template: alpaca`, or a chat model"
        )
    return _from_chat(tokenizer)


# Placeholders that a chat template passes on as they are.
_USER, _RESPONSE, _NEXT = "POLYPACA-USER-TEXT", "POLYPACA-RESPONSE-TEXT", "POLYPACA-NEXT-TEXT"
_CHAT = [{"role": "user", "content": _USER}, {"role": "assistant", "content": _RESPONSE}]


def _from_chat(tokenizer: Any) -> Template:
    """The texts that a chat template puts around one question and its answer.

    They are found by rendering a conversation of placeholders, so that a row costs no template
    engine and both prompt and training text come from one rendering.
    """
    text = _rendered(tokenizer, _CHAT)
    if text.count(_USER) != 1 or text.count(_RESPONSE) != 1 or "{" in text.split(_RESPONSE)[0]:
        raise UserError("the model's chat template changes the messages: use `template: alpaca`")
    prompt, closing = text.split(_RESPONSE)
    before, after = prompt.split(_USER)
    end = tokenizer.eos_token
    ends, stop = _turn_ends(tokenizer, closing)
    # What follows the end of the turn is no part of the answer.
    closing = closing.split(end, maxsplit=1)[0] + end if end in closing else closing + end
    dated = _rendered(tokenizer, _CHAT, CHAT_DATE + datetime.timedelta(days=400)) != text
    return Template(
        with_input=before + "{instruction}\n\n{input}" + after,
        without_input=before + "{instruction}" + after,
        stop=stop,
        closing=closing,
        special_tokens=False,
        ends=ends,
        date=CHAT_DATE.isoformat() if dated else None,
    )


# Transformers gives templates a function that tells today's date, and takes no other for it.
_DATED = """{%- macro strftime_now(format) -%}
{%- set told = namespace(text=format) -%}
{%- for code, value in polypaca_date.items() -%}
{%- set told.text = told.text.replace(code, value) -%}
{%- endfor -%}
{{- told.text -}}
{%- endmacro -%}{{ '' }}"""
_DATE_CODES = [f"%{sign}{code}" for sign in ("-", "") for code in "aAbBdmyYjHIMSpUWwuVGDFTRexXch"]


def _rendered(
    tokenizer: Any, messages: list[dict[str, str]], date: datetime.date = CHAT_DATE
) -> str:
    pinned: dict[str, Any] = {}
    try:
        template = tokenizer.get_chat_template()
        if "strftime_now" in template:
            pinned["chat_template"] = _DATED + template
            pinned["polypaca_date"] = {code: date.strftime(code) for code in _DATE_CODES}
        text: str = tokenizer.apply_chat_template(messages, tokenize=False, **pinned)
    except Exception as error:  # template engines raise what they like
        reason = first_line(error)
        raise UserError(f"the model's chat template cannot be rendered: {reason}") from error
    return text


def _turn_ends(tokenizer: Any, closing: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Tokens, or else texts, that end an answer as the template closes it or goes on.

    Tokens between two turns are special from here on, whatever the tokenizer's file says.
    """
    between = _between_turns(tokenizer, closing)
    marks = _marks(tokenizer, closing) + _marks(tokenizer, between)
    if marks:
        tokenizer.add_tokens(marks, special_tokens=True)
    ends = (marks[0].content,) if marks else ()
    if ends and (ends[0] in closing or not closing.strip()):
        return ends, ()
    stop = closing.rstrip() or between.rstrip()
    return ends, (stop,) if stop else ()


def _between_turns(tokenizer: Any, closing: str) -> str:
    """What stands between an answer and the next question."""
    try:
        text = _rendered(tokenizer, [*_CHAT, {"role": "user", "content": _NEXT}])
    except UserError:
        return closing
    if text.count(_RESPONSE) != 1 or text.count(_NEXT) != 1:
        return closing
    return text.split(_RESPONSE)[1].split(_NEXT)[0]


def _marks(tokenizer: Any, text: str) -> list[Any]:
    """The tokens in a text that were added to the vocabulary, as special ones, in their order."""
    from tokenizers import AddedToken

    added = tokenizer.added_tokens_decoder
    ids = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids
    return [
        AddedToken(
            token.content,
            lstrip=token.lstrip,
            rstrip=token.rstrip,
            single_word=token.single_word,
            normalized=token.normalized,
            special=True,
        )
        for token in (added[number] for number in dict.fromkeys(ids) if number in added)
        if token.content.strip()
    ]
