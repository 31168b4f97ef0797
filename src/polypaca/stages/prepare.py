"""prepare: examples with their splits, prompts, and base models.

data/instructions/   {language}.jsonl, rejected.jsonl, repaired.jsonl
data/prompts/        {language}.jsonl, rejected.jsonl, repaired.jsonl
bases/<model>/       what `from_pretrained` reads
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from polypaca import builtin
from polypaca.core.files import to_line, write_jsonl
from polypaca.core.folders import (
    BaseFacts,
    BaseFolder,
    InstructionFacts,
    InstructionsFolder,
    PromptFacts,
    PromptsFolder,
)
from polypaca.core.records import Rejected
from polypaca.core.work import HOW_TO_RUN, INPUT, Context, SingleWork
from polypaca.data.contamination import index_prompts
from polypaca.data.instructions import LoadedInstructions, UnsplitExample, without_entities
from polypaca.data.matching import RowMatching, match_rows
from polypaca.data.prompts import limit_prompts, prepared_prompts
from polypaca.data.screening import dropped_sources, screen_rows
from polypaca.data.sources import read_instructions, read_prompts
from polypaca.data.split import (
    assign_split,
    choose_validation_sources,
    choose_validation_sources_by_language,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.readers import OnBadRow
    from polypaca.core.records import Example, Repaired
    from polypaca.data.mixtures import Align
    from polypaca.data.screening import Finding, FindingKind, Policy

_DEFECTS = ("rejected.jsonl", "repaired.jsonl")
_SPLIT_SEED = 42  # the paper's code splits with it; here it seeds the rank of source ids


@dataclass(frozen=True, kw_only=True)
class PrepareInstructions(SingleWork[InstructionsFolder]):
    """The screened instruction data, with each source's split.

    Rows are dropped by source, in every language.
    """

    step, stage, format_number = "instructions", "prepare", 3
    makes = InstructionsFolder

    prompts: PromptsFolder | None = field(default=None, metadata=INPUT)
    source: str = field(metadata=HOW_TO_RUN)
    sha256: Mapping[str, str] = field(metadata=HOW_TO_RUN)
    languages: Sequence[str]
    format: str
    validation: int  # held-out sources
    align: Align
    rows: int | None
    on_bad_row: OnBadRow
    contaminated: Policy
    duplicates: Policy
    truncated: Policy
    placeholders: Policy
    entities: Policy | Literal["repair"]

    def run(self, context: Context) -> InstructionFacts:
        """Read it and write one file a language.

        Raises:
            DataError: if a file or row cannot be used.
        """
        read = {}
        for number, language in enumerate(self.languages):
            context.progress(0.7 * number / len(self.languages), language)
            read[language] = read_instructions(
                self.source,
                language,
                self.on_bad_row,
                self.format,
                self.sha256,
                context.progress,
            )
        matching = match_rows(read) if self.align == "parallel" else RowMatching("nothing", 0)
        if self.entities == "repair":
            read = {language: without_entities(part) for language, part in read.items()}
        items = {language: _sources(part, self.align) for language, part in read.items()}
        context.progress(0.7, "screening for test prompts, duplicates and truncated outputs")
        policies = self._policies()
        index = index_prompts(prepared_prompts(self.prompts.path)) if self.prompts else None
        defects = list(screen_rows(items, index, policies))
        dropped = dropped_sources(defects, policies)
        flags = _flags(defects)
        rejected = [row for part in read.values() for row in part.rejected]
        kept: dict[str, list[UnsplitExample]] = {}
        for language, part in items.items():
            kept[language] = [item for item in part if item.source not in dropped]
            rejected += [
                _rejected(item, dropped[item.source]) for item in part if item.source in dropped
            ]
        if self.rows is not None:
            kept = _first_sources(kept, self.rows, self.align)
        held_out = _held_out(kept, self.validation, self.align)
        for language, part in kept.items():
            write_jsonl(
                context.folder / f"{language}.jsonl",
                (_flagged(example, flags) for example in assign_split(part, held_out)),
            )
        repaired = [row for part in read.values() for row in part.repaired]
        _write_defects(context.folder, rejected, repaired)
        counts = {language: len(part) for language, part in kept.items()}
        by_kind = Counter(defect.kind for defect in defects)
        return InstructionFacts(
            rows=counts,
            format={language: part.format for language, part in read.items()},
            further_turns=sum(part.further_turns for part in read.values()),
            validation=len(held_out),
            matched_by=matching.by,
            shared_sources=matching.shared,
            no_input={language: part.no_input for language, part in read.items() if part.no_input},
            columns_not_read={
                language: list(part.not_read) for language, part in read.items() if part.not_read
            },
            noticed={kind: by_kind[kind] for kind in policies if policies[kind] != "keep"},
            dropped_sources=len(dropped),
            rejected_by_kind=_by_kind(read, items, dropped),
            flagged={
                language: sum((item.source, language) in flags for item in part)
                for language, part in kept.items()
            },
            rejected=len(rejected),
            repaired=len(repaired),
            summary=_counts(counts, "rows", rejected, repaired) + _not_read(read.values()),
        )

    def _policies(self) -> dict[FindingKind, Policy]:
        return {
            "contaminated": self.contaminated,
            "duplicate": self.duplicates,
            "truncated": self.truncated,
            "placeholder": self.placeholders,
            # What could not be repaired, being code or beside tags.
            "entities": "flag" if self.entities == "repair" else self.entities,
        }


@dataclass(frozen=True, kw_only=True)
class PreparePrompts(SingleWork[PromptsFolder]):
    """The test prompts, parallel over languages."""

    step, stage, format_number = "prompts", "prepare", 2
    makes = PromptsFolder

    source: str = field(metadata=HOW_TO_RUN)
    sha256: Mapping[str, str] = field(metadata=HOW_TO_RUN)
    languages: Sequence[str]
    count: int | None  # only the first ones
    on_bad_row: OnBadRow

    def run(self, context: Context) -> PromptFacts:
        """Read them and write one file a language.

        Raises:
            DataError: if a file or row cannot be used.
        """
        context.progress(0.0, "reading")
        read = read_prompts(
            self.source, self.languages, None, self.on_bad_row, self.sha256, context.progress
        )
        whole = {code: [prompt.id for prompt in part] for code, part in read.prompts.items()}
        if self.count is not None:
            read = replace(read, prompts=limit_prompts(read.prompts, self.count))
        for language, part in read.prompts.items():
            write_jsonl(context.folder / f"{language}.jsonl", part)
        _write_defects(context.folder, read.rejected, read.repaired)
        counts = {language: len(part) for language, part in read.prompts.items()}
        return PromptFacts(
            prompts=counts,
            rejected=len(read.rejected),
            repaired=len(read.repaired),
            unrelated_languages=read.unrelated,
            ids_before_count={} if self.count is None else whole,
            summary=_counts(counts, "prompts", read.rejected, read.repaired),
        )


@dataclass(frozen=True, kw_only=True)
class PrepareBase(SingleWork[BaseFolder]):
    """A base model: built in, from a folder or the Hub, or freshly initialised.

    The folder then holds safetensors and a fast tokenizer, whatever the source had.
    """

    step, stage, format_number = "base", "prepare", 1
    makes = BaseFolder

    source: str | None = field(default=None, metadata=HOW_TO_RUN)
    tokenizer: str | None = field(default=None, metadata=HOW_TO_RUN)
    revision: str | None = None
    config: Mapping[str, Any] | None = None  # with random weights
    seed: int = 1

    def run(self, context: Context) -> BaseFacts:
        """Download, convert, build or initialise it.

        Raises:
            UserError: if the model or tokenizer cannot be found or used.
        """
        return BaseFacts(**self._prepare(context))

    def _prepare(self, context: Context) -> dict[str, Any]:
        from polypaca.models import bases

        folder = context.folder
        if self.config is not None:
            tokenizer = bases.locate(self.tokenizer or "", None, weights=False)
            return bases.initialise(folder, dict(self.config), tokenizer, self.seed)
        assert self.source is not None
        if not self.source.startswith("builtin:"):
            return bases.prepare_base(
                folder, bases.locate(self.source, self.revision), context.progress
            )
        name = self.source.removeprefix("builtin:")

        def build(target: Path) -> dict[str, Any]:
            return dict(
                builtin.build_base(name, target, threads=context.threads, progress=context.progress)
            )

        return bases.build_cached(folder, builtin.base_settings(name), build, context.progress)


def _sources(read: LoadedInstructions, align: Align) -> list[UnsplitExample]:
    """The items; where languages are not aligned, row numbers get the language as a prefix."""
    if align == "parallel" or not read.numbered:
        return read.items
    return [replace(item, source=f"{item.language}-{item.source}") for item in read.items]


def _not_read(read: Iterable[LoadedInstructions]) -> str:
    columns = list(dict.fromkeys(name for part in read for name in part.not_read))
    if not columns:
        return ""
    more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
    return f"; columns not read: {', '.join(columns[:8])}{more}"


def _first_sources(
    items: Mapping[str, list[UnsplitExample]], rows: int, align: Align
) -> dict[str, list[UnsplitExample]]:
    """Only the first `rows` sources: those that every language has, in the first one's order."""
    if align == "none":
        return {code: part[:rows] for code, part in items.items()}
    shared = set.intersection(*({item.source for item in part} for part in items.values()))
    first = next(iter(items.values()))
    kept = set([item.source for item in first if item.source in shared][:rows])
    return {code: [item for item in part if item.source in kept] for code, part in items.items()}


def _held_out(
    items: Mapping[str, list[UnsplitExample]], validation: int, align: Align
) -> frozenset[str]:
    sources = {code: [item.source for item in part] for code, part in items.items()}
    if align == "none":
        return choose_validation_sources_by_language(sources, validation, _SPLIT_SEED)
    return choose_validation_sources(sources, validation, _SPLIT_SEED)


def _flags(defects: Sequence[Finding]) -> dict[tuple[str, str], list[str]]:
    flags: dict[tuple[str, str], list[str]] = {}
    for defect in defects:
        text = f"{defect.kind}: {defect.reason}"
        flags.setdefault((defect.source, defect.language), []).append(text)
    return flags


def _flagged(example: Example, flags: Mapping[tuple[str, str], list[str]]) -> Example:
    texts = flags.get((example.source, example.language))
    return example.model_copy(update={"flags": texts}) if texts else example


def _by_kind(
    read: Mapping[str, LoadedInstructions],
    items: Mapping[str, Sequence[UnsplitExample]],
    dropped: Mapping[str, str],
) -> dict[str, dict[str, int]]:
    """Rejected rows by language and kind, for the report."""
    counts = {}
    for language, part in read.items():
        kinds = [dropped[i.source].split(":")[0] for i in items[language] if i.source in dropped]
        counts[language] = dict(Counter(["bad row"] * len(part.rejected) + kinds))
    return counts


def _rejected(item: UnsplitExample, reason: str) -> Rejected:
    row = to_line(item.example("train"))
    return Rejected(file=item.origin, line=item.line, reason=reason, row=row)


def _write_defects(
    folder: Path, rejected: Sequence[Rejected], repaired: Sequence[Repaired]
) -> None:
    for name, records in zip(_DEFECTS, (rejected, repaired), strict=True):
        write_jsonl(folder / name, records)


def _counts(
    counts: Mapping[str, int],
    what: str,
    rejected: Sequence[Rejected],
    repaired: Sequence[Repaired],
) -> str:
    text = f"{sum(counts.values())} {what} in {len(counts)} languages"
    if rejected:
        text += f", {len(rejected)} rejected (see rejected.jsonl)"
    if repaired:
        text += f", {len(repaired)} repairs (see repaired.jsonl)"
    return text
