"""Mixtures: which examples a recipe trains on, and what they cost in budgets.

One budget is as many rows as the smallest training language has once the languages are aligned,
the paper's C_Alpaca (arXiv 2309.08958). The paper's recipes over N languages:

    monolingual-L   mixture(examples, [L], 1, seed)
    english         mixture(examples, ["en"], 1, seed), the same as monolingual-en
    multilingual    mixture(examples, all N, N, seed)
    downsampled     mixture(examples, all N, 1, seed)
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError
from polypaca.data.ranking import ranked

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from polypaca.core.records import Example, Split

    ExamplesByLanguage = Mapping[str, Sequence[Example]]


def parallel_sources(examples_by_language: ExamplesByLanguage) -> list[str]:
    """The training sources that survive in every language, sorted; their number is one budget."""
    return sorted(_shared(examples_by_language, "train"))


def budgets_of(rows: int, one_budget: int) -> float:
    """What `rows` examples cost, in budgets of `one_budget` rows."""
    return rows / one_budget


def mixture(
    examples_by_language: ExamplesByLanguage, languages: Sequence[str], budgets: float, seed: int
) -> list[Example]:
    """Draw a mixture: rows of the merged data of some languages, in a random order.

    A row's place depends on the seed and its own id alone, not on the order of the files. With the
    same seed and languages a smaller mixture is the beginning of a larger one, so that the
    downsampled mixture is the first part of the multilingual one.

    Args:
        examples_by_language: all training languages of the study, since they define a budget.
        languages: those to mix; their order does not matter.
        budgets: the size; `round(budgets * n)` rows, n being one budget. At most
            `len(languages)`, which takes every row.
        seed: chooses rows and order.

    Raises:
        DataError: if a language has no data, the languages share no source, or there are fewer
            rows than asked for.
    """
    mixed = sorted(set(languages))
    unknown = [language for language in mixed if language not in examples_by_language]
    if unknown or not mixed:
        raise DataError(
            f"no training data in {', '.join(unknown)}" if unknown else "a mixture of no languages",
            hint=f"training languages: {', '.join(examples_by_language)}",
        )
    shared = _shared(examples_by_language, "train")
    if not shared:
        sizes = ", ".join(f"{code} {len(rows)}" for code, rows in examples_by_language.items())
        raise DataError(
            f"the training languages share no source (rows: {sizes})",
            hint="align: parallel needs files whose ids agree",
        )
    rows = round(budgets * len(shared)) if math.isfinite(budgets) else 0
    available = len(shared) * len(mixed)
    if not 0 < rows <= available:
        raise DataError(
            f"{budgets:g} budgets of {len(shared)} rows are {rows} rows, but {', '.join(mixed)} "
            f"can give 1 to {available}",
            hint=f"ask for more than 0 and at most {len(mixed)} budgets, or mix more languages",
        )
    merged = {
        example.id: example
        for language in mixed
        for example in examples_by_language[language]
        if example.source in shared
    }
    order = ranked(merged, "mixture", seed)
    return [merged[name] for name in order[:rows]]


def validation_rows(
    examples_by_language: ExamplesByLanguage, languages: Sequence[str], count: int | None = None
) -> list[Example]:
    """The examples on whose loss a mixture's checkpoints are compared.

    Every mixture is validated on the same held-out sources in its own languages, each source once:
    with several languages they take turns, so that validation costs every recipe the same.

    Args:
        examples_by_language: all training languages of the study.
        languages: those of the mixture; their order does not matter.
        count: at most so many rows; all held-out sources by default.
    """
    mixed = sorted(set(languages))
    shared = _shared(examples_by_language, "validation")
    rows = {
        (example.source, language): example
        for language in mixed
        for example in examples_by_language[language]
        if example.split == "validation"
    }
    # By hash, not sorted: numbered ids often follow the tasks in a fixed turn, and so would the
    # languages.
    order = ranked(shared, "validation rows")[:count]
    return [rows[source, mixed[turn % len(mixed)]] for turn, source in enumerate(order)]


def _shared(examples_by_language: ExamplesByLanguage, split: Split) -> Collection[str]:
    sets = [
        {example.source for example in examples if example.split == split}
        for examples in examples_by_language.values()
    ]
    return set.intersection(*sets) if sets else set()
