from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from polypaca.reporting import figures
from polypaca.reporting.figures import labels
from polypaca.reporting.figures.bars import to_svg
from polypaca.reporting.figures.contract import combined_chart
from polypaca.reporting.figures.scores import score_panels

from .conftest import LONG_NAMES, with_long_names

if TYPE_CHECKING:
    from polypaca.core.results import Analysis

NAMES = ["English", "Spanish", "Arabic", "Chinese", "Norwegian (unseen)"]


def texts(svg: str) -> list[str]:
    root = ET.fromstring(svg)
    assert root.tag.endswith("svg")
    return [
        "".join(element.itertext())
        for element in root.iter()
        if element.tag.rpartition("}")[2] in ("text", "tspan")
    ]


def _chart(name: str, analysis: Analysis) -> Any:
    return combined_chart(figures.FIGURES[name], analysis)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_every_figure_has_words_for_each_panel_and_a_caption(name: str, analysis: Analysis) -> None:
    figure = figures.FIGURES[name]
    panels = figure.panels(analysis)
    assert panels
    for panel in panels:
        assert panel.words
        assert to_svg(panel.chart).startswith("<svg")
    caption = figure.caption(analysis)
    assert caption.lines
    assert bool(caption.keys) != bool(caption.text)


@pytest.fixture(scope="module")
def files(analysis: Analysis) -> dict[str, bytes]:
    return figures.figure_files(analysis)


@pytest.fixture(scope="module")
def unrated_files(unrated: Analysis) -> dict[str, bytes]:
    return figures.figure_files(unrated)


def test_score_figure_is_svg_with_languages_recipes_and_values(
    analysis: Analysis, files: dict[str, bytes]
) -> None:
    found = texts(files["scores.svg"].decode())
    for name in [*NAMES, "tiny-neox · lora", "tiny-neox · full", "multilingual", "untuned base"]:
        assert name in found
    score = next(
        s for s in analysis.scores if s.row.endswith("lora.english") and s.language == "es"
    )
    assert score.after is not None
    assert f"{score.after.value:.1f}" in found


def test_a_row_that_was_not_tested_is_a_dash_in_its_place(analysis: Analysis) -> None:
    panel = next(p for p in score_panels(analysis) if p.title == "Norwegian (unseen)")
    found = texts(to_svg(panel.chart))
    assert "monolingual" in found
    assert "–" in found
    assert "monolingual: no score" in panel.words


def test_robustness_figure_shows_points_lost_over_seen_languages(
    analysis: Analysis, files: dict[str, bytes]
) -> None:
    found = texts(files["robustness.svg"].decode())
    lost = next(
        s.robustness
        for s in analysis.scores
        if s.row.endswith("lora.english") and s.scope == "seen"
    )
    assert lost is not None
    assert f"{lost.value:.1f}" in found
    assert any("Linear scale" in text for text in found)


def test_unrated_figures_are_of_the_gate_alone(
    unrated: Analysis, unrated_files: dict[str, bytes]
) -> None:
    assert _chart("robustness", unrated) is None
    found = texts(unrated_files["scores.svg"].decode())
    assert "Share of answers that pass the gate, in percent" in found
    assert "7\u00a0%" in found


def test_names_cannot_become_markup(analysis: Analysis) -> None:
    names = {**analysis.language_names, "es": "</svg><script>alert(1)</script>"}
    hostile = analysis.model_copy(update={"language_names": names})
    svg = to_svg(_chart("scores", hostile))
    assert "<script" not in svg
    assert names["es"] in texts(svg)


def test_figure_files(files: dict[str, bytes], unrated_files: dict[str, bytes]) -> None:
    assert set(files) == {"scores.svg", "scores.pdf", "robustness.svg", "robustness.pdf"}
    assert set(unrated_files) == {"scores.svg", "scores.pdf"}
    for name, content in [*files.items(), *unrated_files.items()]:
        assert content.startswith(b"%PDF" if name.endswith("pdf") else b"<svg")


def test_an_analysis_without_scores_still_has_a_figure(analysis: Analysis) -> None:
    nothing = analysis.model_copy(update={"scores": []})
    assert "No scores" in texts(to_svg(_chart("scores", nothing)))
    assert _chart("robustness", nothing) is None


@pytest.mark.parametrize("name", [*LONG_NAMES.values(), "downsampled", "m", "x" * 300])
def test_a_name_is_on_as_many_lines_as_it_needs(name: str) -> None:
    lines = labels.label_lines(name)
    assert all(labels.text_width(line) <= 150 for line in lines)
    assert len(lines) <= 5
    if len(name) < 300:
        assert "".join("".join(lines).split()) == "".join(name.split())
    else:
        assert lines[2] == "…"


def test_long_names_are_drawn_whole(analysis: Analysis) -> None:
    panel = score_panels(with_long_names(analysis))[0]
    found = " ".join(texts(to_svg(panel.chart)))
    assert "…" not in found
    for word in ("shuffled", "tiny-neox", "дообучения", "downsampled"):
        assert word in found


def test_rows_whose_lines_are_alike_stay_two(analysis: Analysis) -> None:
    names = {
        "untuned base": "a" * 200 + "1" + "b" * 200,
        "shuffled answers": "a" * 200 + "2" + "b" * 200,
    }
    rows = [r.model_copy(update={"name": names.get(r.name, r.name)}) for r in analysis.rows]
    panel = score_panels(analysis.model_copy(update={"rows": rows}))[0]
    found = texts(to_svg(panel.chart))
    assert {"16.1", "64.6"} <= set(found)
