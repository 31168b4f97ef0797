"""How systems answer, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from polypaca.core.settings import RUN_ONLY, Settings
from polypaca.llm.endpoint import ServedModel

FinishReason = Literal["stop", "length"]


class Decoding(Settings):
    """How answers are decoded; the defaults are those of arXiv 2309.08958's code."""

    max_new_tokens: int = Field(default=256, ge=1, description="an answer has no more tokens")
    num_beams: int = Field(default=4, ge=1, description="1: greedy, or sampled")
    no_repeat_ngram_size: int = Field(
        default=6,
        ge=0,
        description="no so many tokens in a row come twice, the prompt's counted; 0: all may",
    )
    temperature: float = Field(default=0.0, ge=0, le=2, description="0: no sampling")
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="with a temperature: the likeliest tokens that together have this probability",
    )
    top_k: int = Field(default=0, ge=0, description="with a temperature; 0: all tokens")
    repetition_penalty: float = Field(
        default=1.0,
        gt=0,
        description="divides the scores of tokens in the text (arXiv 1909.05858, section 4.1)",
    )
    length_penalty: float = Field(
        default=1.0, description="beams are compared by log-probability over length to this power"
    )


class Generate(Decoding):
    """How systems answer prompts (arXiv 2309.08958, section 3)."""

    backend: Annotated[Literal["transformers", "openai"], RUN_ONLY] = "transformers"
    served: Annotated[ServedModel | None, RUN_ONLY] = Field(
        default=None, description="with `openai`: who serves the cells; {system} in `model`"
    )
    seed: int = Field(default=1, ge=0, description="of sampling")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="auto: bf16 where the hardware computes in it"
    )
    max_prompt_tokens: int = Field(
        default=4096, ge=1, description="with the template; what to do with longer ones comes next"
    )
    on_long_prompt: Literal["error", "cut"] = Field(
        default="error", description="refuse, or cut the end of the request off, and say which"
    )
    batch_size: Annotated[int, RUN_ONLY] = Field(default=16, ge=1, description="prompts at once")
    batch_tokens: Annotated[int, RUN_ONLY] = Field(
        default=65536, ge=1, description="at once: prompts and answers of all beams, with padding"
    )
    missing: Annotated[float, RUN_ONLY] = Field(
        default=0.1, ge=0, le=1, description="share of prompts that may stay without an answer"
    )

    @property
    def decoding(self) -> Decoding:
        """How answers are decoded, by itself."""
        return Decoding(**self.model_dump(include=set(Decoding.model_fields)))

    @model_validator(mode="after")
    def _fits_backend(self) -> Generate:
        if (self.backend == "openai") != (self.served is not None):
            raise ValueError("`backend: openai` and `served:` go together")
        if self.backend == "openai" and (self.num_beams > 1 or self.no_repeat_ngram_size):
            raise ValueError(
                "a server knows neither beams nor banned repetitions: "
                "set num_beams: 1 and no_repeat_ngram_size: 0"
            )
        if self.temperature and self.num_beams > 1:
            raise ValueError("beams are not sampled: set num_beams: 1, or temperature: 0")
        return self


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
