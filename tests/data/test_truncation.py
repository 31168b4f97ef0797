from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.data.truncation import looks_truncated

SENTENCE = "The old house at the end of the road has stood empty for twelve long years."  # 16 words
PARAGRAPH = " ".join([SENTENCE] * 2)
LONG = " ".join([SENTENCE] * 6)  # 96 words
CUT = "While nobody in the whole village knows who once lived there, its memory serves as"  # 15
ITEMS = "1. Eat well and often.\n2. Sleep well and long.\n3. Walk a mile a day.\n"


@pytest.mark.parametrize(
    ("output", "truncated"),
    [
        (f"{LONG} {CUT}", True),
        (f"{LONG} {CUT} a warning.", False),
        (f"{LONG} {CUT} a “warning.”", False),
        (f"{LONG} {CUT} **a warning.**\n", False),
        (f"{LONG} {CUT} a warning 😊", False),
        # A writer who never ends a line properly was not cut off.
        (f"{CUT}\n\n{LONG} {CUT}", False),
        # Under 100 words it may be carelessness; a comma is none.
        (f"{PARAGRAPH} {CUT}", False),
        (f"{PARAGRAPH} {CUT},", True),
        (f"{CUT},", False),
        (f"{LONG}\n\nYours sincerely,\nMaria Lopez", False),
        (f"{LONG}\n\n## {CUT}", False),
        (f"{LONG}\n\n| {CUT}", False),
        (f"{LONG} {CUT} https://example.org/page", False),
        (f"{LONG} {CUT} x = y", False),
        # Lists: the last item against the others.
        (f"{LONG}\n{ITEMS}4. Keep", True),
        (f"{LONG}\n{ITEMS}4. Keep calm.", False),
        (f"{LONG}\n- Cat\n- Dog\n- Horse", False),
        (f"{LONG}\n1. Eat well and often.\n2. Keep", False),
        (f"{ITEMS}4. Keep", False),
        # Fences and brackets.
        (f"{PARAGRAPH}\n```python\nprint(1)\n", True),
        (f"{PARAGRAPH}\n```python\nprint(1)\n```", False),
        (f"{PARAGRAPH} This is old (1908", True),
        (f"{PARAGRAPH} This is old (1908.", False),
        (f"{PARAGRAPH} This is old (1908)", False),
        (f"{PARAGRAPH} Sad :( but true", False),
        (f"{PARAGRAPH} 锝（T", True),
        (f"{PARAGRAPH} 锝（T)", False),
        ("", False),
        ("Paris", False),
        ("```\nx", False),
    ],
)
def test_outputs_in_english(output: str, truncated: bool) -> None:
    assert looks_truncated(output, "en") is truncated


@pytest.mark.parametrize(
    ("language", "sentence", "cut"),
    [
        (
            "zh",
            "这座老房子已经空了十二年，村里没有人知道以前是谁住在那里。",
            "每当夜幕降临的时候，孩子们就会聚集在门口讲着那些古老的",
        ),
        (
            "hi",
            "सड़क के अंत में पुराना घर बारह वर्षों से खाली पड़ा है और कोई नहीं जानता।",
            "गाँव में कोई भी व्यक्ति यह नहीं जानता कि वहाँ पहले कौन रहता था और",
        ),
        (
            "ar",
            "البيت القديم في نهاية الطريق خال منذ اثني عشر عاما، فهل يعرف أحد؟",
            "ولا يعرف أحد في القرية كلها من كان يسكن هناك في الماضي البعيد حين",
        ),
    ],
)
def test_other_scripts(language: str, sentence: str, cut: str) -> None:
    whole = " ".join([sentence] * 9)
    assert not looks_truncated(whole, language)
    assert looks_truncated(f"{whole} {cut}", language)


def test_thai_has_no_full_stop() -> None:
    text = "บ้านเก่าหลังนี้ว่างเปล่ามาสิบสองปีแล้ว " * 20
    assert not looks_truncated(text, "th")
    assert looks_truncated(f"{text}\n```\nx", "th")


@given(st.text(alphabet="a.*_ \n\t\r(`-1,中", max_size=40))
def test_an_end_that_is_proper_is_never_cut_off(ending: str) -> None:
    assert not looks_truncated(f"{LONG}\n{ending.replace('(', '').replace('```', '')} end.", "en")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "places"),
    [
        # Each was read: all of these are cut off.
        ("alpaca.en.json", [124, 179, 463, 730, 782, 898]),
        ("alpaca.zh.json", [43, 391, 492, 806, 989]),
        ("mt_bench.en.jsonl", []),
        ("mt_bench.fi.jsonl", [6, 72]),
        ("seed_tasks.en.jsonl", []),
        ("seed_tasks.fr.jsonl", []),
        ("seed_tasks.ru.jsonl", []),
        ("seed_tasks.zh.jsonl", []),
    ],
)
def test_real_outputs(name: str, places: list[int], data_folder: Path) -> None:
    text = (data_folder / "instructions" / name).read_text("utf-8")
    lines = text.split("\n") if name.endswith("l") else []
    rows = [json.loads(line) for line in lines if line] or json.loads(text)
    language = name.split(".")[1]
    found = [n for n, row in enumerate(rows) if looks_truncated(row["output"], language)]
    assert found == places
