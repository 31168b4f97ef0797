from __future__ import annotations

import pytest

from polypaca.core.records import PairVerdict, Preference
from polypaca.stats.intervals import resampling
from polypaca.stats.pairs import Gates, preference_value, preferences
from polypaca.stats.summary import study_scopes

IDS = [str(n) for n in range(20)]
SCOPES = study_scopes(["en", "es"], ["en", "es"])
DRAWN = resampling(len(IDS), 500, 0.95, 1)


def _verdict(prompt: str, outcome: Preference | None, language: str = "en") -> PairVerdict:
    return PairVerdict(
        system_a="A", system_b="B", prompt_id=prompt, language=language, response_sha256_a="",
        response_sha256_b="", judge="j", a_first=outcome, b_first=outcome, outcome=outcome,
        status="ok" if outcome else "failed",
    )  # fmt: skip


def _gates(failing: set[tuple[str, str, str]] = frozenset()) -> Gates:  # type: ignore[assignment]
    return {
        key: int(key not in failing)
        for key in ((s, code, i) for s in "AB" for code in ("en", "es") for i in IDS)
    }


def test_shares_by_hand() -> None:
    # In English 12 wins, 4 losses, 3 ties and a failure; in Spanish nothing but ties.
    outcomes: list[Preference | None] = [*["a"] * 12, *["b"] * 4, *["tie"] * 3, None]  # type: ignore[list-item]
    english = [_verdict(i, outcome) for i, outcome in zip(IDS, outcomes, strict=True)]
    spanish = [_verdict(i, "tie", "es") for i in IDS]
    found = preferences({("x", "y"): [english + spanish]}, _gates(), IDS, SCOPES, DRAWN, seed=1)
    by_scope = {(p.language or p.scope, p.measure): p for p in found}
    one = by_scope["en", "before"]
    assert (one.prompts, one.failed, one.consistent) == (19, 1, 1.0)
    assert (one.wins, one.losses, one.ties) == pytest.approx((12 / 19, 4 / 19, 3 / 19))
    assert one.net is not None
    assert one.net.value == pytest.approx(8 / 19)
    assert one.net.low < 8 / 19 < one.net.high
    # Sixteen fair coins: 12 or more of one side has a probability of 0.0768.
    assert one.p == pytest.approx(0.0768, abs=0.01)
    both = by_scope["seen", "after"]
    assert both.net is not None
    assert both.net.value == pytest.approx(4 / 19)
    assert both.p_adjusted == both.p
    assert not both.shown
    tied = by_scope["es", "after"]
    assert tied.net is not None
    assert tied.net.low < 0 < tied.net.high
    assert tied.p == 1.0


def test_the_gate_overrules_the_judge() -> None:
    gates = _gates({("A", "en", "0"), ("A", "en", "1"), ("B", "en", "1")})
    # The better answer is in the wrong language; then both are.
    assert preference_value(_verdict("0", "a"), gates, "before") == 1
    assert preference_value(_verdict("0", "a"), gates, "after") == -1
    assert preference_value(_verdict("1", "a"), gates, "after") == 0
    assert preference_value(_verdict("2", "a"), gates, "after") == 1


def test_seeds_are_averaged_and_a_clear_preference_is_shown() -> None:
    first = [_verdict(i, "a") for i in IDS]
    second = [_verdict(i, "a" if int(i) % 2 else "tie") for i in IDS]
    scopes = study_scopes(["en"], ["en"])
    found = preferences({("x", "y"): [first, second]}, _gates(), IDS, scopes, DRAWN, seed=1)
    seen = next(p for p in found if (p.scope, p.measure) == ("seen", "after"))
    assert seen.net is not None
    assert seen.net.value == pytest.approx(0.75)
    assert seen.shown
    # A seed's prompt that ties counts half a win, so neither a loss nor a tie.
    assert (seen.wins, seen.ties) == (1.0, 0.0)


def test_an_order_that_decides_is_counted() -> None:
    swayed = _verdict("0", "tie").model_copy(update={"a_first": "a", "b_first": "b"})
    verdicts = [swayed, _verdict("1", "a")]
    scopes = study_scopes(["en"], ["en"])
    found = preferences({("x", "y"): [verdicts]}, _gates(), IDS, scopes, DRAWN, seed=1)
    assert {p.consistent for p in found} == {0.5}
