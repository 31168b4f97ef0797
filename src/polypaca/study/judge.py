"""The section `judge`: who rates the answers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from polypaca.study.fields import Section, Server, Variable


class ReferenceJudge(Section):
    """chrF++ against the parallel reference in the language that the answer was detected in."""

    kind: Literal["reference"] = "reference"


class NoJudge(Section):
    """No ratings: the report shows gate pass rates alone."""

    kind: Literal["none"] = "none"


class LlmJudge(Section):
    """A served model behind an OpenAI-compatible URL, with the paper's prompt (Figure 6)."""

    kind: Literal["llm"] = "llm"
    model: str
    base_url: Server = "https://api.openai.com/v1"
    api_key_env: Variable | None = "OPENAI_API_KEY"
    temperature: float = Field(default=0.0, ge=0, le=2)
    max_tokens: int = Field(default=512, ge=8)
    concurrency: int = Field(default=8, ge=1)
    timeout_seconds: float = Field(default=120, gt=0)


Judge = Annotated[ReferenceJudge | NoJudge | LlmJudge, Field(discriminator="kind")]
