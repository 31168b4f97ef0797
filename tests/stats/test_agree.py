from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from polypaca.cli import app
from polypaca.core.errors import DataError, UserError
from polypaca.stats.agree import Agreement, agree

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
        "F:4, column system: is empty (fill it in, or remove the row)",
        "F:4, column human: 'nan' is not a number (leave the row out where there is no rating)",
        "F:5, column system: ('a', 'en') is on line 2 already "
        "(ratings of single answers need a column item)",
        "F:6: has 3 fields, but the header has 4 (quote fields that contain a comma)",
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
    with pytest.raises(DataError, match=r"x\.csv:3: is not UTF-8 at its character 1"):
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


# Judge and human rank eight systems with a correlation of 0 on the same ten items, of which the
# later are harder; four systems have only the five easy ones left.
JUDGE = [1, -1, 1, -1, 1, -1, 1, -1]
HUMAN = [1, 1, -1, -1, 1, 1, -1, -1]
EASE = [30, 28, 26, 24, 22, 18, 16, 14, 13, 12]


def _rated(tmp_path: Path, left_out: set[int]) -> Agreement:
    lines = ["system,language,item,judge,human"]
    lines += [
        f"s{system},en,q{item},{(ease + JUDGE[system]) / 10},{(ease + HUMAN[system]) / 10}"
        for system in range(8)
        for item, ease in enumerate(EASE)
        if not (system in left_out and item >= 5)
    ]
    return agree(_file(tmp_path, "\n".join(lines)))


def test_systems_are_compared_over_the_items_that_all_have(tmp_path: Path) -> None:
    (full,) = _rated(tmp_path, set()).languages
    assert full.pearson.value == pytest.approx(0, abs=1e-12)
    assert (full.common, full.of, full.items) == (10, 10, 80)
    left = _rated(tmp_path, {0, 3, 5, 6})
    (part,) = left.languages
    assert part.pearson.value == pytest.approx(0, abs=1e-12)
    assert (part.common, part.of, part.items) == (5, 10, 60)
    assert (
        "en: not all systems have the same items; correlations are over the 5 of 10 that all have "
        "(fewest items: s0 5, s3 5, s5 5). Alpha is over all."
    ) in left.notes


def test_systems_without_a_common_item_are_not_compared(tmp_path: Path) -> None:
    rows = [f"s{n},en,q{n},{n},{n * n}" for n in range(6)]
    found = agree(_file(tmp_path, "\n".join(["system,language,item,judge,human", *rows])))
    (part,) = found.languages
    assert (part.pearson.value, part.common, part.of) == (None, 0, 6)
    assert "no item in common" in part.kendall.note
    assert any("leave out the systems with the fewest" in note for note in found.notes)


def test_equal_totals_are_equal_in_whatever_order_items_come(tmp_path: Path) -> None:
    ratings = [0.1, 0.2, 0.3]
    lines = ["system,language,item,judge,human"]
    for number, order in enumerate([(0, 1, 2), (2, 1, 0), (1, 2, 0), (2, 0, 1), (1, 0, 2)]):
        lines += [f"s{number},en,q{at},{ratings[at]},{number + at}" for at in order]
    (found,) = agree(_file(tmp_path, "\n".join(lines))).languages
    assert found.pearson.value is None
    assert "all totals of one side are equal" in found.pearson.note


def test_no_value_without_a_reason(tmp_path: Path) -> None:
    rows = [f"s{n},en,q{k},3,3" for n in range(6) for k in range(5)]
    found = agree(_file(tmp_path, "\n".join(["system,language,item,judge,human", *rows])))
    assert found.languages[0].alpha_interval is not None
    assert found.languages[0].alpha_interval.value is None
    assert found.notes == [
        "en, pearson, spearman, kendall: all totals of one side are equal",
        "en, alpha: all ratings are equal",
    ]


def test_two_spellings_of_a_language_are_one(tmp_path: Path) -> None:
    pairs = [("en", 1, 1), ("EN", 2, 3), ("eng", 3, 2), ("English", 4, 4), ("en", 5, 5)]
    rows = [f"s{n},{code},{a},{b}" for n, (code, a, b) in enumerate(pairs)]
    found = agree(_file(tmp_path, "\n".join(["system,language,judge,human", *rows])))
    (part,) = found.languages
    assert (part.language, part.systems) == ("en", 5)
    assert part.pearson.value == pytest.approx(0.9)
    assert found.notes[:3] == [
        f"Line {line}, column language: {code!r} and 'en' (line 2) are two spellings of one "
        "language; read as one."
        for line, code in ((3, "EN"), (4, "eng"), (5, "English"))
    ]


def test_two_spellings_of_a_system_cannot_both_have_a_rating(tmp_path: Path) -> None:
    text = "system,language,judge,human\ns\u00e9,en,1,2\nse\u0301,en,3,4\n"
    with pytest.raises(UserError) as caught:
        agree(_file(tmp_path, text))
    assert "csv:3, column system" in str(caught.value)
    assert (
        "is on line 2 already: one system in two spellings, in how accents are encoded (NFC, NFD) "
        "(keep one of the rows, or name the two apart)"
    ) in str(caught.value)


def test_two_scales_are_told(tmp_path: Path) -> None:
    lines = ["system,language,item,judge,human"]
    lines += [
        f"s{n},en,q{k},{1 + (n + k) % 3},{50 * ((n + k) % 3)}" for n in range(4) for k in range(2)
    ]
    notes = agree(_file(tmp_path, "\n".join(lines))).notes
    assert any("judge is 1 to 3, human 0 to 100. Alpha takes both for one" in n for n in notes)
    lines = ["system,language,judge,human"]
    lines += [f"s{n},en,{n / 10 + 1 if n % 2 else 10 * n + 50},{n}" for n in range(6)]
    notes = agree(_file(tmp_path, "\n".join(lines))).notes
    assert any("en, column judge: two scales in one column?" in n for n in notes)
    assert not any("column human" in n for n in notes)


def test_the_reports_own_scores_are_read_with_human_totals(tmp_path: Path) -> None:
    head = "row,scope,language,control,before,gate,gate_low"
    rows = [f"r{n},language,es,false,{n},1,1" for n in range(6)]
    rows += ["r0,seen,,false,3,1,1", "r9,language,es,false,,1,1"]
    plain = _file(tmp_path, "\n".join([head, *rows]))
    with pytest.raises(DataError, match="has no column human"):
        agree(plain)
    human = [f"{row},{n * n}" for n, row in enumerate(rows)]
    found = agree(_file(tmp_path, "\n".join([head + ",human", *human])))
    assert (found.languages[0].language, found.languages[0].systems) == ("es", 6)
    assert found.languages[0].kendall.value == 1
    assert found.notes[0] == (
        "Read as the report's scores.csv: the judge's totals before the gate; left out: "
        "1 averages over languages, 1 without a total of both."
    )
