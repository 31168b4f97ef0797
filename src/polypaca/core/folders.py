"""The kinds of sealed folders in a study's output: what each holds, and what is known of it.

data/prompts/                    PromptsFolder        {language}.jsonl
data/instructions/               InstructionsFolder   {language}.jsonl
bases/<model>/                   BaseFolder           what `from_pretrained` reads
translations/<language>/         TranslationFolder    examples.jsonl
lengths/<model>/                 LengthsFolder        {language}.jsonl
mixtures/<mixture>/              MixtureFolder        train.jsonl, validation.jsonl
mixtures/heldout/                HeldOutFolder        {language}.jsonl
mixtures/ledger/                 LedgerFolder         ledger.json
cells/<cell>/train/              CellFolder        adapter/ or model/, ledger.json, heldout.json
systems/<system>/responses/      ResponsesFolder      responses.jsonl
systems/<system>/verdicts/       VerdictsFolder       verdicts.jsonl
systems/<system>/gate/           GateFolder          gate.jsonl
pairs/<pair>/                    PairsFolder       pairs.jsonl
analysis/                        AnalysisFolder       analysis.json, scores.jsonl
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pydantic import ConfigDict

from polypaca.core.work import Facts, SealedFolder

if TYPE_CHECKING:
    from pathlib import Path


class PromptFacts(Facts):
    """Of the test prompts."""

    prompts: dict[str, int] = {}  # by language
    rejected: int = 0
    repaired: int = 0
    unrelated_languages: list[str] = []
    # Of answers that are given for all prompts, those to the prompts left out are known by it.
    ids_before_count: dict[str, list[str]] = {}


@dataclass(frozen=True)
class PromptsFolder(SealedFolder[PromptFacts]):
    """The test prompts, parallel over languages."""

    kept: ClassVar = PromptFacts

    def file(self, language: str) -> Path:
        """One language's prompts."""
        return self.path / f"{language}.jsonl"


class InstructionFacts(Facts):
    """Of the instruction data as it was read; maps are by language."""

    rows: dict[str, int] = {}
    format: dict[str, str | None] = {}
    further_turns: int = 0
    validation: int = 0
    matched_by: str | None = None
    shared_sources: int = 0
    no_input: dict[str, int] = {}
    columns_not_read: dict[str, list[str]] = {}
    noticed: dict[str, int] = {}  # by kind
    dropped_sources: int = 0
    rejected_by_kind: dict[str, dict[str, int]] = {}
    flagged: dict[str, int] = {}
    rejected: int = 0
    repaired: int = 0


@dataclass(frozen=True)
class InstructionsFolder(SealedFolder[InstructionFacts]):
    """The instruction data, with its splits."""

    kept: ClassVar = InstructionFacts

    def file(self, language: str) -> Path:
        """One language's examples."""
        return self.path / f"{language}.jsonl"


class BaseFacts(Facts):
    """Of a base model: whatever made it ready has to tell."""

    model_config = ConfigDict(extra="allow")


@dataclass(frozen=True)
class BaseFolder(SealedFolder[BaseFacts]):
    """A base model, ready for `from_pretrained`."""

    kept: ClassVar = BaseFacts


class LanguageOfRows(Facts):
    """In which languages the rows of given data are, as far as looked at."""

    model_config = ConfigDict(extra="allow")

    looked_at: int = 0


class TranslationFacts(Facts):
    """Of one language's examples; `engine` is None where they were given."""

    rows: int = 0
    engine: str | None = None
    source_rows: int | None = None
    rejected: dict[str, int] = {}  # by filter
    flagged: int = 0
    sentences: int = 0
    retried: int = 0
    pieces: int = 0
    language_of_rows: LanguageOfRows | None = None


@dataclass(frozen=True)
class TranslationFolder(SealedFolder[TranslationFacts]):
    """The examples of one training language, given or translated."""

    kept: ClassVar = TranslationFacts

    @property
    def examples(self) -> Path:
        """The accepted examples."""
        return self.path / "examples.jsonl"


@dataclass(frozen=True)
class LengthsFolder(SealedFolder[Facts]):
    """How many tokens each row of each language has, `{language}.jsonl`."""


class MixtureFacts(Facts):
    """Of a mixture."""

    rows: int = 0
    rows_by_language: dict[str, int] = {}
    validation_rows: int = 0
    one_budget_rows: int = 0
    budgets: float = 0.0
    validation_sources_trained_on: int | None = None


@dataclass(frozen=True)
class MixtureFolder(SealedFolder[MixtureFacts]):
    """The rows that cells train and validate on."""

    kept: ClassVar = MixtureFacts

    @property
    def train(self) -> Path:
        """Rows to train on."""
        return self.path / "train.jsonl"

    @property
    def validation(self) -> Path:
        """Rows whose loss selects a checkpoint."""
        return self.path / "validation.jsonl"


class HeldOutFacts(Facts):
    """Of the held-out rows."""

    rows: dict[str, int] = {}  # by language


@dataclass(frozen=True)
class HeldOutFolder(SealedFolder[HeldOutFacts]):
    """Held-out sources in every training language, `{language}.jsonl`."""

    kept: ClassVar = HeldOutFacts


class LedgerFacts(Facts):
    """Of the ledger of budgets."""

    notes: list[str] = []


@dataclass(frozen=True)
class LedgerFolder(SealedFolder[LedgerFacts]):
    """What every cell costs."""

    kept: ClassVar = LedgerFacts

    @property
    def file(self) -> Path:
        """A `BudgetLedger`."""
        return self.path / "ledger.json"


class CellFacts(Facts):
    """Of a cell."""

    device: str = ""
    processes: int = 1
    parameters: int = 0
    trained_parameters: int = 0


@dataclass(frozen=True)
class CellFolder(SealedFolder[CellFacts]):
    """A trained cell."""

    kept: ClassVar = CellFacts

    @property
    def model(self) -> Path:
        """The folder of a fully tuned model; there is none for an adapter."""
        return self.path / "model"

    @property
    def adapter(self) -> Path:
        """The folder of an adapter."""
        return self.path / "adapter"


class ResponseFacts(Facts):
    """Of a system's answers."""

    responses: int = 0
    missing: int = 0
    stopped: int = 0
    thoughts: int = 0
    device: str | None = None
    precision: str | None = None
    cut_prompts: list[str] = []
    special_prompts: list[str] = []
    past_context: int = 0
    chat_date: str | None = None
    served_versions: list[str] = []
    unfinished: int = 0
    not_asked: int = 0


@dataclass(frozen=True)
class ResponsesFolder(SealedFolder[ResponseFacts]):
    """A system's answers."""

    kept: ClassVar = ResponseFacts

    @property
    def file(self) -> Path:
        """Records of `Response`."""
        return self.path / "responses.jsonl"


class VerdictFacts(Facts):
    """Of a judge's verdicts; `scale` is the lowest and highest rating."""

    judge: str = ""
    scale: tuple[float, float] = (1.0, 3.0)  # the paper's
    verdicts: int = 0
    missing: int = 0
    thoughts: int = 0


@dataclass(frozen=True)
class VerdictsFolder(SealedFolder[VerdictFacts]):
    """What a judge says of a system's answers."""

    kept: ClassVar = VerdictFacts

    @property
    def file(self) -> Path:
        """Records of `Verdict`."""
        return self.path / "verdicts.jsonl"


class PairFacts(Facts):
    """Of verdicts on pairs."""

    judge: str = ""
    pairs: int = 0
    missing: int = 0
    thoughts: int = 0


@dataclass(frozen=True)
class PairsFolder(SealedFolder[PairFacts]):
    """Which of two recipes' answers the judge prefers."""

    kept: ClassVar = PairFacts

    @property
    def file(self) -> Path:
        """Records of `PairVerdict`."""
        return self.path / "pairs.jsonl"


class GateFacts(Facts):
    """Of the language gate: how many answers passed, by what."""

    model_config = ConfigDict(extra="allow")

    detector: str = ""
    answers: int = 0
    passed: int = 0


@dataclass(frozen=True)
class GateFolder(SealedFolder[GateFacts]):
    """Whether a system's answers are in the language of their prompts."""

    kept: ClassVar = GateFacts

    @property
    def file(self) -> Path:
        """Records of `GateResult`."""
        return self.path / "gate.jsonl"


class AnalysisFacts(Facts):
    """Of the analysis."""

    rows: int = 0
    answers: int = 0


@dataclass(frozen=True)
class AnalysisFolder(SealedFolder[AnalysisFacts]):
    """All numbers of the report."""

    kept: ClassVar = AnalysisFacts

    @property
    def analysis(self) -> Path:
        """An `Analysis`."""
        return self.path / "analysis.json"

    @property
    def scores(self) -> Path:
        """Records of `ScoredResponse`."""
        return self.path / "scores.jsonl"


@dataclass(frozen=True)
class ReportFolder(SealedFolder[Facts]):
    """The page, its figures and tables."""

    @property
    def page(self) -> Path:
        """The page."""
        return self.path / "index.html"
