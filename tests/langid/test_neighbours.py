from __future__ import annotations

import pytest

from polypaca.langid.neighbours import _GROUPS, correct_by_spelling


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
        ("Jeg så en rød bil på gården", "sv", "no"),
        ("Jag såg en röd bil på gården där", "no", "sv"),
        ("Ово је књига коју читам", "mk", "sr"),
        ("Оваа книга не е моја", "sr", "mk"),
        ("Ќе дојдам утре", "ru", "mk"),
        ("Који је то пут?", "ru", "sr"),
        ("Това е книгата, която чета", "ru", "bg"),
        ("Это книга, которую я читаю", "bg", "ru"),
        ("Ovo je knjiga koju čitam u školi", "sl", "sh"),
        ("To je knjiga, ki jo berem", "hr", "sl"),
        ("Preko noći u vodi", "fi", "sh"),
        ("Toto je kniha, ktorú čítam pri okne, keď prší", "cs", "sk"),
        ("Toto je kniha, kterou čtu při dešti", "sk", "cs"),
        ("Saya tidak bisa membaca buku itu", "ms", "id"),
        ("Saya tiada wang", "id", "ms"),
    ],
)
def test_what_only_one_of_two_writes_decides(text: str, detected: str, language: str) -> None:
    assert correct_by_spelling(text, detected) == language


def test_no_word_speaks_for_two_languages() -> None:
    # `gør` and `gjør`: no word of one list may be a word of another of its group.
    for group in _GROUPS:
        words = [word for signs in group.values() for word in signs.words]
        assert all(word.islower() for word in words)
        assert len(words) == len(set(words)), [w for w in words if words.count(w) > 1]
