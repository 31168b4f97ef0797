from __future__ import annotations

import pytest

from polypaca.langid.neighbours import _DANISH, _NORWEGIAN, settle


@pytest.mark.parametrize(
    ("text", "detected", "language"),
    [
        # Bulgarian has ъ and щ, Macedonian ј, љ and ќ; what both have tells nothing.
        ("Здрасти! Можеш ли да ми помогнеш? Благодаря", "mk", "bg"),
        ("Тој се обиде да престане, ќе спие", "bg", "mk"),
        ("Да, добро", "mk", "mk"),
        ("Ќе е ъ", "mk", "mk"),
        ("Hva er det beste stedet å bo?", "da", "no"),
        ("Eg veit ikkje kva dei heiter", "da", "no"),
        ("Hvad er det bedste sted at bo?", "no", "da"),
        ("Han kommer fra Oslo", "da", "da"),
        ("Han kommer fra Oslo", "no", "no"),
        ("hva hvad", "no", "no"),
        # Two words of one side against one of the other, as in a quotation.
        ("Hva betyr ordet noe? «Hvad»", "da", "no"),
        ("当然可以", "ja", "zh"),
        ("当然できる", "ja", "ja"),
        ("当然可以", "ko", "ko"),
        ("Hva er det?", "sv", "sv"),
    ],
)
def test_what_only_one_of_two_writes_decides(text: str, detected: str, language: str) -> None:
    assert settle(text, detected) == language


def test_no_word_speaks_for_both() -> None:
    # `gør` and `gjør`: no word of one list may be a word of the other.
    assert not _DANISH & _NORWEGIAN
    assert all(word.islower() for word in _DANISH | _NORWEGIAN)
