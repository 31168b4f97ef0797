"""prepare: examples with their splits, prompts, and base models.

data/instructions/   {language}.jsonl, rejected.jsonl, repaired.jsonl
data/prompts/        {language}.jsonl, rejected.jsonl, repaired.jsonl
bases/<model>/       what `from_pretrained` reads
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from polypaca import builtin
from polypaca.core.cache import cache_folder
from polypaca.core.files import read_jsonl, to_line, write_jsonl
from polypaca.core.records import Prompt, Rejected
from polypaca.data.contamination import index_prompts
from polypaca.data.instructions import (
    InstructionsRead,
    Item,
    instructions_from_rows,
    load_instructions,
    without_entities,
)
from polypaca.data.matching import Matching, match
from polypaca.data.prompts import PromptsRead, limit_prompts, load_prompts, read_prompt_files
from polypaca.data.remote import download, hub_rows
from polypaca.data.screening import dropped_sources, findings
from polypaca.data.split import assign_split, validation_sources, validation_sources_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.readers import OnBadRow
    from polypaca.core.records import Example, Repaired
    from polypaca.data.mixtures import Align
    from polypaca.data.screening import Finding, Kind, Policy

_DEFECTS = ("rejected.jsonl", "repaired.jsonl")
_SPLIT_SEED = 42  # the paper's code splits with it; here it seeds the rank of source ids


def prepare_instructions(
    folder: Path,
    *,
    prompts: Path | None = None,
    source: str,
    sha256: Mapping[str, str],
    format: str,
    languages: Sequence[str],
    validation: int,
    align: Align,
    rows: int | None,
    on_bad_row: OnBadRow,
    contaminated: Policy,
    duplicates: Policy,
    truncated: Policy,
    placeholders: Policy = "flag",
    entities: Policy | Literal["repair"] = "flag",
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Read the instruction data, look it over, and fix each source's split.

    What is dropped is dropped by its source, in every language.

    Raises:
        DataError: if a file or row cannot be used.
    """
    read = {}
    for number, language in enumerate(languages):
        progress(0.7 * number / len(languages), language)
        read[language] = read_instructions(source, language, on_bad_row, format, sha256, progress)
    matching = match(read) if align == "parallel" else Matching("nothing", 0)
    if entities == "repair":
        read = {language: without_entities(part) for language, part in read.items()}
    items = {language: _sources(part, align) for language, part in read.items()}
    progress(0.7, "looking for test prompts, duplicates and cut outputs")
    policies: dict[Kind, Policy] = {
        "contaminated": contaminated,
        "duplicate": duplicates,
        "truncated": truncated,
        "placeholder": placeholders,
        # What could not be repaired, being code or beside tags.
        "entities": "flag" if entities == "repair" else entities,
    }
    index = index_prompts(_prompts(prompts)) if prompts else None
    noticed = list(findings(items, index, policies))
    dropped = dropped_sources(noticed, policies)
    flags = _flags(noticed)
    rejected = [row for part in read.values() for row in part.rejected]
    kept: dict[str, list[Item]] = {}
    for language, part in items.items():
        kept[language] = [item for item in part if item.source not in dropped]
        rejected += [
            _rejected(item, dropped[item.source]) for item in part if item.source in dropped
        ]
    if rows is not None:
        kept = _first_sources(kept, rows, align)
    held_out = _held_out(kept, validation, align)
    for language, part in kept.items():
        write_jsonl(
            folder / f"{language}.jsonl",
            (_flagged(example, flags) for example in assign_split(part, held_out)),
        )
    repaired = [row for part in read.values() for row in part.repaired]
    _write_defects(folder, rejected, repaired)
    counts = {language: len(part) for language, part in kept.items()}
    found = Counter(finding.kind for finding in noticed)
    return {
        "rows": counts,
        "format": {language: part.format for language, part in read.items()},
        "further_turns": sum(part.further_turns for part in read.values()),
        "validation": len(held_out),
        "matched_by": matching.by,
        "shared_sources": matching.shared,
        "no_input": {language: part.no_input for language, part in read.items() if part.no_input},
        "columns_not_read": {
            language: list(part.not_read) for language, part in read.items() if part.not_read
        },
        "noticed": {kind: found[kind] for kind in policies if policies[kind] != "keep"},
        "dropped_sources": len(dropped),
        "rejected_by_kind": _by_kind(read, items, dropped),
        "flagged": {
            language: sum((item.source, language) in flags for item in part)
            for language, part in kept.items()
        },
        "rejected": len(rejected),
        "repaired": len(repaired),
        "summary": _counts(counts, "rows", rejected, repaired) + _not_read(read.values()),
    }


def read_instructions(
    source: str,
    language: str,
    on_bad_row: OnBadRow,
    format: str = "auto",
    sha256: Mapping[str, str] | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> InstructionsRead:
    """One language's instructions from the package, the Hub, a URL or a file."""
    if source.startswith("builtin:"):
        rows = builtin.instruction_rows(source.removeprefix("builtin:"), language)
        return instructions_from_rows(rows, language, on_bad_row=on_bad_row, label=source)
    if source.startswith("hf:"):
        name = source.removeprefix("hf:")
        return instructions_from_rows(
            hub_rows(name, language),
            language,
            on_bad_row=on_bad_row,
            label=source.replace("{language}", language),
            format=format,
        )
    if source.startswith(("http://", "https://")):
        url = source.replace("{language}", language)
        file = download(url, (sha256 or {})[language], cache_folder(), progress)
        return load_instructions(
            file, language, on_bad_row=on_bad_row, label=file.name, format=format
        )
    return load_instructions(source, language, on_bad_row=on_bad_row, format=format)


def prepare_prompts(
    folder: Path,
    *,
    source: str,
    sha256: Mapping[str, str] | None = None,
    languages: Sequence[str],
    count: int | None,
    on_bad_row: OnBadRow,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Read the test prompts, parallel over languages.

    Raises:
        DataError: if a file or row cannot be used.
    """
    progress(0.0, "reading")
    read = read_prompts(source, languages, None, on_bad_row, sha256, progress)
    whole = {language: [prompt.id for prompt in part] for language, part in read.prompts.items()}
    if count is not None:
        read = replace(read, prompts=limit_prompts(read.prompts, count))
    for language, part in read.prompts.items():
        write_jsonl(folder / f"{language}.jsonl", part)
    _write_defects(folder, read.rejected, read.repaired)
    counts = {language: len(part) for language, part in read.prompts.items()}
    return {
        "prompts": counts,
        "rejected": len(read.rejected),
        "repaired": len(read.repaired),
        "unrelated_languages": read.unrelated,
        # Of answers that are given for all of them, those to the prompts left out are known by it.
        "ids_before_count": {} if count is None else whole,
        "summary": _counts(counts, "prompts", read.rejected, read.repaired),
    }


def read_prompts(
    source: str,
    languages: Sequence[str],
    count: int | None,
    on_bad_row: OnBadRow,
    sha256: Mapping[str, str] | None = None,
    progress: Callable[[float, str], None] = lambda fraction, text: None,
) -> PromptsRead:
    """The test prompts from the package, files or a URL, the first `count` ids if that is given."""
    if source.startswith("builtin:"):
        name = source.removeprefix("builtin:")
        prompts = {code: list(builtin.test_prompts(name, code)) for code in languages}
        read = PromptsRead(prompts, [], [], [])
    elif source.startswith(("http://", "https://")):
        files = {}
        for code in languages:
            url = source.replace("{language}", code)
            files[code] = download(url, (sha256 or {})[code], cache_folder(), progress)
        read = read_prompt_files(files, on_bad_row=on_bad_row)
    else:
        read = load_prompts(source, languages, on_bad_row=on_bad_row)
    if count is None:
        return read
    return replace(read, prompts=limit_prompts(read.prompts, count))


def prepare_base(
    folder: Path,
    *,
    source: str | None,
    revision: str | None,
    config: dict[str, Any] | None,
    tokenizer: str | None,
    seed: int,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Make a base model ready: built in, from a folder or the Hub, or freshly initialised.

    `folder` then holds safetensors and a fast tokenizer, whatever the source had.

    Raises:
        UserError: if the model or tokenizer cannot be had.
    """
    from polypaca.models import bases

    if config is not None:
        return bases.initialise(
            folder, config, bases.locate(tokenizer or "", None, weights=False), seed
        )
    assert source is not None
    if source.startswith("builtin:"):
        name = source.removeprefix("builtin:")

        def build(target: Path) -> dict[str, Any]:
            return dict(builtin.build_base(name, target, threads=threads, progress=progress))

        return bases.cached(folder, builtin.base_settings(name), build, progress)
    return bases.ready(folder, bases.locate(source, revision), progress)


def _sources(read: InstructionsRead, align: Align) -> list[Item]:
    """The items; unaligned row numbers are made to differ between languages."""
    if align == "parallel" or not read.numbered:
        return read.items
    return [replace(item, source=f"{item.language}-{item.source}") for item in read.items]


def _not_read(read: Iterable[InstructionsRead]) -> str:
    columns = list(dict.fromkeys(name for part in read for name in part.not_read))
    if not columns:
        return ""
    more = f" and {len(columns) - 8} more" if len(columns) > 8 else ""
    return f"; columns not read: {', '.join(columns[:8])}{more}"


def _first_sources(
    items: Mapping[str, list[Item]], rows: int, align: Align
) -> dict[str, list[Item]]:
    """Only the first `rows` sources: those that every language has, in the first one's order."""
    if align == "none":
        return {code: part[:rows] for code, part in items.items()}
    shared = set.intersection(*({item.source for item in part} for part in items.values()))
    first = next(iter(items.values()))
    kept = set([item.source for item in first if item.source in shared][:rows])
    return {code: [item for item in part if item.source in kept] for code, part in items.items()}


def _held_out(items: Mapping[str, list[Item]], validation: int, align: Align) -> frozenset[str]:
    sources = {code: [item.source for item in part] for code, part in items.items()}
    if align == "none":
        return validation_sources_apart(sources, validation, _SPLIT_SEED)
    return validation_sources(sources, validation, _SPLIT_SEED)


def _prompts(folder: Path) -> Iterator[Prompt]:
    for file in sorted(folder.glob("*.jsonl")):
        if file.name not in _DEFECTS:
            yield from read_jsonl(file, Prompt)


def _flags(noticed: Sequence[Finding]) -> dict[tuple[str, str], list[str]]:
    flags: dict[tuple[str, str], list[str]] = {}
    for finding in noticed:
        flags.setdefault((finding.source, finding.language), []).append(
            f"{finding.kind}: {finding.reason}"
        )
    return flags


def _flagged(example: Example, flags: Mapping[tuple[str, str], list[str]]) -> Example:
    said = flags.get((example.source, example.language))
    return example.model_copy(update={"flags": said}) if said else example


def _by_kind(
    read: Mapping[str, InstructionsRead],
    items: Mapping[str, Sequence[Item]],
    dropped: Mapping[str, str],
) -> dict[str, dict[str, int]]:
    """Rejected rows by language and kind, for the report."""
    found = {}
    for language, part in read.items():
        kinds = [dropped[i.source].split(":")[0] for i in items[language] if i.source in dropped]
        found[language] = dict(Counter(["bad row"] * len(part.rejected) + kinds))
    return found


def _rejected(item: Item, reason: str) -> Rejected:
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
