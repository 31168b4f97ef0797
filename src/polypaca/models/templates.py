"""Prompt templates: how an instruction becomes the text that a model continues.

The Alpaca template is a protocol constant that checkpoints and scores depend on, quoted to the
letter from github.com/tatsu-lab/stanford_alpaca. arXiv 2309.08958 uses it in English for every
language, with a newline after `### Response:` for LoRA and without it for full fine-tuning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from polypaca.core.errors import UserError


@dataclass(frozen=True)
class Template:
    """How an instruction becomes the text that a model continues.

    Attributes:
        with_input: text with `{instruction}` and `{input}` in it.
        without_input: text with `{instruction}` in it.
        stop: a response ends where the model writes this; None where only its end-of-sequence
            token ends it.
        closing: text that follows a response in training. Where it is empty, the end-of-sequence
            token follows.
        special_tokens: whether the tokenizer adds its own (a chat template has them in its text).
    """

    with_input: str
    without_input: str
    stop: str | None
    closing: str = ""
    special_tokens: bool = True

    def render(self, instruction: str, context: str = "") -> str:
        """The text that a model is given: everything up to where its response starts."""
        if context:
            before, rest = self.with_input.split("{instruction}", maxsplit=1)
            middle, after = rest.split("{input}", maxsplit=1)
            return before + instruction + middle + context + after
        before, after = self.without_input.split("{instruction}", maxsplit=1)
        return before + instruction + after

    def cut(self, text: str) -> str:
        """A model's continuation up to where it starts another section, edges stripped."""
        return (text.split(self.stop, maxsplit=1)[0] if self.stop else text).strip()


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
    stop="\n### ",
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
_USER, _RESPONSE = "POLYPACA-USER-TEXT", "POLYPACA-RESPONSE-TEXT"


def _from_chat(tokenizer: Any) -> Template:
    """The texts that a chat template puts around one question and its answer.

    They are found by rendering a conversation of placeholders, so that a row costs no template
    engine and both prompt and training text come from one rendering.
    """
    messages = [{"role": "user", "content": _USER}, {"role": "assistant", "content": _RESPONSE}]
    try:
        text = tokenizer.apply_chat_template(messages, tokenize=False)
    except Exception as error:  # template engines raise what they like
        reason = str(error).split("\n")[0]
        raise UserError(f"the model's chat template cannot be rendered: {reason}") from error
    if text.count(_USER) != 1 or text.count(_RESPONSE) != 1 or "{" in text.split(_RESPONSE)[0]:
        raise UserError("the model's chat template changes the messages: use `template: alpaca`")
    prompt, closing = text.split(_RESPONSE)
    before, after = prompt.split(_USER)
    end = tokenizer.eos_token
    # What follows the end of the turn is no part of the answer.
    closing = closing.split(end, maxsplit=1)[0] + end if end in closing else closing + end
    return Template(
        with_input=before + "{instruction}\n\n{input}" + after,
        without_input=before + "{instruction}" + after,
        stop=None,
        closing=closing,
        special_tokens=False,
    )
