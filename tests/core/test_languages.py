from __future__ import annotations

import pytest

from polypaca.core.languages import (
    are_indistinguishable,
    canonical,
    is_language,
    matching_language,
    name,
    same_canonical,
    same_language,
    script,
    scripts,
    suggest_language,
)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("en", "en"), ("eng", "en"), ("nb", "no"), ("nn", "no"),
        ("zho_Hans", "zh"), ("yue", "zh"), ("yue_Hant", "zh"), ("wuu", "zh"), ("zh-TW", "zh"),
        # Main members of macrolanguages, as OpenLID and GlotLID label them.
        ("arb_Arab", "ar"), ("zsm_Latn", "ms"), ("lvs_Latn", "lv"), ("ekk_Latn", "et"),
        ("azj_Latn", "az"), ("pbt_Arab", "ps"), ("swh_Latn", "sw"), ("pes_Arab", "fa"),
        # Other members stay themselves.
        ("arz", "arz"), ("ckb", "ckb"), ("azb", "azb"), ("id", "id"),
        # Retired codes.
        ("iw", "he"), ("in", "id"), ("mo", "ro"),
        ("sh", "sh"), ("hbs_Latn", "sh"), ("sr_Latn", "sr"),
    ],
)  # fmt: skip
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


def test_serbo_croatian_is_each_of_its_standards_and_they_are_four() -> None:
    assert all(same_language("sh", member) for member in ("hr", "sr", "bs", "cnr"))
    assert same_language("srp_Cyrl", "sh")
    assert not same_language("hr", "sr")
    assert not same_language("sh", "sl")


def test_a_label_that_is_no_language_is_only_itself() -> None:
    assert same_canonical("eml", "eml")
    assert not same_canonical("eml", "it")


def test_malay_and_indonesian_are_two() -> None:
    assert not same_language("ms", "id")


@pytest.mark.parametrize(
    ("code", "expected"),
    [("ru", "Cyrl"), ("nb", "Latn"), ("zh", "Hans"), ("zho_Hant", "Hant"), ("sr-Latn", "Latn")],
)
def test_scripts(code: str, expected: str) -> None:
    assert script(code) == expected


def test_names_and_suggestions() -> None:
    assert name("es") == "Spanish"
    assert suggest_language("spanish") == "es"
    assert suggest_language("blorp") is None
    for country, meant in (
        ("cn", "zh"), ("jp", "ja"), ("kr", "ko"), ("ua", "uk"), ("cz", "cs"), ("se", "sv"),
        ("dk", "da"), ("gr", "el"), ("VN", "vi"), ("kz", "kk"), ("us", "en"), ("xx", None),
        ("zz", None), ("q1", None),
    ):  # fmt: skip
        assert suggest_language(country) == meant


def test_a_language_among_others_by_any_of_its_codes() -> None:
    assert matching_language("nb", ["en", "no"]) == "no"
    assert matching_language("no", ["nn", "no"]) == "no"
    assert matching_language("zh-TW", ["ja", "zh"]) == "zh"
    assert matching_language("hr", ["sr", "sl"]) is None
    assert matching_language("sh", ["sl", "hr"]) == "hr"


def test_sisters() -> None:
    assert are_indistinguishable("hr", "sr", short=False)
    assert are_indistinguishable("arz", "ar", short=False)
    assert are_indistinguishable("id", "ms", short=True)
    assert not are_indistinguishable("id", "ms", short=False)
    assert not are_indistinguishable("hr", "sl", short=True)


@pytest.mark.parametrize(
    ("code", "written"),
    [
        ("ru", ("Cyrl",)), ("sr", ("Cyrl", "Latn")), ("sr_Latn", ("Latn", "Cyrl")),
        ("zh", ("Hans",)), ("zh-TW", ("Hans",)), ("ja", ("Jpan",)), ("hi", ("Deva",)),
        ("hi_Latn", ("Latn",)), ("uz", ("Latn", "Cyrl", "Arab")),
    ],
)  # fmt: skip
def test_all_scripts_of_a_language(code: str, written: tuple[str, ...]) -> None:
    assert scripts(code) == written
