from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import DataError
from polypaca.data.instructions import instructions_from_rows
from polypaca.data.ranking import shuffle_by_hash
from polypaca.data.split import (
    assign_split,
    choose_validation_sources,
    choose_validation_sources_by_language,
)

NAMES = st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1)


@given(common=NAMES, en=NAMES, es=NAMES, seed=st.integers(), data=st.data())
def test_exactly_so_many_shared_sources(
    common: set[str], en: set[str], es: set[str], seed: int, data: st.DataObject
) -> None:
    sources = {"en": common | en, "es": common | es}
    shared = sources["en"] & sources["es"]
    count = data.draw(st.integers(0, len(shared) - 1))
    held_out = choose_validation_sources(sources, count, seed)
    assert len(held_out) == count
    assert held_out <= shared
    shuffled = {
        code: random.Random(1).sample(sorted(names), len(names))
        for code, names in reversed(sources.items())
    }
    assert choose_validation_sources(shuffled, count, seed) == held_out


def test_a_lost_source_changes_at_most_one() -> None:
    names = {str(n) for n in range(200)}
    before = choose_validation_sources({"en": names}, 20, 1)
    for lost in names:
        after = choose_validation_sources({"en": names - {lost}}, 20, 1)
        assert before - {lost} <= after


def test_the_seed_chooses_evenly() -> None:
    names = [str(n) for n in range(20)]
    seeds = 2000
    counts = Counter(
        name for seed in range(seeds) for name in choose_validation_sources({"en": names}, 5, seed)
    )
    expected = seeds * 5 / 20
    statistic = sum((counts[name] - expected) ** 2 / expected for name in names)
    assert statistic < 50  # chi-square with 19 degrees of freedom: p < 0.0002


def test_too_few_shared_sources() -> None:
    sources = {"en": ["a", "b", "c"], "es": ["b", "c", "d"]}
    assert len(choose_validation_sources(sources, 1, 1)) == 1
    with pytest.raises(DataError, match=r"need 3 sources.*there are 2 \(rows: en 3, es 3\)"):
        choose_validation_sources(sources, 2, 1)
    with pytest.raises(DataError, match="there are 0"):
        choose_validation_sources({}, 0, 1)
    with pytest.raises(ValueError, match="negative"):
        choose_validation_sources(sources, -1, 1)


def test_splits_are_assigned_by_source() -> None:
    rows = [{"id": name, "instruction": "A", "output": "b"} for name in "abc"]
    for code in ("en", "es"):
        items = instructions_from_rows(rows, code, on_bad_row="error", label="x").items
        assert [(e.id, e.split) for e in assign_split(items, {"b"})] == [
            (f"a.{code}", "train"),
            (f"b.{code}", "validation"),
            (f"c.{code}", "train"),
        ]


def test_languages_that_share_nothing_hold_out_rows_of_their_own() -> None:
    sources = {"en": ["e1", "e2", "e3", "both"], "zh": ["z1", "z2", "both"]}
    held_out = choose_validation_sources_by_language(sources, 1, 1)
    assert 1 <= len(held_out) <= 2
    for rows in sources.values():
        assert len(held_out & set(rows)) >= 1
    assert choose_validation_sources_by_language(sources, 0, 1) == frozenset()
    with pytest.raises(DataError, match="none of the 3 rows in zh"):
        choose_validation_sources_by_language(sources, 3, 1)


def test_the_order_never_changes() -> None:
    # Other numbers here would mean other splits and mixtures for every study there is.
    assert shuffle_by_hash("abcdefgh", "validation", 1) == list("fbcdeahg")
    assert shuffle_by_hash(["ä", "中", "a"], "mixture", 7, "en", "zh") == ["中", "ä", "a"]
