"""How systems answer, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, model_validator

from polypaca.core.settings import RUN_ONLY, Settings
from polypaca.llm.endpoint import ServedModel

FinishReason = Literal["stop", "length"]


class Decoding(Settings):
    """How responses are decoded; the defaults are those of arXiv 2309.08958's code."""

    max_new_tokens: int = Field(default=256, ge=1, description="maximum tokens of a response")
    num_beams: int = Field(
        default=4, ge=1, description="beams of beam search; 1: greedy decoding or sampling"
    )
    no_repeat_ngram_size: int = Field(
        default=6,
        ge=0,
        description="n-grams of this many tokens may occur only once, prompt included; 0: no limit",
    )
    temperature: float = Field(
        default=0.0, ge=0, le=2, description="sampling temperature; 0: no sampling"
    )
    top_p: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="sample from the likeliest tokens whose probabilities add up to this",
    )
    top_k: int = Field(
        default=0, ge=0, description="sample from this many likeliest tokens; 0: all"
    )
    repetition_penalty: float = Field(
        default=1.0,
        gt=0,
        description="divisor of the scores of tokens that already occur (arXiv 1909.05858, 4.1)",
    )
    length_penalty: float = Field(
        default=1.0,
        description="exponent of the length that a beam's log-probability is divided by",
    )


class Generate(Decoding):
    """How systems answer prompts (arXiv 2309.08958, section 3)."""

    backend: Annotated[Literal["transformers", "openai"], RUN_ONLY] = "transformers"
    served: Annotated[ServedModel | None, RUN_ONLY] = Field(
        default=None,
        description="server of the cells, with `backend: openai`; {system} in `model` is the cell",
    )
    seed: int = Field(default=1, ge=0, description="random seed of sampling")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        default="auto", description="numeric precision; auto: bf16 where the hardware supports it"
    )
    max_prompt_tokens: int = Field(
        default=4096, ge=1, description="maximum tokens of a prompt, template included"
    )
    on_long_prompt: Literal["error", "cut"] = Field(
        default="error",
        description="what to do with longer prompts: stop, or cut their end off and report it",
    )
    batch_size: Annotated[int, RUN_ONLY] = Field(default=16, ge=1, description="prompts per batch")
    batch_tokens: Annotated[int, RUN_ONLY] = Field(
        default=65536,
        ge=1,
        description="maximum tokens per batch: prompts and responses of all beams, with padding",
    )
    missing: Annotated[float, RUN_ONLY] = Field(
        default=0.1, ge=0, le=1, description="share of prompts that may stay without a response"
    )

    @property
    def decoding(self) -> Decoding:
        """The decoding settings alone."""
        return Decoding(**self.model_dump(include=set(Decoding.model_fields)))

    @model_validator(mode="after")
    def _fits_backend(self) -> Generate:
        if (self.backend == "openai") != (self.served is not None):
            raise ValueError(
                "`backend: openai` and `served:` need each other; give both or neither"
            )
        if self.backend == "openai" and (self.num_beams > 1 or self.no_repeat_ngram_size):
            raise ValueError(
                "`backend: openai` supports neither beam search nor no_repeat_ngram_size: "
                "set num_beams: 1 and no_repeat_ngram_size: 0"
            )
        if self.temperature and self.num_beams > 1:
            raise ValueError("beams cannot be sampled: set num_beams: 1, or temperature: 0")
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
