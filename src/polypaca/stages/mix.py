"""mix: the training and validation rows of one mixture.

mixtures/<recipe>[-<language>].s<seed>/   train.jsonl, validation.jsonl
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.records import Example
from polypaca.data.mixtures import budgets_of, mixture, parallel_sources, validation_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


def mix(
    folder: Path,
    *,
    translations: dict[str, Path],
    languages: Sequence[str],
    budgets: float,
    seed: int,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Sample one mixture; all training languages are read, since together they define a budget."""
    progress(0.0, ", ".join(languages))
    examples = {
        language: list(read_jsonl(path / "examples.jsonl", Example))
        for language, path in translations.items()
    }
    one_budget = len(parallel_sources(examples))
    train = mixture(examples, languages, budgets, seed)
    validation = validation_rows(examples, languages)
    write_jsonl(folder / "train.jsonl", train)
    write_jsonl(folder / "validation.jsonl", validation)
    return {
        "rows": len(train),
        "rows_by_language": {
            code: sum(example.language == code for example in train) for code in languages
        },
        "validation_rows": len(validation),
        "one_budget_rows": one_budget,
        "budgets": budgets_of(len(train), one_budget),
        "summary": f"{len(train)} rows, {budgets_of(len(train), one_budget):g} budgets",
    }
