from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from polypaca.cli import app
from polypaca.core.errors import UserError
from polypaca.stats.compare import Ranking, rank


def _rank(folder: Path, *rows: str, header: str = "model,language,recipe,score") -> Ranking:
    path = folder / "scores.csv"
    path.write_text("\n".join([header, *rows]), encoding="utf-8")
    return rank(path)


WITH_INTERVALS = "model,language,recipe,score,low,high"


def test_leads_and_ties_are_counted(tmp_path: Path) -> None:
    found = _rank(
        tmp_path,
        "m,en,mono,100", "m,en,multi,90", "m,en,down,80",
        "m,es,mono,90", "m,es,multi,90", "m,es,down,80",
        "k,en,mono,70", "k,en,multi,80",
        "k,es,mono,10",
    )  # fmt: skip
    assert [(c.recipe, c.places, c.leads, c.ties) for c in found.overall] == [
        ("mono", 3, 1, 1), ("multi", 3, 1, 1), ("down", 2, 0, 0),
    ]  # fmt: skip
    assert [c.leads for c in found.languages["es"]] == [0, 0, 0]
    assert found.sentence == (
        "mono and multi lead most often, each in 1 of 3 places (a model in a language); 1 is a tie."
    )
    mono_multi = found.pairs[0]
    assert (mono_multi.a_higher, mono_multi.b_higher, mono_multi.equal) == (1, 1, 1)
    assert found.notes == [
        "1 place has only one recipe, and was left out.",
        "The file has no intervals (low, high): a lead may be chance.",
    ]


def test_one_recipe_ahead(tmp_path: Path) -> None:
    found = _rank(
        tmp_path, "m,en,mono,1", "m,en,multi,2", "m,es,mono,1", "m,es,multi,2", "m,fr,mono,2",
        "m,fr,multi,1",
    )  # fmt: skip
    assert found.sentence == (
        "multi leads most often, in 2 of 3 places (a model in a language); mono in 1."
    )


def test_a_lead_is_shown_where_intervals_do_not_overlap(tmp_path: Path) -> None:
    found = _rank(
        tmp_path,
        "m,en,mono,100,95,105", "m,en,multi,90,85,94", "m,en,down,80,75,85",
        "m,es,mono,100,95,105", "m,es,multi,90,85,95", "m,es,down,80,75,85",
        "m,fr,mono,100,,", "m,fr,multi,90,85,94",
        header=WITH_INTERVALS,
    )  # fmt: skip
    assert [(p.language, p.shown, p.unresolved) for p in found.places] == [
        ("en", True, []), ("es", False, ["multi"]), ("fr", None, []),
    ]  # fmt: skip
    assert [c.shown for c in found.overall] == [1, 0, 0]
    assert found.sentence.endswith(
        "Of 3 leads 1 is beyond the intervals; in 1 no difference is shown to at least one recipe; "
        "in 1 there are no intervals to tell by."
    )
    assert [c.untold for c in found.overall] == [1, 0, 0]
    assert [(v.a_higher, v.unresolved, v.untold) for v in found.pairs][:1] == [(3, 1, 1)]


def test_no_difference_is_spoken_of_only_where_intervals_overlap(tmp_path: Path) -> None:
    found = _rank(
        tmp_path,
        "m,en,mono,100,95,105", "m,en,multi,90,85,94",
        "m,es,mono,100,,", "m,es,multi,90,,",
        "m,fr,mono,90,80,100", "m,fr,multi,90,85,94",
        header=WITH_INTERVALS,
    )  # fmt: skip
    assert "no difference" not in found.sentence
    assert "in 1 there are no intervals to tell by" in found.sentence
    assert "1 is a tie. Of 2 leads" in found.sentence


def test_the_reports_own_scores_are_read(tmp_path: Path) -> None:
    head = (
        "row,name,model,method,recipe,control,scope,language,after,after_low,after_high,gate,"
        "gate_low,gate_high"
    )
    found = _rank(
        tmp_path,
        "a,mono,m,lora,mono,false,language,en,100,95,105,1,1,1",
        "b,multi,m,lora,multi,false,language,en,90,85,94,0.9,0.8,1",
        "b,multi,m,full,multi,false,language,en,99,85,99,0.9,0.8,1",
        "b,multi,m,lora,multi,false,seen,,90,85,94,0.9,0.8,1",
        "c,untuned base,m,,,true,language,en,110,85,120,0.9,0.8,1",
        "d,down,m,lora,down,false,language,en,,,,0.9,0.8,1",
        header=head,
    )  # fmt: skip
    (place,) = found.places
    assert (place.model, place.scores) == ("m · lora", {"mono": 100, "multi": 90})
    assert place.shown is True
    assert found.notes[0] == (
        "Read as the report's scores.csv: totals after the gate, recipe against recipe; left out: "
        "1 averages over languages, 1 scores of controls and other systems, 1 without a rating."
    )
    unrated = head.replace("after,after_low,after_high,", "")
    found = _rank(
        tmp_path,
        "a,mono,m,lora,mono,false,language,en,0.5,0.4,0.6",
        "b,multi,m,lora,multi,false,language,en,0.9,0.8,1",
        header=unrated,
    )
    assert found.places[0].leaders == ["multi"]
    assert "gate pass rates" in found.notes[0]


def test_spellings_and_scales_are_told(tmp_path: Path) -> None:
    found = _rank(tmp_path, "m,en,mono,1", "M,EN,multi,2", "m,nb,mono,3", "m,no,Multi,4")
    assert [(p.model, p.language, p.leaders) for p in found.places] == [
        ("m", "en", ["multi"]), ("m", "nb", ["multi"]),
    ]  # fmt: skip
    assert sum("two spellings" in note for note in found.notes) == 4
    found = _rank(tmp_path, "m,en,a,0.8", "m,es,a,0.9", "m,en,b,81", "m,es,b,70")
    assert any("two scales in one column? recipe a" in note for note in found.notes)


def test_without_two_recipes_anywhere_nothing_is_compared(tmp_path: Path) -> None:
    assert "nothing to compare" in _rank(tmp_path, "m,en,mono,1").sentence


def test_all_problems_are_told_together(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        _rank(
            tmp_path,
            "m,en,mono,1,0,2", "m,en,mono,1,0,2", "m,en,multi,1,0,", "m,en,down,5,0,2",
            "m,en,x,high,0,2",
            header=WITH_INTERVALS,
        )  # fmt: skip
    lines = str(caught.value).replace(str(tmp_path / "scores.csv"), "F").split("\n")
    assert lines == [
        "F:3, column recipe: ('m', 'en', 'mono') is on line 2 already",
        "F:4, column high: is missing (give both ends or neither)",
        "F:5, column score: the score 5 is not between 0 and 2",
        "F:6, column score: 'high' is not a number (write it as 12.5)",
    ]


@given(
    st.dictionaries(
        st.tuples(st.sampled_from("mk"), st.sampled_from(["en", "es"]), st.sampled_from("abc")),
        st.sampled_from([0.0, 1.5, 2.0, 150.0]),
        min_size=1,
    )
)
def test_every_place_has_one_lead_or_one_tie(
    tmp_path_factory: pytest.TempPathFactory, scores: dict[tuple[str, str, str], float]
) -> None:
    rows = [",".join([*key, str(score)]) for key, score in scores.items()]
    found = _rank(tmp_path_factory.mktemp("c"), *rows)
    tied = [place for place in found.places if len(place.leaders) > 1]
    assert sum(c.leads for c in found.overall) + len(tied) == len(found.places)
    assert sum(c.ties for c in found.overall) == sum(len(place.leaders) for place in tied)
    for place in found.places:
        assert max(place.scores.values()) == place.scores[place.leaders[0]]


def test_the_verb_prints_a_table_a_sentence_and_json(tmp_path: Path) -> None:
    _rank(tmp_path, "m,en,mono,1", "m,en,multi,2")
    path = str(tmp_path / "scores.csv")
    shown = CliRunner().invoke(app, ["compare", path])
    assert shown.exit_code == 0
    assert "multi leads most often, in 1 of 1" in shown.stdout
    parsed = json.loads(CliRunner().invoke(app, ["compare", path, "--json"]).stdout)
    assert parsed["places"][0]["leaders"] == ["multi"]
