"""How a model decodes, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True)
class Decoding:
    """How answers are decoded; the defaults are those of arXiv 2309.08958's code.

    Attributes:
        max_new_tokens: an answer has no more tokens.
        num_beams: 1 decodes greedily or samples.
        no_repeat_ngram_size: no so many tokens in a row come twice, the prompt's counted; 0 lets
            everything repeat.
        temperature: 0 takes the likeliest token; more samples.
        top_p: sampling is from the likeliest tokens whose probabilities reach this sum.
        top_k: sampling is from so many likeliest tokens; 0 does not limit them.
        repetition_penalty: divides the scores of tokens that are in the text already
            (arXiv 1909.05858, section 4.1); 1 changes nothing.
        length_penalty: beams are compared by log-probability over length to this power.
    """

    max_new_tokens: int = 256
    num_beams: int = 4
    no_repeat_ngram_size: int = 6
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    length_penalty: float = 1.0


@dataclass(frozen=True)
class Answer:
    """What a model wrote after a prompt.

    Attributes:
        text: without special tokens. It may go on after a stop string of the template, which the
            template cuts off.
        finish_reason: `stop` where the model ended its answer, by an end token or a stop string;
            `length` where it had no tokens left.
        tokens: the ids of the new tokens, without the one that ended the answer.
    """

    text: str
    finish_reason: FinishReason
    tokens: tuple[int, ...] = ()
