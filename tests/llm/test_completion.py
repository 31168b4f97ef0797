from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polypaca.core.errors import UserError
from polypaca.llm.client import complete
from polypaca.llm.completion import read_choice, read_usage
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Failure, Reply, Request

from .mock_server import Answer, serve

KEY = "sk-a-secret/that+must=not.be-seen"


def message(content: Any, **further: Any) -> dict[str, Any]:
    return {"message": {"content": content, **further}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    ("choice", "text"),
    [
        (message("Hi"), "Hi"),
        (message([{"type": "text", "text": "Hi"}, {"type": "text", "text": " you"}]), "Hi you"),
        (message([{"type": "output_text", "text": "Hi"}]), "Hi"),
        (message(["Hi", {"text": " you"}]), "Hi you"),
        (message([{"type": "thinking", "thinking": "Hm"}, {"type": "text", "text": "Hi"}]), "Hi"),
        (message([{"type": "image_url", "image_url": {}}, {"type": "text", "text": "Hi"}]), "Hi"),
        (message([{"type": "image_url", "image_url": {}}]), None),
        (message([]), None),
        (message(None), None),
        (message(None, reasoning_content="Hm"), ""),
        (message([{"type": "thinking", "thinking": "Hm"}]), ""),
        ({"text": "Hi"}, "Hi"),
    ],
)
def test_the_text_of_a_content_is_that_of_its_parts(choice: Any, text: str | None) -> None:
    assert read_choice(choice).text == text


@pytest.mark.parametrize(
    "choice",
    [
        message(None, refusal="I cannot."),
        message("", refusal="I cannot."),
        message([{"type": "refusal", "refusal": "I cannot."}]),
    ],
)
def test_a_refusal_is_what_the_model_said(choice: Any) -> None:
    said = read_choice(choice)
    assert (said.text, said.finish_reason) == ("I cannot.", "refusal")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["message", "content", "type", "text", "refusal", "total_tokens"]),
            inner,
        )
    ),
)


@given(JSON)
def test_anything_may_stand_under_any_name(value: Any) -> None:
    read_choice(value)
    read_usage(value)


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("form", ["plain", "bearer", "escaped", "in an error", "in parts"])
def test_a_key_that_a_server_repeats_is_in_nothing_that_comes_of_it(
    status: int, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_TEST_KEY", KEY)
    said: Any = f"I got Bearer {KEY}" if form == "bearer" else f"I got {KEY}."
    if form == "in parts" and status == 200:
        said = [{"type": "text", "text": f"I got {KEY[:9]}"}, {"type": "text", "text": KEY[9:]}]
    body: dict[str, Any] = {
        "model": KEY,
        "choices": [{"message": {"content": said}, "finish_reason": KEY}],
    }
    if form == "in an error" or status != 200:
        body = {"error": {"message": f"no luck: {said}", "code": KEY, "type": KEY}}
    raw = json.dumps(body)
    if form == "escaped":
        raw = raw.replace("/", "\\/").replace("s", "\\u0073")
    answer = Answer(status=status, body=raw.encode(), headers={"x-key": KEY, "retry-after": KEY})
    with serve(lambda number, content: answer) as server:
        served = Endpoint(
            base_url=server.base_url, model="m", api_key_env="POLYPACA_TEST_KEY", max_retries=0
        )
        try:
            outcome: Any = complete([Request((("user", "x"),))], served)
        except UserError as error:
            outcome = str(error)
    assert KEY not in repr(outcome)
    assert KEY.replace("/", "\\/") not in repr(outcome)
    assert "***" in repr(outcome)


REFUSED = [
    (
        "Unsupported parameter: 'max_tokens' is not supported with this model. "
        "Use 'max_completion_tokens' instead.",
        "max_tokens",
        "max_tokens_parameter: max_completion_tokens",
    ),
    (
        "Unsupported value: 'temperature' does not support 0 with this model. "
        "Only the default (1) value is supported.",
        "temperature",
        "temperature: null",
    ),
    ("temperature is deprecated for this model", None, "temperature: null"),
    ("Unrecognized request argument supplied: 'seed'", None, "temperature: 0"),
]


@pytest.mark.parametrize(("words", "parameter", "setting"), REFUSED)
def test_a_parameter_that_a_model_refuses_stops_the_rest(
    words: str, parameter: str | None, setting: str
) -> None:
    body = json.dumps({"error": {"message": words, "param": parameter}}).encode()
    with serve(lambda number, content: Answer(status=400, body=body)) as server:
        served = Endpoint(base_url=server.base_url, model="m", api_key_env=None, concurrency=2)
        requests = [Request((("user", str(n)),), max_tokens=9, seed=1) for n in range(30)]
        with pytest.raises(UserError, match=setting):
            complete(requests, served)
        assert len(server.requests) <= 2


@pytest.mark.parametrize(
    "words",
    [
        "This content is not allowed; please stop.",
        "max_tokens is too large: 4096",
        "The prompt is too long.",
        "Unsupported value: the seed of doubt",
    ],
)
def test_another_refusal_is_that_prompts_alone(words: str) -> None:
    body = json.dumps({"error": {"message": words}}).encode()

    def answer(number: int, content: str) -> Answer:
        return Answer(status=400, body=body) if content == "bad" else Answer("yes")

    with serve(answer) as server:
        served = Endpoint(base_url=server.base_url, model="m", api_key_env=None)
        requests = [Request((("user", said),), max_tokens=9) for said in ("good", "bad", "fine")]
        outcomes = complete(requests, served)
    assert [isinstance(outcome, Reply) for outcome in outcomes] == [True, False, True]
    assert isinstance(outcomes[1], Failure)
    assert outcomes[1].lasting


def test_a_model_may_want_other_names_and_no_temperature() -> None:
    with serve(lambda number, content: Answer("yes")) as server:
        served = Endpoint(
            base_url=server.base_url,
            model="m",
            api_key_env=None,
            max_tokens_parameter="max_completion_tokens",
        )
        complete([Request((("user", "x"),), temperature=None, max_tokens=9)], served)
    (sent,) = server.requests
    assert sent["max_completion_tokens"] == 9
    assert not {"max_tokens", "temperature"} & set(sent)
