from __future__ import annotations

import pytest

from polypaca.core.languages import (
    canonical,
    is_language,
    name,
    same_language,
    suggestion,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("en", "en"), ("eng", "en"), ("zho_Hans", "zh"), ("yue", "zh"), ("nb", "no"), ("nn", "no")],
)
def test_canonical_codes(code: str, expected: str) -> None:
    assert canonical(code) == expected


@pytest.mark.parametrize("code", ["xx", "", "english", "e n", "12"])
def test_what_is_no_language_is_refused(code: str) -> None:
    assert not is_language(code)
    with pytest.raises(ValueError, match="not a language code"):
        canonical(code)


def test_norwegian_is_one_language_and_danish_another() -> None:
    assert same_language("no", "nb")
    assert same_language("nn", "nb")
    assert not same_language("no", "da")


def test_names_and_suggestions() -> None:
    assert name("es") == "Spanish"
    assert suggestion("spanish") == "es"
    assert suggestion("blorp") is None
