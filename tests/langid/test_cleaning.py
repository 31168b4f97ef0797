from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polypaca.langid.cleaning import has_letters, prose


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hola  mundo\n\n\tbueno", "Hola mundo bueno"),
        ("Antes\n```python\nprint('hello world')\n```\ndespués", "Antes después"),
        ("Antes\n~~~\ncode here\n~~~\ndespués", "Antes después"),
        ("Cut off:\n```js\nlet x = 1;", "Cut off:"),
        ("  ````md\n```\ninner\n```\n````\nfuera", "fuera"),
        ("Usa `print(x)` y ``a ` b`` aquí", "Usa y aquí"),
        ("```not a fence``` pero sí texto\ny más", "pero sí texto y más"),
        ("Mira https://example.org/a?b=c#d y www.example.org.", "Mira y"),
        ("请看https://example.com/x谢谢", "请看 谢谢"),
        ("Escribe a ana.gomez+x@mail.example.org hoy", "Escribe a hoy"),
        ('<p class="a">Guten <b>Tag</b><br/></p>', "Guten Tag"),
        ("<script>var words = 'no';</script>Ja<!-- hidden words -->", "Ja"),
        ("Sei $x^2 + y$ und $$\\int f$$ und \\(a+b\\) und \\[c\\] klar", "Sei und und und klar"),
        ("\\begin{align*}a &= b\\end{align*} Damit \\textbf{fertig}", "Damit"),
        ("It costs $5 and the other $6 here", "It costs 5 and the other 6 here"),
        ("1 < 2 and 3 > 2", "1 2 and 3 2"),
        ("", ""),
    ],
)
def test_what_is_no_prose_is_taken_out(text: str, left: str) -> None:
    assert prose(text) == left


MARKS = r"""
    ` `` ``` ~~~ $ $$ < </ > <b> <!-- --> <script> </script> \ \( \) \begin{a} \end{a} { } [ ]
    http https:// www. @ a@b.c d@e.f . _ x é 漢 5
"""
PIECES = st.sampled_from([*MARKS.split(), "\n", " "])


@given(st.text() | st.lists(PIECES, max_size=25).map("".join))
@example("a@b.c_d@e.f")
@example("x\n```\ny\n`a\n`")
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = prose(text)
    assert prose(cleaned) == cleaned
    assert cleaned == " ".join(cleaned.split())


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn", "Zs"])))
def test_plain_words_stay(text: str) -> None:
    assert prose(text) == " ".join(text.split())


@pytest.mark.parametrize("piece", ["a", "<", "<a", "`a", "$a", "\\(", "\\begin{a}", "a.", "```\n"])
def test_long_runs_do_not_take_long(piece: str) -> None:
    begun = time.perf_counter()
    prose(piece * 1500 + "@")
    assert time.perf_counter() - begun < 3


@pytest.mark.parametrize(("text", "found"), [("42 + 1 = ?", False), ("", False), ("字", True)])
def test_letters_of_any_script_count(text: str, found: bool) -> None:
    assert has_letters(text) is found
