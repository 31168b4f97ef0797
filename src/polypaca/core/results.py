"""What `analyze` found: the numbers that `report` shows, and nothing that `report` would compute.

A *row label* is what a person compares: a recipe under a method on a base model (averaged over
seeds), or an untrained system such as a control.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from polypaca.core.records import GateReason, Record

TOTAL_PROMPTS = 50  # the paper's totals are over 50 prompts: 0..150 (arXiv 2309.08958, section 4)

Scope = Literal["language", "seen", "unseen", "all", "transfer"]  # transfer: not tuned on

# headline: recipes of one model and method, over seen and over unseen languages; systems: recipes
# against other systems; controls: rows against controls. Each is corrected on its own.
Family = Literal["headline", "systems", "controls"]


class Result(BaseModel):
    """Base of the parts of an analysis: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Interval(Result):
    """An estimate with its interval over prompts."""

    value: float
    low: float
    high: float
    method: str = Field(default="", description="chosen by the data: `bootstrap-t`, `Wilson`, …")


class Seeds(Result):
    """A mean over training seeds with Student's t-interval (df = seeds - 1)."""

    value: float
    low: float
    high: float
    means: dict[str, float] = Field(description="by seed")


class MarginTest(Result):
    """Whether the lower of two totals is within a margin of the higher (non-inferiority)."""

    margin: float = Field(gt=0, description="points of the total, set in the study")
    p: float = Field(description="one-sided, of being worse by the margin or more, over prompts")
    p_seeds: float | None = Field(description="the same over seeds; None with one seed")
    p_adjusted: float = Field(description="Holm, of the greater of both, over the whole family")
    shown: bool = Field(description="p_adjusted is small enough: as good as, within the margin")


class RowLabel(Result):
    """One thing that is compared with others."""

    id: str = Field(description="unique and stable: `tiny-neox.lora.multilingual`")
    model: str
    method: str | None = Field(description="None for an untrained system")
    recipe: str | None = Field(description="None for an untrained system")
    name: str = Field(description="what a table shows: `multilingual`, `untuned base`")
    control: bool = Field(description="true for systems that are there to be beaten")
    budgets: float | None = Field(
        description="what supporting all training languages costs; None for an untrained system"
    )
    systems: list[str] = Field(description="the systems whose answers this row is made of")
    answers_in: dict[str, list[str]] = Field(
        default_factory=dict,
        description="by system, the languages in which its answers count here; else in all",
    )
    seeds: list[int]


class Score(Result):
    """One row's score in one language, or averaged over the languages of a scope.

    Totals are 50 times the mean over prompts, hence 0..50 x the top of the judge's scale (150 in
    the paper), whatever the number of prompts. They are None where nothing was rated.
    """

    row: str = Field(description="a RowLabel's id")
    scope: Scope
    language: str | None = Field(description="the language where scope is `language`, else None")
    prompts: int = Field(
        description="prompts behind the number, per language (the fewest of the languages)"
    )
    of: int = Field(default=0, description="prompts of the study")
    rated: int = Field(description="responses that have a rating")
    failed: int = Field(description="responses whose judgement failed or is missing")
    undetermined: int = Field(
        default=0, description="responses in which no language could be told, which pass the gate"
    )
    before: Interval | None = Field(description="total of the ratings, before the gate")
    after: Interval | None = Field(description="total of rating x gate")
    robustness: Interval | None = Field(description="before minus after: what the gate takes")
    strict: Interval | None = Field(
        default=None, description="`after` with undetermined responses counted 0; None without any"
    )
    gate: Interval = Field(description="share of responses that pass the gate, 0..1")
    line_gate: Interval | None = Field(
        default=None, description="share of responses with every line in the language"
    )
    word_gate: Interval | None = Field(
        default=None, description="share of responses with no word in another language"
    )
    seeds: dict[str, Seeds] = Field(
        default_factory=dict, description="by measure (after, before, …); empty with one seed"
    )


class Comparison(Result):
    """The paired difference `a` minus `b` in one scope, over the prompts that both have."""

    a: str
    b: str
    scope: Scope
    language: str | None
    measure: Literal["after", "before", "gate"]
    difference: Interval
    prompts: int = Field(description="per language (the fewest of the languages)")
    languages: list[str] = Field(default_factory=list, description="that it is averaged over")
    family: Family | None = Field(
        default=None, description="the tests that p_adjusted is adjusted for; None: no claim"
    )
    p: float | None = Field(default=None, description="paired permutation test over prompts")
    p_seeds: float | None = Field(default=None, description="t-test over seeds; None with one")
    p_adjusted: float | None = Field(
        default=None, description="Holm, of the greater of p and p_seeds; None outside a family"
    )
    shown: bool = Field(default=False, description="p_adjusted is small enough for a claim")
    nonzero: float | None = Field(default=None, description="share of prompts that differ")
    detectable: float | None = Field(
        default=None, description="true difference that would be found in 4 of 5 studies like this"
    )
    seeds: Seeds | None = Field(default=None, description="of the differences of seed means")
    margin: MarginTest | None = None


class Preferences(Result):
    """Which of two rows' answers the judge of pairs preferred, in one scope.

    A preference is what the judge said in both orders; else the pair is a tie.
    """

    a: str
    b: str
    scope: Scope
    language: str | None
    measure: Literal["before", "after"] = Field(
        description="after: an answer that fails the gate loses to one that passes"
    )
    prompts: int = Field(description="per language (the fewest of the languages)")
    wins: float = Field(description="share of answers of `a` that were preferred")
    losses: float
    ties: float
    net: Interval | None = Field(description="wins minus losses, -1..1, over prompts")
    p: float | None = Field(description="paired permutation test over prompts")
    p_adjusted: float | None = Field(
        default=None, description="Holm, over all pairs in the seen languages after the gate"
    )
    shown: bool = Field(default=False, description="p_adjusted is small enough for a claim")
    consistent: float | None = Field(
        description="share of pairs where the order of the two made no difference"
    )
    failed: int = Field(description="pairs without a verdict")


class JudgeAgreement(Result):
    """How far two judges agree, in one language or (None) in all."""

    first: str = Field(description="whose ratings count")
    second: str
    language: str | None
    answers: int = Field(description="that both rated")
    equal: float | None = Field(description="share that both rated alike")
    difference: float | None = Field(description="mean of second minus first, in points of 0..1")
    systems_pearson: float | None = Field(description="of the systems' mean ratings")
    alpha: float | None = Field(description="Krippendorff's, of all judges together, interval")
    alpha_low: float | None
    alpha_high: float | None


class HeldOutLoss(Result):
    """A cell's loss on the held-out responses of one language."""

    rows: int = Field(description="responses; one that is cut at the length limit, up to the cut")
    tokens: int = Field(description="of the responses' text, without what closes a turn")
    bytes: int = Field(description="UTF-8 bytes of that text")
    nats: float = Field(description="sum of the tokens' cross-entropies")
    bits_per_byte: float | None = Field(description="nats / ln 2 / bytes; None without any text")


class CellCost(Result):
    """One trained cell in the ledger; what is None was not recorded when it was trained."""

    cell: str
    examples: int
    tokens: int = Field(description="over the whole schedule, as the tokenizer counts")
    supervised_tokens: int
    steps: int
    budgets: float
    validation_loss: float
    wall_seconds: float = Field(description="of the run that ended it, loading and all")
    truncated_rows: int = Field(default=0, description="rows cut at the length limit")
    dropped_rows: int = Field(default=0, description="rows with no response within the limit")
    special_rows: int = Field(
        default=0, description="rows whose text has special tokens that could not be kept text"
    )
    parameters: int | None = Field(default=None, description="of the model, adapters among them")
    trained_parameters: int | None = None
    flops: float | None = Field(
        default=None, description="6 a parameter and token, 4 with adapters, of the whole schedule"
    )
    training_seconds: float | None = Field(
        default=None, description="of optimizer steps alone, over all runs"
    )
    tokens_per_second: float | None = Field(
        default=None, description="over training_seconds, without padding, all devices together"
    )
    precision: str | None = Field(default=None, description="computed in: bfloat16 or float32")
    matmul_flops_per_second: float | None = Field(
        default=None, description="of a large matrix product in that precision, on one device"
    )
    mfu: float | None = Field(
        default=None, description="FLOPs a second and device, as a share of that rate"
    )
    peak_memory_bytes: int | None = Field(
        default=None,
        description="of the GPU, or the process on a CPU, since the process began: cells that one "
        "process trained share it",
    )
    micro_batch_tokens: int | None = Field(default=None, description="limit of a forward pass")
    activation_checkpointing: bool | None = None
    packed: bool | None = Field(default=None, description="examples end to end, without padding")
    heldout: dict[str, HeldOutLoss] = Field(
        default_factory=dict, description="of the chosen checkpoint, by training language"
    )


class CellBudget(Result):
    """What one cell will cost, before it is trained; counts are over the whole schedule."""

    cell: str
    model: str
    method: str
    recipes: list[str]
    seed: int
    budgets: float = Field(description="found, in the study's unit, once through")
    examples: int
    tokens: int = Field(description="without padding")
    supervised_tokens: int
    steps: int = Field(description="optimizer steps")
    flops: float | None = Field(description="estimated; None where the model's size is not known")
    rows_by_language: dict[str, int] = Field(description="trained on, once through")
    tokens_by_language: dict[str, int] = Field(description="once through")
    cut_rows: dict[str, int] = Field(description="cut at the length limit, by language")
    dropped_rows: dict[str, int] = Field(description="no response within the limit, by language")


class BudgetLedger(Result):
    """What all cells will cost, and whether equal budgets are equal."""

    unit: Literal["examples", "tokens", "flops"]
    one_budget_rows: int
    cells: list[CellBudget]
    notes: list[str] = Field(description="where budgets differ, in the unit and in others")


class LanguageData(Result):
    """What became of one training language's rows."""

    language: str
    rows: int = Field(description="that could be trained or validated on")
    source_rows: int | None = Field(description="that were translated; None for given data")
    engine: str | None
    rejected: dict[str, int] = Field(description="by reason")
    flagged: int
    retried: int = Field(default=0, description="sentences translated again with numbers hidden")
    pieces: int = Field(default=0, description="sentences cut at placeholders and numbers")
    notices: list[str] = Field(default=[], description="what a reader should know of given rows")


class Analysis(Result):
    """All that the report shows."""

    study: str
    sentence: str = Field(description="the answer, in words")
    notes: list[str] = Field(description="caveats that belong beside the answer")
    confidence: float = Field(gt=0, lt=1, description="of all intervals, such as 0.95")
    top: float = Field(default=150.0, description="the highest total: 50 x the scale's top")
    rated: bool = Field(description="false under `judge: none`: only gate pass rates are known")
    train_languages: list[str]
    test_languages: list[str]
    language_names: dict[str, str]
    rows: list[RowLabel]
    scores: list[Score]
    comparisons: list[Comparison]
    ledger: list[CellCost]
    budgets: BudgetLedger | None = Field(default=None, description="what the cells were to cost")
    data: list[LanguageData] = []
    data_notes: list[str] = Field(
        default=[], description="how rows of languages were matched, and what was not read of them"
    )
    preferences: list[Preferences] = Field(default=[], description="of a judge of pairs")
    judges: list[JudgeAgreement] = Field(default=[], description="where there are several")
    signature: dict[str, Any] = Field(description="what made the numbers: versions, seed, judge, …")


class ScoredResponse(Record):
    """One answer with all that is known of it, for reading."""

    system: str
    prompt_id: str
    language: str
    prompt: str
    reference: str | None = None
    response: str
    rating: float | None
    explanation: str
    status: str
    detected: str | None
    gate: Literal[0, 1]
    reason: GateReason = "language"
    line_gate: Literal[0, 1] | None = None
    word_gate: Literal[0, 1] | None = None
    score: float | None
