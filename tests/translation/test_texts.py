"""Whole texts through engines that behave, and through engines that do not."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polypaca.core.errors import StageError
from polypaca.translation.contract import Engine, Untranslated
from polypaca.translation.spans import is_invention
from polypaca.translation.structure import count_contents, find_blocks, outline, split_segments
from polypaca.translation.texts import Translation, translate_texts

from .fakes import FakeEngine

SIGNS = st.sampled_from(
    [
        *("`a`", "```", "\n", "\r\n", "\r", " ", "    ", "\t", "|", "- ", "1. ", "> ", "# ", "$"),
        *("{0}", "{1}", "{ 0 }", "{x}", "<b>", "https://a.b/c", "a@b.cd", "def f(x):", "x = 1"),
        *("5", "3.50", "10:30", "٣", "H2O", "a word", "Two words.", "слово", "词。", "%s", "ß"),
        *("\u2028", "\u00a0", "\ud800", "X0X", "x 0 x"),
    ]
)
TEXTS = st.one_of(
    st.text(st.characters(codec=None), max_size=100),
    st.lists(SIGNS, max_size=25).map("".join),
    st.lists(SIGNS, max_size=12).map(" ".join),
)
PLACEHOLDERS: list[Callable[[int], str]] = [
    "{{{}}}".format,
    "X{}X".format,
    "X{}".format,
    "<x{}/>".format,
]
RICH = (
    "# How to: `pip install x`\r\n"
    "\r\n"
    "1. Open https://x.org/a?b=c, then wait 3.5 s.  Write to a.b@c.org!\r\n"
    "   - Say {name} or [NAME]; cost: $1,000.50 \r\n"
    "```python\r\n"
    "print('hello there')\r\n"
    "```\r\n"
    "| word | $x^2$ |\r\n"
    "> done"
)


def engine(
    change: Callable[[str], str],
    placeholder: Callable[[int], str] = "{{{}}}".format,
    unit: Literal["sentence", "line"] = "sentence",
) -> Engine:
    def translate(texts: Sequence[str]) -> list[str | Untranslated]:
        assert all(text == text.strip() != "" for text in texts)
        assert all(len(text.splitlines()) == 1 for text in texts)
        assert len(set(texts)) == len(texts)
        return [change(text) for text in texts]

    return FakeEngine("test", "test", translate, unit, placeholder)


def one(
    text: str, translator: Engine, on_lost: Literal["pieces", "reject"] = "pieces"
) -> Translation:
    (translation,) = translate_texts([text], translator, "en", on_lost)
    return translation


def shuffled(text: str) -> str:
    words = text.split(" ")
    random.Random(text).shuffle(words)
    return " ".join(words)


def assert_kept(text: str, translated: str) -> None:
    """Everything but the words is as it was."""
    assert find_blocks(translated) == find_blocks(text)
    assert len(outline(translated)) == len(outline(text))
    for before, after in zip(text.splitlines(), translated.splitlines(), strict=True):
        (spans, numbers), (new_spans, new_numbers) = count_contents(before), count_contents(after)
        assert new_numbers == numbers
        assert spans <= new_spans
        assert not any(map(is_invention, new_spans - spans))


@given(TEXTS, st.sampled_from(PLACEHOLDERS), st.sampled_from(["sentence", "line"]))
@settings(max_examples=400)
def test_identity_gives_the_text_back(
    text: str, placeholder: Callable[[int], str], unit: Literal["sentence", "line"]
) -> None:
    assert one(text, engine(str, placeholder, unit)).text == text


@given(TEXTS)
@settings(max_examples=300)
def test_an_engine_that_changes_letters_changes_nothing_else(text: str) -> None:
    # Within Cyrillic: no letter becomes code, a tag or an address.
    translation = one(text, engine(lambda t: t.replace("о", "а")))
    assert translation.text is not None
    changed = [(a, b) for a, b in zip(text, translation.text, strict=True) if a != b]
    assert set(changed) <= {("о", "а")}


HOSTILE: dict[str, Callable[[str], str]] = {
    "destroys placeholders": lambda t: re.sub(r"[{}<>/X]", "", t) or "?",
    "drops digits": lambda t: re.sub(r"\d", "", t) or "?",
    "shuffles": shuffled,
    "doubles": lambda t: f"{t} {t}",
    "invents placeholders": lambda t: t + " {99} <x99/> X99X",
    "invents lines": lambda t: f"- {t}\n\n```\r{t}",
    "invents code": lambda t: f"    `{t}`\u2028",
    "upper-cases": str.upper,
    "gives nothing": lambda _: " \n",
    "speaks in patterns": lambda t: rf"\1 \g<p0> {t} (?P<x>",
}


@pytest.mark.parametrize("change", HOSTILE.values(), ids=HOSTILE)
@given(TEXTS, st.sampled_from(PLACEHOLDERS), st.sampled_from(["pieces", "reject"]))
@settings(max_examples=100)
def test_an_engine_that_errs_loses_nothing_or_gives_a_reason(
    change: Callable[[str], str],
    text: str,
    placeholder: Callable[[int], str],
    on_lost: Literal["pieces", "reject"],
) -> None:
    translation = one(text, engine(change, placeholder), on_lost)
    assert (translation.text is None) == (translation.reason != "")
    if translation.text is None:
        return
    # Two spans side by side may read as one; then only the characters can be compared.
    assert len(outline(translation.text)) == len(outline(text))
    assert find_blocks(translation.text) == find_blocks(text)
    fixed = [part.text for part in split_segments(text) if not part.prose]
    at = 0
    for part in fixed:
        found = translation.text.find(part, at)
        assert found >= 0
        at = found + len(part)


def test_only_prose_changes() -> None:
    assert one(RICH, engine(str.upper)).text == (
        "# HOW TO: `pip install x`\r\n"
        "\r\n"
        "1. OPEN https://x.org/a?b=c, THEN WAIT 3.5 S.  WRITE TO a.b@c.org!\r\n"
        "   - SAY {name} OR [NAME]; COST: $1,000.50 \r\n"
        "```python\r\n"
        "print('hello there')\r\n"
        "```\r\n"
        "| WORD | $x^2$ |\r\n"
        "> DONE"
    )


def test_the_engine_gets_sentences_with_placeholders_once() -> None:
    calls: list[list[str]] = []

    def translate(texts: Sequence[str]) -> list[str | Untranslated]:
        calls.append(list(texts))
        return list(texts)

    texts = ["Go to `a`. Or to `b` at 5.", "  Or to `c` at 5.\n12\n`x`\nGo to {0}."]
    results = translate_texts(texts, FakeEngine("e", "e", translate), "en")
    assert calls == [["Go to {0}.", "Or to {0} at 5.", "Go to {1}."]]
    assert [(r.text, r.sentences, r.retried, r.pieces) for r in results] == [
        (texts[0], 2, 0, 0),
        (texts[1], 2, 0, 0),
    ]


def test_an_engine_for_lines_gets_lines() -> None:
    calls: list[str] = []

    def change(text: str) -> str:
        calls.append(text)
        return text

    one("One. Two.\nThree.", engine(change, unit="line"))
    assert calls == ["One. Two.", "Three."]


def test_changed_numbers_are_hidden_in_a_second_attempt() -> None:
    calls: list[str] = []

    def change(text: str) -> str:
        calls.append(text)
        return text.replace(".5", ".6").upper()

    translation = one("It took 3.5 hours for `x`.", engine(change))
    assert calls == ["It took 3.5 hours for {0}.", "It took {0} hours for {1}."]
    assert translation == Translation("IT TOOK 3.5 HOURS FOR `x`.", "", 1, 1, 0)


@pytest.mark.parametrize(
    ("text", "translated"),
    [
        ("It cost 1,000.50 for 20 days.", "COSTÓ 1.000,50 POR 20 DÍAS."),
        ("It took 3.5 hours.", "৩.৫ ঘণ্টা লেগেছিল।"),
        ("Of 12,000 men 5 came.", "Sur 12\u202f000 hommes, 5 sont venus."),
    ],
)
def test_a_number_in_another_form_is_no_loss(text: str, translated: str) -> None:
    assert one(text, engine(lambda _: translated)) == Translation(translated, "", 1, 0, 0)


def test_what_looks_like_a_path_or_a_slot_only_in_the_translation_is_no_invention() -> None:
    translated = "Él o ella /dijo [Nombre de ella] -no."
    assert one("He or she said (her name) no.", engine(lambda _: translated)).text == translated


def test_what_normalisation_makes_of_a_superscript_is_a_changed_number() -> None:
    normalise = engine(lambda text: unicodedata.normalize("NFKC", text).upper())
    assert one("A room of 20 m² or ½ acre.", normalise).text == "A ROOM OF 20 m² OR ½ ACRE."


def test_lost_placeholders_lead_to_pieces() -> None:
    calls: list[str] = []

    def change(text: str) -> str:
        calls.append(text)
        return re.sub(r"\{\d\}", "", text).upper()

    translation = one("It took 5pm hours for `x`, he said.", engine(change))
    assert calls[2:] == ["It took", "hours for", ", he said."]
    assert translation == Translation("IT TOOK 5pm HOURS FOR `x`, HE SAID.", "", 1, 1, 1)


def test_lost_placeholders_can_be_rejected() -> None:
    drop = engine(lambda text: text.replace("{0}", ""))
    assert one("Use `x` now.", drop, "reject") == Translation(
        None, "lost placeholder: `x`", 1, 0, 0
    )
    twice = engine(lambda text: text.replace("{0}", "{0} {0}"))
    assert one("Use `x` now.", twice, "reject").reason == "lost placeholder: `x`"


def test_a_number_may_come_in_figures_but_none_may_go() -> None:
    assert one("Two cats.", engine(lambda _: "2 Katzen.")).text == "2 Katzen."
    # Without its number the sentence goes out in pieces, which cannot lose it.
    kept = one("I see 2 cats.", engine(lambda t: t.replace("2", "zwei").replace("cats", "Katzen")))
    assert kept.text == "I see 2 Katzen."


@pytest.mark.parametrize(
    ("text", "change", "reason"),
    [
        ("A cat.", lambda _: "Ein {0}.", "lost placeholder: {0}"),
        ("A `cat`.", lambda t: t + " {7}", "lost placeholder: {7}"),
        ("A cat.", lambda _: "- Katze", "changed structure: line 1 begins or ends differently"),
        ("A cat.", lambda _: "", "the engine returned an empty translation"),
    ],
)
def test_reasons(text: str, change: Callable[[str], str], reason: str) -> None:
    translation = one(text, engine(change))
    assert (translation.text, translation.reason) == (None, reason)


@pytest.mark.parametrize(
    ("text", "translated"),
    [("On 15 August.", "15. elokuuta."), ("He lied.", "– Hän valehteli."), ("A b.", "A\nb.")],
)
def test_grammar_and_line_breaks_are_no_new_structure(text: str, translated: str) -> None:
    assert one(text, engine(lambda _: translated)).text == translated.replace("\n", " ")


@pytest.mark.parametrize("written", ["{0}", "{ 0 }", "<X0 />", "x0x"])
def test_a_placeholder_may_come_back_spaced_or_in_other_case(written: str) -> None:
    form = {"{": "{{{}}}", "<": "<x{}/>", "x": "X{}X"}[written[0]]
    assert one("Use `y`.", engine(lambda _: f"Nimm {written}.", form.format)).text == "Nimm `y`."


def test_a_placeholder_is_not_found_inside_a_longer_one() -> None:
    text = "Use " + ", ".join(f"`{letter}`" for letter in "abcdefghijkl") + "."
    assert one(text, engine(str, "X{}".format)) == Translation(text, "", 1, 0, 0)


def test_what_the_engine_refuses_fails_its_text_alone() -> None:
    def translate(texts: Sequence[str]) -> list[str | Untranslated]:
        return [Untranslated("too long") if "bad" in text else text for text in texts]

    results = translate_texts(["A bad one.", "Good."], FakeEngine("e", "e", translate), "en")
    assert [(r.text, r.reason) for r in results] == [(None, "too long"), ("Good.", "")]


def test_an_engine_that_miscounts_is_reported() -> None:
    with pytest.raises(StageError, match="test gave 0 translations of 1 texts"):
        one("Hello.", FakeEngine("test", "s", lambda _: []))


def test_no_text_and_no_prose_ask_nothing() -> None:
    def translate(_: Sequence[str]) -> list[str | Untranslated]:
        raise AssertionError

    silent = FakeEngine("e", "e", translate)
    assert translate_texts([], silent, "en") == []
    assert [r.text for r in translate_texts(["", " \n", "42", "`x`"], silent, "en")] == [
        *("", " \n", "42", "`x`")
    ]


def test_more_spans_than_a_sentence_has_are_cut_at_once() -> None:
    text = " ".join(f"word {{x{n}}}" for n in range(3000))
    upper = one(text, engine(str.upper))
    assert upper.text == text.replace("word", "WORD")


@pytest.mark.data
def test_real_texts(data_folder: Path) -> None:
    rows = json.loads((data_folder / "instructions/alpaca.en.json").read_text(encoding="utf-8"))
    texts = [row[field] for row in rows for field in ("instruction", "input", "output")]
    bench = (data_folder / "instructions/mt_bench.en.jsonl").read_text(encoding="utf-8")
    texts += [m["content"] for line in bench.splitlines() for m in json.loads(line)["messages"]]
    assert [r.text for r in translate_texts(texts, engine(str), "en")] == texts

    failed = 0
    for text, upper in zip(texts, translate_texts(texts, engine(str.upper), "en"), strict=True):
        if upper.text is None:
            failed += 1
            # Upper case makes "[name]" look like a placeholder; nothing else may fail.
            assert re.fullmatch(r"lost placeholder: \[[A-Z]+\]", upper.reason)
            continue
        assert_kept(text, upper.text)
        assert upper.text.upper() == text.upper()
        assert re.findall(r"```[^`]*```", upper.text) == re.findall(r"```[^`]*```", text)
    assert failed < 20
