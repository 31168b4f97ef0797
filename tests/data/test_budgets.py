from __future__ import annotations

import pytest

from polypaca.data.budgets import (
    RecipeCost,
    RowCost,
    find_inequalities,
    flops_per_token,
    mixture_cost,
    row_cost,
)


@pytest.mark.parametrize(
    ("prompt", "response", "loss_on", "expected"),
    [
        # Ten tokens and the end of sequence among them; the limit is 10.
        (4, 6, "response", RowCost(10, 6, cut=False, dropped=False)),
        (4, 6, "all", RowCost(10, 9, cut=False, dropped=False)),
        (4, 7, "response", RowCost(10, 6, cut=True, dropped=False)),
        (9, 7, "response", RowCost(10, 1, cut=True, dropped=False)),
        (10, 7, "response", RowCost(0, 0, cut=False, dropped=True)),
        (10, 7, "all", RowCost(10, 9, cut=True, dropped=False)),
        (0, 5, "response", RowCost(5, 4, cut=False, dropped=False)),
    ],
)
def test_row_costs(prompt: int, response: int, loss_on: str, expected: RowCost) -> None:
    assert row_cost(prompt, response, max_length=10, loss_on=loss_on) == expected  # type: ignore[arg-type]


def test_mixture_costs() -> None:
    costs = {
        "a.en": RowCost(10, 6, cut=False, dropped=False),
        "a.zh": RowCost(20, 9, cut=True, dropped=False),
        "b.zh": RowCost(0, 0, cut=False, dropped=True),
    }
    rows = [("a.en", "en"), ("a.zh", "zh"), ("b.zh", "zh"), ("a.en", "en")]
    found = mixture_cost(rows, costs)
    assert (found.rows, found.tokens, found.supervised) == (3, 40, 21)
    assert found.rows_by_language == {"en": 2, "zh": 1}
    assert found.tokens_by_language == {"en": 20, "zh": 20}
    assert found.cut == {"en": 0, "zh": 1}
    assert found.dropped == {"en": 0, "zh": 1}


def test_adapters_save_the_gradients_of_frozen_weights() -> None:
    assert flops_per_token(1000, "full") == 6000
    assert flops_per_token(1000, "lora") == 4000


def _recipe(
    name: str, declared: float | None, supported: int, rows: int, tokens: int
) -> RecipeCost:
    return RecipeCost("m", "lora", name, 1, declared, supported, rows, tokens)


def test_recipes_meant_to_be_equal_are_compared_for_each_supported_language() -> None:
    recipes = [
        # Six cells for six languages, and one cell for nine: one budget a language each.
        _recipe("monolingual", 6, 6, 600, 6000),
        _recipe("multilingual", 9, 9, 900, 10800),
        # Two recipes on one budget for nine languages.
        _recipe("downsampled", 1, 9, 100, 1300),
        _recipe("english", 1, 9, 100, 1000),
        _recipe("own amount", None, 9, 5, 5),
    ]
    assert find_inequalities(recipes, "examples", 0.01) == []
    found = find_inequalities(recipes, "tokens", 0.01)
    assert [(f.recipes, round(f.factor, 3)) for f in found] == [
        (("monolingual", "multilingual"), 1.2),
        (("english", "downsampled"), 1.3),
    ]
    assert "multilingual costs 1.200 times what monolingual costs" in str(found[0])
    assert [f.recipes[0] for f in find_inequalities(recipes, "flops", 0.25)] == ["english"]


def test_models_methods_and_seeds_are_not_compared_with_one_another() -> None:
    one = RecipeCost("m", "lora", "english", 1, 1, 1, 100, 1000)
    others = [
        RecipeCost("n", "lora", "english", 1, 1, 1, 50, 1000),
        RecipeCost("m", "full", "english", 1, 1, 1, 50, 1000),
        RecipeCost("m", "lora", "english", 2, 1, 1, 50, 1000),
    ]
    assert find_inequalities([one, *others], "examples", 0.01) == []
