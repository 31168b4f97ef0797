"""Mixtures: which examples a recipe trains on, and what they cost in budgets.

A row's cost is 1 where budgets are counted in examples, and its tokens where they are counted in
tokens or FLOPs (`data.budgets`). One budget is what all rows of the cheapest training language
cost once the languages are aligned: in examples, the paper's C_Alpaca (arXiv 2309.08958). The
paper's recipes over N languages:

    monolingual-L   one language, 1 budget
    english         the same as monolingual-en
    multilingual    all N languages, N budgets
    downsampled     all N languages, 1 budget
"""

from __future__ import annotations

import itertools
import math
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from polypaca.core.errors import DataError
from polypaca.core.settings import Language, Settings
from polypaca.data.ranking import shuffle_by_hash

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from polypaca.core.records import Example

    ExamplesByLanguage = Mapping[str, Sequence[Example]]

Align = Literal["parallel", "none"]


class Sampling(Settings):
    """How a mixture's rows are sampled; a size given here replaces the one in budgets."""

    examples: int | None = Field(default=None, ge=1, description="the mixture's size in rows")
    tokens: int | None = Field(default=None, ge=1, description="the mixture's size in tokens")
    flops: float | None = Field(default=None, gt=0, description="the mixture's size in FLOPs")
    weights: dict[Language, Annotated[float, Field(gt=0)]] | None = Field(
        default=None, description="the languages' weights, with any sum"
    )
    temperature: float | None = Field(
        default=None, ge=1, description="weights proportional to size ** (1 / temperature)"
    )
    stratified: bool = Field(default=False, description="whether all languages have equal shares")
    one_language_per_source: bool = Field(
        default=False, description="whether each source is used in one language only"
    )
    repeat: bool = Field(default=False, description="whether rows are used again once all are used")


@dataclass(frozen=True)
class DrawOptions:
    """How rows are drawn.

    Attributes:
        budgets: the size in budgets; None where `amount` says it.
        amount: the size in the unit of the costs.
        shares: the languages' exact shares of the size, summing to 1; None draws from the merged
            rows, so that the shares are only expected to follow the languages' sizes.
        one_language_per_source: every source in one language at most.
        repeat: whether rows may be used again once all are used.
    """

    budgets: float | None = None
    amount: float | None = None
    shares: Mapping[str, float] | None = None
    one_language_per_source: bool = False
    repeat: bool = False


def align_rows(examples: ExamplesByLanguage, align: Align) -> dict[str, list[Example]]:
    """The training rows that mixtures draw from, by language, in the order of their sources.

    Under `parallel` only the sources that survive in every language, so that all languages have
    one size; under `none` all.
    """
    rows = {
        code: [example for example in part if example.split == "train"]
        for code, part in examples.items()
    }
    if align == "parallel":
        shared = _shared(rows)
        rows = {code: [row for row in part if row.source in shared] for code, part in rows.items()}
    return {code: sorted(part, key=lambda row: row.source) for code, part in rows.items()}


def budget_size(rows: ExamplesByLanguage, costs: Mapping[str, int] | None) -> int:
    """What one budget is: the cost of all rows of the cheapest language.

    Args:
        rows: the aligned rows of all training languages.
        costs: what each row costs, by its id; 1 each by default.

    Raises:
        DataError: if a language has no row.
    """
    totals = {code: total_cost(part, costs) for code, part in rows.items()}
    if not totals or not min(totals.values()):
        sizes = ", ".join(f"{code} {len(part)}" for code, part in rows.items())
        raise DataError(
            f"the training languages have no training rows to mix (rows: {sizes})",
            hint="`align: parallel` needs files with the same ids",
        )
    return min(totals.values())


def total_cost(rows: Iterable[Example], costs: Mapping[str, int] | None) -> int:
    """What rows cost together; `costs` is what each costs, by its id, and 1 each by default."""
    return sum(_cost(row, costs) for row in rows)


def shares_by_temperature(sizes: Mapping[str, float], temperature: float) -> dict[str, float]:
    """Shares proportional to size ** (1 / temperature).

    A temperature of 1 gives the languages' own proportions, a high one equal shares: the exponent
    alpha = 1 / temperature of XLM-R (arXiv 1911.02116, section 3.1).
    """
    largest = max(sizes.values())
    # Relative sizes, so that no power of a token count overflows.
    powers = {code: (size / largest) ** (1 / temperature) for code, size in sizes.items()}
    return normalise_weights(powers)


def normalise_weights(weights: Mapping[str, float]) -> dict[str, float]:
    """Weights scaled to sum to 1."""
    total = math.fsum(weights.values())
    return {code: weight / total for code, weight in weights.items()}


def draw(
    rows: ExamplesByLanguage,
    languages: Sequence[str],
    options: DrawOptions,
    seed: int,
    costs: Mapping[str, int] | None = None,
) -> list[Example]:
    """Draw a mixture: rows of some languages, in a random order.

    A row's place depends on the seed and its own id alone, not on the order of the files. With the
    same seed and languages a smaller mixture is a part of a larger one, and the downsampled
    mixture a part of the multilingual one. Sizes are exact where rows cost 1, else as near as whole
    rows come.

    Args:
        rows: the aligned rows of all training languages of the study, since they define a budget.
        languages: those to mix; their order does not matter.
        options: size and way of drawing.
        seed: chooses rows and order.
        costs: what each row costs, by its id; 1 each by default.

    Raises:
        DataError: if a language has no data, or there are fewer rows than asked for.
    """
    mixed = sorted(set(languages))
    unknown = [language for language in mixed if language not in rows]
    if unknown or not mixed:
        raise DataError(
            f"no training data in {', '.join(unknown)}" if unknown else "no languages to mix",
            hint=f"training languages: {', '.join(rows)}",
        )
    unit = budget_size(rows, costs)
    size = options.amount if options.amount is not None else (options.budgets or 0.0) * unit
    if not math.isfinite(size) or size <= 0:
        raise DataError(f"the mixture's size must be above 0, not {size:g}")
    pools = {code: rows[code] for code in mixed}
    if options.one_language_per_source:
        dealt = _one_language_per_source(pools, options.shares, seed)
        return _in_order(_take([dealt], size, costs, unit, ", ".join(mixed)), seed)
    if options.shares is None:
        merged = [row for pool in pools.values() for row in pool]
        rounds = _rounds(merged, seed, repeat=options.repeat)
        return _take(rounds, size, costs, unit, ", ".join(mixed))
    chosen = []
    for code, share_size in _parts(size, options.shares, whole=costs is None).items():
        rounds = _rounds(pools[code], seed, repeat=options.repeat)
        chosen += _take(rounds, share_size, costs, unit, code)
    return _in_order(chosen, seed)


def validation_rows(
    examples: ExamplesByLanguage, languages: Sequence[str], align: Align = "parallel"
) -> list[Example]:
    """The examples on whose loss a mixture's checkpoints are compared.

    Every mixture is validated on the same held-out sources in its own languages, each source once:
    with several languages they take turns, so that validation costs every recipe the same.

    Args:
        examples: all training languages of the study.
        languages: those of the mixture; their order does not matter.
        align: under `none` a source may be missing in some languages; its turn goes to the next.
    """
    mixed = sorted(set(languages))
    held_out = {
        code: [row for row in part if row.split == "validation"] for code, part in examples.items()
    }
    of = {(row.source, code): row for code, part in held_out.items() for row in part}
    sources = _shared(held_out) if align == "parallel" else {source for source, _ in of}
    # By hash, not sorted: numbered ids often follow the tasks in a fixed turn, and so would the
    # languages.
    chosen = []
    for turn, source in enumerate(shuffle_by_hash(sources, "validation rows")):
        turns = [mixed[(turn + step) % len(mixed)] for step in range(len(mixed))]
        row = next((of[source, code] for code in turns if (source, code) in of), None)
        chosen += [row] if row else []
    return chosen


def split_at_random(
    rows: Sequence[Example], validation: int, seed: int
) -> tuple[list[Example], list[Example], int]:
    """Divide a mixture at random into training and validation rows, as the paper's code does.

    Translations of a validation row may then be trained on. That is counted.

    Returns:
        Training rows, validation rows, and how many of the latter have a source that is also
        trained on.

    Raises:
        DataError: if no training row would be left.
    """
    if validation >= len(rows):
        raise DataError(
            f"{validation} validation rows leave none of {len(rows)} rows for training",
            hint="lower data.validation",
        )
    numbered = {f"{number}\x1f{row.id}": number for number, row in enumerate(rows)}
    held = {numbered[name] for name in shuffle_by_hash(numbered, "random split", seed)[:validation]}
    train = [row for number, row in enumerate(rows) if number not in held]
    held_out = [
        row.model_copy(update={"split": "validation"})
        for number, row in enumerate(rows)
        if number in held
    ]
    trained = {row.source for row in train}
    return train, held_out, sum(row.source in trained for row in held_out)


def _cost(row: Example, costs: Mapping[str, int] | None) -> int:
    return 1 if costs is None else costs[row.id]


def _shared(rows: ExamplesByLanguage) -> set[str]:
    sets = [{row.source for row in part} for part in rows.values()]
    return set.intersection(*sets) if sets else set()


def _in_order(rows: Iterable[Example], seed: int) -> list[Example]:
    """Rows in their random order; rows that repeat come in as many rounds."""
    seen: Counter[str] = Counter()
    rounds: list[dict[str, Example]] = []
    for row in rows:
        if seen[row.id] == len(rounds):
            rounds.append({})
        rounds[seen[row.id]][row.id] = row
        seen[row.id] += 1
    return [part[name] for number, part in enumerate(rounds) for name in _order(part, seed, number)]


def _rounds(pool: Sequence[Example], seed: int, *, repeat: bool) -> Iterator[list[Example]]:
    """The pool in its random order; with `repeat` again and again, each time in another."""
    by_id = {row.id: row for row in pool}
    for number in itertools.count():
        yield [by_id[name] for name in _order(by_id, seed, number)]
        if not repeat or not by_id:
            return


def _order(names: Iterable[str], seed: int, number: int) -> list[str]:
    """The order of one round; the first is that of mixtures without repetition."""
    return shuffle_by_hash(names, "mixture", seed, *([number] if number else []))


def _take(
    rounds: Iterable[Sequence[Example]],
    size: float,
    costs: Mapping[str, int] | None,
    unit: int,
    name: str,
) -> list[Example]:
    """The beginning of the rounds that comes nearest to `size`."""
    target = round(size) if costs is None else size
    if not target:
        raise DataError(
            f"{size / unit:g} budgets of {unit} rows are less than a row", hint="raise the size"
        )
    chosen: list[Example] = []
    spent = 0
    for row in itertools.chain.from_iterable(rounds):
        cost = _cost(row, costs)
        # A row is taken if half of it fits, so the sum is as near as whole rows come.
        if spent + cost / 2 > target:
            return chosen
        chosen.append(row)
        spent += cost
    if spent < target - (0 if costs is None else costs[chosen[-1].id] / 2 if chosen else 0):
        noun = "rows" if costs is None else "tokens"
        raise DataError(
            f"{size / unit:g} budgets are {target:.0f} {noun}, but {name} can give only {spent}",
            hint="lower the size, mix more languages, or set `repeat: true`",
        )
    return chosen


def _parts(size: float, shares: Mapping[str, float], *, whole: bool) -> dict[str, float]:
    """The size divided by shares; whole numbers, by largest remainder, where rows cost 1."""
    exact = {code: size * share for code, share in shares.items() if share > 0}
    if not whole:
        return exact
    amounts = {code: math.floor(amount) for code, amount in exact.items()}
    remainder = round(size) - sum(amounts.values())
    by_remainder = sorted(exact, key=lambda code: (amounts[code] - exact[code], code))
    for code in by_remainder[:remainder]:
        amounts[code] += 1
    return {code: float(amount) for code, amount in amounts.items() if amount}


def _one_language_per_source(
    pools: ExamplesByLanguage, shares: Mapping[str, float] | None, seed: int
) -> list[Example]:
    """One row a source, in a random order: in proportion to the shares, else at random."""
    of = {(row.source, code): row for code, part in pools.items() for row in part}
    counts = dict.fromkeys(pools, 0)
    dealt = []
    for place, source in enumerate(
        shuffle_by_hash({source for source, _ in of}, "one language", seed)
    ):
        having = [code for code in pools if (source, code) in of]
        if shares is None:
            language = shuffle_by_hash(having, "language of", seed, source)[0]
        else:
            # Whoever is furthest behind its share comes next, which keeps every beginning of the
            # ranking in proportion.
            behind = {code: shares.get(code, 0.0) * (place + 1) - counts[code] for code in having}
            language = max(behind, key=lambda code: (behind[code], code))
        counts[language] += 1
        dealt.append(of[source, language])
    return dealt
