from __future__ import annotations

import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import StageError, UserError
from polypaca.translation import apertium, engines
from polypaca.translation.contract import Engine, Untranslated

PROGRAM = shutil.which("apertium")
installed = pytest.mark.skipif(
    PROGRAM is None, reason="no apertium: apt install apertium apertium-eng-spa"
)
SIGNS = (
    "".join(map(chr, range(33, 127))).translate({ord(c): None for c in "'."})
    + "¡¿«»“”–—…€£°·•\u00a0\u00ad\u200b\u2028\u2029\u0085\ufeff😀🇪中אक\ufffd\ue000\ufffe\U000e0001"
    + "".join(map(chr, range(32)))
    + "\ud83d"
)


def make(target: str = "es", *, threads: int = 1, **settings: Any) -> Engine:
    return engines.load(apertium.ApertiumSettings(**settings), "en", target, threads=threads)


@pytest.mark.parametrize(
    ("text", "stream"),
    [
        ("a cat", "a cat"),
        ("a [b]", "a [5b]b[5d]"),
        ("a\\^b", "a[5c.5e]b"),
        ("x  y", "x[20.20]y"),
        ("wait... no", "wait... no"),
        ("---- x", "[2d.2d.2d.2d] x"),
        ("a\0b\ud83d", "a[0]b[d83d]"),
        ("\u0915\u094d\u200d\u0937", "\u0915\u094d\u200d\u0937"),
    ],
)
def test_encoding(text: str, stream: str) -> None:
    assert apertium.encode(text) == stream
    assert apertium.decode(stream) == text


def test_decoding_drops_the_blanks_that_apertium_makes() -> None:
    assert apertium.decode(" Veo  un gato[20.20]\\/ ") == "Veo un gato  /"


@given(st.text().map(lambda text: text.strip(" ")))
def test_a_stream_holds_no_markup_but_codes_and_gives_the_text_back(text: str) -> None:
    stream = apertium.encode(text)
    assert apertium.decode(stream) == text
    assert not set(re.sub(r"\[[0-9a-f.]+\]", "", stream)) & set("\\[]^$/{}<>@~\0\n")


@installed
def test_a_translation() -> None:
    engine = make()
    assert engine.translate(["The dog is red.", "The red house", "  The dog?  "]) == [
        "El perro es rojo.",
        "La casa roja",
        "  El perro?  ",
    ]
    assert re.fullmatch(
        r"apertium\|3\.[\d.]+\|mode:eng-spa\|data:[0-9a-f]{16}\|unknown:plain\|encoding:1",
        engine.signature,
    )


@installed
def test_every_sign_comes_through() -> None:
    forms = ["{}", "{}{}", "cat{}dog", "the {} house", "New {} York", "{}the cat", "qwx{} {}zzx"]
    texts = [form.replace("{}", sign) for sign in SIGNS for form in forms]
    signs = [sign for sign in SIGNS for _ in forms]
    lost = []
    for sign, text, got in zip(signs, texts, make().translate(texts), strict=True):
        # Letters may be translated; what is no letter may not.
        if sign.isalnum():
            continue
        if not isinstance(got, str) or got.count(sign) != text.count(sign):
            lost.append((text, got))
    assert not lost


@installed
def test_a_text_full_of_markup() -> None:
    text = r"a[b]c^d$e/f{g}@h <i> \j *k #l ~m +n & = | %o `p` _q_ a\b \[ \^x/y<z>$"
    (got,) = make().translate([text])
    assert got == "Un" + text[1:].replace(r"a\b", "un\\b")


@installed
def test_unknown_words_are_marked_on_request() -> None:
    texts = ["The qwzx is red."]
    assert make().translate(texts) == ["El qwzx es rojo."]
    marking = make(mark_unknown=True)
    assert marking.translate(texts) == ["El *qwzx es rojo."]
    assert marking.signature != make().signature


@installed
@pytest.mark.slow
def test_long_batches_do_not_block_on_full_pipes() -> None:
    text = "The dog is red. " * 30
    assert set(make(threads=2).translate([text] * 400)) == {("El perro es rojo. " * 30)}


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Apertium that dies, hangs or forgets at certain words; gives the file of what hangs."""
    assert PROGRAM is not None
    program, hanging = tmp_path / "apertium", tmp_path / "hanging"
    hanging.touch()
    program.write_text(
        f"""#!/bin/bash
        [ "$1" = -V ] && exec {PROGRAM} -V
        cat > {tmp_path}/in.$$
        [ -e {tmp_path}/broken ] && echo "no such data" >&2 && exit 4
        grep -aq dies {tmp_path}/in.$$ && kill -9 $$
        grep -aq hangs {tmp_path}/in.$$ && sh -c 'echo $$ >> {hanging}; exec sleep 60' | cat
        grep -aq forgets {tmp_path}/in.$$ && exit 0
        {PROGRAM} "$@" < {tmp_path}/in.$$
        """,
        encoding="utf-8",
    )
    program.chmod(0o755)
    monkeypatch.setenv("APERTIUM_DATADIR", str(Path(PROGRAM).parents[1] / "share/apertium"))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(apertium, "_SECONDS", 2.0)
    return hanging


@installed
@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("dies", "exit code -9"),
        pytest.param("hangs", "did not answer within 2 s", marks=pytest.mark.slow),
        ("forgets", "does not match its input"),
    ],
)
def test_a_text_at_which_apertium_fails_fails_alone(word: str, reason: str, faulty: Path) -> None:
    texts = ["The dog is red.", f"The cat {word}.", "The red house", "The dog"]
    one, poison, three, four = make().translate(texts)
    assert (one, three, four) == ("El perro es rojo.", "La casa roja", "El perro")
    assert isinstance(poison, Untranslated)
    assert reason in poison.reason
    assert all(_ends(int(pid)) for pid in faulty.read_text().split())


def _ends(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


@installed
@pytest.mark.usefixtures("faulty")
def test_an_apertium_that_fails_at_everything_is_no_fault_of_texts(tmp_path: Path) -> None:
    engine = make()
    (tmp_path / "broken").touch()
    with pytest.raises(StageError, match="exit code 4: no such data"):
        engine.translate(["The cat", "The dog"])
    with pytest.raises(StageError, match="no such data"):
        make()


@installed
def test_what_is_not_installed_is_named() -> None:
    with pytest.raises(UserError, match=r"apt install apertium apertium-eng-fin.*eng-spa, spa-eng"):
        make("fi")
    with pytest.raises(UserError, match=r"no mode 'eng-fin'; modes in .*eng-spa"):
        make(mode="eng-fin")
    with pytest.raises(UserError, match="'xx' is not a language code"):
        make("xx")


def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        UserError, match=r"not installed: .*`apt install apertium apertium-eng-spa`"
    ):
        make()


@pytest.mark.parametrize(
    ("pair", "wanted", "found"),
    [
        (("en", "es"), None, "en-es"),
        (("eng", "spa"), None, "en-es"),
        (("es", "en"), None, "spa-eng"),
        (("es", "en-US"), None, "spa-eng_US"),
        (("es", "en-GB"), None, "spa-eng"),
        (("ca", "es"), None, "cat-spa"),
        (("ca", "es"), "ca-es", "ca-es"),
    ],
)
def test_the_mode_of_a_pair(
    tmp_path: Path, pair: tuple[str, str], wanted: str | None, found: str
) -> None:
    (tmp_path / "modes").mkdir()
    for mode in ("en-es", "spa-eng", "spa-eng_US", "cat-spa", "ca-es"):
        (tmp_path / "modes" / f"{mode}.mode").touch()
    assert apertium._find_mode(tmp_path, *pair, wanted) == found


def test_the_signature_follows_the_data(tmp_path: Path) -> None:
    (tmp_path / "modes").mkdir()
    rules = tmp_path / "rules.bin"
    rules.write_bytes(b"one")
    (tmp_path / "modes" / "a-b.mode").write_text(f"lt-proc '{rules}' | other $1")
    first = apertium._hash_data(tmp_path, "a-b")
    assert apertium._hash_data(tmp_path, "a-b") == first
    rules.write_bytes(b"two")
    assert apertium._hash_data(tmp_path, "a-b") != first


@installed
@pytest.mark.data
def test_flores_is_translated_as_well_as_by_apertium_itself(data_folder: Path) -> None:
    import sacrebleu

    english, spanish = (
        (data_folder / "flores" / f"flores-test.{code}").read_text("utf-8").splitlines()
        for code in ("en", "es")
    )
    engine = make(threads=2)
    outcomes = engine.translate(english)
    translations = [outcome for outcome in outcomes if isinstance(outcome, str)]
    assert len(translations) == 1012
    # 44.117 by `apertium -u eng-spa` in its own text format, apertium-eng-spa 0.8.1.
    assert sacrebleu.corpus_chrf(translations, [spanish]).score == pytest.approx(44.1, abs=0.3)


@installed
@pytest.mark.data
def test_placeholders_keep_their_order_in_200_sentences(data_folder: Path) -> None:
    engine = make()
    path = data_folder / "flores" / "flores-test.en"
    texts = []
    for line in path.read_text("utf-8").splitlines()[:200]:
        words = line.split(" ")
        words[len(words) // 3], words[len(words) * 2 // 3] = map(engine.placeholder, (0, 1))
        texts.append(" ".join(words))
    kept = [re.findall(r"<x\d+/>", str(got)) for got in engine.translate(texts)]
    assert kept == [["<x0/>", "<x1/>"]] * 200
