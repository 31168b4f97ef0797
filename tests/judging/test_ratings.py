from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.judging.ratings import parse_rating, why_unrated

PLAIN = st.text(st.characters(exclude_characters="[]"))


@pytest.mark.parametrize(
    ("words", "rating"),
    [
        ("Good and short. Rating: [[2]]", 2.0),
        ("[[2.5]]", 2.5),
        ("[[ 3 ]].", 3.0),
        ("[[1.0]]", 1.0),
        ("It says [[3]], but: [[1]]", 1.0),
        ("[[1]] or rather [[2]] because it is short", 2.0),
        ("**[[3]]**", 3.0),
        ("[[2]] [see 1]", 2.0),
    ],
)
def test_the_last_rating_counts(words: str, rating: float) -> None:
    assert parse_rating(words) == rating
    assert why_unrated(words) == ""


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "no [[rating]]"),
        ("Rating: 2", "no [[rating]]"),
        ("Rating: [2]", "no [[rating]]"),
        ("[[2", "no [[rating]]"),
        ("[[0]]", "outside 1..3"),
        ("[[4]]", "outside 1..3"),
        ("[[3.01]]", "outside 1..3"),
        ("[[2]] no: [[10]]", "outside 1..3"),
        ("[[rating]]", "not a number"),
        ("[[2/3]]", "not a number"),
        ("[[-2]]", "not a number"),
        ("[[nan]]", "not a number"),
        ("[[1e0]]", "not a number"),
        ("[[٢]]", "not a number"),
        ("[[]]", "not a number"),
        ("[[2]] [[two]]", "not a number"),
        ("[[" + "9" * 5000 + "]]", "outside 1..3"),
    ],
)
def test_anything_else_is_no_rating(words: str, reason: str) -> None:
    assert parse_rating(words) is None
    assert reason in why_unrated(words)
    assert len(why_unrated(words)) < 120


@given(st.text(max_size=60) | st.text("[]123. ", max_size=30))
def test_a_rating_is_in_range_or_there_is_a_reason(words: str) -> None:
    rating = parse_rating(words)
    assert (rating is None) == bool(why_unrated(words))
    assert rating is None or 1 <= rating <= 3


@given(st.text(), PLAIN, st.decimals(1, 3, places=2))
def test_what_stands_before_the_last_rating_does_not_matter(
    before: str, after: str, rating: object
) -> None:
    assert parse_rating(f"{before} [[{rating}]]{after}") == float(str(rating))


@given(st.text(), st.floats(min_value=3.0, exclude_min=True, max_value=1e6))
def test_a_last_rating_out_of_range_is_never_replaced_by_an_earlier_one(
    before: str, rating: float
) -> None:
    assert parse_rating(f"[[2]]{before} [[{rating:f}]]") in (None, 3.0)
