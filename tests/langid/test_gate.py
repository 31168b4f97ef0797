from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.languages import scripts
from polypaca.langid import detectors
from polypaca.langid.gate import GateDecision, check_response, most_probable_among
from polypaca.langid.normalisation import detector_input

if TYPE_CHECKING:
    from polypaca.langid.contract import Detector

CHINESE = "当然可以！请告诉我您打算什么时候搬家，以及新房子有多大。"
ENGLISH = "Of course! Please tell me when you are going to move and how big the new flat is."
SPANISH = "Claro que sí. Dime cuándo te mudas y cómo de grande es el piso nuevo."


@pytest.fixture(scope="module")
def detector() -> Detector:
    return detectors.load("lid176")


def test_a_good_answer_in_the_wrong_language_is_stopped(detector: Detector) -> None:
    # The kind of answer that the paper's table 2 shows: asked in Chinese, answered in English.
    detected, confidence, gate, reason = check_response(ENGLISH, "zh", detector)
    assert (detected, gate, reason) == ("en", 0, "language")
    assert 0.5 < confidence <= 1
    assert check_response(CHINESE, "zh", detector)[::2] == ("zh", 1)


@pytest.mark.parametrize("code", ["no", "nb", "nn", "nob"])
def test_codes_of_one_language_are_one(detector: Detector, code: str) -> None:
    assert (
        check_response("Vi gikk en tur i skogen og plukket blåbær i går.", code, detector).gate == 1
    )


@pytest.mark.parametrize("code", ["zh", "zho_Hans", "cmn"])
def test_chinese_codes_are_one(detector: Detector, code: str) -> None:
    assert check_response(CHINESE, code, detector).gate == 1


def test_code_does_not_outweigh_the_words_around_it(detector: Detector) -> None:
    answer = (
        "Esta función suma los números de una lista:\n```python\n"
        + "def add_all(values):\n    '''Return the sum of all the given values.'''\n"
        + "    total = 0\n    for value in values:\n        total += value\n    return total\n" * 5
        + "```\nMás en https://example.org/how-to-add-all-the-numbers-of-a-list"
    )
    assert check_response(answer, "es", detector)[::2] == ("es", 1)
    assert check_response(answer, "en", detector).gate == 0


def test_the_whole_answer_counts_not_its_beginning(detector: Detector) -> None:
    answer = "Sure, here you go: " + (
        "Am Montag regnet es den ganzen Tag, und wir bleiben zu Hause. Am Dienstag scheint die "
        "Sonne, und alle Kinder spielen draußen im Garten."
    )
    assert check_response(answer, "de", detector).gate == 1


@pytest.mark.parametrize("answer", ["", "  \n ", "\n\t"])
def test_empty_answers_are_stopped(detector: Detector, answer: str) -> None:
    assert check_response(answer, "es", detector) == GateDecision(None, 0.0, 0, "empty")


@pytest.mark.parametrize("answer", ["...", "?! --", "😀😀", "```\n```", "$$", "- \n- \n- "])
def test_answers_without_letter_or_digit_are_stopped(detector: Detector, answer: str) -> None:
    assert check_response(answer, "es", detector) == GateDecision(None, 0.0, 0, "degenerate")


def test_answers_that_run_in_a_circle_are_stopped(detector: Detector) -> None:
    detected, _, gate, reason = check_response("La casa roja. " * 20, "es", detector)
    assert (gate, reason) == (0, "degenerate")
    assert detected is not None


@pytest.mark.parametrize(
    "answer", ["```\nprint('hi')\n```", "`ls`", "https://example.org", "$x$", "42", "1. 2. 3. !!"]
)
def test_code_formulas_and_numbers_are_in_no_language_and_pass(
    detector: Detector, answer: str
) -> None:
    assert check_response(answer, "es", detector) == GateDecision(None, 0.0, 1, "undetermined")


@pytest.mark.parametrize("target", ["fi", "ru", "zh", "hi"])
@pytest.mark.parametrize(
    "answer",
    ["Barack Obama", "1. Marie Curie\n2. Albert Einstein", "Beirut", "Ludwig van Beethoven"],
)
def test_names_alone_are_in_no_language_and_pass(
    detector: Detector, answer: str, target: str
) -> None:
    assert check_response(answer, target, detector) == GateDecision(None, 0.0, 1, "undetermined")


@pytest.mark.parametrize("target", ["fi", "ru", "zh"])
@pytest.mark.parametrize(
    "answer",
    [
        "Key Benefits Of Exercise",
        "1. Healthy Eating Habits\n2. Get Enough Sleep\n3. Stay Hydrated Every Day",
        "How To Cook Rice",
        "Consejos Para Dormir Mejor",
    ],
)
def test_headings_in_capitals_are_no_names(detector: Detector, answer: str, target: str) -> None:
    assert check_response(answer, target, detector)[2:] == (0, "language")


def test_short_answers_pass_in_the_right_script_alone(detector: Detector) -> None:
    assert check_response("la casa", "fi", detector)[2:] == (1, "undetermined")
    assert check_response("la casa", "ru", detector)[2:] == (0, "language")
    assert check_response("Berlin ist groß", "de", detector)[::2] == ("de", 1)
    assert check_response("Yes, of course", "ru", detector).gate == 0
    assert check_response("Yes, it is the capital", "ru", detector).gate == 0
    # Of three words the detector is believed if it is certain, from four on whatever it says.
    assert check_response("die Arbeiten behindert", "es", detector)[2:] == (0, "language")
    assert check_response("el sol brilla", "fi", detector)[2:] == (1, "undetermined")
    assert check_response("the old house stands", "es", detector)[2:] == (0, "language")


@pytest.mark.parametrize("answer", ["", "...", ENGLISH, "la la la " * 30, "42"])
def test_where_the_gate_is_not_required_everything_passes(detector: Detector, answer: str) -> None:
    assert check_response(answer, "es", detector, required=False)[2:] == (1, "exempt")


def test_where_the_gate_is_not_required_the_language_is_still_told(detector: Detector) -> None:
    detected, confidence, gate, _ = check_response(ENGLISH, "es", detector, required=False)
    assert (detected, gate) == ("en", 1)
    assert confidence > 0.5


PASSAGE = (
    "The harbour was built in the nineteenth century, when ships from all over the world came to "
    "the town to load timber, and it was closed again after the second world war."
)


def test_what_is_quoted_from_the_prompt_does_not_count(detector: Detector) -> None:
    prompt = f"Resume en español: {PASSAGE}"
    answer = f"El texto dice «{PASSAGE}», o sea, que el puerto ya no se usa."
    assert check_response(answer, "es", detector).gate == 0
    assert check_response(answer, "es", detector, prompt=prompt)[::2] == ("es", 1)


def test_what_stands_in_a_block_quote_does_not_count(detector: Detector) -> None:
    answer = f"El texto original dice esto:\n\n> {PASSAGE}\n\nY con eso lo dice todo."
    assert check_response(answer, "es", detector)[::2] == ("es", 1)


def test_an_answer_that_is_nothing_but_quotation_is_its_language(detector: Detector) -> None:
    prompt = f"Resume en español: {PASSAGE}"
    assert check_response(PASSAGE, "es", detector, prompt=prompt)[::2] == ("en", 0)
    assert check_response(f"> {PASSAGE}", "es", detector)[::2] == ("en", 0)
    assert check_response(f"Aquí está: {PASSAGE}", "es", detector, prompt=prompt).gate == 0


def test_spelling_tells_neighbours_apart_and_the_confidence_is_that_language_s(
    detector: Detector,
) -> None:
    # lid.176 takes it for Danish.
    answer = "Hun vil ikke gi meg boken sin."
    (top, _), *_ = detector.predict(detector_input(answer), 1)
    detected, confidence, gate, _ = check_response(answer, "nb", detector)
    assert (top, detected, gate) == ("da", "no", 1)
    assert confidence == dict(detector.predict(detector_input(answer), 5))["no"]
    assert check_response("Hun vil ikke give mig bogen.", "nb", detector).gate == 0


def test_an_answer_that_is_mostly_english_is_english_whatever_the_rest(detector: Detector) -> None:
    # lid.176 takes both for Bulgarian.
    bulgarian = "Вчера купихме нова маса за кухнята."
    assert check_response(f"{bulgarian} {ENGLISH}", "bg", detector)[::2] == ("en", 0)
    assert check_response(f"{bulgarian} {bulgarian} {ENGLISH[:30]}", "bg", detector)[::2] == (
        "bg",
        1,
    )


@given(st.text(max_size=60), st.booleans(), st.text(max_size=60) | st.none())
def test_every_answer_gets_a_gate(text: str, required: bool, prompt: str | None) -> None:
    found = check_response(text, "de", detectors.load("lid176"), prompt=prompt, required=required)
    assert 0 <= found.confidence <= 1
    assert found.detected is not None or found.confidence == 0
    assert found.reason != "exempt" or found.gate == 1
    assert found.reason not in ("empty", "degenerate") or found.gate == 0


def test_the_best_among_given_languages(detector: Detector) -> None:
    assert most_probable_among(SPANISH, ["en", "es", "zh"], detector) == "es"
    assert most_probable_among(SPANISH, ["en", "ru"], detector) in {"en", "ru"}
    assert most_probable_among(CHINESE, ["en", "cmn"], detector) == "cmn"
    assert most_probable_among("42", ["en", "es"], detector) is None
    assert most_probable_among("```\nx = y\n```", ["en", "es"], detector) is None
    assert most_probable_among(SPANISH, ["tlh"], detector) is None
    assert most_probable_among(SPANISH, [], detector) is None


def test_a_language_that_does_not_exist_is_refused(detector: Detector) -> None:
    with pytest.raises(ValueError, match="not a language code"):
        check_response(ENGLISH, "xx-nowhere", detector)


def test_a_short_rest_beside_a_quotation_does_not_decide(detector: Detector) -> None:
    prompt = f"Copy this: {PASSAGE}"
    # Of the answer are left: numbers, in no language.
    answer = f"1. 1. 1. 1. 1. 1. 1. {PASSAGE} 1. 1. 1. 1. 1. 1."
    assert check_response(answer, "es", detector, prompt=prompt)[2:] == (0, "language")
    assert check_response(answer, "en", detector, prompt=prompt)[::2] == ("en", 1)


RUSSIAN = "Завтра утром мы поедем на поезде в деревню к нашей бабушке."
JAPANESE = "明日の朝、電車でおばあさんの村に行きます。"
KOREAN = "내일 아침에 기차를 타고 할머니 댁에 갑니다."
ARABIC = "غدا صباحا سنذهب بالقطار إلى قرية جدتنا."
HINDI = "कल सुबह हम ट्रेन से अपनी दादी के गाँव जाएँगे।"
IN_SCRIPTS = {
    "ar": ARABIC, "en": ENGLISH, "hi": HINDI, "ja": JAPANESE, "ko": KOREAN, "ru": RUSSIAN,
    "zh": CHINESE,
}  # fmt: skip


@pytest.mark.parametrize("target", [*IN_SCRIPTS, "uk", "it", "sk", "el", "th", "bg"])
def test_any_script_is_compared_with_any(detector: Detector, target: str) -> None:
    for language, text in IN_SCRIPTS.items():
        passes = int(language == target)
        assert check_response(text, target, detector).gate == passes
        # However short, and with a word of the target's own script beside it.
        first = text[:6] if language in ("zh", "ja") else " ".join(text.split()[:2])
        if not set(scripts(language)) & set(scripts(target)) and {language, target} != {"ja", "zh"}:
            assert check_response(first, target, detector).gate == 0


@pytest.mark.parametrize(
    "text", ["你好", "好的，谢谢", "麻婆豆腐", "这是一个很长的句子，没有任何问题。"]
)
@pytest.mark.parametrize("target", ["uk", "it", "sk", "ko", "en", "ru"])
def test_ideographs_alone_are_chinese(detector: Detector, text: str, target: str) -> None:
    assert check_response(text, target, detector)[2:] == (0, "language")
    assert check_response(text, "zh", detector)[:3:2] == ("zh", 1)


def test_most_of_a_mixed_answer_decides_in_every_pair_of_scripts(detector: Detector) -> None:
    for one, own in IN_SCRIPTS.items():
        for other, foreign in IN_SCRIPTS.items():
            if one == other or {one, other} == {"ja", "zh"}:
                continue
            mostly = f"{own} {own} {own} {foreign[: len(foreign) // 4]}"
            assert check_response(mostly, one, detector).gate == 1, (one, other)
            assert check_response(mostly, other, detector).gate == 0, (one, other)


def test_a_gloss_in_parentheses_does_not_count(detector: Detector) -> None:
    answer = "冰雪(snow), 寒冷(cold), 热饮(hot drink), 冬至(winter solstice), 滑冰(ice skating)"
    assert check_response(answer, "zh", detector)[::2] == ("zh", 1)
    assert check_response(answer.replace("(", " ").replace(")", " "), "zh", detector).gate == 0


SERBIAN = "Dete je popilo mleko i pojelo hleb pre nego što je otišlo u školu."
CROATIAN = "Dijete je popilo mlijeko i pojelo kruh prije nego što je otišlo u školu."
CYRILLIC = "Дете је попило млеко и појело хлеб пре него што је отишло у школу."


@pytest.mark.parametrize("target", ["hr", "sr", "bs", "sh", "sr-Latn", "sr-Cyrl"])
def test_sisters_pass_for_one_another(detector: Detector, target: str) -> None:
    for text in (SERBIAN, CROATIAN, "Da, naravno.", SERBIAN.upper()):
        assert check_response(text, target, detector).gate == 1
    assert check_response(CYRILLIC, target, detector).gate == int(target != "hr")
    assert (
        check_response("Zítra ráno pojedeme vlakem na vesnici k babičce.", target, detector).gate
        == 0
    )


def test_sisters_are_undetermined_and_their_own_language_is_not(detector: Detector) -> None:
    reasons = {check_response(SERBIAN, target, detector).reason for target in ("hr", "sr", "bs")}
    assert "undetermined" in reasons


MALAY = "Sila tekan butang ini untuk menyimpan dokumen anda."
INDONESIAN = "Silakan tekan tombol ini untuk menyimpan dokumen Anda."


def test_malay_and_indonesian_are_sisters_in_short_texts(detector: Detector) -> None:
    for target in ("id", "ms"):
        assert check_response(MALAY, target, detector).gate == 1
        assert check_response(INDONESIAN, target, detector).gate == 1
    long = (
        "Karena harga mobil naik, kantor itu tidak bisa lagi membayar uang makan pegawainya. " * 4
    )
    assert check_response(long, "id", detector).gate == 1
    assert check_response(long, "ms", detector).gate == 0


def test_a_title_in_quotation_marks_does_not_count(detector: Detector) -> None:
    title = '"Deep-Aligned Neural Network for Action Recognition and Segmentation"'
    assert check_response(
        f"{title} में आर्किटेक्चर डिज़ाइन का सारांश करते हुए एक गहन अध्ययन किया गया है।", "hi", detector
    )[::2] == ("hi", 1)
    # But more of it is no quotation.
    assert check_response(f"Конечно: {title} {title} «{ENGLISH}»", "ru", detector).gate == 0


def test_of_two_languages_in_one_script_the_one_with_more_sentences_decides(
    detector: Detector,
) -> None:
    spanish = "La casa está junto al río. Los niños juegan en el jardín todos los días."
    for more in range(2, 4):
        mostly_english = f"{ENGLISH} {ENGLISH} " * more + spanish
        assert check_response(mostly_english, "es", detector).gate == 0
        mostly_spanish = f"{spanish} {spanish} " * more + ENGLISH
        assert check_response(mostly_spanish, "es", detector).gate == 1


@pytest.mark.parametrize(
    "text", [JAPANESE, "利用可能言語一覧を表示します", "この東京都庁の公式案内図"]
)
def test_ideographs_with_kana_are_japanese(detector: Detector, text: str) -> None:
    assert check_response(text, "zh", detector).gate == 0
    assert check_response(text, "ja", detector)[:3:2] == ("ja", 1)
    assert (
        check_response("日本人说“ありがとう”的时候，意思是谢谢你们大家。", "zh", detector).gate == 1
    )
