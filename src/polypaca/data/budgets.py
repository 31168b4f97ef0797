"""The ledger before training: what every cell will cost, and whether equal budgets are equal."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

Unit = Literal["examples", "tokens", "flops"]
MethodKind = Literal["lora", "full"]
LossOn = Literal["all", "response"]


@dataclass(frozen=True)
class RowCost:
    """What training makes of one row: tokens without padding, and whether the limit cut it."""

    tokens: int
    supervised: int  # tokens with a label
    cut: bool
    dropped: bool  # no label left: the row is not trained on


def row_cost(prompt: int, response: int, *, max_length: int, loss_on: LossOn) -> RowCost:
    """The cost of a row of `prompt` and `response` tokens, the end-of-sequence token among these.

    The rule is that of `training.tokenize`: a row is cut where it and its end-of-sequence token do
    not fit into `max_length`; the first token has nothing before it to be predicted from.
    """
    cut = prompt + response > max_length
    tokens = min(prompt + response, max_length)
    first_label = 0 if loss_on == "all" else prompt
    dropped = tokens <= first_label
    return RowCost(
        tokens=0 if dropped else tokens,
        supervised=0 if dropped else tokens - max(first_label, 1),
        cut=cut and not dropped,
        dropped=dropped,
    )


def flops_per_token(parameters: int, kind: MethodKind) -> int:
    """Floating-point operations of training, a token: 6 N, or 4 N with adapters.

    A multiplication and an addition for each of N parameters forward, as much again for the
    gradients of activations, and again for those of weights (arXiv 2001.08361, section 2.1). Frozen
    weights have none of the latter. Attention's own products and the adapters are left out.
    """
    return (4 if kind == "lora" else 6) * parameters


@dataclass(frozen=True)
class MixtureCost:
    """What one mixture costs under one tokenizer, once through."""

    rows: int  # trained on
    tokens: int
    supervised: int
    rows_by_language: dict[str, int]
    tokens_by_language: dict[str, int]
    cut: dict[str, int]  # rows cut at the length limit, by language
    dropped: dict[str, int]  # rows with no response within the limit, by language


def mixture_cost(rows: Iterable[tuple[str, str]], costs: Mapping[str, RowCost]) -> MixtureCost:
    """Sum up a mixture.

    Args:
        rows: id and language of each row; a row may come several times.
        costs: what each row costs, by its id.
    """
    counts: Counter[str] = Counter()
    by_language: dict[str, Counter[str]] = defaultdict(Counter)
    for row_id, language in rows:
        cost = costs[row_id]
        totals = by_language[language]
        totals["dropped" if cost.dropped else "rows"] += 1
        totals["cut"] += cost.cut
        totals["tokens"] += cost.tokens
        counts["supervised"] += cost.supervised
    totals_by_language = dict(sorted(by_language.items()))
    return MixtureCost(
        rows=sum(totals["rows"] for totals in totals_by_language.values()),
        tokens=sum(totals["tokens"] for totals in totals_by_language.values()),
        supervised=counts["supervised"],
        rows_by_language={code: totals["rows"] for code, totals in totals_by_language.items()},
        tokens_by_language={code: totals["tokens"] for code, totals in totals_by_language.items()},
        cut={code: totals["cut"] for code, totals in totals_by_language.items()},
        dropped={code: totals["dropped"] for code, totals in totals_by_language.items()},
    )


@dataclass(frozen=True)
class RecipeCost:
    """What a recipe costs under one model and method, to support its languages.

    Attributes:
        declared: budgets by the study, all cells together; None where the study gives an amount.
        supported: languages that the recipe is to support.
        examples: rows that its cells train on, once through, as found.
        tokens: likewise.
    """

    model: str
    method: str
    recipe: str
    seed: int
    declared: float | None
    supported: int
    examples: int
    tokens: int

    def cost_per_language(self, unit: Unit) -> float:
        """The cost for each supported language; FLOPs are tokens times a constant of the model."""
        return (self.examples if unit == "examples" else self.tokens) / self.supported


@dataclass(frozen=True)
class Inequality:
    """Recipes that the study means to be equal, and the factor between dearest and cheapest."""

    model: str
    method: str
    seed: int
    recipes: tuple[str, ...]  # cheapest first
    unit: Unit
    factor: float

    def __str__(self) -> str:
        return (
            f"on {self.model} with {self.method}, seed {self.seed}: {self.recipes[-1]} costs "
            f"{self.factor:.3f} times what {self.recipes[0]} costs for each language it supports, "
            f"in {self.unit}"
        )


def find_inequalities(
    recipes: Sequence[RecipeCost], unit: Unit, tolerance: float
) -> list[Inequality]:
    """Where recipes of equal declared budgets for each supported language are found unequal.

    Args:
        recipes: of any models, methods and seeds; those of one such group are compared.
        unit: what to compare.
        tolerance: the share by which costs may differ, 0.01 for one per cent.
    """
    groups: dict[tuple[str, str, int, float], list[RecipeCost]] = {}
    for recipe in recipes:
        if recipe.declared is not None:
            per_language = round(recipe.declared / recipe.supported, 9)
            groups.setdefault((recipe.model, recipe.method, recipe.seed, per_language), []).append(
                recipe
            )
    unequal = []
    for (model, method, seed, _), group in groups.items():
        ordered = sorted(group, key=lambda recipe: recipe.cost_per_language(unit))
        cheapest, dearest = ordered[0].cost_per_language(unit), ordered[-1].cost_per_language(unit)
        factor = dearest / cheapest if cheapest else float("inf")
        if factor > 1 + tolerance:
            names = tuple(recipe.recipe for recipe in ordered)
            unequal.append(Inequality(model, method, seed, names, unit, factor))
    return unequal
