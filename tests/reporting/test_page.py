from __future__ import annotations

import json
import re
from html.parser import HTMLParser
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

if TYPE_CHECKING:
    from polypaca.core.results import Analysis, ScoredResponse


class Page(HTMLParser):
    """The tags, attributes and visible text of a page, as a browser would find them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
        self._in: str | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in = tag

    def handle_endtag(self, tag: str) -> None:
        self._in = None

    def handle_data(self, data: str) -> None:
        if self._in == "script":
            self.scripts.append(data)
        elif self._in != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))

    @property
    def data(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.scripts[0])
        return value


@pytest.fixture(scope="module")
def html(analysis: Analysis, responses: list[ScoredResponse]) -> str:
    return render_page(analysis, responses)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_the_answer_comes_first(analysis: Analysis, page: Page) -> None:
    assert analysis.sentence in page.text
    assert page.text.index(analysis.sentence) < page.text.index(analysis.notes[0])
    assert page.text.index(analysis.notes[0]) < page.text.index("monolingual")


def test_the_page_asks_nothing_of_a_network(html: str, page: Page) -> None:
    assert not re.search(r"https?://", html)
    assert "@import" not in html
    assert "url(" not in html
    policy = next(a for t, a in page.tags if t == "meta" and "http-equiv" in a)["content"]
    assert policy is not None
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    for _, attributes in page.tags:
        assert "src" not in attributes
        assert not any(name.startswith("on") for name in attributes)
        assert (attributes.get("href") or "#").startswith("#")


def test_what_models_wrote_is_data_only(html: str, page: Page) -> None:
    assert [tag for tag, _ in page.tags].count("script") == 2
    assert not [tag for tag, _ in page.tags if tag in ("img", "u", "iframe")]
    found = {
        answer["t"]
        for language in page.data["languages"]
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


def test_the_table_has_each_total_with_its_interval(analysis: Analysis, page: Page) -> None:
    for score in analysis.scores:
        assert score.after is not None
        assert f"{score.after.value:.1f}" in page.text
        assert f"{score.after.low:.1f}–{score.after.high:.1f}" in page.text


def test_best_is_marked_per_method_and_not_among_controls(html: str) -> None:
    table = html.split('<div class="tab" data-measure="after">')[1].partition("</table>")[0]
    bodies = table.split("<tbody")[1:]
    # 4 seen languages, their average, and one unseen language, which needs no average.
    assert [body.count("(best)") for body in bodies] == [6, 6, 0]
    assert 'class="control"' in bodies[2]


def test_provenance_and_cost_are_there(analysis: Analysis, page: Page) -> None:
    for word in ("judge.metric", "chrF++", "bootstrap.resamples", "1,284,308", "All cells"):
        assert word in page.text
    assert "<b>key</b>" in page.text, "keys are text, not markup"
    for cell in analysis.ledger:
        assert cell.cell in "".join(page.words).replace("\n", "")


def _section(html: str, name: str) -> str:
    return html.split(f'<section id="{name}">')[1].split("</section>", maxsplit=1)[0]


def test_the_cost_table_says_what_training_took(html: str) -> None:
    text = Page(_section(html, "cost")).text.replace("\u00a0", " ")
    # 4 operations for each of 1,050,624 parameters and 321,077 tokens; 6 in full fine-tuning.
    assert "1.3e+12 11,386 51.4 % 812 MiB 28 s 32 s" in text
    assert "8.1e+12" in text
    assert "93.1 to 93.7 GFLOP/s in float32" in text
    assert "2,240,532 1,680 14 2.1e+13 – 7 min 24 s" in text, "a part is not given out for the sum"


def test_losses_of_cells_are_in_bits_per_byte_of_their_own_languages(analysis: Analysis) -> None:
    text = Page(_section(render_page(analysis, []), "cost")).text
    assert "compares only within a language" in text
    for cell in analysis.ledger:
        tuned = TRAIN if ".monolingual-" not in cell.cell else [cell.cell.split("-")[-1][:2]]
        own = [cell.heldout[code] for code in tuned if code in cell.heldout]
        size = sum(loss.bytes for loss in own)
        bits = sum((loss.bits_per_byte or 0) * loss.bytes for loss in own)
        told = f"{bits / size:.3f}" if own else "–"
        assert f"{told} {cell.validation_loss:.3f}" in text


def test_a_cell_without_a_record_of_speed_has_dashes(analysis: Analysis) -> None:
    old = [cell for cell in analysis.ledger if cell.cell == OLD_CELL]
    html = render_page(analysis.model_copy(update={"ledger": old, "budgets": None}), [])
    assert "120 1 – – – – – 32 s – 0.801" in Page(_section(html, "cost")).text.replace(
        "\u00a0", " "
    )
    assert "MFU (model" not in html
    assert 'id="held-out"' not in html
    assert "#held-out" not in html


def test_how_rows_were_matched_stands_below_the_training_data(analysis: Analysis) -> None:
    data = [
        LanguageData(language="en", rows=9, source_rows=None, engine=None, rejected={}, flagged=0)
    ]
    notes = ["Rows were matched by their ids: 7 are in all 2 languages.", "<noinput> read as none."]
    html = render_page(analysis.model_copy(update={"data": data, "data_notes": notes}), [])
    assert " ".join(notes) in Page(_section(html, "training-data")).text


def test_held_out_losses_are_those_of_the_analysis(analysis: Analysis, html: str) -> None:
    section = _section(html, "held-out")
    bodies = [body.split("</tbody>")[0] for body in section.split("<tbody>")[1:]]
    assert [body.count('class="name"') for body in bodies] == [6, 1]
    for cell in analysis.ledger:
        for loss in cell.heldout.values():
            assert f"<b>{loss.bits_per_byte:.3f}</b>" in section
    # Four languages; in English two cells are written alike. The best is sought over both methods.
    assert [body.count("(best)") for body in bodies] == [5, 0]
    # Each of four monolingual cells was not tuned on three languages.
    assert section.count("(not tuned on)") == 12
    text = Page(section).text
    assert "60 a language" in text
    assert "equally many bytes of Arabic." in text


def test_names_in_the_held_out_table_are_text(analysis: Analysis) -> None:
    names = {**analysis.language_names, "es": "<script>es"}
    html = render_page(analysis.model_copy(update={"language_names": names}), [])
    assert "&lt;script&gt;es" in _section(html, "held-out")


def test_unrated_speaks_of_the_gate_alone(unrated: Analysis) -> None:
    page = Page(render_page(unrated, make_responses(rated=False)))
    assert "No judge." in page.text
    assert "Gate pass rates" in page.text
    for word in ("After the gate", "Before the gate", "0 to 150", "None", "null"):
        assert word not in page.text
    assert not [a for tag, a in page.tags if tag == "input"], "one measure needs no tabs"
    assert {a.get("id") for tag, a in page.tags if tag == "section"} == {
        *("scores", "languages", "held-out", "cost", "answers", "words")
    }


def test_failed_judgements_are_counted_beside_the_numbers(analysis: Analysis) -> None:
    scores = [
        score.model_copy(update={"failed": 2, "rated": 22}) if number == 0 else score
        for number, score in enumerate(analysis.scores)
    ]
    page = Page(render_page(analysis.model_copy(update={"scores": scores}), []))
    assert "† 2 answers have no rating" in page.text
    assert "There are no answers to show." in page.text


def test_a_score_without_ratings_is_a_dash(analysis: Analysis) -> None:
    scores = [
        score.model_copy(update={"before": None, "after": None, "robustness": None})
        if score.row.endswith("lora.english")
        else score
        for score in analysis.scores
    ]
    html = render_page(analysis.model_copy(update={"scores": scores}), [])
    assert 'title="no answer has a rating"' in html


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
    html = render_page(analysis.model_copy(update={"comparisons": [item], "scores": []}), [])
    written = "&lt;\u00a00.001" if shown else "0.210"
    assert 'bootstrap-t">+0.4 to +2.2</td>' in html
    assert f'title="not adjusted: 0.010">{written}</td><td>{said}</td>' in html
    assert "<td>within 5 (p\u00a00.030)</td>" in html
    assert ">3.2</td></tr>" in html


def test_what_claims_nothing_stands_apart_without_p_values(analysis: Analysis) -> None:
    item = analysis.comparisons[0].model_copy(update={"family": None, "scope": "all"})
    single = item.model_copy(update={"scope": "language", "language": "es"})
    html = render_page(analysis.model_copy(update={"comparisons": [item, single]}), [])
    assert "For reading only: no claim is made of these" in html
    assert "p, adjusted" not in html
    assert html.count("all languages <small>") == 1


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
    html = render_page(
        analysis.model_copy(
            update={
                "preferences": [preferred, every, every.model_copy(update={"measure": "before"})],
                "judges": [judged],
            }
        ),
        [],
    )
    assert '<b>+25.0\u00a0pp</b></td><td class="number">+10.0 to +40.0</td>' in html
    assert ">0.020</td><td>yes</td>" in html
    assert "no difference to 80\u00a0% of the pairs" in html
    assert "3 pairs have no verdict" in html
    assert "&lt;b&gt;two&lt;/b&gt;, one</td><td>Spanish</td>" in html
    assert '>0.81</b></td><td class="number">–</td>' in html
    bare = render_page(analysis, [])
    assert 'id="preferences"' not in bare
    assert 'id="judges"' not in bare
