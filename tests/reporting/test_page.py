from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.core.results import (
    Interval,
    JudgeAgreement,
    LanguageData,
    MarginTest,
    Preferences,
)
from polypaca.reporting.page import render_page
from polypaca.reporting.reader import reader_data, safe_json

from .conftest import HOSTILE, OLD_CELL, TRAIN, make_responses
from .markup import find, ids, parse, rows, text, words

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from polypaca.core.results import Analysis, ScoredResponse


@pytest.fixture(scope="module")
def html(analysis: Analysis, responses: list[ScoredResponse]) -> str:
    return render_page(analysis, responses)


@pytest.fixture(scope="module")
def page(html: str) -> Element:
    return parse(html)


def _render(analysis: Analysis, **changes: Any) -> Element:
    """The page of a changed analysis, without answers."""
    return parse(render_page(analysis.model_copy(update=changes), []))


def test_the_answer_comes_first(analysis: Analysis, page: Element) -> None:
    said = text(page)
    assert analysis.sentence in said
    assert said.index(analysis.sentence) < said.index(analysis.notes[0])
    assert said.index(analysis.notes[0]) < said.index("monolingual")


def test_the_page_asks_nothing_of_a_network(html: str, page: Element) -> None:
    assert not re.search(r"https?://", html)
    assert "@import" not in html
    assert "url(" not in html
    policy = find(page, "meta", http_equiv="Content-Security-Policy").attrib["content"]
    allowed = {name: where for name, *where in map(str.split, policy.split(";")) if name}
    assert allowed["default-src"] == ["'none'"]
    assert "'unsafe-inline'" not in allowed["script-src"]
    for element in page.iter():
        assert "src" not in element.attrib
        assert not any(name.startswith("on") for name in element.attrib)
        assert element.attrib.get("href", "#").startswith("#")


def test_what_models_wrote_is_data_only(html: str, page: Element) -> None:
    tags = [element.tag for element in page.iter()]
    assert tags.count("script") == 2
    assert not {"img", "u", "iframe"} & set(tags)
    found = {
        answer["t"]
        for language in json.loads(find(page, "script", id="data").text or "")["languages"]
        for prompt in language["prompts"]
        for answer in prompt["answers"]
    }
    assert found == set(HOSTILE)
    assert "\u2028" not in html
    assert "innerHTML" not in html


def test_half_characters_do_not_stop_the_page(analysis: Analysis) -> None:
    broken = make_responses(prompts=1)
    broken[0] = broken[0].model_copy(update={"response": "half \ud83d of one"})
    html = render_page(analysis.model_copy(update={"study": "odd \udc00"}), broken)
    assert "half \\ud83d of one" in html.encode("utf-8").decode("utf-8")


def test_safe_json_reads_back_as_it_was() -> None:
    value = {"a": "</script><!--&\u2028\u2029 é 中 \U0001f600"}
    text = safe_json(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == value


def test_the_table_has_each_total_with_its_interval(analysis: Analysis, page: Element) -> None:
    table = text(find(page, "div", data_measure="after"))
    for score in analysis.scores:
        assert score.after is not None
        interval = f"{score.after.low:.1f}–{score.after.high:.1f}"
        assert re.search(rf"{score.after.value:.1f} (\(best\) )?95\W% interval {interval}", table)


def test_best_is_marked_per_method_and_not_among_controls(page: Element) -> None:
    bodies = list(find(page, "div", data_measure="after").iter("tbody"))
    # 4 seen languages, their average, and one unseen language, which needs no average.
    assert [text(body).count("(best)") for body in bodies] == [6, 6, 0]
    assert [body.attrib.get("class") for body in bodies] == [None, None, "control"]


def test_provenance_and_cost_are_there(analysis: Analysis, page: Element) -> None:
    said = text(page)
    for word in ("judge.metric", "chrF++", "bootstrap.resamples", "1,284,308", "All cells"):
        assert word in said
    assert "<b>key</b>" in said, "keys are text, not markup"
    names = ["".join(words(row[0])) for row in find(page, "section", id="cost").iter("tr")]
    assert {cell.cell for cell in analysis.ledger} <= set(names)


def _section(page: Element, name: str) -> str:
    """What a section says."""
    return text(find(page, "section", id=name))


def test_the_cost_table_says_what_training_took(page: Element) -> None:
    cost = _section(page, "cost")
    # 4 operations for each of 1,050,624 parameters and 321,077 tokens; 6 in full fine-tuning.
    assert "1.3e+12 11,386 51.4 % 812 MiB 28 s 32 s" in cost
    assert "8.1e+12" in cost
    assert "93.1 to 93.7 GFLOP/s in float32" in cost
    assert "2,240,532 1,680 14 2.1e+13 – 7 min 24 s" in cost, "a part is not given out for the sum"


def test_losses_of_cells_are_in_bits_per_byte_of_their_own_languages(
    analysis: Analysis, page: Element
) -> None:
    cost = _section(page, "cost")
    assert "compares only within a language" in cost
    for cell in analysis.ledger:
        tuned = TRAIN if ".monolingual-" not in cell.cell else [cell.cell.split("-")[-1][:2]]
        own = [cell.heldout[code] for code in tuned if code in cell.heldout]
        size = sum(loss.bytes for loss in own)
        bits = sum((loss.bits_per_byte or 0) * loss.bytes for loss in own)
        told = f"{bits / size:.3f}" if own else "–"
        assert f"{told} {cell.validation_loss:.3f}" in cost


def test_a_cell_without_a_record_of_speed_has_dashes(analysis: Analysis) -> None:
    old = [cell for cell in analysis.ledger if cell.cell == OLD_CELL]
    page = _render(analysis, ledger=old, budgets=None)
    assert "120 1 – – – – – 32 s – 0.801" in _section(page, "cost")
    assert "MFU (model" not in text(page)
    assert "held-out" not in ids(page)
    assert "#held-out" not in {link.attrib["href"] for link in page.iter("a")}


def test_how_rows_were_matched_stands_below_the_training_data(analysis: Analysis) -> None:
    data = [
        LanguageData(language="en", rows=9, source_rows=None, engine=None, rejected={}, flagged=0)
    ]
    notes = ["Rows were matched by their ids: 7 are in all 2 languages.", "<noinput> read as none."]
    page = _render(analysis, data=data, data_notes=notes)
    assert " ".join(notes) in _section(page, "training-data")


def test_held_out_losses_are_those_of_the_analysis(analysis: Analysis, page: Element) -> None:
    section = find(page, "section", id="held-out")
    bodies = list(section.iter("tbody"))
    assert [len(body.findall("tr/th[@class='name']")) for body in bodies] == [6, 1]
    shown = {text(number) for number in section.iterfind(".//td/b")}
    assert shown == {
        f"{loss.bits_per_byte:.3f}" for cell in analysis.ledger for loss in cell.heldout.values()
    }
    # Four languages; in English two cells are written alike. The best is sought over both methods.
    assert [text(body).count("(best)") for body in bodies] == [5, 0]
    # Each of four monolingual cells was not tuned on three languages.
    assert text(section).count("(not tuned on)") == 12
    assert "60 a language" in text(section)
    assert "equally many bytes of Arabic." in text(section)


def test_names_in_the_held_out_table_are_text(analysis: Analysis) -> None:
    names = {**analysis.language_names, "es": "<script>es"}
    assert "<script>es" in _section(_render(analysis, language_names=names), "held-out")


def test_unrated_speaks_of_the_gate_alone(unrated: Analysis) -> None:
    page = parse(render_page(unrated, make_responses(rated=False)))
    said = text(page)
    assert "No judge." in said
    assert "Gate pass rates" in said
    for word in ("After the gate", "Before the gate", "0 to 150", "None", "null"):
        assert word not in said
    assert not list(page.iter("input")), "one measure needs no tabs"
    assert {section.attrib.get("id") for section in page.iter("section")} == {
        *("scores", "languages", "held-out", "cost", "answers", "words")
    }


def test_failed_judgements_are_counted_beside_the_numbers(analysis: Analysis) -> None:
    scores = [
        score.model_copy(update={"failed": 2, "rated": 22}) if number == 0 else score
        for number, score in enumerate(analysis.scores)
    ]
    said = text(_render(analysis, scores=scores))
    assert "† 2 answers have no rating" in said
    assert "There are no answers to show." in said


def test_a_score_without_ratings_is_a_dash(analysis: Analysis) -> None:
    scores = [
        score.model_copy(update={"before": None, "after": None, "robustness": None})
        if score.row.endswith("lora.english")
        else score
        for score in analysis.scores
    ]
    dashes = _render(analysis, scores=scores).findall(".//td/*[@title='no answer has a rating']")
    assert {text(dash) for dash in dashes} == {"–"}


def test_a_big_study_shows_some_prompts_and_says_how_many(analysis: Analysis) -> None:
    data = reader_data(analysis, make_responses(prompts=7), max_prompts=3)
    assert [language["code"] for language in data["languages"]] == analysis.test_languages
    for language in data["languages"]:
        assert len(language["prompts"]) == 3
        assert language["total"] == 7


def test_one_checkpoint_goes_by_the_rows_that_count_it(
    analysis: Analysis, responses: list[ScoredResponse]
) -> None:
    data = reader_data(analysis, responses, 50)
    names = {
        language["code"]: {system["id"]: system["rows"] for system in language["systems"]}
        for language in data["languages"]
    }
    shared = "tiny-neox.lora.monolingual-en.s1"
    assert names["en"][shared] == ["monolingual", "english"]
    assert names["es"][shared] == ["english"]
    assert names["es"]["tiny-neox.lora.monolingual-es.s1"] == ["monolingual"]


def test_answers_of_systems_outside_the_table_are_shown_too(analysis: Analysis) -> None:
    stray = make_responses(prompts=1)[0].model_copy(
        update={"system": "elsewhere", "detected": "hi", "score": float("nan")}
    )
    data = reader_data(analysis, [stray], 50)
    (system,) = data["languages"][0]["systems"]
    assert system["group"] == "Not in the table"
    assert data["names"]["hi"] == "Hindi"
    assert "NaN" not in safe_json(data)


@pytest.mark.parametrize(("p", "shown", "said"), [(0.21, False, "no"), (0.0002, True, "yes")])
def test_differences_are_shown_by_their_adjusted_p_value(
    analysis: Analysis, p: float, shown: bool, said: str
) -> None:
    item = analysis.comparisons[0].model_copy(
        update={
            "difference": Interval(value=1.5, low=0.4, high=2.2, method="bootstrap-t"),
            "family": "headline", "p": 0.01, "p_adjusted": p, "shown": shown, "detectable": 3.24,
            "margin": MarginTest(margin=5, p=0.01, p_seeds=None, p_adjusted=0.03, shown=True),
        }
    )  # fmt: skip
    table = find(_render(analysis, comparisons=[item], scores=[]), "details", id="differences")
    _, row = rows(table)
    written = "< 0.001" if shown else "0.210"
    assert row[3:] == ["+0.4 to +2.2", written, said, "within 5 (p 0.030)", "3.2"]
    assert [cell.attrib["title"] for cell in table.iterfind(".//td[@title]")] == [
        "bootstrap-t", "not adjusted: 0.010"
    ]  # fmt: skip


def test_what_claims_nothing_stands_apart_without_p_values(analysis: Analysis) -> None:
    item = analysis.comparisons[0].model_copy(update={"family": None, "scope": "all"})
    single = item.model_copy(update={"scope": "language", "language": "es"})
    page = _render(analysis, comparisons=[item, single])
    assert "For reading only: no claim is made of these" in text(page)
    differences = find(page, "details", id="differences")
    shown = rows(differences)
    assert not any("p, adjusted" in row for row in shown)
    assert [row[1].startswith("all languages ") for row in shown].count(True) == 1


def test_preferences_and_agreement_have_tables_where_there_are_any(analysis: Analysis) -> None:
    a, b = analysis.rows[0].id, analysis.rows[1].id
    preferred = Preferences(
        a=a, b=b, scope="seen", language=None, measure="after", prompts=50, wins=0.5, losses=0.25,
        ties=0.25, net=Interval(value=0.25, low=0.1, high=0.4), p=0.01, p_adjusted=0.02, shown=True,
        consistent=0.8, failed=0,
    )  # fmt: skip
    every = preferred.model_copy(update={"scope": "all", "failed": 3, "p_adjusted": None})
    judged = JudgeAgreement(
        first="one", second="<b>two</b>", language="es", answers=1200, equal=0.9, difference=-0.05,
        systems_pearson=0.97, alpha=0.81, alpha_low=0.7, alpha_high=None,
    )  # fmt: skip
    gated = every.model_copy(update={"measure": "before"})
    page = _render(analysis, preferences=[preferred, every, gated], judges=[judged])
    preferences, judges = (find(page, "section", id=name) for name in ("preferences", "judges"))
    assert rows(preferences)[1][5:] == ["+25.0 pp", "+10.0 to +40.0", "0.020", "yes"]
    assert "no difference to 80 % of the pairs" in text(preferences)
    assert "3 pairs have no verdict" in text(preferences)
    (row,) = rows(judges)[1:]
    assert row[:2] == ["<b>two</b>, one", "Spanish"]
    assert row[-2:] == ["0.81", "–"]
    assert not {"preferences", "judges"} & ids(_render(analysis))
