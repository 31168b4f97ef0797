from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polypaca.cli import app
from polypaca.core.errors import DataError, UserError
from polypaca.stats.agree import agree

TABLE_3 = Path(__file__).parents[2] / ".." / "shared" / "paper" / "table3_en_es.csv"


def _file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "ratings.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.data
def test_the_papers_table_3() -> None:
    if not TABLE_3.is_file():
        pytest.skip(f"no {TABLE_3}")
    english, spanish = agree(TABLE_3).languages
    assert (english.language, english.systems) == ("en", 12)
    assert english.pearson.value == pytest.approx(0.9225, abs=5e-5)
    assert spanish.pearson.value == pytest.approx(0.9683, abs=5e-5)


def test_systems_by_language(tmp_path: Path) -> None:
    rows = [f"s{n},{code},{n},{n * n}" for code in ("en", "xx") for n in range(6)]
    path = _file(
        tmp_path, "\n".join(["system,language,judge,human,note", *(r + ",x" for r in rows)])
    )
    found = agree(path)
    assert [part.language for part in found.languages] == ["en", "xx"]
    assert found.languages[0].spearman.value == 1
    assert found.languages[0].alpha_interval is None
    assert "alpha needs ratings of single answers" in found.notes[-1]


def test_items_give_alpha_and_correlations_of_means(tmp_path: Path) -> None:
    ratings = {
        "a": [(1, 1), (2, 2)], "b": [(2, 2), (3, 3)], "c": [(3, 3), (3, 2)],
    }  # fmt: skip
    lines = ["system,language,item,judge,human"]
    lines += [
        f"{name},en,p{at},{judge},{human}"
        for name, pairs in ratings.items()
        for at, (judge, human) in enumerate(pairs)
    ]
    (found,) = agree(_file(tmp_path, "\n".join(lines))).languages
    # Means 1.5, 2.5, 3 of the judge and 1.5, 2.5, 2.5 of the humans.
    assert found.pearson.value == pytest.approx(0.9449, abs=1e-4)
    assert found.alpha_interval is not None
    # One item of six is 1 apart; 12 ratings, mean 27/12, squares 67: 1 - (1 / 6) / (2 x 6.25 / 11).
    assert found.alpha_interval.value == pytest.approx(1 - (1 / 6) / (2 * 6.25 / 11))
    assert found.items == 6


def test_all_problems_are_told_together(tmp_path: Path) -> None:
    path = _file(
        tmp_path,
        "system,language,judge,human\na,en,1,2\nb,en,high,2\n,en,1,nan\na,en,1,2\nc,en,1\n",
    )
    with pytest.raises(UserError) as caught:
        agree(path)
    lines = str(caught.value).replace(str(path), "F").split("\n")
    assert lines == [
        "F:3, column judge: 'high' is not a number (write it as 12.5)",
        "F:4, column system: is empty (fill it in, or leave the row out)",
        "F:4, column human: 'nan' is not a number (write it as 12.5)",
        "F:5, column system: ('a', 'en') is on line 2 already "
        "(ratings of single answers need a column item)",
        "F:6: has 3 fields, the header 4 (quote fields that hold a comma)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "lacks the columns system, language, judge, human"),
        ("system,language,human\na,en,1\n", "lacks the column judge"),
        ("system,language,judge,human\n", "has no rows"),
        ("system,language,judge,judge,human\n", "has the column judge twice"),
    ],
)
def test_files_of_another_shape(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        agree(_file(tmp_path, text))


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"system,language,judge,human\na,en,1,2\n\xff\xfe,en,1,2\n")
    with pytest.raises(DataError, match=r"x\.csv:3.*not UTF-8"):
        agree(path)
    with pytest.raises(DataError, match="cannot be read"):
        agree(tmp_path / "none.csv")


def test_the_verb_prints_a_table_and_json(tmp_path: Path) -> None:
    rows = "\n".join(f"s{n},en,{n},{n * n}" for n in range(6))
    path = _file(tmp_path, f"\ufeffsystem,language,judge,human\n{rows}\n")
    shown = CliRunner().invoke(app, ["agree", str(path)])
    assert shown.exit_code == 0
    assert "0.9599 (" in shown.stdout
    parsed = json.loads(CliRunner().invoke(app, ["agree", str(path), "--json"]).stdout)
    assert parsed["languages"][0]["kendall"]["value"] == 1
    assert "Fisher" in parsed["methods"]["pearson"]
