"""What is prose, and what stands as it is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.translation.spans import find_spans
from polypaca.translation.structure import (
    count_contents,
    find_blocks,
    has_words,
    is_special,
    outline,
    split_segments,
)

from ..growth import grows_with_the_size_only  # noqa: TID252

SIGNS = st.sampled_from(
    [
        *("`", "```", "~~~", "\n", "\r\n", "\r", "\u2028", "\x85", " ", "    ", "\t", "\u00a0"),
        *("|", "- ", "1. ", "a) ", "> ", "# ", "$", "$$", "\\[", "\\]", "{", "}", "[[", "]]", "%s"),
        *("<b>", "<!--", "-->", "def f(x):", "x = 1", "a.com", "5", "٣", "B.", "Word", "слово"),
        *("词", "\ud800"),
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=200),
    st.lists(st.one_of(SIGNS, st.text(max_size=3)), max_size=40).map("".join),
)


def prose(text: str) -> list[str]:
    return [part.text for part in split_segments(text) if part.prose]


def spans(text: str) -> list[str]:
    return [text[start:end] for start, end in find_spans(text)]


@given(TEXTS)
@settings(max_examples=500)
def test_parts_join_to_the_text(text: str) -> None:
    parts = split_segments(text)
    assert "".join(part.text for part in parts) == text
    for part in parts:
        assert part.text
        if part.prose:
            assert part.text == part.text.strip()
            assert len(part.text.splitlines()) == 1


@given(TEXTS)
def test_outline_has_a_row_a_line(text: str) -> None:
    assert len(outline(text)) == len(text.splitlines())


@given(TEXTS)
def test_what_is_not_special_has_neither_spans_nor_numbers(text: str) -> None:
    for line in text.splitlines():
        spans_there, numbers = count_contents(line)
        assert is_special(line) or not (spans_there or numbers)
        if not is_special(line) and any(c.isalpha() for c in line):
            assert has_words(line)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello there.", ["Hello there."]),
        ("", []),
        (" \n\r\n\t", []),
        ("One.  \r\n\r\n  Two.\n", ["One.", "Two."]),
        (
            "- one\n* two\n• three\n1. four\n2) five\na) six\nB. seven",
            ["one", "two", "three", "four", "five", "six", "seven"],
        ),
        ("# Title\n## Part\n> quoted", ["Title", "Part", "quoted"]),
        ("> - nested\n  - [x] done", ["nested", "done"]),
        ("1、苹果\n（2）梨\n3.香蕉", ["苹果", "梨", "香蕉"]),
        ("1.5 litres", ["1.5 litres"]),
        ("J. R. R. Tolkien wrote", ["J. R. R. Tolkien wrote"]),
        ("A. B. Smith wrote", ["A. B. Smith wrote"]),
        ("| name | age |\n|:--|--:|\n| Ann | 5 |", ["name", "age", "Ann"]),
        ("left | `a | b` c\n", ["left", "`a | b` c"]),
        ("the size |x| of x", ["the size |x| of x"]),
        ("---\n***\n===\n", []),
    ],
)  # fmt: skip
def test_markers_and_white_space_are_fixed(text: str, expected: list[str]) -> None:
    assert prose(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("See:\n```python\n# a comment\nprint(1)\n```\nDone", ["See:", "Done"]),
        ("See:\n~~~\nplain words\n~~~\nDone", ["See:", "Done"]),
        ("See: ```python\nplain words\n``` \nDone", ["See:", "Done"]),
        ("```\nplain words```\nDone", ["Done"]),
        ("1. Do:\r\n   ```\r\n   plain words\r\n   ```\r\nDone", ["Do:", "Done"]),
        ("````\n```\nplain words\n```\n````\nDone", ["Done"]),
        ("Cut off\n```\nplain words", ["Cut off"]),
        ("End with ```", ["End with ```"]),
        ("A\n$$\nx + y\n$$\nB", ["A", "B"]),
        ("A\n\\[\nx\n\\]\nB", ["A", "B"]),
        ("A\n\\begin{align}\nx\n\\end{align}\nB", ["A", "B"]),
        ("A <!-- plain\nwords --> B", ["A", "B"]),
        ("A\n<script>\nplain words\n</script>\nB", ["A", "B"]),
        ("Add `<style>` to\nthe `</style>` here", ["Add `<style>` to", "the `</style>` here"]),
        ("Tell <style> from\nthe </style> here", ["Tell <style> from", "the </style> here"]),
        ("A `\\[` is\nno `\\]`", ["A `\\[` is", "no `\\]`"]),
        ("A \\[ open\n\nwords \\] B", ["A \\[ open", "words \\] B"]),
    ],
)
def test_blocks_are_fixed(text: str, expected: list[str]) -> None:
    assert prose(text) == expected


def test_messages_of_several_lines_are_blocks() -> None:
    message = "{count, plural,\n  one {# day}\n  other {# days {x}}\n}"
    assert find_blocks(f"Left: {message} until the end") == [message]
    assert prose(f"Left: {message}\nuntil the end") == ["Left:", "until the end"]
    assert find_blocks("{count, plural,\n one {# day}") == []


def test_blocks_are_listed_to_the_byte() -> None:
    text = "A\n```x\n b\r\n```\nB\n  $$\nc\n$$\n"
    assert find_blocks(text) == ["```x\n b\r\n```", "  $$\nc\n$$"]


@pytest.mark.parametrize(
    "line",
    [
        "def f(x):",
        "class Foo(Bar):",
        'print("a few plain words")',
        "import numpy as np",
        "sorted(words, key=len, reverse=True)",
        "first, second = second, first",
        "print(join(names, sep), end)",
        "[word for word in words if word]",
        "lambda first, second: first + second",
        "from os import path",
        "for i in range(5):",
        "if x == 3:",
        "else:",
        "x = [1, 2]",
        "my_list.append(3)",
        "total += price",
        "return a + b;",
        "SELECT * FROM t;",
        "INSERT INTO t VALUES (1)",
        "public static void main(String[] args) {",
        "int count = 0;",
        "let total = 5",
        "const f = () => {",
        "console.log(x);",
        'std::cout << "two words";',
        "#include <stdio.h>",
        "body {",
        "}",
        '"name": "two words",',
        '{"People": [',
        '["two words", "three more words"]',
        ">>> f(2)",
        "$ ls -l",
        "pip install numpy",
        "git commit -m 'two words'",
        '<div class="x">',
        "<!DOCTYPE html>",
    ],
)
def test_code_outside_fences_is_not_prose(line: str) -> None:
    text = f"This is how:\n{line}\n\nThat is all."
    assert [p for p in prose(text) if has_words(p)] == ["This is how:", "That is all."]


@pytest.mark.parametrize(
    "line",
    [
        "If you have time (or not), read:",
        "for example, this:",
        "Speed = distance divided by time",
        "Name(s) and place",
        "Fruits (apples, pears)",
        "reverse(list of words)",
        "name = Anna, Berta",
        "Ingredient(s)",
        "import taxes are high",
        "return the sum of both",
        "Let x = 5.",
        "Paris is nice; so is Rome;",
        "print the list (in order)",
        "Update on the project",
        "Select two from the list.",
        "git commit is a command that saves",
        "class of 2020: who they are",
        "{iPhone 4} - {June 7, 2010} sold",
        "[1st place, 25 pts], [2nd place, 20 pts]",
        '("Oh no! What a story")',
        "(a) the first (of many)",
    ],
)
def test_prose_that_looks_a_little_like_code_is_prose(line: str) -> None:
    assert prose(line)
    assert prose(line)[-1].split()[-1] == line.rsplit(maxsplit=1)[-1]


def test_what_belongs_to_code_is_code() -> None:
    text = (
        "Run this:\n\n"
        "# greet someone\n"
        "def greet(name):\n"
        '    """Say hello to somebody."""\n'
        "    good day\n"
        "\n"
        "    return name\n"
        "\n"
        "SELECT name,\n"
        "FROM people\n"
        "WHERE age > 5\n"
        "\n"
        "Then you see it."
    )
    assert prose(text) == ["Run this:", "Then you see it."]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("use `a b` and ``c ` d``", ["`a b`", "``c ` d``"]),
        ("see https://x.org/a_(b)?c=1. And", ["https://x.org/a_(b)?c=1"]),
        ("(http://x.org/a), [x](https://y.org)", ["http://x.org/a", "https://y.org"]),
        ("看https://x.org/a吧", ["https://x.org/a"]),
        ("www.x.org, x.com. Or a.b@c.org!", ["www.x.org", "x.com", "a.b@c.org"]),
        ("<b>bold</b> <x1/> <!-- c --> &nbsp;", ["<b>", "</b>", "<x1/>", "<!-- c -->", "&nbsp;"]),
        ("1 < 2 and 3 > 2", []),
        ("$x^2$ and \\(y\\)", ["$x^2$", "\\(y\\)"]),
        ("$$z$$ and \\frac{a}{b}", ["$$z$$", "\\frac{a}{b}"]),
        ("from $5 to $10", []),
        ("{name} {{x}} ${y} %s %(n)s %d", ["{name}", "{{x}}", "${y}", "%s", "%(n)s", "%d"]),
        ("[NAME] and [[rating]] and [Your Name]", ["[NAME]", "[[rating]]", "[Your Name]"]),
        ("100% sure", []),
        ("call os.walk() on my_list", ["os.walk()", "my_list"]),
        ("It is ____.", ["____"]),
        ("half a \ud83d pair", ["\ud83d"]),
        ("set __count__ in __init__.py", ["__count__", "__init__.py"]),
        ("print __dirname or ____ (a blank)", ["__dirname", "____"]),
        ("__bold words__ stay prose", ["__", "__"]),
        (
            "{n, plural, one {# day} other {# days}} left, {g, select, m {He} other {They}} said",
            ["{n, plural, one {# day} other {# days}}", "{g, select, m {He} other {They}}"],
        ),
        ("{a, select, x {{n, plural, one {# b} other {# c}}} other {d}}.",
         ["{a, select, x {{n, plural, one {# b} other {# c}}} other {d}}"]),
        ("see /etc/hosts, ~/notes.txt or ../src.", ["/etc/hosts", "~/notes.txt", "../src"]),
        ("run ${HOME}/bin/x.sh and $TMP/y", ["${HOME}/bin/x.sh", "$TMP/y"]),
        ("in src/main.py and docs/guide/.", ["src/main.py", "docs/guide/"]),
        ("open C:\\Users\\me\\notes.txt and read", ["C:\\Users\\me\\notes.txt"]),
        ("C:\\Program Files\\App\\a.exe, %APPDATA%\\x",
         ["C:\\Program Files\\App\\a.exe", "%APPDATA%\\x"]),
        ("on \\\\server\\share or in data\\a.csv", ["\\\\server\\share", "data\\a.csv"]),
        ("he/she and/or 24/7 km/h 1/2 yes/no", []),
        ("edit README.md, main.py and .gitignore", ["README.md", "main.py", ".gitignore"]),
        ("use ls -la --dry-run --name=value.", ["-la", "--dry-run", "--name=value"]),
        ("well-known - or not -and then --but", []),
        ("Dear [Your Name], [City, State] [insert date]",
         ["[Your Name]", "[City, State]", "[insert date]"]),
        ("[He laughs.] and [t]he [one, two]", []),
        ("see [the guide](docs/guide.md) and ![a logo](img/logo.png 'Our logo')",
         ["docs/guide.md", "img/logo.png"]),
        ("the [text](#part-two) and [text][one]", ["#part-two", "[one]"]),
        ("#GreenGarden by @rosa in #ff00aa :smile:",
         ["#GreenGarden", "@rosa", "#ff00aa", ":smile:"]),
        ("#1 at 10:30:45 costs US$5", []),
        ("the variable userName, os.path.join, $name", ["userName", "os.path.join", "$name"]),
        ("%-10s, %5.2f, %1$@ and 100%", ["%-10s", "%5.2f", "%1$@"]),
        ("{% if x %} <%= name %> %{name}", ["{% if x %}", "<%= name %>", "%{name}"]),
        ("the set {red, blue}", []),
    ],
)  # fmt: skip
def test_spans(text: str, expected: list[str]) -> None:
    assert spans(text) == expected


def test_contents_count_numbers_outside_of_spans() -> None:
    found, numbers = count_contents(
        "On 3/4/2020 at 10:30, `x1` cost $1,000.50 or ৩ or 3. See {0} {0}."
    )
    assert found == Counter({"`x1`": 1, "{0}": 2})
    assert numbers == Counter({"3/4/2020": 1, "10:30": 1, "1,000.50": 1, "৩": 1, "3": 1})


@pytest.mark.parametrize(
    "text", ["", "12.5%", "`x`", "{name}!", "… — ?", "½ ²", "<b></b>", "5 $x$ 6"]
)
def test_nothing_to_translate(text: str) -> None:
    assert not has_words(text)


def test_outline() -> None:
    assert outline("  - a  \r\n\n| b | c |\n3. d") == [
        ("  - ", "  \r\n", 0),
        ("", "\n", 0),
        ("", "\n", 3),
        ("3. ", "", 0),
    ]


def test_time_grows_with_the_length_only() -> None:
    pieces = [
        "`",
        "<!--",
        "<a",
        "$a",
        "\\[",
        "\\(",
        "{",
        "a@",
        "http://(",
        "a_",
        '"a" ',
        "f(",
        "if f(",
        "a b",
    ]

    def work(size: int) -> None:
        text = piece * (size // len(piece))
        assert "".join(part.text for part in split_segments(text)) == text
        find_spans(text)

    for piece in pieces:
        assert grows_with_the_size_only(work, 5_000), piece
