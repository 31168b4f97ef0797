from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from polypaca.core.errors import StageError, UserError
from polypaca.llm import client as client_module
from polypaca.llm import wire
from polypaca.llm.cache import key, read
from polypaca.llm.client import complete, complete_async
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Failure, Reply, Request

from .mock_server import MODEL_VERSION, Answer, MockServer, serve

KEY_OF_FIRST_VERSION = "ae7e900b69ce6c0fcbfe63c2ffce12bf824055f10e0bd2fc9eb0f337d2f6ed0c"
KEY = "sk-a-secret-that-must-not-be-seen"


def ask(text: str, **settings: float | None) -> Request:
    return Request(messages=(("user", text),), **settings)  # type: ignore[arg-type]


def at(server: MockServer, **settings: Any) -> Endpoint:
    return Endpoint(**{"base_url": server.base_url, "model": "m", "api_key_env": None, **settings})


def echo(number: int, content: str) -> Answer:
    return Answer(f"you said {content}")


def texts(outcomes: list[Reply | Failure]) -> list[str]:
    return [outcome.text if isinstance(outcome, Reply) else "-" for outcome in outcomes]


def test_replies_come_in_the_order_of_the_requests() -> None:
    def slower_first(number: int, content: str) -> Answer:
        return Answer(content, delay=0.1 if content == "0" else 0)

    with serve(slower_first) as server:
        outcomes = complete([ask(str(i)) for i in range(20)], at(server))
    assert texts(outcomes) == [str(i) for i in range(20)]
    assert outcomes[0] == Reply(
        text="0", model=MODEL_VERSION, finish_reason="stop", prompt_tokens=7, completion_tokens=3
    )


def test_what_is_sent_is_what_was_asked() -> None:
    messages = (("system", "be brief"), ("user", "hé 漢"))
    request = Request(messages, temperature=0.5, max_tokens=9, seed=3, stop=("#",))
    with serve(echo) as server:
        complete([request, ask("plain", temperature=None)], at(server, concurrency=1))
    assert server.requests[0] == {
        "model": "m",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "content": "hé 漢"},
        ],
        "temperature": 0.5,
        "max_tokens": 9,
        "seed": 3,
        "stop": ["#"],
    }
    assert set(server.requests[1]) == {"model", "messages"}


def test_a_prompt_goes_to_the_endpoint_for_completions_as_it_is() -> None:
    request = Request(prompt="Once ", max_tokens=4, top_p=0.9, sample=2)
    with serve(echo) as server:
        (outcome,) = complete([request], at(server))
    assert server.requests == [
        {"model": "m", "prompt": "Once ", "temperature": 0.0, "top_p": 0.9, "max_tokens": 4}
    ]
    assert texts([outcome]) == ["you said Once "]


@pytest.mark.parametrize("settings", [{}, {"messages": (("user", "a"),), "prompt": "a"}])
def test_a_request_has_messages_or_a_prompt(settings: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="either messages or a prompt"):
        Request(**settings)


def test_keys_of_replies_kept_by_earlier_versions_stay_as_they_were() -> None:
    served = Endpoint(base_url="http://h/v1/", model="m", api_key_env=None, concurrency=3)
    request = Request((("user", "é"),), temperature=0.5, max_tokens=9, stop=("#",), seed=3)
    assert key(served, request) == KEY_OF_FIRST_VERSION


def test_half_a_character_is_replaced_not_fatal() -> None:
    with serve(echo) as server:
        assert texts(complete([ask("a\ud83d")], at(server))) == ["you said a?"]


def test_no_more_than_allowed_are_in_flight_and_that_many_are() -> None:
    with serve(lambda number, content: Answer("x", delay=0.05)) as server:
        complete([ask(str(i)) for i in range(24)], at(server, concurrency=6))
        assert server.most_in_flight == 6


def test_progress_counts_to_the_end_and_equal_requests_are_asked_once() -> None:
    seen: list[int] = []
    with serve(echo) as server:
        outcomes = complete(
            [ask("a"), ask("b"), ask("a")], at(server, concurrency=1), progress=seen.append
        )
        assert len(server.requests) == 2
    assert texts(outcomes) == ["you said a", "you said b", "you said a"]
    assert seen[-1] == 3
    assert all(one < other for one, other in pairwise(seen))


def test_nothing_to_ask() -> None:
    assert (
        complete([], Endpoint(base_url="http://127.0.0.1:1/v1", model="m", api_key_env=None)) == []
    )


def test_it_runs_inside_an_event_loop_too() -> None:
    with serve(echo) as server:
        outcomes = asyncio.run(complete_async([ask("a")], at(server)))
    assert texts(outcomes) == ["you said a"]


def test_a_kept_reply_is_not_asked_for_again(tmp_path: Path) -> None:
    with serve(echo) as server:
        first = complete([ask("a"), ask("b")], at(server), cache=tmp_path)
        second = complete([ask("a"), ask("b"), ask("c")], at(server), cache=tmp_path)
        assert len(server.requests) == 3
    assert texts(second)[:2] == texts(first)
    assert [reply.cached for reply in second if isinstance(reply, Reply)] == [True, True, False]


def test_all_that_determines_a_reply_is_part_of_its_key(tmp_path: Path) -> None:
    variants = [
        ask("a"),
        ask("a", temperature=1.0),
        ask("a", max_tokens=5),
        ask("a", seed=1),
        Request((("user", "a"),), stop=("x",)),
        Request((("system", "a"),)),
        Request(prompt="a"),
        ask("a", top_p=0.5),
        ask("a", sample=1),
    ]
    with serve(echo) as server:
        complete(variants, at(server), cache=tmp_path)
        assert len(server.requests) == len(variants)
        other = Endpoint(base_url=server.base_url, model="other", api_key_env=None)
        complete([ask("a")], other, cache=tmp_path)
        assert len(server.requests) == len(variants) + 1
        # How hard the server is pressed does not change what it says.
        complete([ask("a")], at(server, concurrency=2, timeout_seconds=9.0), cache=tmp_path)
        assert len(server.requests) == len(variants) + 1


def test_a_damaged_cache_file_is_asked_for_again(tmp_path: Path) -> None:
    with serve(echo) as server:
        complete([ask("a")], at(server), cache=tmp_path)
        (file,) = tmp_path.rglob("*.json")
        for damage in ("{", "[]", "{}", '{"reply": {"text": 3}}'):
            file.write_text(damage, encoding="utf-8")
            assert texts(complete([ask("a")], at(server), cache=tmp_path)) == ["you said a"]
        assert len(server.requests) == 5
    assert json.loads(file.read_text(encoding="utf-8"))["asked"]["model"] == "m"


def test_a_kept_reply_with_other_words_is_asked_for_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with serve(echo) as server:
        complete([ask("a")], at(server), cache=tmp_path)
        (path,) = tmp_path.rglob("*.json")
        kept = path.read_text()
        path.write_text(kept.replace("you said a", "you said b"))
        assert texts(complete([ask("a")], at(server), cache=tmp_path)) == ["you said a"]
        assert f"damaged in the cache: {path}" in caplog.text
        # Kept by a version without hashes: it may have cost money, and is believed.
        earlier = json.loads(kept)
        del earlier["sha256"]
        path.write_text(json.dumps(earlier))
        assert texts(complete([ask("a")], at(server), cache=tmp_path)) == ["you said a"]
    assert len(server.requests) == 2


# What another process does; its argument is the cache's folder.
WRITE_OFTEN = """
import sys
from pathlib import Path
from polypaca.llm.cache import write
from polypaca.llm.records import Reply, Request
from polypaca.llm.endpoint import Endpoint

for number in range(300):
    text = str(number % 3)
    request = Request(messages=(("user", text),))
    reply = Reply(text * 5000, "m", "stop", 1, 1)
    served = Endpoint(base_url="http://h/v1", model="m", api_key_env=None)
    write(Path(sys.argv[1]), served, request, reply)
"""


def test_processes_that_share_a_cache_read_whole_replies(tmp_path: Path) -> None:
    served = Endpoint(base_url="http://h/v1", model="m", api_key_env=None)
    command = [sys.executable, "-c", WRITE_OFTEN, str(tmp_path)]
    writers = [subprocess.Popen(command) for _ in range(2)]
    seen: set[int] = set()
    while any(writer.poll() is None for writer in writers):
        for number in range(3):
            reply = read(tmp_path, served, ask(str(number)))
            # Once there is a reply, it is never gone or cut off.
            assert reply is not None or number not in seen
            if reply is not None:
                seen.add(number)
                assert reply.text == str(number) * 5000
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == {0, 1, 2}
    assert len(list(tmp_path.rglob("*"))) == 6, "three folders, three replies, nothing besides"


def test_replies_not_worth_keeping_are_asked_for_again(tmp_path: Path) -> None:
    def good(request: Request, reply: Reply) -> bool:
        return reply.text == "good"

    with serve(lambda number, content: Answer("bad" if number == 0 else "good")) as server:
        for expected in ("bad", "good", "good"):
            outcomes = complete([ask("a")], at(server), cache=tmp_path, keep=good)
            assert texts(outcomes) == [expected]
        assert len(server.requests) == 2


def test_an_error_once_is_retried() -> None:
    with serve(lambda number, content: Answer("x", status=200 if number else 500)) as server:
        assert texts(complete([ask("a")], at(server))) == ["x"]
        assert len(server.requests) == 2


def test_retry_after_is_honoured() -> None:
    def limited(number: int, content: str) -> Answer:
        headers = {"Retry-After": "1"}
        return Answer("x") if number else Answer(status=429, headers=headers)

    with serve(limited) as server:
        begun = time.perf_counter()
        assert texts(complete([ask("a")], at(server))) == ["x"]
    assert time.perf_counter() - begun >= 1


def test_a_connection_reset_in_the_body_is_retried() -> None:
    with serve(lambda number, content: Answer("x" * 999, reset=number == 0)) as server:
        assert texts(complete([ask("a")], at(server))) == ["x" * 999]


FAULTS = [
    (Answer(status=400), "answered 400"),
    (Answer(status=503), "answered 503"),
    (Answer(body=b'{"choices": [{"mess'), "not JSON"),
    (Answer(body=b""), "not JSON"),
    (Answer(body=b"[]"), "not a completion"),
    (Answer(body=b'"words"'), "not a completion"),
    (Answer(body=b"null"), "not a completion"),
    (Answer(body=b'{"error": {"message": "overloaded"}}'), "not a completion"),
    (Answer(body=b"<html>", headers={"Content-Type": "text/html"}), "not JSON"),
    (Answer(body=b'{"choices": []}'), "without choices"),
    (Answer(body=b'{"choices": [null]}'), "no text"),
    (Answer(body=b'{"choices": [{"message": null}]}'), "no text"),
    (Answer(body=b'{"choices": [{"message": {"content": null}}]}'), "no text"),
    (Answer(body=b'{"choices": [{"message": {"content": 3}}]}'), "no text"),
]


def test_faults_are_recorded_one_by_one_and_the_rest_goes_on(tmp_path: Path) -> None:
    def answer(number: int, content: str) -> Answer:
        return FAULTS[int(content)][0] if content.isdigit() else Answer(content)

    requests = [ask("a"), *(ask(str(index)) for index in range(len(FAULTS))), ask("b")]
    with serve(answer) as server:
        served = at(server, max_retries=0)
        first, *failures, last = complete(requests, served, cache=tmp_path)
        assert texts([first, last]) == ["a", "b"]
        for failure, (fault, reason) in zip(failures, FAULTS, strict=True):
            assert isinstance(failure, Failure), fault
            assert reason in failure.reason
        complete(requests, served, cache=tmp_path)
        assert len(server.requests) == 2 + 2 * len(FAULTS), "failures are asked again, no reply is"


def test_a_reply_without_usage_is_a_reply() -> None:
    body = b'{"choices": [{"message": {"content": "x"}}], "usage": null}'
    with serve(lambda number, content: Answer(body=body)) as server:
        assert complete([ask("a")], at(server)) == [Reply("x", "m", "unknown", None, None)]


def test_a_server_that_is_not_there_stops_everything_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried: list[Request] = []

    async def send(client: Any, served: Endpoint, request: Request) -> wire.Attempt:
        tried.append(request)
        return await wire.send(client, served, request)

    monkeypatch.setattr(client_module, "send", send)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        served = Endpoint(base_url=url, model="m", api_key_env=None, max_retries=1)
        with pytest.raises(StageError, match=url):
            complete([ask(str(i)) for i in range(500)], served)
    assert len(tried) <= 2 * served.concurrency


def test_a_server_that_never_answers_stops_everything() -> None:
    with serve(lambda number, content: Answer("x", delay=3)) as server:
        served = at(server, max_retries=0, timeout_seconds=0.2)
        with pytest.raises(StageError, match=r"did not answer within 0\.2 s"):
            complete([ask(str(i)) for i in range(50)], served)


def test_a_stall_fails_one_request_alone() -> None:
    def stall(number: int, content: str) -> Answer:
        return Answer(content, delay=2 if content == "slow" else 0)

    requests = [ask("a"), ask("slow"), ask("b"), ask("c")]
    with serve(stall) as server:
        outcomes = complete(requests, at(server, max_retries=0, timeout_seconds=0.3, concurrency=1))
    assert texts(outcomes) == ["a", "-", "b", "c"]


@pytest.mark.slow
def test_a_server_that_goes_away_is_given_up_after_a_few_misses(tmp_path: Path) -> None:
    def dies(number: int, content: str) -> Answer:
        return Answer(content, delay=0 if int(content) < 3 else 4)

    requests = [ask(str(i)) for i in range(100)]
    with serve(dies) as server:
        served = at(server, max_retries=0, timeout_seconds=1, concurrency=3)
        outcomes = complete(requests, served, cache=tmp_path)
        assert len(server.requests) < 12
    assert texts(outcomes)[:3] == ["0", "1", "2"]
    assert isinstance(outcomes[-1], Failure)
    assert outcomes[-1].reason.startswith("not sent")
    assert len(list(tmp_path.rglob("*.json"))) == 3


@pytest.mark.parametrize(("status", "hint"), [(401, "POLYPACA_TEST_KEY"), (404, "model's name")])
def test_a_wrong_key_or_model_stops_everything(
    status: int, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYPACA_TEST_KEY", KEY)
    with serve(lambda number, content: Answer(status=status)) as server:
        served = at(server, api_key_env="POLYPACA_TEST_KEY", concurrency=2)
        with pytest.raises(UserError, match=hint) as error:
            complete([ask(str(i)) for i in range(50)], served)
        assert len(server.requests) <= 4
    assert KEY not in str(error.value)


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLYPACA_TEST_KEY", raising=False)
    served = Endpoint(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="POLYPACA_TEST_KEY")
    with pytest.raises(UserError, match="POLYPACA_TEST_KEY is not set"):
        complete([ask("a")], served)


def test_a_key_that_cannot_be_one_is_not_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYPACA_TEST_KEY", f"{KEY}\u2019")
    served = Endpoint(base_url="http://127.0.0.1:1/v1", model="m", api_key_env="POLYPACA_TEST_KEY")
    with pytest.raises(UserError, match="POLYPACA_TEST_KEY has characters") as error:
        complete([ask("a")], served)
    assert KEY not in str(error.value)


def test_the_key_reaches_the_server_and_no_file_error_or_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def answer(number: int, content: str) -> Answer:
        return Answer(status=400) if content == "bad" else Answer(content)

    monkeypatch.setenv("POLYPACA_TEST_KEY", KEY)
    caplog.set_level("DEBUG")
    with serve(answer) as server:
        served = at(server, api_key_env="POLYPACA_TEST_KEY", concurrency=1)
        outcomes = complete([ask("a"), ask("bad")], served, cache=tmp_path)
    assert isinstance(outcomes[1], Failure)
    assert "no luck with the key ***" in outcomes[1].reason, "the server did not get the key"
    assert KEY not in repr(outcomes) + caplog.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 1
    assert all(KEY.encode() not in path.read_bytes() for path in files)


def test_a_server_without_keys_does_not_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with serve(lambda number, content: Answer(status=400)) as server:
        (outcome,) = complete([ask("a")], at(server))
    assert isinstance(outcome, Failure)
    assert "the key none" in outcome.reason


@pytest.mark.parametrize(
    "url",
    [
        "api.example.org/v1",
        "ftp://example.org",
        "https://",
        f"https://me:{KEY}@example.org/v1",
        f"https://example.org/v1?key={KEY}",
    ],
)
def test_a_url_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="base_url") as error:
        Endpoint(base_url=url, model="m", api_key_env=None)
    assert KEY not in str(error.value)


def test_concurrency_is_at_least_one() -> None:
    with pytest.raises(ValidationError, match=r"concurrency\n.* greater than or equal to 1"):
        Endpoint(base_url="http://127.0.0.1/v1", model="m", api_key_env=None, concurrency=0)


def test_the_module_does_not_hold_the_openai_package() -> None:
    assert not hasattr(client_module, "openai")
