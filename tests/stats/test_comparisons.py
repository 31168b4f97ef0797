from __future__ import annotations

import numpy as np
import pytest

from polypaca.core.results import Comparison, Interval, RowLabel, Seeds
from polypaca.stats.answers import Answers, Seed, Table, stack_answers
from polypaca.stats.comparisons import RowPair, compare, detectable, recipe_pairs, system_pairs
from polypaca.stats.intervals import resampling
from polypaca.stats.summary import study_scopes

NAN = np.nan
PROMPTS = 40


def _answers(*by_seed: np.ndarray | list[float], untrained: bool = False) -> Answers:
    ones = np.ones(len(by_seed[0]))
    parts: dict[Seed, dict[str, np.ndarray]] = {}
    for number, rating in enumerate(by_seed):
        parts[None if untrained else number] = {
            "rating": np.array(rating), "gate": ones, "determined": ones, "line_gate": ones,
            "word_gate": ones,
        }  # fmt: skip
    return stack_answers(parts)


def _row(name: str, model: str = "m", *, recipe: bool = True, control: bool = False) -> RowLabel:
    return RowLabel(
        id=name, model=model, method="lora" if recipe else None, recipe=name if recipe else None,
        name=name, control=control, budgets=None, systems=[name], seeds=[1],
    )  # fmt: skip


def _pair(a: str, b: str, *, headline: bool = True) -> RowPair:
    return RowPair(a, b, "seen", None, ["en"], "after", "headline" if headline else None)


def _compare(
    table: Table, pairs: list[RowPair], *, margin: float | None = None
) -> list[Comparison]:
    size = len(next(iter(next(iter(table.values())).values())).prompt_values("gate"))
    drawn = resampling(size, 1000, 0.95, 1)
    return compare(pairs, table, drawn, top=3, margin=margin, seed=1)


def test_differences_are_paired_over_the_prompts_that_both_have() -> None:
    table = {
        "a": {"en": _answers([3.0, 2.0, NAN, 1.0])},
        "b": {"en": _answers([2.0, 1.5, 3.0, NAN])},
        "c": {},
    }
    found, *rest = _compare(table, [_pair("a", "b"), _pair("a", "c")])
    assert rest == [], "c has no answer in the language"
    assert (found.prompts, found.difference.value, found.nonzero) == (2, 37.5, 1)
    # Two prompts, both in favour of a: of four patterns of signs two are as far from 0.
    assert found.p == 0.5
    assert found.difference.low < 0


def test_averages_of_seen_and_unseen_languages_of_one_model_and_method_make_the_headline() -> None:
    rows = [
        _row("x"), _row("y"), _row("z", "other"), _row("served", recipe=False),
        _row("base", recipe=False, control=True),
    ]  # fmt: skip
    scopes = study_scopes(["en"], ["en", "no"])
    recipes = list(recipe_pairs(rows, scopes, "after"))
    assert {(pair.a, pair.b) for pair in recipes} == {("x", "y")}
    assert [(p.scope, p.family) for p in recipes] == [
        ("language", None), ("language", None), ("seen", "headline"),
        ("unseen", "headline"), ("all", None),
    ]  # fmt: skip
    systems = list(system_pairs(rows, scopes, "after"))
    assert {(p.a, p.b) for p in systems} == {(name, "served") for name in "xyz"}
    assert {p.family for p in systems if p.scope == "seen"} == {"systems"}


def test_p_values_are_adjusted_within_the_family_alone() -> None:
    base = np.full(PROMPTS, 2.0)
    better = base.copy()
    better[:8] += 0.5  # 8 prompts: p = 2 / 2 ** 8
    worse = base.copy()
    worse[:7] -= 0.5  # 7 prompts: p = 2 / 2 ** 7; against `better` 8 of them
    table = {n: {"en": _answers(v)} for n, v in (("a", base), ("b", better), ("c", worse))}
    pairs = [_pair("b", "a"), _pair("a", "c"), _pair("b", "c"), _pair("b", "a", headline=False)]
    first, second, third, outside = _compare(table, pairs)
    assert [c.p for c in (first, second, third, outside)] == [2**-7, 2**-6, 2**-7, 2**-7]
    assert first.p_adjusted == third.p_adjusted == 3 * 2**-7
    assert second.p_adjusted == 3 * 2**-7, "no less than a smaller p-value's"
    assert first.shown
    assert outside.p_adjusted is None
    assert not outside.shown, "no claim outside a family"


def test_a_claim_needs_the_seeds_as_well() -> None:
    high, low = np.full(PROMPTS, 2.5), np.full(PROMPTS, 1.5)
    high[::2], low[::2] = 3.0, 1.0
    table = {
        "steady": {"en": _answers(high, high, high - 0.25)},
        "unsteady": {"en": _answers(high, low, high)},
        "base": {"en": _answers(low, untrained=True)},
    }
    steady, unsteady = _compare(table, [_pair("steady", "base"), _pair("unsteady", "base")])
    assert steady.p_seeds is not None
    assert unsteady.p_seeds is not None
    assert steady.p == unsteady.p == pytest.approx(1e-4)
    assert steady.shown
    assert not unsteady.shown
    # Means over seeds 75, 0, 75: t = 50 / 25 = 2 with 2 degrees of freedom.
    assert unsteady.p_seeds == pytest.approx(0.1835, abs=1e-4)
    assert unsteady.p_adjusted == unsteady.p_seeds
    assert unsteady.seeds is not None
    assert unsteady.seeds.means == {"0": 75, "1": 0, "2": 75}


def test_as_good_as_within_a_margin() -> None:
    generator = np.random.default_rng(8)
    a = generator.choice([1.0, 2.0, 3.0], PROMPTS)
    near = np.clip(a + generator.choice([-0.5, 0, 0.5], PROMPTS, p=[0.2, 0.6, 0.2]), 1, 3)
    far = np.clip(a - 0.5, 1, 3)
    table = {n: {"en": _answers(v)} for n, v in (("a", a), ("near", near), ("far", far))}
    close, apart = _compare(table, [_pair("a", "near"), _pair("a", "far")], margin=12.0)
    assert close.margin is not None
    assert apart.margin is not None
    assert close.margin.shown
    assert not close.shown
    assert not apart.margin.shown
    assert apart.shown
    # Four tests in the family; the margin's p-value of `near` is second after that of `far`.
    assert close.margin.p_adjusted == pytest.approx(3 * close.margin.p)
    (without,) = _compare(table, [_pair("a", "near")])
    assert without.margin is None


def test_what_could_be_found_by_hand() -> None:
    span = Interval(value=0, low=-10, high=10)
    # (1.960 + 0.8416) / 1.960 x 10, and with five tests (2.576 + 0.8416) / 1.960 x 10.
    assert detectable(span, None, 0.95, 1) == pytest.approx(14.29, abs=0.01)
    assert detectable(span, None, 0.95, 5) == pytest.approx(17.44, abs=0.01)
    # Over three seeds t(2): (4.3027 + 1.0607) / 4.3027 x 20.
    seeds = Seeds(value=0, low=-20, high=20, means={"1": 1, "2": 2, "3": -3})
    assert detectable(span, seeds, 0.95, 1) == pytest.approx(24.93, abs=0.01)


def test_what_could_be_found_is_found_four_times_in_five() -> None:
    generator = np.random.default_rng(11)
    found, promised = 0, []
    for number in range(200):
        noise = generator.normal(0, 0.5, PROMPTS)
        table = {
            "a": {"en": _answers(np.full(PROMPTS, 2.0) + noise)},
            "b": {"en": _answers(np.full(PROMPTS, 2.0))},
        }
        shifted = {
            "a": {"en": _answers(table["a"]["en"].prompt_values("after") + 0.232)},
            "b": table["b"],
        }
        promised.append(_compare(table, [_pair("a", "b")])[0].detectable)
        found += _compare(shifted, [_pair("a", "b")])[0].shown if number % 2 else 0
    # 2.8 standard errors of 50 x 0.5 / sqrt(40) are 11.1 points, a little more with t: 0.232 x 50.
    assert np.mean([points or 0 for points in promised]) == pytest.approx(11.6, abs=0.4)
    assert 0.68 <= found / 100 <= 0.92
