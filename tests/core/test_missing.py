from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import StageError
from polypaca.core.missing import Missing, Requested, check_missing, describe_missing

AGAIN, NEVER = Missing("answered 503"), Missing("answered 400", lasting=True)


@given(st.integers(1, 400), st.integers(0, 400), st.sampled_from([0.0, 0.05, 0.1, 0.5, 1.0]))
def test_a_share_is_tolerated_and_no_more(count: int, lacking: int, tolerated: float) -> None:
    wanted = Requested("prompts got no answer", count, "generate.missing")
    missing = [AGAIN] * min(lacking, count)
    if len(missing) * 20 <= round(tolerated * 20) * count:
        assert check_missing(wanted, missing, tolerated) == len(missing)
    else:
        with pytest.raises(StageError, match=r"generate\.missing"):
            check_missing(wanted, missing, tolerated)


def test_two_of_twenty_are_done_without() -> None:
    wanted = Requested("prompts got no answer", 20, "generate.missing")
    assert check_missing(wanted, [AGAIN, NEVER]) == 1
    with pytest.raises(StageError, match="3 of 20 prompts got no answer, the first: answered 503"):
        check_missing(wanted, [AGAIN] * 3)


def test_run_again_is_said_where_it_can_help_alone() -> None:
    assert describe_missing([], "failed") == ""
    assert describe_missing([AGAIN], "failed") == (", 1 of them failed: run again to retry them")
    assert "run again to retry 1 of those" in describe_missing([AGAIN, NEVER], "failed")
    assert describe_missing([NEVER], "failed") == ", 1 of them failed: retrying will not help"
    with pytest.raises(StageError) as error:
        check_missing(Requested("judgements failed", 2, "judge.missing"), [NEVER, NEVER])
    assert "run again" not in str(error.value)
