from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import StageError, UserError
from polypaca.core.settings import deciding
from polypaca.llm.records import Failure, Reply
from polypaca.translation import engines, llm
from polypaca.translation.contract import Engine, Untranslated

from ..llm.mock_server import Answer, MockServer, serve  # noqa: TID252


def make(
    server: MockServer | str = "http://h/v1",
    target: str = "es",
    *,
    cache: Path | None = None,
    account: Path | None = None,
    **settings: Any,
) -> Engine:
    url = server if isinstance(server, str) else server.base_url
    offered = {"model": "m", "base_url": url, "api_key_env": None, **settings}
    chosen = llm.LlmTranslatorSettings(**offered)
    return engines.load(chosen, "en", target, cache=cache, account=account)


def reply(text: str, finish_reason: str = "stop") -> Reply:
    return Reply(text, "m-1", finish_reason, 1, 1)


def finished(text: str, reason: str) -> Answer:
    choice = {
        "index": 0,
        "finish_reason": reason,
        "message": {"role": "assistant", "content": text},
    }
    body = {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    return Answer(body=json.dumps(body).encode())


def test_a_translation_and_what_was_asked() -> None:
    with serve(lambda number, content: Answer("El gato duerme.")) as server:
        assert make(server).translate(["The cat sleeps."]) == ["El gato duerme."]
        (sent,) = server.requests
    assert (sent["model"], sent["temperature"], sent["max_tokens"]) == ("m", 0, 1024)
    (message,) = sent["messages"]
    assert message["role"] == "user"
    assert message["content"].startswith(
        "Translate the text below from English into Spanish.\nAnswer with the translation alone"
    )
    assert "tags such as <x0/> exactly as they are" in message["content"]
    assert message["content"].endswith("\n\nText:\nThe cat sleeps.")


@pytest.mark.parametrize(
    ("text", "answer", "bare"),
    [
        ("The cat.", " El gato.\n", "El gato."),
        ("The cat.", '"El gato."', "El gato."),
        ("The cat.", "«El gato.»", "El gato."),
        ('"The cat."', '"El gato."', '"El gato."'),
        ("“The cat.”", "«El gato.»", "«El gato.»"),
        ("A or B", '"A" o "B"', '"A" o "B"'),
        ("The cat.", "```\nEl gato.\n```", "El gato."),
        ("The cat.", "```text\nEl gato.\n```", "El gato."),
        ("The ```cat```", "```\nEl gato\n```", "```\nEl gato\n```"),
        ("The cat.", "<think>\nHm. A cat.\n</think>\n\nEl gato.", "El gato."),
        ("The cat.", "Hm. A cat.\n</think>\n\nEl gato.", "El gato."),
        ("The cat.", "[THINK]Hm.[/THINK]El gato.", "El gato."),
        ("The cat.", "<think>a</think>b</think>El gato.", "El gato."),
        (
            "The cat.",
            "<|channel|>analysis<|message|>Hm<|end|><|start|>assistant<|channel|>final"
            "<|message|>El gato.",
            "El gato.",
        ),
        ("<think>x</think> a", "<think>x</think> un", "<think>x</think> un"),
        (" The cat. ", "El gato.", " El gato. "),
        ("The cat.", '"', '"'),
        ("The cat.", '""', '""'),
        ("The cat.", "  ", ""),
    ],
)
def test_what_models_put_around_a_translation_goes(text: str, answer: str, bare: str) -> None:
    assert llm.strip_wrapping(text, answer) == bare


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply("El ga", "length"), "cut off at max_tokens"),
        (reply("El", "content_filter"), "withheld by the server's content filter"),
        (reply(" \n"), "the model wrote nothing"),
        (reply("<think>Hm.</think>"), "the model wrote nothing"),
        (reply("<think>Hm."), "the model wrote nothing"),
        (reply("Un.\n\nEl gato."), r"the model wrote 3 lines for 1: 'Un.\n\nEl gato.'"),
        (reply("El\u2028gato."), r"the model wrote 2 lines for 1: 'El\u2028gato.'"),
        (Failure("no"), "no"),
    ],
)
def test_what_is_no_translation_says_why(answer: Reply | Failure, reason: str) -> None:
    assert llm.read_translation("The cat.", answer) == Untranslated(reason)


def test_a_text_of_two_lines_may_get_two() -> None:
    assert llm.read_translation("One.\u2028Two.", reply("Uno.\nDos.")) == "Uno.\nDos."


def test_cut_off_answers_fail_alone_and_are_asked_again(tmp_path: Path) -> None:
    def answer(number: int, content: str) -> Answer:
        return finished("un lar", "length") if "long" in content else Answer("El gato")

    with serve(answer) as server:
        engine = make(server, cache=tmp_path)
        expected = ["El gato", Untranslated("cut off at max_tokens")]
        assert engine.translate(["The cat", "a long one"]) == expected
        assert engine.translate(["The cat", "a long one"]) == expected
        assert len(server.requests) == 3


def test_a_failing_server_stops_the_stage_and_the_good_replies_are_kept(tmp_path: Path) -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer(status=500 if "bad" in content and number < 3 else 200, text="Bien")

    texts = ["good", "bad", "fine"]
    with serve(answer) as server:
        engine = make(server, cache=tmp_path, max_retries=0, concurrency=1)
        with pytest.raises(StageError) as failure:
            engine.translate(texts)
        assert str(failure.value).startswith(
            f"1 of 3 texts were not translated: {server.base_url} answered 500: "
        )
        assert "the next run asks only for the others" in str(failure.value)
        assert engine.translate(texts) == ["Bien"] * 3
        assert len(server.requests) == 4


def test_without_a_cache_a_failure_does_not_promise_one() -> None:
    with serve(lambda number, content: Answer(status=500)) as server:
        engine = make(server, max_retries=0)
        with pytest.raises(StageError, match="no replies are kept"):
            engine.translate(["x"])


@pytest.mark.parametrize("texts", [["bad"], ["bad", "good"]])
def test_a_text_that_the_server_refuses_fails_alone(texts: list[str]) -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer(status=400) if "bad" in content else Answer("Bien")

    with serve(answer) as server:
        first, *others = make(server).translate(texts)
    assert isinstance(first, Untranslated)
    assert "answered 400: no luck" in first.reason
    assert others == ["Bien"] * (len(texts) - 1)


def test_settings_that_the_server_refuses_stop_the_stage() -> None:
    with serve(lambda number, content: Answer(status=400)) as server:
        engine = make(server)
        with pytest.raises(StageError, match=r"2 of 2 texts were not translated.*answered 400"):
            engine.translate(["one", "two"])


def test_the_key_is_found_missing_at_once_and_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("POLYPACA_TEST_KEY", raising=False)
    with pytest.raises(UserError, match="POLYPACA_TEST_KEY"):
        make(api_key_env="POLYPACA_TEST_KEY")
    monkeypatch.setenv("POLYPACA_TEST_KEY", "sk-very-secret")
    with serve(lambda number, content: Answer(status=500)) as server:
        engine = make(server, api_key_env="POLYPACA_TEST_KEY", max_retries=0)
        with pytest.raises(StageError) as failure:
            engine.translate(["x"])
    assert "with the key ***" in str(failure.value)
    assert "sk-very-secret" not in repr(engine) + str(failure.value)


def test_the_signature_holds_what_determines_a_translation(tmp_path: Path) -> None:
    own = tmp_path / "short.txt"
    own.write_text("Into ${target}: ${text}\n", encoding="utf-8")
    signature = make().signature
    assert re.fullmatch(
        r"llm\|model:m\|en>es\|prompt:packaged-[0-9a-f]{12}\|temperature:0\|max_tokens:1024"
        r"\|reading:2",
        signature,
    )
    others: list[dict[str, Any]] = [
        {"model": "n"},
        {"temperature": 0.5},
        {"max_tokens": 9},
        {"prompt": str(own)},
    ]
    made = [make(**other).signature for other in others]
    made.append(make(target="de").signature)
    assert len({signature, *made}) == 6
    same: dict[str, Any] = {
        "concurrency": 1,
        "timeout_seconds": 3.0,
        "max_retries": 0,
        "base_url": "http://i/v1",
    }
    assert make(**same).signature == signature


def test_how_hard_the_server_is_pressed_decides_no_translation() -> None:
    plain = llm.LlmTranslatorSettings(model="m")
    pressed = llm.LlmTranslatorSettings(
        model="m",
        api_key_env=None,
        concurrency=2,
        requests_per_minute=9,
        tokens_per_minute=99,
        timeout_seconds=3,
        max_retries=0,
        price_input=1,
        price_output=2,
        money_limit=5,
        token_limit=1000,
        max_tokens_parameter="max_completion_tokens",
    )
    assert deciding(plain) == deciding(pressed)
    for other in ({"model": "n"}, {"temperature": 1}, {"max_tokens": 9}):
        assert deciding(plain) != deciding(plain.model_copy(update=other))


def test_a_limit_holds_over_all_languages_and_runs(tmp_path: Path) -> None:
    texts = [f"The cat number {number}." for number in range(10)]
    asked: dict[str, Any] = {"cache": tmp_path / "cache", "account": tmp_path / "spending.jsonl"}
    asked |= {"max_tokens": 100, "concurrency": 1}
    with serve(lambda number, content: Answer("El gato.")) as server:
        for _ in range(2):
            make(server, "es", token_limit=5000, **asked).translate(texts)
        spent = sum(
            entry["prompt_tokens"] + entry["completion_tokens"]
            for entry in map(json.loads, (tmp_path / "spending.jsonl").read_text().splitlines())
        )
        with pytest.raises(StageError, match=r"token_limit: .* would be exceeded, .* after 10 req"):
            make(server, "de", token_limit=spent + 1, **asked).translate(texts)
        assert len(server.requests) == 10
        make(server, "de", token_limit=5000, **asked).translate(texts)
        assert len(server.requests) == 20


def test_a_prompt_of_ones_own(tmp_path: Path) -> None:
    own = tmp_path / "short.txt"
    own.write_text("${source} to ${target}: ${text}\n", encoding="utf-8")
    with serve(lambda number, content: Answer("x")) as server:
        make(server, prompt=str(own)).translate(["The cat"])
        assert server.requests[0]["messages"][0]["content"] == "English to Spanish: The cat"


def test_a_prompt_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"cannot read .* 'missing'"):
        llm.load_prompt("missing")
    lacking = tmp_path / "lacking.txt"
    lacking.write_text("Into ${target}", encoding="utf-8")
    with pytest.raises(UserError, match=r"lacks \$\{text\}"):
        llm.load_prompt(str(lacking))


def test_a_language_that_is_none() -> None:
    with pytest.raises(UserError, match="'xx' is not a language code"):
        make(target="xx")


@given(st.lists(st.sampled_from(["${text}", "${source}", "$", "\\1", "x"])).map("".join))
def test_slots_in_a_text_stay_as_they_are(text: str) -> None:
    values = {"source": "A", "target": "B", "text": text}
    assert llm.fill("${source}>${target} ${other} ${text}", values) == f"A>B ${{other}} {text}"


@pytest.mark.slow
def test_a_real_server(transformers_server: tuple[str, str], tmp_path: Path) -> None:
    url, model = transformers_server
    engine = make(url, model=model, max_tokens=8, cache=tmp_path / "cache")
    texts = ["The cat.", "The dog.", "a \ud83d b"]
    outcomes = engine.translate(texts)
    assert len(outcomes) == 3
    # Random weights do not end: what the server says of it must arrive as a reason.
    assert Untranslated("cut off at max_tokens") in outcomes
    assert engine.translate(texts) == outcomes
