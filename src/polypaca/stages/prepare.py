"""prepare: examples with their splits, prompts, and base models.

data/instructions/   {language}.jsonl, rejected.jsonl, repaired.jsonl
data/prompts/        {language}.jsonl, rejected.jsonl, repaired.jsonl
bases/<model>/       what `from_pretrained` reads
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from polypaca import builtin
from polypaca.core.errors import DataError, UserError
from polypaca.core.files import write_jsonl
from polypaca.data.instructions import (
    InstructionsRead,
    Item,
    instructions_from_rows,
    load_instructions,
)
from polypaca.data.prompts import PromptsRead, limit_prompts, load_prompts
from polypaca.data.split import assign_splits, validation_sources

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from polypaca.core.records import Rejected, Repaired
    from polypaca.data.readers import OnBadRow

_SPLIT_SEED = 42  # the paper's code splits with it; here it seeds the rank of source ids


def prepare_instructions(
    folder: Path,
    *,
    source: str,
    languages: Sequence[str],
    validation: int,
    rows: int | None,
    on_bad_row: OnBadRow,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Read the instruction data of every training language and fix each source's split.

    Raises:
        DataError: if a file or row cannot be used.
    """
    read = {}
    for number, language in enumerate(languages):
        progress(number / len(languages), language)
        read[language] = read_instructions(source, language, on_bad_row)
    items = {language: part.items for language, part in read.items()}
    numbered = [language for language, part in read.items() if part.numbered]
    if numbered and len({len(part.items) + len(part.rejected) for part in read.values()}) > 1:
        raise DataError(
            f"{', '.join(numbered)}: rows have no `id`, and the files differ in length, so it is "
            "not known which rows are translations of one another",
            hint="give translations of one item the same `id`",
        )
    if rows is not None:
        items = _first_sources(items, rows)
    held_out = validation_sources(
        {language: [item.source for item in part] for language, part in items.items()},
        validation,
        _SPLIT_SEED,
    )
    for language, examples in assign_splits(items, held_out).items():
        write_jsonl(folder / f"{language}.jsonl", examples)
    rejected = [row for part in read.values() for row in part.rejected]
    repaired = [row for part in read.values() for row in part.repaired]
    _write_defects(folder, rejected, repaired)
    counts = {language: len(part) for language, part in items.items()}
    return {
        "rows": counts,
        "validation": len(held_out),
        "matched_by_row_number": numbered,
        "rejected": len(rejected),
        "repaired": len(repaired),
        "summary": _counts(counts, "rows", rejected, repaired),
    }


def read_instructions(source: str, language: str, on_bad_row: OnBadRow) -> InstructionsRead:
    """One language's instructions from the package, the Hub, or a file."""
    if source.startswith("builtin:"):
        rows = builtin.instruction_rows(source.removeprefix("builtin:"), language)
        return instructions_from_rows(rows, language, on_bad_row=on_bad_row, label=source)
    if source.startswith("hf:"):
        name = source.removeprefix("hf:").replace("{language}", language)
        return instructions_from_rows(
            _hub_rows(name), language, on_bad_row=on_bad_row, label=f"hf:{name}"
        )
    return load_instructions(source, language, on_bad_row=on_bad_row)


def prepare_prompts(
    folder: Path,
    *,
    source: str,
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
    read = read_prompts(source, languages, count, on_bad_row)
    for language, part in read.prompts.items():
        write_jsonl(folder / f"{language}.jsonl", part)
    _write_defects(folder, read.rejected, read.repaired)
    counts = {language: len(part) for language, part in read.prompts.items()}
    return {
        "prompts": counts,
        "rejected": len(read.rejected),
        "repaired": len(read.repaired),
        "unrelated_languages": read.unrelated,
        "summary": _counts(counts, "prompts", read.rejected, read.repaired),
    }


def read_prompts(
    source: str, languages: Sequence[str], count: int | None, on_bad_row: OnBadRow
) -> PromptsRead:
    """The test prompts from the package or from files, the first `count` ids if that is given."""
    if source.startswith("builtin:"):
        name = source.removeprefix("builtin:")
        prompts = {code: list(builtin.test_prompts(name, code)) for code in languages}
        read = PromptsRead(prompts, [], [], [])
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

    Raises:
        UserError: if the model or tokenizer cannot be had.
    """
    from polypaca.models import bases

    if config is not None:
        return bases.initialise(folder, config, bases.locate(tokenizer or "", None), seed)
    assert source is not None
    if source.startswith("builtin:"):
        name = source.removeprefix("builtin:")

        def build(target: Path) -> dict[str, Any]:
            return dict(builtin.build_base(name, target, threads=threads, progress=progress))

        return bases.cached(folder, builtin.base_settings(name), build, progress)
    return bases.link(folder, bases.locate(source, revision))


def _first_sources(items: Mapping[str, list[Item]], rows: int) -> dict[str, list[Item]]:
    """Only the first `rows` sources that every language has, in the first language's order."""
    shared = set.intersection(*({item.source for item in part} for part in items.values()))
    first = next(iter(items.values()))
    kept = set([item.source for item in first if item.source in shared][:rows])
    return {code: [item for item in part if item.source in kept] for code, part in items.items()}


def _hub_rows(name: str) -> list[dict[str, Any]]:
    from datasets import load_dataset

    try:
        return [dict(row) for row in load_dataset(name, split="train")]
    except Exception as error:  # the library raises a dozen kinds for one cause
        reason = str(error).split("\n")[0]
        raise UserError(f"hf:{name} cannot be loaded: {type(error).__name__}: {reason}") from error


def _write_defects(
    folder: Path, rejected: Sequence[Rejected], repaired: Sequence[Repaired]
) -> None:
    write_jsonl(folder / "rejected.jsonl", rejected)
    write_jsonl(folder / "repaired.jsonl", repaired)


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
