from __future__ import annotations

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.data.entities import find_entities, unescape_entities

CASES = [
    ("a &lt; b &amp;&amp; c", ["&lt;", "&amp;", "&amp;"], "a < b && c"),
    ("It&#39;s &#x27;here&#x27;", ["&#39;", "&#x27;", "&#x27;"], "It's 'here'"),
    ("&amp;lt;b&amp;gt;", ["&amp;", "&amp;"], "<b>"),
    ("&amp;amp;quot;x", ["&amp;"], '"x'),
    ("¿Qu&eacute;?", ["&eacute;"], "¿Qué?"),
    ("a&nbsp;b", ["&nbsp;"], "a\u00a0b"),
    ("AT&T; R&D &nosuch; a?x=1&copy=2 &", [], None),
    ("Write `&lt;` for it.", [], None),
    ("```html\n&lt;b&gt;\n```", [], None),
    ("`&lt;` is &lt;", ["&lt;"], "`&lt;` is <"),
    ("<b>it&#39;s</b>", ["&#39;"], None),
    ("&#0; &#1114112;", [], None),
]


@pytest.mark.parametrize(("text", "found", "plain"), CASES)
def test_what_is_found_and_what_it_becomes(text: str, found: list[str], plain: str | None) -> None:
    assert find_entities(text) == found
    assert unescape_entities(text) == (text if plain is None else plain)


@given(st.text("ab <>&\"'é\n", max_size=30), st.integers(1, 3))
def test_what_was_escaped_so_often_is_whole_again(text: str, times: int) -> None:
    escaped = text
    for _ in range(times):
        escaped = html.escape(escaped)
    assert unescape_entities(escaped) == text


@given(st.text("ab&;#39lt`\n<>/", max_size=40))
def test_once_is_enough(text: str) -> None:
    assert unescape_entities(unescape_entities(text)) == unescape_entities(text)
