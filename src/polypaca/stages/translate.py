"""translate: the examples of one language, as given or made by an engine.

translations/<language>/   examples.jsonl, rejected.jsonl
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

from polypaca.core.errors import DataError
from polypaca.core.files import atomic_write, read_jsonl, to_line, write_jsonl
from polypaca.core.languages import is_language, matching
from polypaca.core.manifest import read_manifest
from polypaca.core.records import Example, Prompt, Rejected
from polypaca.core.rows import read_choice
from polypaca.data.contamination import find, index_prompts
from polypaca.data.screening import in_words
from polypaca.langid import detectors
from polypaca.models.bases import cache_folder
from polypaca.translation import engines
from polypaca.translation.filters import rejection
from polypaca.translation.given_language import MOST, look, notice
from polypaca.translation.shards import FIELDS, Source, translate_rows
from polypaca.translation.untranslatable import untranslatable as untranslatable_rules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.data.contamination import ContaminationIndex
    from polypaca.data.screening import Policy
    from polypaca.langid.contract import Detector
    from polypaca.translation.shards import Translated


def given(
    folder: Path,
    *,
    instructions: Path,
    language: str,
    detector: str = "lid176",
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Pass on the data that was given in this language, and say if it is in another one."""
    progress(0.0, language)
    path = instructions / f"{language}.jsonl"
    rows = write_jsonl(folder / "examples.jsonl", read_jsonl(path, Example))
    every = max(1, -(-rows // MOST))
    sample = islice(read_jsonl(path, Example), 0, None, every)
    found = look(sample, language, detectors.load(detector))
    said = notice(found, language)
    return {
        "rows": rows,
        "engine": None,
        "language_of_rows": {"looked_at": -(-rows // every), **asdict(found)},
        "notices": [said] if said else [],
        "summary": f"{rows} examples, as given" + (f"; notice: {said}" if said else ""),
    }


def translate(
    folder: Path,
    *,
    instructions: Path,
    prompts: Path | None = None,
    source: str,
    language: str,
    engine: Mapping[str, Any],
    untranslatable: Policy,
    contaminated: Policy,
    on_lost: Literal["pieces", "reject"],
    filters: Sequence[str] | None,
    detector: str,
    options: Mapping[str, Any],
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Translate the source language's examples, and reject what came out wrong.

    Finished shards stay in the cache: a killed run goes on behind them, and another study with the
    same rows and engine finds them. `engine` is its `kind` and the settings that affect its output;
    `options` are those that do not.

    Raises:
        UserError: if the engine, its model or its program is not there.
        StageError: if the engine fails.
        DataError: if no row is left.
    """
    path = instructions / f"{source}.jsonl"
    progress(0.0, f"starting {engine['kind']}")
    settings = read_choice({**engine, **options}, engines.ENGINES)
    made = engines.load(settings, source, language, threads=threads, cache=cache_folder())
    try:
        waiting: deque[_Row] = deque()
        index = _index(prompts, language) if prompts else None
        pairs = translate_rows(
            _read(path, source, untranslatable, waiting),
            _rows_in(instructions, source),
            made,
            source_language=source,
            target_language=language,
            on_lost=on_lost,
            cache=cache_folder() / "translations",
            progress=progress,
        )
        look = _Look(source, language, made.name, filters, detectors.load(detector), index)
        rows = _together(pairs, waiting)
        counts = _write(folder, path.name, rows, look, drop_contaminated=contaminated == "drop")
    finally:
        made.close()
    if not counts["accepted"]:
        raise DataError(
            f"none of the {counts['rows']} rows of {source} has a translation into {language} that "
            "can be used",
            path=folder / "rejected.jsonl",
            hint="the reasons stand there; look at the engine's output first",
        )
    return _facts(counts, made.signature)


@dataclass(frozen=True)
class _Row:
    """A row of the source, and the rules by which translation would destroy its task."""

    example: Example
    rules: list[str]
    dropped: bool  # for these rules: it is not translated at all


def _index(prompts: Path, language: str) -> ContaminationIndex:
    """The test prompts in a language, whichever of its codes they were read by."""
    files = [path for path in sorted(prompts.glob("*.jsonl")) if is_language(path.stem)]
    code = matching(language, [path.stem for path in files])
    return index_prompts(read_jsonl(prompts / f"{code or language}.jsonl", Prompt))


def _read(path: Path, language: str, policy: Policy, waiting: deque[_Row]) -> Iterator[Source]:
    """Stream the rows to translate; all rows are put into `waiting` as they are read."""
    for example in read_jsonl(path, Example):
        rules = []
        if policy != "keep":
            rules = untranslatable_rules(
                example.instruction, example.input, example.output, language
            )
        dropped = policy == "drop" and bool(rules)
        waiting.append(_Row(example, rules, dropped))
        if not dropped:
            yield Source(example.source, example.instruction, example.input, example.output)


def _together(
    pairs: Iterable[Translated], waiting: deque[_Row]
) -> Iterator[tuple[_Row, Translated | None]]:
    """All rows in the order of the source, each with its translation if it was to have one."""
    for done in pairs:
        while waiting[0].dropped:
            yield waiting.popleft(), None
        yield waiting.popleft(), done
    while waiting:
        yield waiting.popleft(), None


class _Look:
    """What a translation is looked over for."""

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

    def refused(self, example: Example, translated: Translated) -> tuple[str, str] | None:
        """By which filter the row is rejected and why; None if it may stay."""
        if translated.reason:
            return "untranslated", translated.reason
        fields = {name: getattr(translated, name) or "" for name in FIELDS}
        return rejection(
            {name: getattr(example, name) for name in FIELDS},
            fields,
            source_language=self.source,
            target_language=self.language,
            detector=self._detector,
            only=self._filters,
        )

    def contaminated(self, example: Example) -> str | None:
        """Which test prompt the translated row matches."""
        if self._prompts is None:
            return None
        match = find(self._prompts, example.instruction, example.input, example.output)
        return in_words(match) if match else None


def _write(
    folder: Path,
    file: str,
    rows: Iterable[tuple[_Row, Translated | None]],
    look: _Look,
    *,
    drop_contaminated: bool,
) -> Counter[str]:
    """Write accepted and rejected rows in the order of the source; returns what was counted."""
    counts: Counter[str] = Counter()
    with (
        atomic_write(folder / "examples.jsonl") as accepted,
        atomic_write(folder / "rejected.jsonl") as rejected,
    ):
        for line, (row, done) in enumerate(rows, start=1):
            counts["rows"] += 1
            example, refused = _judged(row, done, look, drop_contaminated=drop_contaminated)
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


def _judged(
    row: _Row, done: Translated | None, look: _Look, *, drop_contaminated: bool
) -> tuple[Example, tuple[str, str] | None]:
    """The translated example, and by which filter it is rejected and why, if it is."""
    if done is None:
        return row.example, ("untranslatable", ", ".join(row.rules))
    example = _example(row.example, done, look, row.rules)
    refused = look.refused(row.example, done)
    match = None if refused else look.contaminated(example)
    if match and drop_contaminated:
        return example, ("contaminated", match)
    if match:
        flags = [*example.flags, f"contaminated: {match}"]
        example = example.model_copy(update={"flags": flags})
    return example, refused


def _example(example: Example, done: Translated, look: _Look, rules: Sequence[str]) -> Example:
    flags = [*example.flags, *(f"untranslatable: {rule}" for rule in rules)]
    return example.model_copy(
        update={
            "id": f"{example.source}.{look.language}",
            "language": look.language,
            **{name: getattr(done, name) or "" for name in FIELDS},
            "origin": [*example.origin, f"{look.engine} {look.source}-{look.language}"],
            "flags": flags,
        }
    )


def _rows_in(instructions: Path, language: str) -> int:
    manifest = read_manifest(instructions)
    return int(manifest.facts["rows"][language]) if manifest else 0


def _facts(counts: Counter[str], signature: str) -> dict[str, Any]:
    rejected = {
        key.removeprefix("rejected "): count
        for key, count in sorted(counts.items())
        if key.startswith("rejected ")
    }
    text = f"{counts['accepted']} of {counts['rows']} rows"
    if rejected:
        reasons = ", ".join(f"{name} {count}" for name, count in rejected.items())
        text += f"; rejected: {reasons} (see rejected.jsonl)"
    return {
        "engine": signature,
        "rows": counts["accepted"],
        "source_rows": counts["rows"],
        "rejected": rejected,
        "flagged": counts["flagged"],
        "sentences": counts["sentences"],
        "retried": counts["retried"],
        "pieces": counts["pieces"],
        "summary": text,
    }
