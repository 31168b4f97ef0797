from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.core.records import Example, Split
from polypaca.data.mixtures import budgets_of, mixture, parallel_sources, validation_rows

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
    assert budgets_of(len(drawn), n) == rows / n
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


@pytest.mark.parametrize("budgets", [0, -1, 1.2, 0.01, float("nan"), float("inf")])
def test_impossible_sizes(budgets: float) -> None:
    with pytest.raises(DataError, match=r"budgets of 10 rows.*en can give 1 to 10"):
        mixture(corpus(10), ["en"], budgets, 1)


def test_impossible_languages() -> None:
    with pytest.raises(DataError, match=r"no training data in fr \(training languages: de, en"):
        mixture(corpus(10), ["en", "fr"], 1, 1)
    with pytest.raises(DataError, match="of no languages"):
        mixture(corpus(10), [], 1, 1)
    apart: Examples = {
        "en": [example("a", "en", "train")],
        "es": [example("b", "es", "train")],
    }
    with pytest.raises(DataError, match=r"share no source \(rows: en 1, es 1\)"):
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
        assert validation_rows(examples, LANGUAGES, 7) == merged[:7]

    def test_sources_that_a_language_lost_are_left_out(self) -> None:
        examples = corpus(5, 4)
        examples["zh"] = [row for row in examples["zh"] if row.source != "s6"]
        rows = validation_rows(examples, ["en"])
        assert {row.source for row in rows} == {"s5", "s7", "s8"}

    def test_nothing_held_out(self) -> None:
        assert validation_rows(corpus(5), LANGUAGES) == []
