from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from polypaca.core.tables import Column, Grid, wrap_name

NUMBERS = ["6.2", "66.6", "138.4", "–", "7%", "100%", "~1.2e+18", "0.9491"]
WORDS = ["english", "answers shuffled · tiny-neox · lora", "数据", "многоязычная", "m.lora.x.s1"]


def shown(grid: Grid, width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(grid)
    return out.getvalue().splitlines()


@given(
    st.integers(8, 120),
    st.lists(st.sampled_from(["en", "zh-Hant", "beyond intervals", "budgets"]), max_size=24),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=4),
    st.data(),
)
def test_at_any_width_every_number_is_whole(
    width: int, titles: list[str], names: list[str], data: st.DataObject
) -> None:
    cell = st.sampled_from(NUMBERS)
    grid = Grid("study", "cell", [Column(title) for title in titles], "a caption of some words")
    grid.add_heading("tiny-neox · lora")
    written: list[str] = []
    for name in names:
        cells = [(data.draw(cell), data.draw(st.one_of(cell, st.just("")))) for _ in titles]
        written += [text for pair in cells for text in pair if text]
        grid.add(name, *cells)
    lines = shown(grid, width)
    assert max(map(cell_len, lines)) <= width
    found = " ".join(lines).split()
    for number in NUMBERS:
        assert found.count(number) == written.count(number)


def test_columns_go_on_below_beside_the_names() -> None:
    grid = Grid("", "", [Column(code) for code in ("en", "es", "fr", "de")])
    grid.add("multilingual", "101.1", "102.2", "103.3", "104.4")
    grid.add("english", "1.1", "2.2", "3.3", "4.4")
    assert [line.split() for line in shown(grid, 28) if line.strip(" ─")] == [
        ["en", "es"], ["multilingual", "101.1", "102.2"], ["english", "1.1", "2.2"],
        ["fr", "de"], ["multilingual", "103.3", "104.4"], ["english", "3.3", "4.4"],
    ]  # fmt: skip


def test_without_room_for_a_column_each_value_has_a_line() -> None:
    grid = Grid("", "language", [Column("Pearson")])
    grid.add("en", ("0.9491", "0.74 to 0.99"))
    assert [line.strip() for line in shown(grid, 10)] == [
        "en",
        "Pearson",
        "0.9491",
        "0.74 to",
        "0.99",
    ]


def test_names_give_way_before_numbers() -> None:
    grid = Grid("", "", [Column("en"), Column("es")])
    grid.add("a name that is longer than the room", "101.1", "102.2")
    lines = shown(grid, 30)
    assert sum("101.1  102.2" in line for line in lines) == 1
    assert " ".join(" ".join(line[:16].split()) for line in lines[2:]).split() == [
        *["a", "name", "that", "is", "longer", "than", "the", "room"]
    ]


@given(st.text("ab1 .-_/·界e\u0301", min_size=1, max_size=40), st.integers(2, 30))
def test_a_name_is_broken_between_its_parts_and_loses_nothing(name: str, room: int) -> None:
    lines = wrap_name(name, room).split("\n")
    assert max(map(cell_len, lines)) <= room
    assert "".join("".join(lines).split()) == "".join(name.split())


def test_ids_are_broken_behind_dots_and_hyphens() -> None:
    assert wrap_name("bloom-1b1.lora.monolingual-en.s1", 15).split("\n") == [
        "bloom-1b1.lora.", "monolingual-en.", "s1",
    ]  # fmt: skip
