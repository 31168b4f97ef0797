"""What every row of the table of engines must keep, whatever it translates with.

The fixtures `bergamot_model` and `ctranslate2_model` give the folder of a model from English into
Spanish, or skip and say what is missing.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from polypaca.core.errors import UserError
from polypaca.core.settings import USER_PATH, Choice, marked_fields
from polypaca.llm.endpoint import Endpoint
from polypaca.translation.contract import Engine, Untranslated
from polypaca.translation.dummy import DummySettings
from polypaca.translation.engines import ENGINES, load
from polypaca.translation.llm import LlmTranslatorSettings

from ..llm.mock_server import Answer, serve  # noqa: TID252

PLAIN = [
    "The cat sleeps.",
    "Name three animals that people know well.",
    "I see the red house and the old dog.",
    "The cat sleeps.",
]
ODD = {
    "emoji": "I like cats 🐈‍⬛👨‍👩‍👧 and dogs 🇪🇸!",
    "only emoji": "😀😀",
    "combining mark alone": "\u0301",
    "line separator": "One cat.\u2028Two dogs.",
    "NUL": "a cat\0a dog",
    "lone surrogate": "a cat \ud83d a dog",
    "only a lone surrogate": "\ud83d",
    "long word": "x" * 5000,
    "long line of full stops": "." * 5000,
    "right to left": "The word שלום and the word سلام.",
    "another script": "你好，世界。हिन्दी বাংলা",
    "only punctuation": "?!... --- [](){}<>",
    "markup": r"a[b]c^d$e/f{g}@h <i> \j *k #l ~m +n",
    "a slot of a prompt": "Write ${text} and ${target}",
    "outer blanks": "  the cat ",
    "control characters": "a\x01b\x1bc\x7fd \x85e",
    "private use and unassigned": "\ue000 \U0010ffff \ufffe",
}
SECRET = "sk-contract-secret"  # not a key


TRAINED = ("bergamot", "ctranslate2")  # with a model of a few seconds' training


@pytest.fixture(
    params=[
        pytest.param(name, marks=pytest.mark.slow if name in TRAINED else ())
        for name in sorted(ENGINES)
    ]
)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def settings(
    name: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Choice]:
    """What the row needs to run here."""
    if name == "apertium" and not shutil.which("apertium"):
        pytest.skip("no apertium: apt install apertium apertium-eng-spa")
    if name == "llm":
        monkeypatch.setenv("POLYPACA_TEST_KEY", SECRET)
        with serve(lambda number, content: Answer(_mirrored(content))) as server:
            yield LlmTranslatorSettings(
                model="m", base_url=server.base_url, api_key_env="POLYPACA_TEST_KEY"
            )
        return
    if not _needs_model(name):
        yield ENGINES[name].settings(kind=name)
        return
    try:
        model = request.getfixturevalue(f"{name}_model")
    except pytest.FixtureLookupError:
        pytest.skip(f"no fixture {name}_model in tests/translation/conftest.py")
    yield ENGINES[name].settings.model_validate({"model": str(model)})


def _needs_model(name: str) -> bool:
    return "model" in marked_fields(ENGINES[name].settings, USER_PATH)


def _mirrored(content: str) -> str:
    return content.rpartition("Text:\n")[2].swapcase()


@pytest.fixture
def engine(settings: Choice) -> Iterator[Engine]:
    made = load(settings, "en", "es")
    yield made
    made.close()


def test_one_outcome_a_text_in_order(name: str, engine: Engine) -> None:
    outcomes = engine.translate(PLAIN)
    assert len(outcomes) == len(PLAIN)
    # A model made for tests may have nothing to say, but it says so.
    expected = str | Untranslated if _needs_model(name) else str
    assert all(isinstance(outcome, expected) and outcome for outcome in outcomes)
    assert outcomes[0] == outcomes[3]
    assert engine.translate(PLAIN[::-1]) == outcomes[::-1]


def test_nothing_to_translate(engine: Engine) -> None:
    assert engine.translate([]) == []


def test_a_text_fares_alone_as_among_others(engine: Engine) -> None:
    texts = [*PLAIN[:3], *ODD.values()]
    together = engine.translate(texts)
    assert [engine.translate([text])[0] for text in texts] == together


def test_the_same_again(engine: Engine) -> None:
    texts = [*PLAIN, *ODD.values()]
    assert engine.translate(texts) == engine.translate(texts)


def test_the_same_from_another_engine_and_more_threads(settings: Choice) -> None:
    texts = [*PLAIN, *ODD.values()]
    one, two = (load(settings, "en", "es", threads=threads) for threads in (1, 2))
    assert one.signature == two.signature
    assert one.translate(texts) == two.translate(texts)
    one.close()
    two.close()


@pytest.mark.timeout(120)
def test_an_odd_text_gives_a_text_or_a_reason(engine: Engine) -> None:
    outcomes = dict(zip(ODD, engine.translate(list(ODD.values())), strict=True))
    for kind, outcome in outcomes.items():
        assert isinstance(outcome, str | Untranslated), kind
        assert outcome.reason if isinstance(outcome, Untranslated) else outcome, kind
    assert engine.translate(PLAIN[:1]) == [engine.translate(PLAIN)[0]]


def test_the_signature_says_who_and_nothing_secret(name: str, engine: Engine) -> None:
    assert engine.name == name
    assert engine.signature.startswith(name)
    assert "\n" not in engine.signature
    assert SECRET not in repr(engine)
    assert engine.unit in ("sentence", "line")


def test_placeholders_are_distinct_and_none_is_part_of_another(engine: Engine) -> None:
    marks = [engine.placeholder(n) for n in range(30)]
    assert len(set(marks)) == 30
    assert all(mark.strip() == mark and mark for mark in marks)
    assert not [(a, b) for a in marks for b in marks if a != b and a in b]


def test_closing_twice(settings: Choice) -> None:
    engine = load(settings, "en", "es")
    engine.close()
    engine.close()


def test_unknown_settings_are_refused(name: str, settings: Choice) -> None:
    with pytest.raises(ValidationError, match="nonsense"):
        ENGINES[name].settings.model_validate({**settings.model_dump(), "nonsense": 1})


def test_a_row_says_what_its_engine_takes(name: str) -> None:
    kind = ENGINES[name].settings
    assert kind.model_fields["kind"].default == name
    assert ("model" in kind.model_fields) == (_needs_model(name) or issubclass(kind, Endpoint))
    assert kind.__doc__
    assert ENGINES.version_of(name) is None


def test_an_unknown_engine_suggests_the_nearest() -> None:
    with pytest.raises(UserError, match=r"'apertum'; did you mean apertium\?"):
        load(Choice(kind="apertum"), "en", "es")


def test_the_dummy_marks_words_and_nothing_else() -> None:
    texts = ["A cat, 3 dogs!", "हिन्दी 中文", "x2y {0} _z_", "¿?"]
    assert load(DummySettings(), "en", "es").translate(texts) == [
        "A-es cat-es, 3 dogs-es!",
        "हिन्दी-es 中文-es",
        "x-es2y-es {0} _z-es_",
        "¿?",
    ]
