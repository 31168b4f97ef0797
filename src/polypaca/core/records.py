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
Preference = Literal["a", "b", "tie"]
# language: by the language detected; empty, degenerate: no answer, gate 0; undetermined: only code,
# formulas or names are left, gate 1; exempt: the prompt lets its answer be in another language.
GateReason = Literal["language", "empty", "degenerate", "undetermined", "exempt"]


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
    """What the judge said of one response: a rating, or none.

    What the fields of a model say is null where no model judged.
    """

    system: str
    prompt_id: str
    language: str
    response_sha256: str
    judge: str = Field(description="signature: all that makes the verdict")
    rating: float | None = Field(
        ge=0, allow_inf_nan=False, description="on the judge's scale, 1..3 in the paper"
    )
    explanation: str = ""
    status: VerdictStatus
    votes: list[float] = Field(
        default_factory=list, description="where several were asked for; `rating` is their median"
    )
    model: str | None = Field(default=None, description="as it was asked for")
    version: str | None = Field(default=None, description="as the server called it")
    temperature: float | None = None
    prompt_sha256: str | None = Field(default=None, description="of the judge's prompt, unfilled")
    lasting: bool = Field(default=False, description="a failure that asking again will not mend")
    thoughts: bool = Field(default=False, description="the judge thought aloud, which is left out")


class PairVerdict(Record):
    """Which of two responses to one prompt the judge preferred, asked in both orders."""

    system_a: str
    system_b: str
    prompt_id: str
    language: str
    response_sha256_a: str
    response_sha256_b: str
    judge: str = Field(description="signature: all that makes the verdict")
    a_first: Preference | None = Field(description="what it preferred with a shown first")
    b_first: Preference | None = Field(description="what it preferred with b shown first")
    outcome: Preference | None = Field(
        description="a or b where both orders agree, else tie; null where one of them failed"
    )
    explanations: list[str] = Field(default_factory=list, description="a first, then b first")
    status: VerdictStatus
    model: str | None = None
    version: str | None = None
    temperature: float | None = None
    prompt_sha256: str | None = None
    lasting: bool = Field(default=False, description="a failure that asking again will not mend")
    thoughts: bool = Field(default=False, description="the judge thought aloud, which is left out")


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
    reason: GateReason = Field(default="language", description="what decided")
    line_gate: Literal[0, 1] | None = Field(
        default=None, description="1 if every line is in the language; null where none can be told"
    )
    word_gate: Literal[0, 1] | None = Field(
        default=None,
        description="1 if no word is in another language; null where the script does not tell",
    )


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
