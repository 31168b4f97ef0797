"""The CTranslate2 engine: tiny real models, converted, against Transformers' own answers."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from polypaca.core.errors import MissingExtraError, StageError, UserError
from polypaca.translation import engines
from polypaca.translation.contract import Engine, Untranslated
from polypaca.translation.ctranslate2 import CTranslate2Settings
from polypaca.translation.ctranslate2_languages import language_token

from . import tiny_seq2seq

pytest.importorskip("ctranslate2", reason="no ctranslate2: pip install 'polypaca[translate]'")

SEEN = set(tiny_seq2seq.sentences(2000, seed=1))
UNSEEN = [line for line in tiny_seq2seq.sentences(120, seed=7) if line not in SEEN]
ODD = ["Name three animals that people know well.", "a[b]c{e} 12,5% OK?", "x" * 60, "{0} {10}"]
NLLB_CODES = ["eng_Latn", "spa_Latn", "zho_Hans", "zho_Hant", "nob_Latn", "kor_Hang", "arb_Arab"]


def make(
    source: str, target: str, *, model: Path | str, threads: int = 1, **settings: Any
) -> Engine:
    chosen = CTranslate2Settings(model=str(model), **settings)
    return engines.load(chosen, source, target, threads=threads)


@pytest.fixture(scope="module")
def engine(ctranslate2_model: Path) -> Engine:
    return make("en", "es", model=ctranslate2_model)


@pytest.fixture(scope="module")
def random_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a model with random weights, `transformers/`, and its conversion, `converted/`."""
    folder = tmp_path_factory.mktemp("random")
    made = tiny_seq2seq.marian(folder / "transformers")
    tiny_seq2seq.convert(made, folder / "converted", ["source.spm", "target.spm"])
    return folder


@pytest.fixture(scope="module")
def nllb_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same of NLLB's shape."""
    folder = tmp_path_factory.mktemp("nllb")
    made = tiny_seq2seq.nllb(folder / "transformers", NLLB_CODES)
    tiny_seq2seq.convert(made, folder / "converted", ["sentencepiece.bpe.model"])
    return folder


def _generated(model: Any, tokenizer: Any, texts: list[str], **given: Any) -> list[str]:
    """What Transformers generates greedily."""
    model.eval()
    found = []
    for text in texts:
        ids = model.generate(
            **tokenizer(text, return_tensors="pt"), do_sample=False, num_beams=1, **given
        )
        found.append(" ".join(tokenizer.decode(ids[0], skip_special_tokens=True).split()))
    return found


def _texts(outcomes: list[str | Untranslated]) -> list[str]:
    return ["" if isinstance(outcome, Untranslated) else outcome for outcome in outcomes]


@pytest.mark.parametrize("compute_type", ["float32", "int8"])
@pytest.mark.parametrize("beam_size", [1, 4])
def test_unseen_sentences_word_for_word(
    ctranslate2_model: Path, compute_type: str, beam_size: int
) -> None:
    made = make("en", "es", model=ctranslate2_model, compute_type=compute_type, beam_size=beam_size)
    right = [tiny_seq2seq.word_for_word(line) for line in UNSEEN]
    assert len(UNSEEN) > 90
    assert made.translate(UNSEEN) == right


@pytest.mark.parametrize("trained", [True, False])
def test_greedy_float_output_is_what_transformers_generates(
    ctranslate2_model: Path, random_model: Path, trained: bool
) -> None:
    from transformers import MarianMTModel, MarianTokenizer

    converted = ctranslate2_model if trained else random_model / "converted"
    original = converted.parent / "transformers"
    model = MarianMTModel.from_pretrained(original)
    expected = _generated(
        model, MarianTokenizer.from_pretrained(original), UNSEEN[:40] + ODD, max_new_tokens=30
    )
    made = make("en", "es", model=converted, compute_type="float32", beam_size=1, max_length=30)
    assert _texts(made.translate(UNSEEN[:40] + ODD)) == expected
    assert len(set(expected)) > 8


@pytest.mark.slow
def test_nllb_is_given_both_languages_as_transformers_does(nllb_model: Path) -> None:
    from transformers import M2M100ForConditionalGeneration, NllbTokenizer

    original = nllb_model / "transformers"
    model = M2M100ForConditionalGeneration.from_pretrained(original)
    answers = {}
    for source, target in [("en", "es"), ("no", "zh")]:
        made = make(
            source,
            target,
            model=nllb_model / "converted",
            compute_type="float32",
            beam_size=1,
            max_length=30,
        )
        codes = {"en": "eng_Latn", "es": "spa_Latn", "no": "nob_Latn", "zh": "zho_Hans"}
        tokenizer = NllbTokenizer.from_pretrained(original, src_lang=codes[source])
        bos = tokenizer.convert_tokens_to_ids(codes[target])
        # Transformers counts the target's code as a new token, the engine does not.
        answers[source] = _generated(
            model, tokenizer, UNSEEN[:40] + ODD, max_new_tokens=31, forced_bos_token_id=bos
        )
        assert _texts(made.translate(UNSEEN[:40] + ODD)) == answers[source]
        assert f"languages={codes[source]} {codes[target]}" in made.signature
    assert answers["en"] != answers["no"]


def test_a_multilingual_model_gets_the_target_in_front(tmp_path: Path) -> None:
    from transformers import MarianMTModel, MarianTokenizer

    made = tiny_seq2seq.marian(tmp_path / "m", extra_tokens=[">>spa<<", ">>por_BR<<", ">>nob<<"])
    converted = tiny_seq2seq.convert(made, tmp_path / "c", ["source.spm", "target.spm"])
    model = MarianMTModel.from_pretrained(made)
    tagged = [f">>nob<<{line}" for line in UNSEEN[:20]]
    tokenizer = MarianTokenizer.from_pretrained(made)
    expected = _generated(model, tokenizer, tagged, max_new_tokens=20)
    chosen: dict[str, Any] = {
        "model": converted,
        "compute_type": "float32",
        "beam_size": 1,
        "max_length": 20,
    }
    assert _texts(make("en", "no", **chosen).translate(UNSEEN[:20])) == expected
    assert "languages=>>spa<<" in make("en", "es", **chosen).signature
    with pytest.raises(UserError, match=r"language 'de'; similar tokens: .*set target_token"):
        make("en", "de", **chosen)
    assert "languages" not in make("en", "de", target_token="", **chosen).signature


def test_batches_hold_texts_of_one_length(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[set[int]] = []

    class Watched:
        def translate_batch(self, rows: list[list[str]], *given: Any, **named: Any) -> Any:
            calls.append({len(row) for row in rows})
            return real.translate_batch(rows, *given, **named)

    expected = engine.translate(UNSEEN)
    real = engine._translator  # type: ignore[attr-defined]
    monkeypatch.setattr(engine, "_translator", Watched())
    assert engine.translate(UNSEEN) == expected
    assert len(calls) > 3
    assert all(len(lengths) == 1 for lengths in calls)


@pytest.mark.data
@pytest.mark.slow
def test_int8_translates_a_text_alone_as_among_others(data_folder: Path, tmp_path: Path) -> None:
    """With batches of mixed lengths a few of these differ."""
    dev, test = (
        (data_folder / "flores" / f"flores-{part}.en").read_text(encoding="utf-8").splitlines()
        for part in ("dev", "test")
    )
    made = tiny_seq2seq.marian(tmp_path / "m", width=256, layers=3, lines=dev, size=8000)
    tiny_seq2seq.convert(made, tmp_path / "c", ["source.spm", "target.spm"])
    texts = [*test[:150], *(" ".join(line.split()[:5]) for line in test[:150])]
    one, two = (
        make(
            "en", "es", model=tmp_path / "c", max_length=30, threads=threads, max_batch_tokens=size
        )
        for threads, size in ((1, 2048), (2, 300))
    )
    alone = [one.translate([text])[0] for text in texts]
    assert len(set(map(str, alone))) > 100
    assert one.translate(texts) == alone
    assert two.translate(texts[::-1]) == alone[::-1]


def test_long_texts_are_refused_and_the_longest_is_read(engine: Engine) -> None:
    fits, long = "cat " * 511, "cat " * 512
    outcomes = engine.translate([long, fits, "the cat sees a dog"])
    assert outcomes[0] == Untranslated("513 tokens, more than the 512 that the model can read")
    assert isinstance(outcomes[1], str)
    assert outcomes[2] == "el gato ve un perro"


def test_the_longest_output_fits_the_model(random_model: Path) -> None:
    made = make("en", "es", model=random_model / "converted", max_length=511, beam_size=1)
    assert max(len(_texts([outcome])[0]) for outcome in made.translate(UNSEEN[:20])) > 500
    short = make("en", "es", model=random_model / "converted", max_length=3)
    assert all(len(text.split()) <= 3 for text in _texts(short.translate(UNSEEN[:20])))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(st.characters(exclude_categories=[])), max_size=4))
def test_any_text_gives_a_text_or_a_reason(engine: Engine, texts: list[str]) -> None:
    outcomes = engine.translate(texts)
    assert len(outcomes) == len(texts)
    assert all(
        outcome.reason if isinstance(outcome, Untranslated) else outcome.strip()
        for outcome in outcomes
    )


def test_what_the_model_has_no_characters_for_is_untranslated(engine: Engine) -> None:
    assert engine.translate(["\u200b"]) == [Untranslated("no characters that the model can read")]


def test_placeholders_are_the_first_form_that_the_pieces_spell(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [engine.placeholder(n) for n in (0, 12)] == ["{0}", "{12}"]
    monkeypatch.setattr(tiny_seq2seq, "CHARACTERS", ["0123456789 [].,", "abcdefghijklmno"])
    made = tiny_seq2seq.marian(tmp_path / "m")
    converted = tiny_seq2seq.convert(made, tmp_path / "c", ["source.spm", "target.spm"])
    assert make("en", "es", model=converted).placeholder(3) == "[3]"


def test_the_signature_changes_with_what_changes_the_output(
    ctranslate2_model: Path, tmp_path: Path
) -> None:
    def signature(folder: Path = ctranslate2_model, **given: Any) -> str:
        return make("en", "es", model=folder, **given).signature

    assert re.fullmatch(
        r"ctranslate2=4\.\S+ model=[0-9a-f]{16} compute_type=int8_float32 "
        r"beam_size=4 max_length=256",
        signature(),
    )
    copied = shutil.copytree(ctranslate2_model, tmp_path / "copy")
    assert (
        signature(copied) == signature(threads=2) == signature(max_batch_tokens=64) == signature()
    )
    shutil.copy(copied / "source.spm", copied / "target.spm")
    others = [
        signature(copied),
        signature(beam_size=2),
        signature(max_length=9),
        signature(compute_type="float32"),
    ]
    assert len({signature(), *others}) == 5


def test_languages_fill_in_the_folder(ctranslate2_model: Path, engine: Engine) -> None:
    made = make("en", "es", model=ctranslate2_model.parent / "{source}-{language}")
    assert made.signature == engine.signature


@pytest.mark.parametrize("name", ["model.bin", "config.json", "source.spm", "target.spm"])
def test_missing_and_empty_files_are_named_with_the_command(
    ctranslate2_model: Path, tmp_path: Path, name: str
) -> None:
    folder = shutil.copytree(ctranslate2_model, tmp_path / "m")
    (folder / name).write_bytes(b"")
    with pytest.raises(UserError, match=rf"{name} is empty; .*ct2-transformers-converter"):
        make("en", "es", model=folder)
    (folder / name).unlink()
    with pytest.raises(UserError, match=rf"lacks .*{name}.* --copy_files source.spm target.spm"):
        make("en", "es", model=folder)


def test_a_model_without_vocabulary_or_sentencepiece(
    ctranslate2_model: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(ctranslate2_model, tmp_path / "nllb-200")
    for name in ("source.spm", "target.spm"):
        (folder / name).unlink()
    with pytest.raises(UserError, match=r"--copy_files sentencepiece.bpe.model"):
        make("en", "es", model=folder)
    (folder / "shared_vocabulary.json").unlink()
    with pytest.raises(UserError, match=r"lacks shared_vocabulary.json"):
        make("en", "es", model=folder)
    with pytest.raises(UserError, match=r"none is not a folder .*opus-mt-en-es"):
        make("en", "es", model=tmp_path / "none")


def _half(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("model.bin", _half),
        ("model.bin", lambda data: b"version https://git-lfs.github.com/spec/v1\n"),
        ("config.json", _half),
        ("config.json", lambda data: b"[]"),
        ("shared_vocabulary.json", _half),
        ("source.spm", _half),
        ("target.spm", lambda data: b"not a model"),
    ],
)
def test_damaged_files(
    ctranslate2_model: Path, tmp_path: Path, name: str, damage: Callable[[bytes], bytes]
) -> None:
    folder = shutil.copytree(ctranslate2_model, tmp_path / "m")
    (folder / name).write_bytes(damage((folder / name).read_bytes()))
    with pytest.raises(UserError, match=r"(?s)cannot (load|read) .*ct2-transformers-converter"):
        make("en", "es", model=folder)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("beam_size", 0, "beam_size\n  Input should be greater than or equal to 1"),
        ("beam_size", 4.5, "beam_size\n  Input should be a valid integer"),
        ("max_length", 512, "max_length\n  Input should be less than 512"),
        ("max_length", 0, "max_length\n  Input should be greater than or equal to 1"),
        ("threads", 0, "threads must be at least 1, not 0"),
        ("max_batch_tokens", True, "max_batch_tokens\n  Input should be a valid integer"),
        ("device", "cpuu", "device\n  Input should be 'auto', 'cpu' or 'cuda'"),
        ("compute_type", "int9", "does not support compute_type 'int9'; did you mean int8?"),
    ],
)
def test_wrong_settings(ctranslate2_model: Path, setting: str, value: Any, message: str) -> None:
    with pytest.raises((UserError, ValidationError), match=re.escape(message)):
        make("en", "es", model=ctranslate2_model, **{setting: value})


def test_cuda_without_a_gpu(ctranslate2_model: Path) -> None:
    import ctranslate2

    if ctranslate2.get_cuda_device_count():
        pytest.skip("there is a GPU")
    with pytest.raises(UserError, match="CUDA finds no GPU"):
        make("en", "es", model=ctranslate2_model, device="cuda")


def test_without_the_package(ctranslate2_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(MissingExtraError, match=r"polypaca\[translate\]"):
        make("en", "es", model=ctranslate2_model)


def test_a_closed_engine_says_so(ctranslate2_model: Path) -> None:
    made = make("en", "es", model=ctranslate2_model)
    made.close()
    with pytest.raises(StageError, match="CTranslate2 failed"):
        made.translate(["the cat sees a dog"])


@pytest.mark.parametrize(
    ("code", "token"),
    [
        ("en", "eng_Latn"),
        ("zh", "zho_Hans"),
        ("zh-Hant", "zho_Hant"),
        ("zh_TW", "zho_Hant"),
        ("no", "nob_Latn"),
        ("nb", "nob_Latn"),
        ("ko", "kor_Hang"),  # the one script listed, though CLDR's is Kore
        ("ar", "arb_Arab"),
        ("spa_Latn", "spa_Latn"),
    ],
)
def test_short_codes_find_flores_codes(code: str, token: str) -> None:
    assert language_token(code, None, {tag: tag for tag in NLLB_CODES}, "target_token") == token


def test_codes_of_opus_models() -> None:
    names = [
        ">>cmn_Hans<<",
        ">>cmn_Hant<<",
        ">>nob<<",
        ">>nno<<",
        ">>pt<<",
        ">>pt_br<<",
        ">>zlm_Latn<<",
    ]
    tags = {name: name[2:-2] for name in names}
    codes = ["zh", "zh-TW", "no", "nn", "pt", "pt-BR"]
    assert [language_token(code, None, tags, "target_token") for code in codes] == names[:6]
    assert language_token("pt", ">>pt_br<<", tags, "target_token") == ">>pt_br<<"


def test_near_codes_are_named() -> None:
    tags = {tag: tag for tag in NLLB_CODES}
    with pytest.raises(UserError, match=r"'spa_Lat'; similar tokens: spa_Latn, .*source_token"):
        language_token("es", "spa_Lat", tags, "source_token")
    with pytest.raises(UserError, match=r"language 'nn'; similar tokens: nob_Latn, .*\(of 7\)"):
        language_token("nn", None, tags, "target_token")
