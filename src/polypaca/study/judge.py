"""The section `judge`: who rates the answers."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from polypaca.core.settings import Name, Settings
from polypaca.llm.served import Served


class ReferenceJudge(Settings):
    """chrF++ against the parallel reference in the language that the answer was detected in."""

    kind: Literal["reference"] = "reference"


class NoJudge(Settings):
    """No ratings: the report shows gate pass rates alone."""

    kind: Literal["none"] = "none"


class Pairwise(Settings):
    """Beside ratings: which of two recipes' answers to one prompt is better, in both orders."""

    pairs: Literal["all"] | list[tuple[str, str]] = Field(
        default="all", description="pairs of recipes"
    )
    prompt: str = Field(
        default="default", description="`default`, or the path of a .txt or .yaml file"
    )

    @field_validator("pairs")
    @classmethod
    def _two_each(cls, pairs: Any) -> Any:
        for pair in pairs if isinstance(pairs, list) else ():
            if pair[0] == pair[1]:
                raise ValueError(f"{pair[0]!r} is paired with itself")
        return pairs


class LlmJudge(Served):
    """A served model behind an OpenAI-compatible URL, with the paper's prompt (Figure 6)."""

    kind: Literal["llm"] = "llm"
    name: Name | None = Field(default=None, description="tells several judges apart")
    prompt: str = Field(default="paper", description="`paper`, or the path of a .txt or .yaml file")
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=0.0, description="0: the likeliest words; null: none is sent"
    )
    max_tokens: int = Field(default=512, ge=8, description="the most that the judge may write")
    votes: int = Field(
        default=1, ge=1, le=99, description="judgements of one answer; their median is its rating"
    )
    missing: float = Field(
        default=0.1, ge=0, le=1, description="share of a system's judgements that may fail"
    )
    pairwise: Pairwise | None = Field(default=None, description="null: no pairwise judging")

    @model_validator(mode="after")
    def _votes_differ(self) -> Self:
        if self.votes > 1 and self.temperature == 0:
            raise ValueError("`votes` need `temperature` > 0: at 0 they are all the same")
        return self


Judge = Annotated[ReferenceJudge | NoJudge | LlmJudge, Field(discriminator="kind")]
