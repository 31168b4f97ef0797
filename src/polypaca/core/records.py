"""The records that stages exchange, one JSON object a line.

Fields that a record does not name are kept as they came, so that a user's own columns survive
the pipeline.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Split = Literal["train", "validation"]
FinishReason = Literal["stop", "length", "given"]
VerdictStatus = Literal["ok", "unrated", "failed"]


class Record(BaseModel):
    """Base of all records: immutable, strictly typed, unknown fields kept."""

    model_config = ConfigDict(frozen=True, extra="allow", strict=True)


class Example(Record):
    """One instruction-response pair for training."""

    id: str = Field(description="unique over all languages: source and language")
    source: str = Field(description="shared by all translations of one item")
    split: Split
    language: str
    instruction: str
    input: str = ""
    output: str
    origin: list[str] = Field(
        default_factory=list, description="data set, translator, and the filters that touched it"
    )
    flags: list[str] = Field(
        default_factory=list, description="what was noticed of the row, though it was kept"
    )


class Prompt(Record):
    """One test prompt; translations of one prompt share the `id`."""

    id: str
    language: str
    prompt: str
    reference: str | None = None
    category: str | None = None
    gate: bool = Field(
        default=True, description="false where the answer may be in another language"
    )


class Response(Record):
    """What one system answered to one prompt."""

    system: str
    prompt_id: str
    language: str = Field(description="the prompt's language, in which an answer is expected")
    response: str
    finish_reason: FinishReason


class Verdict(Record):
    """What the judge said of one response: a rating of 1..3, or none."""

    system: str
    prompt_id: str
    language: str
    response_sha256: str
    judge: str
    rating: float | None = Field(ge=1, le=3)
    explanation: str = ""
    status: VerdictStatus


class GateResult(Record):
    """Whether one response is in the language of its prompt (1) or not (0)."""

    system: str
    prompt_id: str
    language: str
    response_sha256: str
    detector: str
    detected: str | None = Field(description="language code; null where nothing could be detected")
    confidence: float = Field(ge=0, le=1)
    gate: Literal[0, 1]


class Rejected(Record):
    """A row that was not used: where it came from, why, and what it was."""

    file: str
    line: int
    reason: str
    row: str = Field(description="the row as it was read, or the raw line")


class Repaired(Record):
    """A row that was changed to be used: where it came from and what was done to it."""

    file: str
    line: int
    repair: str
