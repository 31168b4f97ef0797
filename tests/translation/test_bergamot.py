"""The Bergamot engine: real translations of a tiny real model, damaged files, dying processes."""

from __future__ import annotations

import gzip
import os
import shutil
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import MissingExtraError, StageError, UserError
from polypaca.translation import bergamot, engines
from polypaca.translation.bergamot import BergamotSettings
from polypaca.translation.bergamot_worker import count_pieces, split_pieces
from polypaca.translation.contract import Engine, Untranslated

from .marian_format import (
    VOCABULARY,
    model_bytes,
    read_items,
    sentences,
    shortlist_bytes,
    translated,
)

MODEL, VOCAB, LEX = "model.enes.intgemm.alphas.bin", "vocab.enes.spm", "lex.50.50.enes.s2t.bin"


def make(source: str, target: str, *, model: Path, threads: int = 1, **settings: Any) -> Engine:
    chosen = BergamotSettings(model=str(model), **settings)
    return engines.load(chosen, source, target, threads=threads)


@pytest.fixture(scope="module")
def engine(bergamot_model: Path) -> Iterator[Engine]:
    made = make("en", "es", model=bergamot_model)
    yield made
    made.close()


@pytest.fixture
def folder(bergamot_model: Path, tmp_path: Path) -> Path:
    """A copy of the model that a test may spoil."""
    return Path(shutil.copytree(bergamot_model, tmp_path / "model"))


def _once(folder: Path, texts: list[str], **settings: Any) -> list[str | Untranslated]:
    engine = make("en", "es", model=folder, **settings)
    try:
        return engine.translate(texts)
    finally:
        engine.close()


# --- translating


def test_translates_what_the_model_has_learnt(engine: Engine) -> None:
    assert engine.translate(["the cat sees my dog.", "not two small horse and water."]) == [
        "el gato ve mi perro.",
        "no dos pequeño caballo y agua.",
    ]
    unseen = sentences(100, seed=7)
    right = sum(
        one == translated(text) for one, text in zip(engine.translate(unseen), unseen, strict=True)
    )
    assert right >= 98


def test_threads_and_company_change_nothing(engine: Engine, bergamot_model: Path) -> None:
    texts = sentences(30, seed=8)
    alone = [engine.translate([text])[0] for text in texts]
    assert engine.translate(texts) == alone
    assert _once(bergamot_model, texts, threads=3) == alone


def test_a_long_text_is_translated_in_parts(engine: Engine, bergamot_model: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    vocabulary = SentencePieceProcessor(model_file=str(bergamot_model / VOCAB))
    text = " ".join(sentences(40, seed=9))
    parts = split_pieces(text, lambda words: count_pieces(words, vocabulary))
    assert len(parts) > 1
    expected = " ".join(str(one) for one in engine.translate([part.strip() for part in parts]))
    assert engine.translate([text]) == [expected]


def test_the_shortlist_says_which_words_may_come(folder: Path) -> None:
    from sentencepiece import SentencePieceProcessor

    vocabulary = SentencePieceProcessor(model_file=str(folder / VOCAB))
    text = "the cat sees my dog."
    kept = {0, 1, *vocabulary.encode(text), *vocabulary.encode("el gato ve mi.")}
    banned = set(vocabulary.encode("perro")) - kept
    assert banned
    others = sorted(set(range(VOCABULARY)) - kept - banned)
    allowed = sorted(kept) + others[: -(len(kept) + len(others)) % 8 - 8]  # a multiple of 8
    (folder / LEX).write_bytes(shortlist_bytes([sorted(allowed)] * VOCABULARY, first=0))
    assert _once(folder, [text], shortlist=False) == ["el gato ve mi perro."]
    (narrow,) = _once(folder, [text])
    assert isinstance(narrow, str)
    assert narrow.startswith("el gato ve mi ")
    assert "perro" not in narrow


def test_two_vocabularies(folder: Path) -> None:
    """The target's pieces in another order than the source's, as in English-Japanese models."""
    from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

    order = [0, 1, *range(VOCABULARY - 1, 1, -1)]
    proto = ModelProto.FromString((folder / VOCAB).read_bytes())
    pieces = list(proto.pieces)
    del proto.pieces[:]
    proto.pieces.extend(pieces[old] for old in order)
    (folder / VOCAB).rename(folder / "srcvocab.enes.spm")
    (folder / "trgvocab.enes.spm").write_bytes(proto.SerializeToString())

    items = read_items((folder / MODEL).read_bytes())
    code, shape, data = items.pop("Wemb")
    width = shape[1]
    rows = [data[row * width : (row + 1) * width] for row in range(VOCABULARY)]
    items["encoder_Wemb"] = (code, shape, data)
    tail = data[VOCABULARY * width :]
    items["decoder_Wemb"] = (code, shape, b"".join(rows[old] for old in order) + tail)
    items["decoder_Wemb_QuantMultA"] = items.pop("Wemb_QuantMultA")
    code, shape, data = items["decoder_ff_logit_out_b"]
    bias = struct.unpack_from(f"<{VOCABULARY}f", data)
    items["decoder_ff_logit_out_b"] = (
        code,
        shape,
        struct.pack(f"<{VOCABULARY}f", *(bias[old] for old in order)),
    )
    code, _, config = items["special:model.yml"]
    text = config.rstrip(b"\0").replace(b"tied-embeddings-all: true", b"tied-embeddings: true")
    items["special:model.yml"] = (code, (len(text) + 1,), text + b"\0")
    (folder / MODEL).write_bytes(model_bytes(items))

    assert _once(folder, ["the cat sees my dog."]) == ["el gato ve mi perro."]
    (folder / "trgvocab.enes.spm").unlink()
    with pytest.raises(UserError, match=r"no trgvocab\.\*\.spm"):
        make("en", "es", model=folder)


def test_gzipped_files_are_the_same_model(folder: Path, engine: Engine) -> None:
    for path in list(folder.iterdir()):
        (folder / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
    packed = make("en", "es", model=folder)
    assert packed.signature == engine.signature
    assert packed.translate(["my house."]) == ["mi casa."]
    packed.close()
    assert all(path.suffix == ".gz" for path in folder.iterdir())


def test_codes_in_the_path_and_files_of_two_pairs(folder: Path) -> None:
    for path in list(folder.iterdir()):
        shutil.copy(path, folder / path.name.replace("enes", "esen"))
    named = folder.rename(folder.with_name("en-es"))
    text = str(named.with_name("{source}-{language}"))
    assert _once(Path(text), ["the dog."]) == ["el perro."]


def test_nothing_is_written_to_the_home(
    bergamot_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert _once(bergamot_model, ["the dog."]) == ["el perro."]
    assert list(tmp_path.iterdir()) == []


def test_the_signature_tells_models_and_settings_apart(folder: Path, engine: Engine) -> None:
    without = make("en", "es", model=folder, shortlist=False)
    without.close()
    items = read_items((folder / MODEL).read_bytes())
    code, shape, data = items["decoder_ff_logit_out_b"]
    items["decoder_ff_logit_out_b"] = (code, shape, struct.pack("<f", 1.0) + data[4:])
    (folder / MODEL).write_bytes(model_bytes(items))
    other = make("en", "es", model=folder)
    other.close()
    assert len({engine.signature, without.signature, other.signature}) == 3
    assert "fxtranslate=" in engine.signature


def test_the_unknown_piece_is_never_written(folder: Path) -> None:
    items = read_items((folder / MODEL).read_bytes())
    code, shape, data = items["decoder_ff_logit_out_b"]
    items["decoder_ff_logit_out_b"] = (code, shape, data[:4] + struct.pack("<f", 50.0) + data[8:])
    (folder / MODEL).write_bytes(model_bytes(items))
    assert _once(folder, ["the cat sees my dog."]) == ["el gato ve mi perro."]


def test_odd_texts_have_an_outcome(engine: Engine) -> None:
    invalid, blank = engine.translate(["a \ud83d cat", "\u0301"])
    assert isinstance(invalid, Untranslated)
    assert "surrogates" in invalid.reason
    assert isinstance(blank, str | Untranslated)


def test_placeholders_are_distinct_numbers(engine: Engine) -> None:
    assert [engine.placeholder(n) for n in range(3)] == ["701", "702", "703"]


# --- files


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


def _junk(path: Path) -> None:
    path.write_bytes(b"<html>404 Not Found</html>" * 20)


def _pointer(path: Path) -> None:
    path.write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _damaged_gzip(path: Path) -> None:
    packed = bytearray(gzip.compress(path.read_bytes()))
    packed[-6] ^= 0xFF  # in the check sum
    path.with_name(f"{path.name}.gz").write_bytes(packed)
    path.unlink()


@pytest.mark.parametrize(
    ("file", "spoil", "says"),
    [
        (MODEL, Path.unlink, r"has no model\.\*\.bin"),
        (VOCAB, Path.unlink, r"has no vocab\.\*\.spm"),
        (LEX, Path.unlink, r"has no lex\.\*\.s2t\.bin; set `shortlist: false`"),
        (MODEL, _cut, "bytes where its header says"),
        (MODEL, _junk, "is damaged or not part of a Bergamot model: no Marian file"),
        (MODEL, _pointer, "only a Git LFS pointer"),
        (MODEL, _empty, "empty; download it again"),
        (MODEL, _damaged_gzip, "damaged: CRC check failed"),
        (VOCAB, _junk, "no SentencePiece vocabulary"),
        (LEX, _cut, "bytes where its header says"),
        (LEX, _flip, "wrong checksum"),
        (LEX, _junk, "no binary shortlist"),
    ],
)
def test_missing_and_damaged_files_are_named(
    folder: Path, file: str, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(folder / file)
    with pytest.raises(UserError, match=says) as error:
        make("en", "es", model=folder)
    assert str(folder) in str(error.value)


def _without(ending: str) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        items = read_items(path.read_bytes())
        kept = {name: item for name, item in items.items() if not name.endswith(ending)}
        path.write_bytes(model_bytes(kept))

    return change


@pytest.mark.parametrize(
    ("ending", "says"),
    [
        ("_QuantMultA", "no activation scales in it"),
        ("model.yml", r"no special:model\.yml"),
        ("encoder_l1_self_Wq", r"the engine bergamot cannot load it: .*encoder_l1_self_Wq"),
    ],
)
def test_a_model_that_lacks_something(folder: Path, ending: str, says: str) -> None:
    _without(ending)(folder / MODEL)
    with pytest.raises(UserError, match=says):
        make("en", "es", model=folder)


def test_a_vocabulary_of_another_model(folder: Path) -> None:
    from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

    proto = ModelProto.FromString((folder / VOCAB).read_bytes())
    proto.pieces.add(piece="more", score=-9.0)
    (folder / VOCAB).write_bytes(proto.SerializeToString())
    with pytest.raises(UserError, match="81 pieces, but the model has embeddings for 80"):
        make("en", "es", model=folder)


def test_the_wrong_way_round_is_noticed(bergamot_model: Path) -> None:
    with pytest.raises(UserError, match="translates en into es, not es into en"):
        make("es", "en", model=bergamot_model)


def test_other_forms_of_the_model_are_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere does not exist"):
        make("en", "es", model=tmp_path / "nowhere")
    (tmp_path / "model.npz").touch()
    with pytest.raises(UserError, match=r"model\.npz is there: not quantised"):
        make("en", "es", model=tmp_path)


def test_two_models_in_a_folder(folder: Path) -> None:
    shutil.copy(folder / MODEL, folder / "model.enes.intgemm8.bin")
    with pytest.raises(UserError, match=r"several files that match model\*\.bin"):
        make("en", "es", model=folder)


def test_without_the_package(bergamot_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.metadata as metadata

    def unreachable(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", unreachable)
    with pytest.raises(MissingExtraError, match=r"polypaca\[bergamot\]"):
        make("en", "es", model=bergamot_model)


# --- processes


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="no /proc to find processes in")
def test_a_killed_process_is_replaced_and_close_ends_all(bergamot_model: Path) -> None:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    before = set(children.read_text().split())
    engine = make("en", "es", model=bergamot_model)
    (child,) = set(children.read_text().split()) - before
    os.kill(int(child), signal.SIGKILL)
    assert engine.translate(["the dog.", "my house."]) == ["el perro.", "mi casa."]
    engine.close()
    engine.close()
    assert set(children.read_text().split()) == before


# The real engine dies over no text that is known, so a stand-in does.
STAND_IN = """
import json, os, sys, time
print(json.dumps({"backend": "none"}), flush=True)
for line in sys.stdin:
    text = json.loads(line)["text"]
    if "poison" in text:
        print("it hurts", file=sys.stderr)
        os.abort()
    if "sleep" in text:
        time.sleep(60)
    print(json.dumps({"translation": text.upper()}), flush=True)
"""


@pytest.fixture
def children() -> Iterator[list[bergamot._Worker]]:
    made = [bergamot._Worker([sys.executable, "-c", STAND_IN]) for _ in range(2)]
    yield made
    for child in made:
        bergamot._stop(child)


def test_a_text_that_kills_the_engine_is_left_out(children: list[bergamot._Worker]) -> None:
    texts = [f"poison {n}" if n in (3, 4, 11) else f"text {n}" for n in range(20)]
    outcomes = bergamot._translate(texts, children)
    died = Untranslated("the engine crashed on it: ended by signal 6: it hurts")
    assert outcomes == [died if "poison" in text else text.upper() for text in texts]


def test_a_text_that_hangs_is_left_out(
    children: list[bergamot._Worker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bergamot, "_SECONDS_PER_TEXT", 0.5)
    monkeypatch.setattr(bergamot, "_SECONDS_TO_DIE", 0.1)
    outcomes = bergamot._translate(["a", "sleep", "b"], children[:1])
    assert outcomes == ["A", Untranslated("the engine crashed on it: no answer in time"), "B"]


def test_an_engine_that_always_dies_is_an_error(children: list[bergamot._Worker]) -> None:
    with pytest.raises(StageError, match=r"crashed on 5 texts in a row.*it hurts"):
        bergamot._translate(["poison"] * 50, children[:1])


def test_an_engine_that_does_not_start_is_an_error() -> None:
    child = bergamot._Worker([sys.executable, "-c", "import sys; sys.exit('no memory left')"])
    with pytest.raises(StageError, match="exit code 1: no memory left"):
        bergamot._translate(["a"], [child])
    assert child.process is None


# --- parts


def test_split_cuts_between_words() -> None:
    assert split_pieces("one two three four", lambda text: len(text.split()), 2) == [
        "one two ",
        "three four",
    ]
    assert split_pieces("short", len, 10) == ["short"]
    assert split_pieces("abcdefgh", len, 3) == ["ab", "cd", "ef", "gh"]


@given(st.text().filter(str.strip), st.integers(1, 20))
def test_split_loses_nothing(text: str, longest: int) -> None:
    parts = split_pieces(text, lambda part: len(part.strip()), longest)
    assert "".join(parts) == text
    assert all(parts)
