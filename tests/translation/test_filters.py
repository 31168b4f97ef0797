from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.langid import detectors
from polypaca.translation.filters import FIELDS, FILTERS, Limits, find_rejection
from polypaca.translation.sizes import english_size

from ..growth import grows_with_the_size_only  # noqa: TID252

DETECTOR = detectors.load("lid176")

ENGLISH = {
    "instruction": "Describe how a river shapes the land that it runs through.",
    "input": "",
    "output": "A river carries sand and stones from the mountains down to the sea. Over many years "
    "it cuts deep valleys, and where it slows down it leaves the sand behind.",
}
SPANISH = {
    "instruction": "Describe cómo un río da forma a la tierra por la que pasa.",
    "input": "",
    "output": "Un río lleva arena y piedras desde las montañas hasta el mar. Con los años abre "
    "valles profundos, y donde pierde velocidad va dejando la arena.",
}
RUSSIAN = {
    "instruction": "Опишите, как река меняет землю, по которой она течёт.",
    "input": "",
    "output": "Река несёт песок и камни с гор вниз к морю. За многие годы она прорезает глубокие "
    "долины, а там, где течение замедляется, оставляет песок.",
}
CHINESE = {
    "instruction": "请描述河流如何改变它所流经的土地。",
    "input": "",
    "output": "河流把沙子和石头从山上一直带到大海。经过许多年,它切割出很深的山谷,"
    "在水流变慢的地方,它会把沙子留下来。",
}
HINDI = {
    "instruction": "बताइए कि नदी उस ज़मीन को कैसे आकार देती है जिससे होकर वह बहती है।",
    "input": "",
    "output": "नदी पहाड़ों से रेत और पत्थर समुद्र तक ले जाती है। कई वर्षों में वह गहरी घाटियाँ "
    "काटती है, और जहाँ वह धीमी होती है वहाँ रेत छोड़ देती है।",
}
GOOD = {"es": SPANISH, "ru": RUSSIAN, "zh": CHINESE, "hi": HINDI}


def judged(
    source: dict[str, str], translated: dict[str, str], target: str, origin: str = "en"
) -> tuple[str, str] | None:
    return find_rejection(
        source, translated, source_language=origin, target_language=target, detector=DETECTOR
    )


def name_of(source: dict[str, str], translated: dict[str, str], target: str) -> str | None:
    result = judged(source, translated, target)
    return result[0] if result else None


@pytest.mark.parametrize("target", GOOD)
def test_good_translations_stay_in_both_directions(target: str) -> None:
    assert judged(ENGLISH, GOOD[target], target) is None
    assert judged(GOOD[target], ENGLISH, "en", target) is None


@pytest.mark.parametrize("gone", ["", "  \n", "...", "- 1."])
@pytest.mark.parametrize("target", GOOD)
def test_a_field_that_lost_its_text_is_empty(target: str, gone: str) -> None:
    name, reason = judged(ENGLISH, {**GOOD[target], "output": gone}, target) or ("", "")
    assert name == "empty"
    # By hand: the output of ENGLISH has 156 characters.
    assert reason.startswith("output: 156 characters")


def test_a_field_without_prose_may_stay_as_it_is() -> None:
    for same in ("42", "3 + 4 = 7", "```python\nprint('the same for all of us here')\n```", ""):
        assert judged({**ENGLISH, "output": same}, {**SPANISH, "output": same}, "es") is None


@pytest.mark.parametrize("target", GOOD)
def test_copied_source_is_caught_in_one_field_or_all(target: str) -> None:
    assert name_of(ENGLISH, ENGLISH, target) == "copied"
    assert name_of(ENGLISH, {**GOOD[target], "output": ENGLISH["output"]}, target) == "copied"


def test_copied_counts_the_words_in_small_letters() -> None:
    # By hand: 10 in the instruction; 12, 6 and 10 in the three clauses of the output.
    _, reason = judged(ENGLISH, ENGLISH, "es") or ("", "")
    assert "38 of 38 words" in reason
    assert "100%" in reason
    assert "80%" in reason


def test_names_and_short_answers_may_be_the_same() -> None:
    names = "London, Paris, Berlin, Madrid, Lisbon, Vienna, Prague, Warsaw, Budapest, Oslo"
    for same in (names, "pizza", "Albert Einstein", "rock, pop, jazz"):
        assert judged({**ENGLISH, "output": same}, {**SPANISH, "output": same}, "es") is None


@pytest.mark.parametrize(
    ("target", "loop"),
    [
        ("es", "Un río lleva arena " + "y piedras " * 12),
        ("es", "muy muy bien " * 8),
        ("ru", "Река несёт песок к морю. " * 6),
        ("zh", "河流把沙子" + "带到大海" * 10),
        ("zh", "的" * 40),
        ("hi", "नदी रेत " * 12),
    ],
)
def test_loops_are_caught(target: str, loop: str) -> None:
    assert name_of(ENGLISH, {**GOOD[target], "output": loop}, target) == "repetition"


def test_the_reason_says_what_repeats_and_how_often() -> None:
    _, reason = judged(ENGLISH, {**SPANISH, "output": "muy muy bien " * 8}, "es") or ("", "")
    assert "repeated 8 times" in reason
    assert "bien" in reason


def test_a_loop_of_the_source_is_its_translations_too() -> None:
    source = {**ENGLISH, "output": "The river runs down to the sea. " * 6}
    assert judged(source, {**SPANISH, "output": "El río baja hasta el mar. " * 6}, "es") is None


def test_three_times_or_laughter_is_no_loop() -> None:
    song = "Agua, agua, agua, dijo el viejo marinero. Ja ja ja ja, rieron los niños en la playa."
    text = "Water, water, water, said the old sailor. Ha ha, laughed the children on the beach."
    assert judged({"output": text}, {"output": song}, "es") is None


@pytest.mark.parametrize("target", GOOD)
def test_half_or_twice_the_text_is_a_wrong_length(target: str) -> None:
    text = GOOD[target]["output"]
    half = {**GOOD[target], "output": text[: len(text) * 2 // 5]}
    assert name_of(ENGLISH, half, target) == "length-ratio"
    twice = {**GOOD[target], "output": f"{text} {GOOD[target]['instruction']} {text}"}
    assert name_of(ENGLISH, twice, target) == "length-ratio"


def test_the_bounds_of_the_ratio_follow_from_the_limits() -> None:
    # By hand: 100 English characters; 1.25 + 6 / 10 = 1.85, and 1 / 1.85 = 0.54.
    source = {"output": "word " * 19 + "words"}
    _, reason = judged(source, {"output": "palabra " * 2 + "corta"}, "es") or ("", "")
    assert "100 characters became 21" in reason
    assert "0.54 to 1.85" in reason


def test_short_fields_may_have_any_length() -> None:
    assert (
        judged({"output": "Yes."}, {"output": "Sí, desde luego que sí, por supuesto."}, "es")
        is None
    )


def test_size_is_in_english_characters() -> None:
    assert english_size("a" * 1000, "en") == 1000
    assert english_size("a" * 1185, "es") == pytest.approx(1000)
    # Han by the character, names in Latin letters as they are.
    assert english_size("河流", "zh") == pytest.approx(6.8)
    assert english_size("河流 Po", "zh") == pytest.approx(6.8 + 3)
    assert english_size("강", "ko") == pytest.approx(2.0)
    assert english_size("a" * 1005, "nb") == english_size("a" * 1005, "no") == pytest.approx(1000)
    assert english_size("", "bn") == 0


@pytest.mark.parametrize(
    ("target", "got"), [("es", "ru"), ("ru", "zh"), ("zh", "hi"), ("hi", "es")]
)
def test_another_language_is_caught(target: str, got: str) -> None:
    name, reason = judged(ENGLISH, GOOD[got], target) or ("", "")
    assert name == "wrong-language"
    assert "lid176" in reason


def test_few_letters_may_be_in_any_language() -> None:
    assert judged({"output": "Good morning"}, {"output": "Доброе утро"}, "es") is None


PORTUGUESE = "Um rio leva areia e pedras das montanhas até ao mar. Com os anos abre vales fundos."


@pytest.mark.parametrize("field", ["instruction", "output"])
@pytest.mark.parametrize(
    "text",
    [
        PORTUGUESE,
        "Streams move gravel from the hills to the coast, and dig a valley on their way down.",
    ],
)
def test_one_field_in_another_language_is_enough(field: str, text: str) -> None:
    row = {"instruction": ENGLISH["output"], "output": ENGLISH["output"]}
    good = {"instruction": SPANISH["output"], "output": SPANISH["output"]}
    assert judged(row, good, "es") is None
    name, reason = judged(row, {**good, field: f"{text} {text[:60]}"}, "es") or ("", "")
    assert (name, reason.split(":")[0]) == ("wrong-language", field)


def test_a_sentence_left_in_the_source_language_is_enough() -> None:
    english = "Over many years it cuts deep valleys, and where it slows down it leaves the sand."
    reworded = "In the course of time it digs a valley and drops its load of sand wherever it can."
    source = {"output": f"A river carries sand. {english} {ENGLISH['output']}"}
    good = f"Un río lleva arena. {SPANISH['output']}"
    assert name_of(source, {"output": f"{good} {english}"}, "es") == "copied"
    assert name_of(source, {"output": f"{good} {reworded}"}, "es") == "wrong-language"


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ({"instruction": "Name a bird.", "output": "The wren is small."}, True),
        ({"instruction": ENGLISH["output"], "output": "Rivers carry salt into it."}, True),
        ({"instruction": ENGLISH["output"], "output": "The Lord of the Rings"}, False),
        ({"instruction": ENGLISH["output"], "output": "pizza margherita"}, False),
    ],
)
def test_short_fields_that_stayed_in_english(source: dict[str, str], same: bool) -> None:
    translated = {**source}
    if source["instruction"] == ENGLISH["output"]:
        translated["instruction"] = SPANISH["output"]
    assert (name_of(source, translated, "es") == "copied") == same


def test_short_text_in_another_script_is_in_another_language() -> None:
    source = {"output": "the big river is cold"}
    assert name_of(source, {"output": "el río grande es frío"}, "ru") == "wrong-language"
    assert name_of(source, {"output": "iPhone Pro"}, "ru") is None


def test_lists_of_names_are_in_no_other_language() -> None:
    names = "Glasgow Rangers, Leeds United and Aston Villa, Real Sociedad, Bayern Munich or Ajax"
    assert judged({"output": names}, {"output": names}, "fi") is None


CODE = (
    "def area(width, height):\n    result = width * height\n    return result\n\nprint(area(3, 4))"
)


@pytest.mark.parametrize(
    "code", [CODE, "let sum = 0;\nfor (let one of all) {\n  sum += one;\n}\nconsole.log(sum);",
             "sudo apt install curl\ncurl -O https://x.org/a.tar.gz\ntar -xzf a.tar.gz",
             "sorted(words, key=len, reverse=True)"],
)  # fmt: skip
def test_code_that_stayed_is_no_copy(code: str) -> None:
    assert judged({**ENGLISH, "output": code}, {**SPANISH, "output": code}, "es") is None
    mixed = {field: {**row, "output": f"{row['output']}\n\n{code}"} for field, row in
             (("en", ENGLISH), ("es", SPANISH))}  # fmt: skip
    assert judged(mixed["en"], mixed["es"], "es") is None


@pytest.mark.parametrize(
    "drift",
    [
        "Hay "
        + "una gran cantidad de casas y una gran cantidad de calles y " * 2
        + " ".join(
            f"una gran cantidad de {x} y" for x in ("plazas", "torres", "puentes", "mercados")
        )
        + " una gran cantidad de la de la cantidad de la",
        ", ".join(
            f"en el año {n} se fundó la ciudad de {'abcdefghijklmnop'[n]}" for n in range(16)
        ),
    ],
)
def test_texts_that_drift_in_circles_are_caught(drift: str) -> None:
    source = {"output": ENGLISH["output"] * 4}
    good = {"output": SPANISH["output"] * 4}
    assert name_of(source, good, "es") is None
    assert name_of(source, {"output": f"{SPANISH['output']} {drift}"}, "es") == "repetition"


def test_a_row_of_one_sign_is_caught_unless_the_source_has_it() -> None:
    long = {"output": ENGLISH["output"] * 4}
    dots = {"output": SPANISH["output"] * 4 + "." * 300}
    assert name_of(long, dots, "es") == "repetition"
    assert name_of({"output": long["output"] + "." * 200}, dots, "es") is None


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("Hello.", "Había una vez un rey que vivía en un castillo muy grande con sus tres hijas."),
        ("Hello.", "Hola" + "." * 300),
        ("", "Una respuesta que nadie había pedido, y que no está en la fuente."),
    ],
)
def test_short_texts_do_not_become_stories(before: str, after: str) -> None:
    row = {**ENGLISH, "output": before}
    assert name_of(row, {**SPANISH, "output": after}, "es") in {"length-ratio", "repetition"}


def test_limits_can_be_moved() -> None:
    translated = {**SPANISH, "output": SPANISH["output"][:60]}
    wide = Limits(ratio_base=10)
    assert name_of(ENGLISH, translated, "es") == "length-ratio"
    assert (
        find_rejection(
            ENGLISH,
            translated,
            source_language="en",
            target_language="es",
            detector=DETECTOR,
            limits=wide,
        )
        is None
    )


def test_a_pair_of_one_language_is_never_copied() -> None:
    text = {"output": "Vi gikk en tur i skogen og plukket blåbær hele dagen i går."}
    assert judged(text, text, "nn", "nb") is None


def test_a_code_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="language code"):
        judged(ENGLISH, SPANISH, "spanisch-ish")


texts = st.fixed_dictionaries({field: st.text() for field in FIELDS})


@given(texts, texts, st.sampled_from(["es", "zh", "hi", "th", "ar", "ja"]))
@settings(deadline=None)
def test_any_row_is_judged_by_name_and_reason(
    source: dict[str, str], translated: dict[str, str], target: str
) -> None:
    result = judged(source, translated, target)
    assert result is None or (
        result[0] in FILTERS and result[1].split(":")[0] in {*FIELDS, "all fields"}
    )


@given(st.text(alphabet="abcdefgh ", min_size=8, max_size=30), st.integers(8, 40))
@settings(deadline=None)
def test_any_stretch_that_repeats_is_found(stretch: str, times: int) -> None:
    letters = "".join(stretch.split())
    if len(letters) < 4:
        return
    looped = {**SPANISH, "output": SPANISH["output"] + f" {stretch}" * times}
    assert name_of(ENGLISH, looped, "es") == "repetition"


@pytest.mark.parametrize(
    "piece", ["a", "the cat sat ", "<script>", "的", " ", "a@a.", "~~~~\n", "`a"]
)
def test_time_grows_with_the_length_only(piece: str) -> None:
    def work(size: int) -> None:
        row = {"output": piece * (size // len(piece))}
        judged(row, row, "es")
        judged({"output": "A short text."}, row, "es")

    assert grows_with_the_size_only(work, 25_000)


def _lines(path: Path) -> list[dict[str, str]]:
    return [{"output": line} for line in path.read_text(encoding="utf-8").splitlines()]


# nb and zh by name: the detector takes 10 % and 3 % of their sentences for a neighbour.
@pytest.mark.data
@pytest.mark.parametrize(
    ("target", "most"),
    [(code, 0.005) for code in ("es", "fr", "de", "bg", "ru", "cs", "fi", "bn", "hi")]
    + [("zh", 0.015), ("nb", 0.035)],
)
def test_professional_translations_stay(data_folder: Path, target: str, most: float) -> None:
    source = _lines(data_folder / "flores/flores-dev.en")
    translated = _lines(data_folder / f"flores/flores-dev.{target}")
    rejected = sum(
        judged(*pair, target) is not None for pair in zip(source, translated, strict=True)
    )
    assert rejected / len(source) <= most


@pytest.mark.data
@pytest.mark.parametrize("target", ["es", "ru", "zh", "fi"])
def test_broken_translations_are_caught(data_folder: Path, target: str) -> None:
    source = _lines(data_folder / "flores/flores-dev.en")[:300]
    good = _lines(data_folder / f"flores/flores-dev.{target}")[:300]
    other = _lines(data_folder / "flores/flores-dev.de")[:300]
    copied = sum(judged(one, one, target) is not None for one in source)
    elsewhere = sum(judged(*pair, target) is not None for pair in zip(source, other, strict=True))
    emptied = sum(judged(one, {"output": ""}, target) is not None for one in source)
    rows = [" ".join(one["output"] for one in source[i : i + 5]) for i in range(0, 300, 5)]
    cut = [" ".join(one["output"] for one in good[i : i + 5]) for i in range(0, 300, 5)]
    halved = sum(
        judged({"output": one}, {"output": text[: len(text) // 2]}, target) is not None
        for one, text in zip(rows, cut, strict=True)
    )
    assert copied >= 0.95 * 300
    assert elsewhere >= 0.95 * 300
    assert emptied == 300
    assert halved >= 0.9 * 60


@pytest.mark.data
def test_machine_translated_instructions_stay(data_folder: Path) -> None:
    def rows(code: str) -> list[dict[str, str]]:
        path = data_folder / f"instructions/dolly.{code}.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines()[:1000]
        return [json.loads(line) for line in lines]

    pairs = list(zip(rows("en"), rows("fi"), strict=True))
    assert sum(judged(*pair, "fi") is not None for pair in pairs) <= 15
