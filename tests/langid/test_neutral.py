from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.langid import detectors
from polypaca.langid.content import without_names
from polypaca.langid.gate import GateDecision, check_response
from polypaca.langid.neutral import has_words, without_neutral

NEUTRAL = [
    "y = ax + b", "4x - 7y + 2 = 0", "k = 5\nm = 8", "dz/dt = 4t", "E = mc^2", "PV = nRT",
    "f(x) = sin(x) + 2", "a^2 + b^2 = c^2", "6 x 7 = 42", "x", "(B)", "A, B, C",
    "Qh4kLm72", "user_id", "maxRetries", "550e8400-e29b-41d4-a716-446655440000", "v2.1.0",
    "GPT-4", "#BlueRiver",
    "#sunset #beach", "#привет_мир", "#आज", "@blue_river", "river-notes.com",
    "plan_3.doc", "src/app/main.py",
    "C:\\Users\\ana\\notes.txt", "./run.sh", "--dry-run", "report-2024.pdf",
    "ana@mail.example.org", "https://example.org/a",
    "XXIV", "NASA", "NaCl", "H2SO4", "Fe", "5 km", "20 °C", "300 mg/dL", "USD 300", "42",
    "3.14 m/s",
    "^[a-f]{2}$", "ATGCGTACGA", "#ff8800", "10:30", "\"x\"", "[\"a\", \"b\"]", "$\\alpha + \\beta$",
    "def add(a, b):\n    return a + b",
    "import os\nprint(os.getcwd())", "for i in range(9): print(i)", "while True: pass",
    "for (int i = 0; i < n; i++) {\n  sum += i;\n}",
    "```python\nprint('hello')\n```", "SELECT name FROM users WHERE age > 30;", "Barack Obama",
]  # fmt: skip
TARGETS = [
    "ar", "bg", "bn", "de", "el", "en", "es", "fi", "he", "hi", "hr", "it", "ja", "ka", "ko", "no",
    "ru", "sk", "sr", "ta", "th", "tr", "uk", "vi", "zh", "zh-TW",
]  # fmt: skip


@pytest.mark.parametrize("answer", NEUTRAL)
def test_what_is_in_no_language_is_undetermined_whatever_the_target(answer: str) -> None:
    detector = detectors.load("lid176")
    found = {check_response(answer, target, detector) for target in TARGETS}
    assert found == {GateDecision(None, 0.0, 1, "undetermined")}


@given(
    st.lists(st.sampled_from(NEUTRAL[:36]), min_size=1, max_size=3),
    st.sampled_from(TARGETS),
    st.sampled_from(TARGETS),
)
def test_neutral_answers_fare_alike_in_all_languages(
    parts: list[str], one: str, other: str
) -> None:
    detector = detectors.load("lid176")
    text = "\n".join(parts)
    assert check_response(text, one, detector).gate == check_response(text, other, detector).gate


WORDS = [
    "Yes, of course.",
    "the old house",
    "No sé nada",
    "ja natürlich gern",
    "I am here",
    "hello",
]


@pytest.mark.parametrize("answer", WORDS)
@pytest.mark.parametrize("target", ["ru", "zh", "hi", "ar", "ja"])
def test_words_in_another_script_are_not_neutral(answer: str, target: str) -> None:
    assert check_response(answer, target, detectors.load("lid176"))[2:] == (0, "language")


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Abre el archivo plan_3.doc y pulsa F5", "Abre el archivo y pulsa"),
        ("打开plan_3.doc文件", "打开 文件"),
        ("Es sind 5 km bis zum 1st Avenue Hotel", "Es sind 5 bis zum 1st Avenue Hotel"),
        ("L'eau est à 20 °C, n'est-ce pas ?", "L'eau est à 20 , n'est-ce pas ?"),
        ("und/oder", "und/oder"),
        ("**wichtig** und _neu_", "**wichtig** und _neu_"),
        ("Я живу в Москве", "Я живу в Москве"),
        ("I have a dog", "I have a dog"),
    ],
)
def test_identifiers_are_taken_out_of_sentences(text: str, left: str) -> None:
    assert without_neutral(text) == left


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("字", True),
        ("はい", True),
        ("Да", True),
        ("OK", True),
        ("NO", True),
        ("XIV", False),
        ("Au", False),
    ],
)
def test_a_word(text: str, words: bool) -> None:
    assert has_words(text) is words


@given(st.text(alphabet="ab1_./#@-= A*^+(", max_size=40))
def test_taking_out_twice_leaves_no_more(text: str) -> None:
    assert len(without_neutral(text)) <= len(text)


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "piece",
    ["a.", "a-", "a_", "a/", "A-", "a=", "1a", "aB", "# ", "--a ", "a^(", '"a', ".a.bc", "~/"],
)
@pytest.mark.parametrize("end", ["", "!", "_"])
def test_long_runs_take_time_in_proportion(piece: str, end: str) -> None:
    text = piece * (300_000 // len(piece)) + end
    assert len(without_neutral(text)) <= len(text)
    assert len(without_names(text)) <= len(text)
