"""Prompt templates: protocol constants that checkpoints and scores depend on, quoted to the letter.

The Alpaca template is that of github.com/tatsu-lab/stanford_alpaca, with the newline after
`### Response:` as in the LoRA experiments of arXiv 2309.08958. It is English for every language.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Template:
    """How an instruction becomes the text that a model continues."""

    with_input: str
    without_input: str
    stop: str  # a response ends where the model starts the next section


TEMPLATES = {
    "alpaca": Template(
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
}


def render(template: str, instruction: str, context: str = "") -> str:
    """The text that a model is given: everything up to where its response starts."""
    chosen = TEMPLATES[template]
    if context:
        before, rest = chosen.with_input.split("{instruction}")
        middle, after = rest.split("{input}")
        return before + instruction + middle + context + after
    before, after = chosen.without_input.split("{instruction}")
    return before + instruction + after


def cut(template: str, text: str) -> str:
    """A model's continuation up to where it starts another section, edges stripped."""
    return text.split(TEMPLATES[template].stop, maxsplit=1)[0].strip()
