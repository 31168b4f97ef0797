from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.langid.content import is_loop, is_only_names, is_short, without_names, word_count


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("one, two - three 4", 3),
        ("it's a well-known one", 4),
        ("昨天晚上下雨了", 3),  # seven ideographs
        ("𠮷々𠮷々", 2),  # rare ideographs, and the sign that repeats one
        ("我用 Python 写", 2),  # three ideographs and a word
        ("ฉันไปตลาด", 2),  # nine characters
        ("मेरी माँ हर रविवार", 4),
    ],
)
def test_words(text: str, count: int) -> None:
    assert word_count(text) == count


LOOPS = [
    "no " * 10,
    "ha" * 10,
    "a" * 25,
    "La casa roja. La casa roja! " * 8,
    "Sure, here it is: " + "the the the " * 60,
    "好的，" * 10,
    "word" * 7 + "word wor",
]
NO_LOOPS = [
    "",
    "no no no no no no no no no",  # 18 letters
    "Ja, ja, ja.",
    "The capital of France is Paris. " * 7,
    "A much longer sentence than twenty letters may well be said again. " * 30,
    "\n".join(f"{n}. yes" for n in range(1, 40)),
    "\n".join(f"{n} x 7 = {7 * n}" for n in range(1, 40)),
    "red, blue, green, yellow, black, white, grey, brown, pink, orange, " * 2,
    "1" + "0" * 60,
    "She sells sea shells on the sea shore and the shells that she sells are sea shells.",
]


@pytest.mark.parametrize("text", LOOPS)
def test_loops(text: str) -> None:
    assert is_loop(text)


@pytest.mark.parametrize("text", NO_LOOPS)
def test_what_is_no_loop(text: str) -> None:
    assert not is_loop(text)


@given(st.text("abcxyz", min_size=1, max_size=20), st.integers(20, 60), st.text("pqr ", max_size=3))
def test_a_short_unit_over_and_over_is_a_loop(unit: str, times: int, end: str) -> None:
    assert is_loop(unit * times)
    assert is_loop(end + ", ".join([unit] * times * 2))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Barack Obama", True),
        ("1. Tropical\n2. Vintage\n3. Hollywood", True),
        ("**Eugène Ionesco** *La Leçon*", True),
        ("NASA, FBI", True),
        ("Владимир Набоков", True),
        ("Beirut", True),
        ("Ludwig van Beethoven", True),
        ("Rio de Janeiro, São Paulo", True),
        ("van", False),
        ("Yes", False),
        ("Yes, of course", False),
        ("Key Benefits Of Exercise", False),
        ("How To Cook Rice", False),
        ("THE CAPITAL OF FRANCE", False),
        ("Abe " * 31, False),
        ("巴拉克 奥巴马", False),
        ("R.D. Laing是否以心理治疗", False),
        ("", False),
    ],
)
def test_names(text: str, names: bool) -> None:
    assert is_only_names(text) is names


def test_three_words_are_short() -> None:
    assert is_short("Sí, por supuesto")
    assert not is_short("Sí, por supuesto, claro")
    assert is_short("好的，谢谢您")
    assert not is_short("昨天晚上下了一场大雨")


def test_beside_names_is_what_tells_the_language() -> None:
    text = "Tobey Maguire, Willem Dafoe ja Rosemary Harris"
    assert without_names(text) == "ja"
    assert without_names("Das Haus steht am Fluss") == "steht am Fluss"
    assert without_names("la casa vieja") == "la casa vieja"
