"""analyze: scores, intervals and differences, from verdicts and gate.

    analysis/   analysis.json, scores.jsonl (every answer with its rating, gate and score)

The score exists only here: score = rating x gate.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from polypaca import __version__
from polypaca.core import languages as names
from polypaca.core.files import read_jsonl, write_json, write_jsonl
from polypaca.core.folders import AnalysisFacts, AnalysisFolder
from polypaca.core.ledgers import read_cell_cost
from polypaca.core.records import PairVerdict, Verdict
from polypaca.core.results import TOTAL_PROMPTS, Analysis, BudgetLedger
from polypaca.core.work import INPUT, Context, SingleWork
from polypaca.data.prompts import prepared_prompts
from polypaca.stats.headline import sentences
from polypaca.stats.joining import join, scale_of
from polypaca.stats.provenance import (
    data_notes,
    dropped_notes,
    language_data,
    statistical_methods,
)
from polypaca.stats.rows import result_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from polypaca.core.folders import (
        CellFolder,
        GateFolder,
        InstructionsFolder,
        LedgerFolder,
        PairsFolder,
        PromptsFolder,
        ResponsesFolder,
        TranslationFolder,
        VerdictsFolder,
    )
    from polypaca.core.results import (
        CellCost,
        Comparison,
        JudgeAgreement,
        LanguageData,
        Preferences,
        RowLabel,
        Score,
    )
    from polypaca.core.systems import SystemLabel
    from polypaca.generation.contract import Generate
    from polypaca.stats.answers import Table
    from polypaca.stats.comparisons import Compared
    from polypaca.stats.intervals import Resampling
    from polypaca.stats.joining import JoinedScores
    from polypaca.stats.pairs import Gates
    from polypaca.stats.settings import Statistics
    from polypaca.stats.summary import ScopeLanguages


@dataclass(frozen=True, kw_only=True)
class AnalyzeStudy(SingleWork[AnalysisFolder]):
    """All numbers of the report.

    `responses`, `verdicts` and `gate` are by system, `translations` by language, `cells` by cell.
    `opinions` are the verdicts of all `judges` but the first, by judge and system. `pairs` are the
    judge's preferences, by pair, and `compared` has the two rows of each.
    """

    step, stage, format_number = "analyze", "analyze", 7
    makes = AnalysisFolder

    prompts: PromptsFolder
    instructions: InstructionsFolder
    translations: Mapping[str, TranslationFolder]
    budgets: LedgerFolder
    cells: Mapping[str, CellFolder]
    responses: Mapping[str, ResponsesFolder]
    verdicts: Mapping[str, VerdictsFolder]
    gate: Mapping[str, GateFolder]
    opinions: Mapping[str, Mapping[str, VerdictsFolder]] = field(
        default_factory=dict, metadata=INPUT
    )
    pairs: Mapping[str, PairsFolder] = field(default_factory=dict, metadata=INPUT)
    study: str
    train_languages: Sequence[str]
    test_languages: Sequence[str]
    recipes: Sequence[str]
    systems: Sequence[SystemLabel]
    judges: Sequence[str]
    compared: Mapping[str, tuple[str, str]]
    generate: Generate
    statistics: Statistics

    def run(self, context: Context) -> AnalysisFacts:
        """Join answers, verdicts and gate into scores, and scores into numbers.

        The judge's scale, lowest and highest rating, is that of the verdicts' manifests; scores lie
        in 0..highest, since the gate makes them 0.

        Raises:
            StageError: if an answer has no verdict or gate, or a rating is beyond the scale.
        """
        context.progress(0.0, "joining")
        joined = self._joined()
        write_jsonl(context.folder / "scores.jsonl", joined.answers())
        context.progress(0.4, "intervals and differences")
        computed = self._computed(joined)
        context.progress(0.9, "writing")
        analysis = self._analysis(joined, computed)
        write_json(context.folder / "analysis.json", analysis.model_dump(mode="json"))
        answers = sum(len(part) for part in joined.scored.values())
        summary = f"{answers} answers scored"
        return AnalysisFacts(rows=len(computed.rows), answers=answers, summary=summary)

    def _joined(self) -> JoinedScores:
        """Every answer with its verdict and gate."""
        prompts = prepared_prompts(self.prompts.path, self.test_languages)
        by_key = {(prompt.id, prompt.language): prompt for prompt in prompts}
        return join(self.responses, self.verdicts, self.gate, by_key)

    def _computed(self, joined: JoinedScores) -> _Computed:
        """Totals, intervals and tests."""
        from polypaca.stats.answers import build_table
        from polypaca.stats.comparisons import compare, recipe_pairs, system_pairs
        from polypaca.stats.controls import control_pairs
        from polypaca.stats.intervals import resampling
        from polypaca.stats.summary import scores, study_scopes

        settings, top, rated = self.statistics, joined.scale[1], joined.rated
        planned = BudgetLedger.model_validate_json(self.budgets.file.read_bytes())
        systems = _with_budgets(self.systems, planned)
        rows = result_rows(systems, self.recipes)
        table = build_table(rows, systems, joined.scored, joined.ids)
        drawn = resampling(len(joined.ids), settings.resamples, settings.confidence, settings.seed)
        scopes = study_scopes(self.train_languages, self.test_languages)
        measure: Compared = "after" if rated else "gate"
        tests = [*recipe_pairs(rows, scopes, measure), *system_pairs(rows, scopes, measure)]
        if rated:
            tests += control_pairs(rows, table, systems)
        return _Computed(
            planned,
            systems,
            rows,
            table,
            scores(table, scopes, drawn, top=top, rated=rated),
            compare(tests, table, drawn, top=top, margin=settings.margin, seed=settings.seed),
            self._preferences(joined, scopes, drawn),
            self._agreement(joined),
        )

    def _preferences(
        self, joined: JoinedScores, scopes: Sequence[ScopeLanguages], drawn: Resampling
    ) -> list[Preferences]:
        from polypaca.stats.pairs import preferences

        verdicts: dict[tuple[str, str], list[list[PairVerdict]]] = {}
        for name, folder in self.pairs.items():
            found = list(read_jsonl(folder.file, PairVerdict))
            for each in found:
                joined.check(each.system_a, each, each.response_sha256_a, folder.path)
                joined.check(each.system_b, each, each.response_sha256_b, folder.path)
            verdicts.setdefault(self.compared[name], []).append(found)  # one for each seed
        gates: Gates = {
            (answer.system, answer.language, answer.prompt_id): answer.gate
            for answer in joined.answers()
        }
        return preferences(verdicts, gates, joined.ids, scopes, drawn, seed=self.statistics.seed)

    def _agreement(self, joined: JoinedScores) -> list[JudgeAgreement]:
        """How far judges agree, each on its own scale brought to 0..1."""
        if not self.opinions:
            return []
        from polypaca.stats.opinions import agreement

        low, high = joined.scale
        opinions: dict[str, dict[tuple[str, str, str], float]] = {
            self.judges[0]: {
                (answer.system, answer.language, answer.prompt_id): (answer.rating - low)
                / (high - low)
                for answer in joined.answers()
                if answer.rating is not None
            }
        }
        for judge, folders in self.opinions.items():
            low, high = scale_of(folders.values())
            opinions[judge] = {}
            for folder in folders.values():
                for verdict in read_jsonl(folder.file, Verdict):
                    joined.check(verdict.system, verdict, verdict.response_sha256, folder.path)
                    if verdict.rating is not None and verdict.status != "failed":
                        key = (verdict.system, verdict.language, verdict.prompt_id)
                        opinions[judge][key] = (verdict.rating - low) / (high - low)
        return agreement(
            opinions,
            self.test_languages,
            confidence=self.statistics.confidence,
            resamples=self.statistics.resamples,
            seed=self.statistics.seed,
        )

    def _analysis(self, joined: JoinedScores, computed: _Computed) -> Analysis:
        """The numbers with their sentences and notes, and what made them."""
        costs = [
            read_cell_cost(cell, folder.path, budgets=computed.budgets[cell])
            for cell, folder in self.cells.items()
        ]
        prepared = self.instructions.facts
        data = [
            language_data(code, folder.facts, prepared)
            for code, folder in self.translations.items()
        ]
        top = TOTAL_PROMPTS * joined.scale[1]
        sentence, *more = sentences(
            computed.rows,
            computed.scores,
            computed.comparisons,
            rated=joined.rated,
            top=top,
            unseen=[code for code in self.test_languages if code not in self.train_languages],
        ) or ["The study has no recipe to compare."]
        return Analysis(
            study=self.study,
            sentence=sentence,
            notes=[*more, *self._notes(joined, computed, data, costs)],
            confidence=self.statistics.confidence,
            top=top,
            rated=joined.rated,
            train_languages=list(self.train_languages),
            test_languages=list(self.test_languages),
            language_names={
                code: names.name(code) for code in {*self.train_languages, *self.test_languages}
            },
            rows=computed.rows,
            scores=computed.scores,
            comparisons=computed.comparisons,
            preferences=computed.preferences,
            judges=computed.agreement,
            ledger=costs,
            budgets=computed.planned,
            data=data,
            data_notes=data_notes(prepared),
            signature=self._signature(computed),
        )

    def _notes(
        self,
        joined: JoinedScores,
        computed: _Computed,
        data: Sequence[LanguageData],
        costs: Sequence[CellCost],
    ) -> list[str]:
        from polypaca.stats.caveats import caveats
        from polypaca.stats.controls import control_notes

        # Claims rest on the row with the fewest seeds.
        seeds = (len(row.seeds) for row in computed.rows if row.recipe)
        return [
            *control_notes(computed.rows, computed.table, computed.comparisons),
            *computed.planned.notes,
            *(f"{text[0].upper()}{text[1:]}." for one in data for text in one.notices),
            *dropped_notes(costs),
            *caveats(
                len(joined.ids),
                min(seeds, default=len(computed.seeds)),
                self.statistics.confidence,
                computed.scores,
                computed.comparisons,
                judge=self._judge,
                rated=joined.rated,
                top=TOTAL_PROMPTS * joined.scale[1],
            ),
        ]

    @property
    def _judge(self) -> str:
        return _join_signatures(folder.facts.judge for folder in self.verdicts.values())

    def _signature(self, computed: _Computed) -> dict[str, Any]:
        """The versions and settings that made the numbers."""
        return {
            "polypaca": __version__,
            "judge": self._judge,
            "gate": _join_signatures(folder.facts.detector for folder in self.gate.values()),
            "generate": self.generate.model_dump(
                exclude={"batch_size", "batch_tokens", "served", "missing"}
            ),
            "seeds": computed.seeds,
            "training": _training_versions(self.cells.values()),
            **statistical_methods(self.statistics),
        }


@dataclass(frozen=True)
class _Computed:
    """All numbers of the analysis."""

    planned: BudgetLedger
    systems: Sequence[SystemLabel]  # with their budgets
    rows: list[RowLabel]
    table: Table
    scores: list[Score]
    comparisons: list[Comparison]
    preferences: list[Preferences]
    agreement: list[JudgeAgreement]

    @property
    def budgets(self) -> dict[str, float]:
        """Budgets of each system; 0 where there are none."""
        return {label.system: label.budgets or 0.0 for label in self.systems}

    @property
    def seeds(self) -> list[int]:
        """The training seeds of the study."""
        return sorted({label.seed for label in self.systems if label.seed is not None})


def _with_budgets(systems: Sequence[SystemLabel], planned: BudgetLedger) -> list[SystemLabel]:
    """The systems, with the budgets that were found where the study gives an amount instead."""
    found = {cell.cell: cell.budgets for cell in planned.cells}
    return [
        label if label.budgets is not None else replace(label, budgets=found.get(label.system))
        for label in systems
    ]


def _join_signatures(signatures: Iterator[str]) -> str:
    """The signatures of judges or detectors, each once."""
    return "; ".join(sorted(set(signatures)))


def _training_versions(cells: Collection[CellFolder]) -> dict[str, str]:
    """Versions of the packages that trained the cells; several where one changed in between."""
    found: dict[str, set[str]] = {}
    for cell in cells:
        for package, version in cell.versions.items():
            found.setdefault(package, set()).add(version)
    return {package: ", ".join(sorted(versions)) for package, versions in found.items()}
