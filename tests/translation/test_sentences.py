"""Sentences that join to the text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.translation.sentences import split_sentences
from polypaca.translation.spans import find_spans

LANGUAGES = (
    "en",
    "es",
    "fr",
    "de",
    "bg",
    "ru",
    "zh",
    "zh-Hans",
    "cs",
    "fi",
    "bn",
    "hi",
    "no",
    "xx",
)
# "B", white space of several bytes, a stop: on this sentencex alone panics.
PIECES = st.sampled_from(
    [
        *("B", "a", ".", ". ", "。", "\u0964", "!", "?", " ", "\u00a0", "\u2028", "\u3000", "\n"),
        *("“", "”", '"', "(", ")", "[1]", "1", "- ", "Dr", "é", "😀", "\ud800"),
        *("`a. B`", "{a. B}", "https://a.b"),
    ]
)


@given(
    st.one_of(st.text(st.characters(codec=None)), st.lists(PIECES, max_size=30).map("".join)),
    st.sampled_from(LANGUAGES),
)
@settings(max_examples=1000)
def test_sentences_join_to_the_text_and_cut_no_span(text: str, language: str) -> None:
    sentences = split_sentences(text, language)
    assert "".join(sentences) == text
    assert all(sentences)
    cuts = set()
    at = 0
    for sentence in sentences:
        at += len(sentence)
        cuts.add(at)
    for start, end in find_spans(text):
        assert not any(start < cut < end for cut in cuts)


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("en", ["Dr. Smith came at 5 p.m. in the U.S. Army base.  ", "He left."]),
        ("en", ["Use e.g. apples, i.e. fruit. ", "It costs $3.50. ", "Cheap!"]),
        ("en", ["See Fig. 3 at x.com. ", "Call `a. B` or {a. B}. ", "Good."]),
        ("de", ["Das ist z. B. gut. ", "Am 3. Oktober kam Dr. Müller. ", "Ende."]),
        ("es", ["El Sr. García vive aquí. ", "¿Sí? ", "¡Claro!"]),
        ("fr", ["M. Dupont est là. ", "Oui ? ", "Non !"]),
        ("bg", ["Това е г-н Иванов от гр. София. ", "Край."]),
        ("ru", ["Это и т. д. в г. Москве. ", "А. С. Пушкин писал."]),
        ("zh", ["你好。", "你好吗？", "他说：“走吧。”", "然后走了。"]),
        ("cs", ["Dne 3. října přišel. ", "Konec."]),
        ("fi", ["Hän tuli 3. lokakuuta klo 5.30. ", "Loppu."]),
        ("bn", ["এটি একটি বাক্য। ", "এটি আরেকটি।"]),
        ("hi", ["यह एक वाक्य है। ", "यह दूसरा है।"]),
        ("no", ["Det er bra. ", "Slutt."]),
        ("xx", ["One here. ", "Two there."]),
    ],
)
def test_real_sentences(language: str, sentences: list[str]) -> None:
    assert split_sentences("".join(sentences), language) == sentences


def test_empty_text() -> None:
    assert split_sentences("", "en") == []
