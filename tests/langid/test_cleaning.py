from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from polypaca.langid.cleaning import (
    extract_prose,
    extract_prose_lines,
    has_letters,
    without_block_quotes,
    without_passages,
)
from polypaca.langid.normalisation import normalise

from ..growth import grows_with_the_size_only  # noqa: TID252


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Hola  mundo\n\n\tbueno", "Hola mundo bueno"),
        ("Antes\n```python\nprint('hello world')\n```\ndespués", "Antes después"),
        ("Antes\n~~~sh\nls here\n~~~\ndespués", "Antes después"),
        ("Cut off:\n```js\nlet x = 1;", "Cut off:"),
        ("  ````md\n```py\ninner\n```\n````\nfuera", "fuera"),
        ("Usa `print(x)` y ``a ` b`` aquí", "Usa y aquí"),
        ("```not a fence``` pero sí texto\ny más", "pero sí texto y más"),
        ("Mira https://example.org/a?b=c#d y www.example.org.", "Mira y"),
        ("请看https://example.com/x谢谢", "请看 谢谢"),
        ("Escribe a ana.gomez+x@mail.example.org hoy", "Escribe a hoy"),
        ('<p class="a">Guten <b>Tag</b><br/></p>', "Guten Tag"),
        ("<script>var words = 'no';</script>Ja<!-- hidden words -->", "Ja"),
        ("Sei $x^2 + y$ und $$\\int f$$ und \\(a+b\\) und \\[c\\] klar", "Sei und und und klar"),
        ("\\begin{align*}a &= b\\end{align*} Damit \\textbf{fertig}", "Damit fertig"),
        ("\\begin{itemize}\\item Uno\\item Dos\\end{itemize}", "Uno Dos"),
        ("Qu&eacute; tal&nbsp;est&#225;s &amp; t&uacute;", "Qué tal estás tú"),
        ("It costs $5 and the other $6 here", "It costs 5 and the other 6 here"),
        ("1 < 2 and 3 > 2", "1 2 and 3 2"),
        ("", ""),
    ],
)
def test_what_is_no_prose_is_taken_out(text: str, left: str) -> None:
    assert extract_prose(text) == left


MARKS = r"""
    ` `` ``` ~~~ $ $$ < </ > <b> <!-- --> <script> </script> \ \( \) \begin{a} \end{a} { } [ ]
    http https:// www. @ a@b.c d@e.f . _ x é 漢 5
"""
PIECES = st.sampled_from([*MARKS.split(), "\n", " "])


@given(st.text() | st.lists(PIECES, max_size=25).map("".join))
@example("a@b.c_d@e.f")
@example("x\n```\ny\n`a\n`")
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = extract_prose(text)
    assert extract_prose(cleaned) == cleaned
    assert cleaned == " ".join(cleaned.split())


@given(st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn", "Zs"])))
def test_plain_words_stay(text: str) -> None:
    assert extract_prose(text) == " ".join(normalise(text).split())


@pytest.mark.parametrize(
    "piece",
    [
        "a", "<", "<a", "`a", "``a`", "$a", "a.", "```\n", "\\(", "\\[", "\\[ \\) ", "$$ $", "<!--",
        "<!-- -- ", "<script>", "<style> </script>", "\\begin{a}", "\\begin{a}\\end{b}", "> ",
        ">\n", "a@", "a@a.", "\\a[", "\\a{", "www.", "~~~ ", " ",
    ],
)  # fmt: skip
@pytest.mark.parametrize("end", ["@", "\n", ""])
def test_long_runs_take_time_in_proportion(piece: str, end: str) -> None:
    def work(size: int) -> None:
        text = piece * (size // len(piece)) + end
        assert len(extract_prose(text)) <= len(text)

    assert grows_with_the_size_only(work, 25_000)


def test_many_different_environments_that_nothing_closes() -> None:
    names = [f"{'abcdefgh'[n % 8]}{'x' * (n // 8 % 400)}{'y' * (n // 3200)}" for n in range(6400)]
    text = "".join(f"\\begin{{{name}}}" for name in names) + "\\end{z} fin"
    assert extract_prose(text) == "fin"


@pytest.mark.parametrize(("text", "found"), [("42 + 1 = ?", False), ("", False), ("字", True)])
def test_letters_of_any_script_count(text: str, found: bool) -> None:
    assert has_letters(text) is found


def test_lines_stay_lines() -> None:
    text = "Uno `x`\n\n```python\ncode\n```\n dos  tres\n$$\na\n$$\n"
    assert extract_prose_lines(text) == ["Uno", "dos tres"]


@given(st.text())
def test_lines_are_the_prose(text: str) -> None:
    assert " ".join(extract_prose_lines(text)) == extract_prose(text)


def test_block_quotes_are_taken_out() -> None:
    text = "He dicho:\n> The quick brown fox\n  > jumps.\nY más > menos."
    assert without_block_quotes(text) == "He dicho:\n\n\nY más > menos."


PROMPT = "Traduce: we walked along the river until the sun went down behind the old mill."


@pytest.mark.parametrize(
    ("text", "left"),
    [
        # Eight words in the prompt's order are a passage, seven are not.
        ("Dice we walked along the river until the sun y ya", "Dice y ya"),
        ("we walked along the river until the", "we walked along the river until the"),
        ("we walked along the river until the sun went down behind the old mill.", ""),
        ("Sin nada en común con lo que se dio aquí", "Sin nada en común con lo que se dio aquí"),
        ("corto", "corto"),
    ],
)  # fmt: skip
def test_passages_of_the_prompt_are_taken_out(text: str, left: str) -> None:
    assert without_passages(text, PROMPT) == left


def test_passages_without_spaces() -> None:
    prompt = "请总结：昨天晚上下了一场大雨，所以我们没有去公园散步。"
    text = "摘要如下昨天晚上下了一场大雨，所以我们没有去公园散步。完"
    assert without_passages(text, prompt) == "摘要如下 完"
    assert without_passages("昨天晚上下雨了", prompt) == "昨天晚上下雨了"


WORDS = st.lists(st.sampled_from(["la", "casa", "vieja", "está", "al", "río"]), max_size=40)


@given(WORDS, WORDS)
def test_what_is_left_is_part_of_the_text(text: list[str], prompt: list[str]) -> None:
    left = without_passages(" ".join(text), " ".join(prompt)).split()
    rest = iter(text)
    assert all(word in rest for word in left)


@given(WORDS.filter(lambda words: len(words) >= 8))
def test_a_text_leaves_nothing_of_itself(words: list[str]) -> None:
    assert without_passages(" ".join(words), " ".join(words)) == ""
