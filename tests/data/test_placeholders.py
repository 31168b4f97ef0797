from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.data.placeholders import is_placeholder

WORDS = [
    "noinput", "no input", "No Input", "NoInput", "no_input", "none", "None", "NONE", "nan",
    "NaN", "null", "N/A", "n/a", "n.a.", "not applicable", "no input needed", "sin entrada",
    "无输入", "無輸入", "无", "入力なし", "입력 없음", "aucune entrée", "keine Eingabe",
    "нет ввода", "कोई इनपुट नहीं", "nooutput", "No output", "无输出",
]  # fmt: skip


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize(
    "around", ["{}", "<{}>", "[{}]", " ({}) \n", '"{}"', "{}.", "＜{}＞", "`{}`"]
)
def test_words_that_say_there_is_none(word: str, around: str) -> None:
    assert is_placeholder(around.format(word))


@pytest.mark.parametrize(
    "text",
    ["", " \n", "no", "No.", "Na", "na", "0", "-", "The input is none.", "None of them.", "nanny",
     "Print None", "[]", "there is no input", "N", "A", "{input}", "<input>"],
)  # fmt: skip
def test_other_texts(text: str) -> None:
    assert not is_placeholder(text)


@given(st.text(min_size=61))
def test_long_texts_say_something(text: str) -> None:
    assert not is_placeholder(f"x{text}x")
