"""translate: the examples of one language, as given or made by an engine.

translations/<language>/   examples.jsonl, rejected.jsonl
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Literal

from polypaca.core.cache import cache_folder
from polypaca.core.errors import DataError
from polypaca.core.files import atomic_write, read_jsonl, to_line, write_jsonl
from polypaca.core.folders import LanguageOfRows, TranslationFacts, TranslationFolder
from polypaca.core.languages import matching
from polypaca.core.records import Example, Rejected
from polypaca.core.work import HOW_TO_RUN, INPUT, Context, SingleWork
from polypaca.data.contamination import find_match, index_prompts
from polypaca.data.prompts import prepared_prompts, prompt_languages
from polypaca.data.screening import describe_match
from polypaca.langid import detectors
from polypaca.translation import engines
from polypaca.translation.filters import FIELDS, find_rejection
from polypaca.translation.language_check import MAX_ROWS, check_language, language_notice
from polypaca.translation.shards import translate_rows
from polypaca.translation.untranslatable import untranslatable_rules

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from polypaca.core.folders import InstructionsFolder, PromptsFolder
    from polypaca.core.settings import Choice, Json
    from polypaca.data.contamination import ContaminationIndex
    from polypaca.data.screening import Policy
    from polypaca.langid.contract import Detector
    from polypaca.langid.settings import GateSettings
    from polypaca.translation.shards import TranslatedRow


@dataclass(frozen=True, kw_only=True)
class PassOn(SingleWork[TranslationFolder]):
    """The examples of a language whose data was given."""

    step, stage, format_number = "given", "translate", 2
    makes = TranslationFolder

    instructions: InstructionsFolder
    language: str
    gate: GateSettings

    def decides(self) -> Json:
        """The detector; its own model file is known by what it holds."""
        return {"language": self.language, "detector": detectors.decided(self.gate.detector)}

    def run(self, context: Context) -> TranslationFacts:
        """Pass them on, and say if they are in another language."""
        context.progress(0.0, self.language)
        path = self.instructions.file(self.language)
        rows = write_jsonl(context.folder / "examples.jsonl", read_jsonl(path, Example))
        every = max(1, -(-rows // MAX_ROWS))
        sample = islice(read_jsonl(path, Example), 0, None, every)
        detector = detectors.load(self.gate.detector, self.gate.model)
        detected = check_language(sample, self.language, detector)
        text = language_notice(detected, self.language)
        return TranslationFacts(
            rows=rows,
            engine=None,
            language_of_rows=LanguageOfRows(looked_at=-(-rows // every), **asdict(detected)),
            notices=[text] if text else [],
            summary=f"{rows} examples, as given" + (f"; notice: {text}" if text else ""),
        )


@dataclass(frozen=True, kw_only=True)
class TranslateRows(SingleWork[TranslationFolder]):
    """The source language's examples translated into another, without bad translations."""

    step, stage, format_number = "translate", "translate", 3
    makes = TranslationFolder

    instructions: InstructionsFolder
    prompts: PromptsFolder | None = field(default=None, metadata=INPUT)  # in this very language
    source: str
    language: str
    engine: Choice
    untranslatable: Policy
    contaminated: Policy
    on_lost: Literal["pieces", "reject"]
    filters: Sequence[str] | None  # only these; None: all
    gate: GateSettings
    account: Path = field(metadata=HOW_TO_RUN)

    def decides(self) -> Json:
        """All but the model files, which are known by what they hold."""
        settings = super().decides()
        del settings["gate"]
        engine = engines.ENGINES.decided(self.engine)
        return {**settings, "engine": engine, "detector": detectors.decided(self.gate.detector)}

    def run(self, context: Context) -> TranslationFacts:
        """Translate, and reject bad translations.

        Finished shards stay in the cache: a killed run goes on behind them, and another study with
        the same rows and engine finds them.

        Raises:
            UserError: if the engine, its model or its program is not there.
            StageError: if the engine fails.
            DataError: if no row is left.
        """
        path = self.instructions.file(self.source)
        context.progress(0.0, f"starting {self.engine.kind}")
        engine = engines.load(
            self.engine,
            self.source,
            self.language,
            threads=context.threads,
            cache=cache_folder(),
            account=self.account,
        )
        try:
            waiting: deque[_Row] = deque()
            pairs = translate_rows(
                _read(path, self.source, self.untranslatable, waiting),
                self.instructions.facts.rows.get(self.source, 0),
                engine,
                source_language=self.source,
                target_language=self.language,
                on_lost=self.on_lost,
                cache=cache_folder() / "translations",
                progress=context.progress,
            )
            screen = _Screen(
                self.source,
                self.language,
                engine.name,
                self.filters,
                detectors.load(self.gate.detector, self.gate.model),
                _index(self.prompts, self.language) if self.prompts else None,
            )
            rows = _in_order(pairs, waiting)
            drop = self.contaminated == "drop"
            counts = _write(context.folder, path.name, rows, screen, drop_contaminated=drop)
        finally:
            engine.close()
        if not counts["accepted"]:
            raise DataError(
                f"none of the {counts['rows']} rows of {self.source} has a usable translation into "
                f"{self.language}",
                path=context.folder / "rejected.jsonl",
                hint="the file has the reasons; check the engine's output first",
            )
        return _facts(counts, engine.signature)


@dataclass(frozen=True)
class _Row:
    """A row of the source, and the rules by which translation would destroy its task."""

    example: Example
    rules: list[str]
    dropped: bool  # for these rules: it is not translated at all


def _index(prompts: PromptsFolder, language: str) -> ContaminationIndex:
    """The test prompts in a language, whichever of its codes they were read by."""
    code = matching(language, prompt_languages(prompts.path))
    return index_prompts(prepared_prompts(prompts.path, [code or language]))


def _read(path: Path, language: str, policy: Policy, waiting: deque[_Row]) -> Iterator[Example]:
    """Yield the rows to translate; all rows are added to `waiting` as they are read."""
    for example in read_jsonl(path, Example):
        rules = []
        if policy != "keep":
            rules = untranslatable_rules(
                example.instruction, example.input, example.output, language
            )
        dropped = policy == "drop" and bool(rules)
        waiting.append(_Row(example, rules, dropped))
        if not dropped:
            yield example


def _in_order(
    pairs: Iterable[TranslatedRow], waiting: deque[_Row]
) -> Iterator[tuple[_Row, TranslatedRow | None]]:
    """All rows in the order of the source, each with its translation unless it was dropped."""
    for done in pairs:
        while waiting[0].dropped:
            yield waiting.popleft(), None
        yield waiting.popleft(), done
    while waiting:
        yield waiting.popleft(), None


class _Screen:
    """Screens translations with filters and for test prompts."""

    def __init__(
        self,
        source: str,
        language: str,
        engine: str,
        filters: Sequence[str] | None,
        detector: Detector,
        prompts: ContaminationIndex | None,
    ) -> None:
        self.source, self.language, self.engine = source, language, engine
        self._filters, self._detector, self._prompts = filters, detector, prompts

    def refused(self, example: Example, translated: TranslatedRow) -> tuple[str, str] | None:
        """The filter that rejects the row, and why; None if none does."""
        if translated.reason:
            return "untranslated", translated.reason
        fields = {name: getattr(translated, name) or "" for name in FIELDS}
        return find_rejection(
            {name: getattr(example, name) for name in FIELDS},
            fields,
            source_language=self.source,
            target_language=self.language,
            detector=self._detector,
            only=self._filters,
        )

    def contaminated(self, example: Example) -> str | None:
        """The test prompt that the translated row matches, if any."""
        if self._prompts is None:
            return None
        match = find_match(self._prompts, example.instruction, example.input, example.output)
        return describe_match(match) if match else None


def _write(
    folder: Path,
    file: str,
    rows: Iterable[tuple[_Row, TranslatedRow | None]],
    screen: _Screen,
    *,
    drop_contaminated: bool,
) -> Counter[str]:
    """Write accepted and rejected rows in the order of the source; returns counts."""
    counts: Counter[str] = Counter()
    with (
        atomic_write(folder / "examples.jsonl") as accepted,
        atomic_write(folder / "rejected.jsonl") as rejected,
    ):
        for line, (row, done) in enumerate(rows, start=1):
            counts["rows"] += 1
            example, refused = _screened(row, done, screen, drop_contaminated=drop_contaminated)
            if done is not None:
                for name in ("sentences", "retried", "pieces"):
                    counts[name] += getattr(done, name)
            if refused is not None:
                filter_name, why = refused
                counts[f"rejected {filter_name}"] += 1
                reason = f"{filter_name}: {why}"
                record = Rejected(file=file, line=line, reason=reason, row=to_line(example))
                rejected.write(to_line(record) + "\n")
            else:
                counts["accepted"] += 1
                counts["flagged"] += bool(row.rules)
                accepted.write(to_line(example) + "\n")
    return counts


def _screened(
    row: _Row, done: TranslatedRow | None, screen: _Screen, *, drop_contaminated: bool
) -> tuple[Example, tuple[str, str] | None]:
    """The translated example, and the filter that rejects it with its reason, if any."""
    if done is None:
        return row.example, ("untranslatable", ", ".join(row.rules))
    example = _example(row.example, done, screen, row.rules)
    refused = screen.refused(row.example, done)
    match = None if refused else screen.contaminated(example)
    if match and drop_contaminated:
        return example, ("contaminated", match)
    if match:
        flags = [*example.flags, f"contaminated: {match}"]
        example = example.model_copy(update={"flags": flags})
    return example, refused


def _example(
    example: Example, done: TranslatedRow, screen: _Screen, rules: Sequence[str]
) -> Example:
    flags = [*example.flags, *(f"untranslatable: {rule}" for rule in rules)]
    return example.model_copy(
        update={
            "id": f"{example.source}.{screen.language}",
            "language": screen.language,
            **{name: getattr(done, name) or "" for name in FIELDS},
            "origin": [*example.origin, f"{screen.engine} {screen.source}-{screen.language}"],
            "flags": flags,
        }
    )


def _facts(counts: Counter[str], signature: str) -> TranslationFacts:
    rejected = {
        key.removeprefix("rejected "): count
        for key, count in sorted(counts.items())
        if key.startswith("rejected ")
    }
    text = f"{counts['accepted']} of {counts['rows']} rows"
    if rejected:
        reasons = ", ".join(f"{name} {count}" for name, count in rejected.items())
        text += f"; rejected: {reasons} (see rejected.jsonl)"
    return TranslationFacts(
        engine=signature,
        rows=counts["accepted"],
        source_rows=counts["rows"],
        rejected=rejected,
        flagged=counts["flagged"],
        sentences=counts["sentences"],
        retried=counts["retried"],
        pieces=counts["pieces"],
        summary=text,
    )
