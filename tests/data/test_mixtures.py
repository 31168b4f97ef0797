from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.core.records import Example, Split
from polypaca.data.mixtures import (
    DrawOptions,
    align_rows,
    budget_size,
    draw,
    normalise_weights,
    shares_by_temperature,
    split_at_random,
    validation_rows,
)

Examples = dict[str, list[Example]]
LANGUAGES = ["de", "en", "es", "zh"]


def example(source: str, language: str, split: Split) -> Example:
    return Example(
        id=f"{source}.{language}",
        source=source,
        split=split,
        language=language,
        instruction="A",
        output="b",
    )


def corpus(train: int, held_out: int = 0, languages: list[str] = LANGUAGES) -> Examples:
    return {
        code: [
            example(f"s{n}", code, "train" if n < train else "validation")
            for n in range(train + held_out)
        ]
        for code in languages
    }


def mixture(
    examples: Examples, languages: list[str], budgets: float, seed: int, **how: Any
) -> list[Example]:
    return draw(align_rows(examples, "parallel"), languages, DrawOptions(budgets, **how), seed)


def parallel_sources(examples: Examples) -> list[str]:
    return [row.source for row in next(iter(align_rows(examples, "parallel").values()), [])]


def ids(examples: list[Example]) -> list[str]:
    return [row.id for row in examples]


@st.composite
def corpora(draw: st.DrawFn) -> Examples:
    """Languages that each lack some sources, but share at least one for training."""
    languages = draw(st.lists(st.sampled_from(LANGUAGES), min_size=1, unique=True))
    full = corpus(draw(st.integers(1, 8)), draw(st.integers(0, 4)), languages)
    return {
        code: [row for row in rows if row.source == "s0" or draw(st.booleans())]
        for code, rows in full.items()
    }


@settings(deadline=None)
@given(examples=corpora(), seed=st.integers(0, 5), data=st.data())
def test_mixtures(examples: Examples, seed: int, data: st.DataObject) -> None:
    n = len(parallel_sources(examples))
    languages = data.draw(st.lists(st.sampled_from(sorted(examples)), min_size=1, unique=True))
    rows = data.draw(st.integers(1, n * len(languages)))
    drawn = mixture(examples, languages, rows / n, seed)

    assert len(drawn) == rows
    assert budget_size(align_rows(examples, "parallel"), None) == n
    assert len(set(ids(drawn))) == rows
    assert {row.language for row in drawn} <= set(languages)
    assert {row.split for row in drawn} == {"train"}
    assert {row.source for row in drawn} <= set(parallel_sources(examples))

    shuffled = {
        code: random.Random(1).sample(rows, len(rows)) for code, rows in reversed(examples.items())
    }
    assert mixture(shuffled, languages[::-1], rows / n, seed) == drawn

    merged = mixture(examples, languages, len(languages), seed)
    assert len(merged) == n * len(languages)
    assert ids(merged)[:rows] == ids(drawn)


def test_the_papers_recipes() -> None:
    examples = corpus(50, held_out=5)
    examples["zh"] = examples["zh"][10:]  # the smallest language defines a budget
    n = len(parallel_sources(examples))
    assert n == 40
    multilingual = mixture(examples, LANGUAGES, 4, 1)
    downsampled = mixture(examples, LANGUAGES, 1, 1)
    assert (len(multilingual), len(downsampled)) == (160, 40)
    assert Counter(row.language for row in multilingual) == dict.fromkeys(LANGUAGES, 40)
    assert set(ids(downsampled)) < set(ids(multilingual))
    for language in LANGUAGES:
        monolingual = mixture(examples, [language], 1, 1)
        assert sorted(row.source for row in monolingual) == parallel_sources(examples)


def test_another_seed_draws_another_mixture() -> None:
    examples = corpus(50)
    one, two = (mixture(examples, LANGUAGES, 1, seed) for seed in (1, 2))
    assert set(ids(one)) != set(ids(two))
    assert ids(mixture(examples, ["en"], 1, 1)) != ids(mixture(examples, ["en"], 1, 2))


def test_a_row_that_goes_leaves_the_order_of_the_others() -> None:
    examples = corpus(50)
    before = ids(mixture(examples, ["en"], 1, 1))
    examples["de"] = examples["de"][1:]
    assert ids(mixture(examples, ["en"], 1, 1)) == [name for name in before if name != "s0.en"]


def test_sampling_is_uniform_over_seeds() -> None:
    examples = corpus(6)
    seeds = 1500
    drawn = [ids(mixture(examples, LANGUAGES, 1, seed)) for seed in range(seeds)]
    rows = [row.id for code in LANGUAGES for row in examples[code]]
    for counts in (
        Counter(name for names in drawn for name in names),  # who is drawn
        Counter(names[0] for names in drawn),  # who comes first
    ):
        expected = counts.total() / len(rows)
        statistic = sum((counts[name] - expected) ** 2 / expected for name in rows)
        assert statistic < 56  # chi-square with 23 degrees of freedom: p < 0.0002


@pytest.mark.parametrize("budgets", [0, -1, float("nan"), float("inf")])
def test_sizes_that_are_none(budgets: float) -> None:
    with pytest.raises(DataError, match="must be above 0"):
        mixture(corpus(10), ["en"], budgets, 1)


def test_impossible_sizes() -> None:
    with pytest.raises(DataError, match=r"1\.2 budgets are 12 rows, but en can give only 10"):
        mixture(corpus(10), ["en"], 1.2, 1)
    with pytest.raises(DataError, match=r"0\.01 budgets of 10 rows are less than a row"):
        mixture(corpus(10), ["en"], 0.01, 1)


def test_impossible_languages() -> None:
    with pytest.raises(DataError, match=r"no training data in fr \(training languages: de, en"):
        mixture(corpus(10), ["en", "fr"], 1, 1)
    with pytest.raises(DataError, match="no languages to mix"):
        mixture(corpus(10), [], 1, 1)
    apart: Examples = {
        "en": [example("a", "en", "train")],
        "es": [example("b", "es", "train")],
    }
    with pytest.raises(DataError, match=r"no training rows to mix \(rows: en 0, es 0\)"):
        mixture(apart, ["en"], 1, 1)
    assert parallel_sources({}) == []


class TestValidationRows:
    def test_one_language(self) -> None:
        rows = validation_rows(corpus(5, 10), ["es"])
        assert {row.language for row in rows} == {"es"}
        assert {row.source for row in rows} == {f"s{n}" for n in range(5, 15)}
        assert {row.split for row in rows} == {"validation"}

    def test_languages_take_turns_on_the_same_sources(self) -> None:
        examples = corpus(5, 12)
        merged = validation_rows(examples, LANGUAGES)
        assert [row.source for row in merged] == [
            row.source for row in validation_rows(examples, ["en"])
        ]
        assert Counter(row.language for row in merged) == dict.fromkeys(LANGUAGES, 3)

    def test_turns_do_not_follow_numbered_ids(self) -> None:
        rows = validation_rows(corpus(5, 40), LANGUAGES)
        turns = {(int(row.source[1:]) % 4, row.language) for row in rows}
        assert len(turns) > 8  # in a fixed turn there would be four

    def test_limit_and_order(self) -> None:
        examples: dict[str, Any] = corpus(5, 12)
        merged = validation_rows(examples, LANGUAGES)
        backwards = {code: examples[code][::-1] for code in reversed(LANGUAGES)}
        assert validation_rows(backwards, LANGUAGES[::-1]) == merged

    def test_sources_that_a_language_lost_are_left_out(self) -> None:
        examples = corpus(5, 4)
        examples["zh"] = [row for row in examples["zh"] if row.source != "s6"]
        rows = validation_rows(examples, ["en"])
        assert {row.source for row in rows} == {"s5", "s7", "s8"}

    def test_nothing_held_out(self) -> None:
        assert validation_rows(corpus(5), LANGUAGES) == []

    def test_unaligned_languages_hold_out_their_own(self) -> None:
        examples = corpus(5, 4)
        examples["zh"] = [row for row in examples["zh"] if row.source != "s6"]
        rows = validation_rows(examples, ["zh"], "none")
        assert {row.source for row in rows} == {"s5", "s7", "s8"}
        merged = validation_rows(examples, ["en", "zh"], "none")
        assert {row.source for row in merged} == {"s5", "s6", "s7", "s8"}


class TestShares:
    def test_stratified_sizes_are_exact(self) -> None:
        equal = normalise_weights(dict.fromkeys(LANGUAGES, 1.0))
        drawn = mixture(corpus(50), LANGUAGES, 1, 1, shares=equal)
        # 50 over four languages: the two rows left go to the first two by name.
        counts = Counter(row.language for row in drawn)
        assert counts == {"de": 13, "en": 13, "es": 12, "zh": 12}
        assert len(set(ids(drawn))) == 50

    def test_weights(self) -> None:
        drawn = mixture(corpus(40), ["en", "es"], 1, 1, shares={"en": 0.75, "es": 0.25})
        assert Counter(row.language for row in drawn) == {"en": 30, "es": 10}
        with pytest.raises(DataError, match="but en can give only 40"):
            mixture(corpus(40), ["en", "es"], 2, 1, shares={"en": 0.75, "es": 0.25})

    def test_temperature(self) -> None:
        sizes = {"en": 900.0, "fi": 100.0}
        assert shares_by_temperature(sizes, 1) == pytest.approx({"en": 0.9, "fi": 0.1})
        # Square roots: 30 and 10 of 40.
        assert shares_by_temperature(sizes, 2) == pytest.approx({"en": 0.75, "fi": 0.25})
        assert shares_by_temperature(sizes, 1e9) == pytest.approx({"en": 0.5, "fi": 0.5})

    def test_order_mixes_the_languages(self) -> None:
        equal = {"en": 0.5, "es": 0.5}
        drawn = [row.language for row in mixture(corpus(60), ["en", "es"], 1, 1, shares=equal)]
        assert 5 < drawn[:30].count("en") < 25


class TestOneLanguagePerSource:
    def test_no_source_comes_twice(self) -> None:
        drawn = mixture(corpus(40), LANGUAGES, 1, 1, one_language_per_source=True)
        assert len(drawn) == 40
        assert len({row.source for row in drawn}) == 40
        assert len({row.language for row in drawn}) == 4

    def test_in_proportion(self) -> None:
        equal = normalise_weights(dict.fromkeys(LANGUAGES, 1.0))
        for budgets in (0.5, 1):
            drawn = mixture(
                corpus(40), LANGUAGES, budgets, 1, shares=equal, one_language_per_source=True
            )
            counts = Counter(row.language for row in drawn)
            assert counts == dict.fromkeys(LANGUAGES, 10 * budgets)

    def test_more_than_there_are_sources(self) -> None:
        with pytest.raises(DataError, match="can give only 40"):
            mixture(corpus(40), LANGUAGES, 1.5, 1, one_language_per_source=True)

    def test_languages_are_dealt_uniformly(self) -> None:
        counts: Counter[str] = Counter()
        for seed in range(300):
            drawn = mixture(corpus(8), LANGUAGES, 1, seed, one_language_per_source=True)
            counts.update(row.language for row in drawn)
        expected = counts.total() / 4
        statistic = sum((count - expected) ** 2 / expected for count in counts.values())
        assert statistic < 21  # chi-square with 3 degrees of freedom: p < 0.0002


def test_rows_may_repeat() -> None:
    once = mixture(corpus(10), ["en"], 1, 1)
    drawn = mixture(corpus(10), ["en"], 2.5, 1, repeat=True)
    assert len(drawn) == 25
    assert drawn[:10] == once
    assert sorted(ids(drawn[10:20])) == sorted(ids(once))
    assert ids(drawn[10:20]) != ids(once)  # every round in an order of its own
    assert set(Counter(ids(drawn)).values()) == {2, 3}
    alone = {"en": 1.0}
    assert mixture(corpus(10), ["en"], 2.5, 1, repeat=True, shares=alone) == drawn


class TestTokens:
    ROWS = align_rows(corpus(40), "parallel")
    COSTS: dict[str, int] = {  # noqa: RUF012
        row.id: 10 + int(row.source[1:]) % 7 + (30 if code == "zh" else 0)
        for code, rows in ROWS.items()
        for row in rows
    }

    def cost(self, rows: list[Example]) -> int:
        return sum(self.COSTS[row.id] for row in rows)

    def test_one_budget_is_the_cheapest_language(self) -> None:
        # 40 rows of 10 and 0..6 in turn: five whole turns of 21 and 0 + 1 + 2 + 3 + 4.
        assert budget_size(self.ROWS, self.COSTS) == 40 * 10 + 5 * 21 + 10

    @pytest.mark.parametrize("languages", [["zh"], ["en"], ["en", "zh"], LANGUAGES])
    def test_sizes_come_within_half_a_row(self, languages: list[str]) -> None:
        one = budget_size(self.ROWS, self.COSTS)
        drawn = draw(self.ROWS, languages, DrawOptions(budgets=1), 1, self.COSTS)
        assert abs(self.cost(drawn) - one) <= max(self.COSTS.values()) / 2
        half = draw(self.ROWS, languages, DrawOptions(budgets=0.5), 1, self.COSTS)
        assert drawn[: len(half)] == half

    def test_amounts_and_shares(self) -> None:
        shares = {"en": 0.5, "zh": 0.5}
        drawn = draw(self.ROWS, ["en", "zh"], DrawOptions(amount=400, shares=shares), 1, self.COSTS)
        for code in ("en", "zh"):
            spent = self.cost([row for row in drawn if row.language == code])
            assert abs(spent - 200) <= 23

    def test_too_many(self) -> None:
        with pytest.raises(DataError, match="tokens, but en can give only 515"):
            draw(self.ROWS, ["en"], DrawOptions(amount=600), 1, self.COSTS)


def test_unaligned_languages_keep_their_rows() -> None:
    examples = corpus(20)
    examples["zh"] = examples["zh"][5:]
    assert {code: len(rows) for code, rows in align_rows(examples, "none").items()} == {
        "de": 20, "en": 20, "es": 20, "zh": 15
    }  # fmt: skip
    assert {len(rows) for rows in align_rows(examples, "parallel").values()} == {15}
    assert budget_size(align_rows(examples, "none"), None) == 15


def test_a_random_split_leaks_and_says_so() -> None:
    merged = mixture(corpus(50), LANGUAGES, 4, 1)
    train, validation, leaked = split_at_random(merged, 20, 42)
    assert (len(train), len(validation)) == (180, 20)
    assert not {row.id for row in train} & {row.id for row in validation}
    assert {row.split for row in validation} == {"validation"}
    trained = {row.source for row in train}
    assert leaked == sum(row.source in trained for row in validation)
    assert leaked > 15  # three other languages have each source
    alone = mixture(corpus(50), ["en"], 1, 1)
    assert split_at_random(alone, 20, 42)[2] == 0
    with pytest.raises(DataError, match="leave none of 50"):
        split_at_random(alone, 50, 42)
