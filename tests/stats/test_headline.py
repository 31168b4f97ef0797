from __future__ import annotations

from typing import Any

from polypaca.core.results import Comparison, Interval, MarginTest, RowLabel, Score
from polypaca.stats.caveats import caveats, control_note
from polypaca.stats.headline import sentences

BUDGETS = {"monolingual": 4.0, "multilingual": 4.0, "english": 1.0}


def _row(recipe: str, seeds: int = 2) -> RowLabel:
    return RowLabel(
        id=recipe, model="m", method="lora", recipe=recipe, name=recipe, control=False,
        budgets=BUDGETS[recipe], systems=[recipe], seeds=list(range(seeds)),
    )  # fmt: skip


def _score(row: str, total: float, **more: Any) -> Score:
    interval = Interval(value=total, low=total - 1, high=total + 1)
    lost = (
        Interval(value=60, low=50, high=70)
        if row == "english"
        else Interval(value=0, low=0, high=0)
    )
    given = {
        "row": row, "scope": "seen", "language": None, "prompts": 50, "of": 50, "rated": 50,
        "failed": 0, "before": interval, "after": interval, "robustness": lost,
        "gate": Interval(value=0.9, low=0.8, high=1.0),
    }  # fmt: skip
    return Score.model_validate({**given, **more})


def _test(a: str, b: str, *, shown: bool, within: bool | None = None) -> Comparison:
    margin = (
        None
        if within is None
        else MarginTest(margin=5, p=0.01, p_seeds=None, p_adjusted=0.03, shown=within)
    )
    # The interval and the p-value of one comparison say nothing of the family.
    return Comparison(
        a=a, b=b, scope="seen", language=None, measure="after", prompts=50, family="headline",
        difference=Interval(value=5, low=1, high=9, method="bootstrap-t"), p=0.02,
        p_adjusted=0.01 if shown else 0.06, shown=shown, detectable=8.2, margin=margin,
    )  # fmt: skip


ROWS = [_row(recipe) for recipe in BUDGETS]
TOTALS = [_score("monolingual", 100), _score("multilingual", 105), _score("english", 40)]


def _say(*tests: Comparison, rows: list[RowLabel] = ROWS, top: float = 150) -> str:
    (said,) = sentences(rows, TOTALS, tests, rated=True, top=top)
    return said


def test_the_sentence_follows_the_adjusted_tests() -> None:
    clear = _test("multilingual", "english", shown=True)
    assert _say(_test("monolingual", "multilingual", shown=False), clear) == (
        "On m with lora, one multilingual model (4 budgets) scores 105.0 of 150 over the seen "
        "languages, ahead of English alone (1 budget) 40.0; no difference shown to one model "
        "per language (4 budgets) 100.0 (a true one of 8.2 points would be found 4 times in 5). "
        "The gate takes 60.0 points from English alone (1 budget)."
    )
    assert "ahead of one model per language (4 budgets) 100.0 and English alone" in _say(
        _test("monolingual", "multilingual", shown=True), clear
    )
    assert "scores 105.0 of 250 over" in _say(clear, top=250)


UNSEEN = ["bg", "ru", "no"]


def _unseen(row: str, total: float, **more: Any) -> Score:
    return _score(row, total, scope="unseen", **more)


def _say_unseen(*scores: Score, tests: tuple[Comparison, ...] = (), **more: Any) -> str:
    over_unseen = [test.model_copy(update={"scope": "unseen"}) for test in tests]
    seen = [_test("multilingual", o, shown=True) for o in ("monolingual", "english")]
    given: dict[str, Any] = {"rated": True, "top": 150, "unseen": UNSEEN, **more}
    (said,) = sentences(ROWS, [*TOTALS, *scores], [*seen, *over_unseen], **given)
    return said


def test_unseen_languages_have_a_sentence_with_tests_of_their_own() -> None:
    scores = (_unseen("multilingual", 90), _unseen("english", 95))
    said = _say_unseen(*scores, tests=(_test("english", "multilingual", shown=False),))
    assert said.endswith(
        "ahead of one model per language (4 budgets) 100.0 and English alone (1 budget) 40.0. The "
        "gate takes 60.0 points from English alone (1 budget). Over the 3 unseen languages, "
        "English alone scores 95.0; no difference shown to one multilingual model 90.0 (a true one "
        "of 8.2 points would be found 4 times in 5). The gate takes 60.0 points there from English "
        "alone."
    )
    said = _say_unseen(*scores, tests=(_test("english", "multilingual", shown=True),))
    assert "English alone scores 95.0, ahead of one multilingual model 90.0" in said


def test_a_difference_in_seen_languages_is_none_in_unseen_ones() -> None:
    said = _say_unseen(_unseen("multilingual", 90), _unseen("english", 95))
    assert said.count("ahead of") == 1
    assert "95.0; no difference shown to one multilingual model" in said


def test_where_nothing_was_tested_unseen_nothing_is_said_of_it() -> None:
    assert "unseen" not in _say_unseen(unseen=[])
    assert "unseen" not in _say_unseen(rated=False, unseen=[])


def test_one_unseen_language_is_named() -> None:
    said = _say_unseen(_unseen("multilingual", 90), unseen=["no"])
    assert ". In Norwegian, which nothing was tuned on, one multilingual model scores 90.0." in said


def test_recipes_that_all_score_nothing_have_no_leader() -> None:
    said = _say_unseen(_unseen("multilingual", 0), _unseen("english", 0.01))
    assert "Over the 3 unseen languages, no recipe scores more than 0.0. The gate" in said
    assert "0.0; no difference" not in said


def test_with_no_seen_language_tested_the_unseen_ones_come_first() -> None:
    (said,) = sentences(ROWS, [_unseen("multilingual", 90)], [], rated=True, top=150, unseen=UNSEEN)
    assert said == (
        "On m with lora, one multilingual model (4 budgets) scores 90.0 of 150 over the 3 unseen "
        "languages."
    )


def test_unrated_shares_are_told_in_both() -> None:
    half = {"gate": Interval(value=0.5, low=0.4, high=0.6)}
    said = _say_unseen(_unseen("multilingual", 1), _unseen("english", 1, **half), rated=False)
    assert said == (
        "On m with lora, answers are in the language of the prompt, over the seen languages: one "
        "model per language (4 budgets) 90 %, one multilingual model (4 budgets) 90 %, English "
        "alone (1 budget) 90 %; over the 3 unseen languages: one multilingual model 90 %, English "
        "alone 50 %. Nothing was rated: this says nothing of quality."
    )


def test_without_a_test_there_is_no_claim() -> None:
    said = _say()
    assert "ahead" not in said
    assert "no difference shown to one model per language" in said


def test_as_good_as_is_said_within_the_margin_alone() -> None:
    clear = _test("multilingual", "english", shown=True)
    said = _say(_test("multilingual", "monolingual", shown=False, within=True), clear)
    assert (
        "; as good as that, to within 5 points, is one model per language (4 budgets) 100.0" in said
    )
    assert "no difference" not in said
    said = _say(_test("multilingual", "monolingual", shown=False, within=False), clear)
    assert "as good as" not in said
    assert "no difference shown to one model per language" in said


def test_one_seed_is_said_with_the_result() -> None:
    words = "for these checkpoints; training variance unknown"
    tests = [_test("multilingual", other, shown=True) for other in ("monolingual", "english")]
    assert words not in _say(*tests)
    assert words in _say(*tests, rows=[_row(recipe, seeds=1) for recipe in BUDGETS])


def test_unrated_results_are_no_word_on_quality() -> None:
    (said,) = sentences(ROWS, TOTALS, [], rated=False, top=150)
    assert "says nothing of quality" in said
    assert "ahead" not in said


def _notes(scores: list[Score], seeds: int = 2, **more: Any) -> str:
    given = {"judge": "llm", "rated": True, "top": 150.0, **more}
    return " ".join(caveats(given.pop("prompts", 50), seeds, 0.95, scores, TESTS, **given))


TESTS = [_test("multilingual", other, shown=True) for other in ("monolingual", "english")]


def test_caveats_name_what_limits_the_numbers() -> None:
    found = _notes([_score("english", 1)], 1, judge="chrF++ judge", prompts=20)
    assert "not a judgement of quality" in found
    assert "over 20 prompts" in found
    assert "for these checkpoints; training variance unknown" in found
    assert "Totals are 50 times the mean over 20 prompts" in found
    assert "rests on 2 tests" in found
    assert "under 5 %" in found
    several = _notes([], 3)
    assert "3 training seeds: a difference is claimed only where" in several
    assert "unknown" not in several


def test_what_is_missing_is_named_with_its_count() -> None:
    language = {"scope": "language", "language": "es"}
    found = _notes([_score("english", 90, **language, prompts=47, failed=3)])
    assert "3 answers have no rating, since their judgement failed or is missing" in found
    assert "over fewer: english in es (47 of 50)" in found
    many = [_score(f"r{n}", 90, **language, prompts=47) for n in range(20)]
    assert "and 8 more in analysis.json" in _notes(many)
    assert "missing" not in _notes([_score("english", 90, **language)])


def test_undetermined_answers_are_named_with_both_totals() -> None:
    strict = Interval(value=84, low=80, high=88)
    found = _notes(
        [_score("english", 90, scope="language", language="es", undetermined=2, strict=strict)]
    )
    assert "english in es 2 (90.0, counted 0: 84.0)" in found


def test_a_control_is_above_or_below_by_the_adjusted_test_alone() -> None:
    row, control = ROWS[2], ROWS[0]
    assert "totals 40.0, above the control" in control_note(
        row, control, 40, 35, _test("english", "monolingual", shown=True)
    )
    assert "with no difference shown to the control" in control_note(
        row, control, 40, 35, _test("english", "monolingual", shown=False)
    )
