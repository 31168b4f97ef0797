from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.langid import detectors
from polypaca.langid.gate import check_response
from polypaca.langid.normalisation import detector_input, normalise

if TYPE_CHECKING:
    from collections.abc import Callable

TEXTS = {
    "cs": "Příští týden se sejdeme v kavárně u řeky a dáme si něco dobrého k jídlu.",
    "de": "Am Samstag fahren wir früh ans Meer und essen dort ein großes Stück Kuchen.",
    "el": "Αύριο το πρωί θα πάμε με το τρένο στο χωριό της γιαγιάς μας.",
    "en": "The library will be closed on Monday because the roof has to be repaired.",
    "es": "¿Cuántos años tiene tu tío más joven, el que vive cerca de la montaña?",
    "fi": "Huomenna menemme junalla mummolaan ja syömme siellä mustikkapiirakkaa.",
    "ko": "매일 삼십 분 정도 걷는 것이 건강에 좋습니다.",
    "ja": "ガラスのコップでジュースを飲みます。",
    "ru": "Завтра утром мы поедем на поезде в деревню к нашей бабушке.",
    "tr": "Yarın sabah trenle büyükannemizin köyüne gideceğiz ve orada kalacağız.",
    "vi": "Bạn nên đi bộ ba mươi phút mỗi ngày.",
}
FORMS: dict[str, Callable[[str], str]] = {
    "decomposed": lambda text: unicodedata.normalize("NFD", text),
    "compatibly decomposed": lambda text: unicodedata.normalize("NFKD", text),
    "in capitals": str.upper,
    "in lower case": str.lower,
    "as a title": str.title,
    "with soft hyphens": lambda text: text.replace("a", "a\u00ad").replace("е", "е\u00ad"),
    "with zero-width spaces": "\u200b".join,
    "with marks of direction": lambda text: f"\u202a{text}\u202c\ufeff",
    "with Windows' line ends": lambda text: text.replace(" ", " \r\n", 1),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("language", TEXTS)
def test_one_text_has_one_verdict_in_any_form(language: str, form: str) -> None:
    detector = detectors.load("lid176")
    found = check_response(FORMS[form](TEXTS[language]), language, detector)
    assert found == check_response(TEXTS[language], language, detector)._replace(
        confidence=found.confidence
    )
    assert found.gate == 1
    other = "es" if language != "es" else "fi"
    assert check_response(FORMS[form](TEXTS[language]), other, detector).gate == 0


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("Ｈｅｌｌｏ　ｗｏｒｌｄ，１２", "Hello　world，12"),
        ("ﾊﾞﾅﾅ", "バナナ"),
        ("ﬁnd 𝐛𝐨𝐥𝐝 ⓐ", "find bold a"),
        ("ذَهَبَ الوَلَدُ إِلَى المَدْرَسَةِ", "ذهب الولد إلى المدرسة"),
        ("الســـلام ﻋﻠﻴﻜﻢ", "السلام عليكم"),
        ("בְּרֵאשִׁית בָּרָא", "בראשית ברא"),
        # Yiddish is written with some points.
        ("דאָס איז אַ בוך", "דאָס איז אַ בוך"),
        ("Приве\u0301т", "Привет"),
        ("й і ї ѓ", "й і ї ѓ"),
        # Persian and Hindi need the joiners that German does not.
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("Auf\u200clage", "Auflage"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("5 km², …①", "5 km², …①"),
    ],
)
def test_plain_forms(text: str, form: str) -> None:
    assert normalise(text) == unicodedata.normalize("NFC", form)


@given(st.text())
def test_a_plain_form_is_plain(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)
    assert normalise(unicodedata.normalize("NFD", text)) == normalise(text)


@given(st.text(st.characters(codec="latin-1")))
def test_detectors_see_no_capitals(text: str) -> None:
    assert detector_input(text) == detector_input(text.lower())
