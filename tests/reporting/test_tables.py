from __future__ import annotations

import csv
import io
import re
from typing import TYPE_CHECKING

import pytest

from polypaca.reporting import layout
from polypaca.reporting.tables import score_table, to_csv, to_text
from polypaca.stats.compare import rank

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.core.results import Analysis


def terminal(analysis: Analysis, width: int) -> str:
    from rich.console import Console

    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(to_text(analysis))
    return out.getvalue()


def test_one_tidy_row_per_score(analysis: Analysis) -> None:
    rows = score_table(analysis)
    assert len(rows) == len(analysis.scores)
    assert len({(row["row"], row["scope"], row["language"]) for row in rows}) == len(rows)


def test_csv_holds_the_numbers_of_the_analysis(analysis: Analysis) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(analysis))))
    scores = layout.scores_by_key(analysis)
    for row in rows:
        score = scores[row["row"], row["scope"], row["language"] or None]
        assert score.after is not None
        assert float(row["after"]) == pytest.approx(score.after.value, abs=1e-6)
        assert float(row["after_low"]) == pytest.approx(score.after.low, abs=1e-6)
        assert float(row["gate_high"]) == pytest.approx(score.gate.high, abs=1e-6)
        assert int(row["n"]) == score.prompts
    assert {row["control"] for row in rows} == {"true", "false"}


def test_compare_reads_the_csv(analysis: Analysis, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text(to_csv(analysis), encoding="utf-8")
    found = rank(path)
    scores = {(s.row, s.language): s for s in analysis.scores if s.scope == "language"}
    assert {place.model for place in found.places} == {"tiny-neox · lora", "tiny-neox · full"}
    for place in found.places:
        for recipe, score in place.scores.items():
            row = ".".join([*place.model.split(" · "), recipe])
            own = scores[row, place.language].after
            assert own is not None
            assert score == pytest.approx(own.value, abs=1e-6)


def test_unrated_csv_has_no_empty_columns(unrated: Analysis) -> None:
    rows = list(csv.DictReader(io.StringIO(to_csv(unrated))))
    assert "gate" in rows[0]
    assert not {"after", "before_low", "robustness_high"} & set(rows[0])


def test_terminal_table_names_rows_languages_and_totals(analysis: Analysis) -> None:
    text = terminal(analysis, 120)
    for word in ("tiny-neox · lora", "multilingual", "Controls", "shuffled answers", "es", "seen"):
        assert word in text
    score = layout.scores_by_key(analysis)["tiny-neox.lora.english", "language", "es"]
    assert score.after is not None
    assert f"{score.after.value:.1f}" in text
    assert "7%" in text


def test_terminal_table_fits_eighty_columns(analysis: Analysis) -> None:
    lines = terminal(analysis, 80).splitlines()
    assert max(map(len, lines)) <= 80
    multilingual = next(line for line in lines if "multilingual" in line)
    for language in ("en", "es", "ar", "zh", "no"):
        score = layout.scores_by_key(analysis)["tiny-neox.lora.multilingual", "language", language]
        assert score.after is not None
        assert f" {score.after.value:.1f}" in multilingual, "no total is cut or broken"


def test_unrated_terminal_table_shows_gate_rates_only(unrated: Analysis) -> None:
    text = terminal(unrated, 100)
    assert "no judge" in text
    assert "7%" in text
    assert not re.search(r"\d\.\d", text)


def test_a_recipe_has_one_colour_under_all_methods(analysis: Analysis) -> None:
    colours = layout.row_colours(analysis)
    assert colours["tiny-neox.lora.multilingual"] == colours["tiny-neox.full.multilingual"]
    recipes = {colours[row.id] for row in analysis.rows if row.method == "lora"}
    assert len(recipes) == 4


def test_controls_stand_last_in_tables_and_beside_their_model_in_figures(
    analysis: Analysis,
) -> None:
    assert [group.title for group in layout.row_groups(analysis)] == [
        "tiny-neox · lora",
        "tiny-neox · full",
        "Controls",
    ]
    for panel in layout.panel_groups(analysis):
        assert [row.name for row in panel.rows][-2:] == ["untuned base", "shuffled answers"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (3.14, "3.1 s"),
        (9.99, "10 s"),
        (59.7, "1 min 0 s"),
        (127, "2 min 7 s"),
        (61500, "17 h 5 min"),
        (float("nan"), "–"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert layout.duration(seconds).replace("\u00a0", " ") == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(None, "–"), (812 * 2**20, "812 MiB"), (int(17.25 * 2**30), "17.2 GiB"), (0, "0 MiB")],
)
def test_memory_sizes(size: int | None, text: str) -> None:
    assert layout.memory_size(size).replace("\u00a0", " ") == text


def test_ranges_of_numbers_that_are_written_alike_are_one_number() -> None:
    assert layout.range_text([60, 60]) == "60"
    assert layout.range_text([1058, 60, 70]) == "60 to 1,058"
    assert layout.range_text([93.12, 93.14], decimals=1) == "93.1"
