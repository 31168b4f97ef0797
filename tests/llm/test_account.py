from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from polypaca.core.errors import StageError
from polypaca.llm.account import Account, Spending, Usage, estimate_usage
from polypaca.llm.client import complete
from polypaca.llm.completion import read_usage
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Failure, Reply, Request

from .mock_server import Answer, MockServer, serve

KEY = "sk-a-secret-that-must-not-be-seen"
PRICES = {"price_input": 2.0, "price_output": 10.0}


def served(**settings: Any) -> Endpoint:
    return Endpoint(**{"base_url": "http://h/v1", "model": "m", "api_key_env": None, **settings})


def at(server: MockServer, **settings: Any) -> Endpoint:
    return served(**{"base_url": server.base_url, "concurrency": 1, **settings})


def ask(number: int, max_tokens: int = 3) -> Request:
    return Request((("user", f"{number:>9}"),), max_tokens=max_tokens)


def answer(number: int, content: str) -> Answer:
    return Answer(content)  # the mock counts 7 and 3 tokens


def test_money_by_hand() -> None:
    assert served(**PRICES).money(1_000_000, 500_000) == pytest.approx(7.0)
    assert served(**PRICES).money(7, 3) == pytest.approx(0.000044)
    assert served(price_input=2.0).money(7, 3) is None


def test_an_estimate_by_hand() -> None:
    request = Request((("system", "abcdef"), ("user", "漢字")), max_tokens=50)
    # 6 bytes and 6 bytes, three a token, and eight for each text, one of them the empty prompt.
    assert estimate_usage(request) == Usage(4 + 3 * 8, 50, estimated=True)
    assert estimate_usage(request).total == 78
    assert estimate_usage(Request(prompt="a\ud83d")).completion_tokens == 1024


def test_what_was_really_sent_is_counted_and_read_back(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "spending.jsonl"
    with serve(answer) as server:
        priced = at(server, **PRICES)
        complete([ask(1), ask(2), ask(1)], priced, cache=tmp_path / "c", account=Account(path))
        complete([ask(1), ask(2)], priced, cache=tmp_path / "c", account=Account(path))
        spent = Account(path).spent(priced)
        assert Account(path).spent(at(server, model="other") if False else served()) == Spending()
    assert (spent.requests, spent.prompt_tokens, spent.completion_tokens) == (2, 14, 6)
    assert spent.money == pytest.approx(2 * 0.000044)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert [line["estimated"] for line in lines] == [False, False]
    assert {line["model"] for line in lines} == {"m"}


def test_without_usage_an_estimate_is_counted_and_called_one(tmp_path: Path) -> None:
    path = tmp_path / "spending.jsonl"
    body = b'{"choices": [{"message": {"content": "abcdef"}}]}'
    with serve(lambda number, content: Answer(body=body)) as server:
        (reply,) = complete([ask(1)], at(server), account=Account(path))
        spent = Account(path).spent(at(server))
    assert isinstance(reply, Reply)
    assert reply.completion_tokens is None
    assert spent == Spending(1, estimate_usage(ask(1)).prompt_tokens, 2 + 8, 0.0)
    assert json.loads(path.read_text("utf-8"))["estimated"] is True


def test_an_answer_without_text_was_paid_for_and_an_error_was_not(tmp_path: Path) -> None:
    bodies = [
        b'{"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}',
        b'{"choices": [{"message": {"content": null}}], '
        b'"usage": {"prompt_tokens": 5, "completion_tokens": 1}}',
    ]

    def empty(number: int, content: str) -> Answer:
        return Answer(body=bodies[number]) if number < 2 else Answer(status=400)

    account = Account(tmp_path / "spending.jsonl")
    with serve(empty) as server:
        outcomes = complete([ask(1), ask(2), ask(3)], at(server), account=account)
        assert account.spent(at(server)) == Spending(2, 10, 2, 0.0)
    assert all(isinstance(outcome, Failure) for outcome in outcomes)


def test_a_limit_of_tokens_stops_cleanly_and_holds_over_runs(tmp_path: Path) -> None:
    path, cache = tmp_path / "spending.jsonl", tmp_path / "cache"
    requests = [ask(number) for number in range(10)]
    estimated = estimate_usage(requests[0]).total
    # Four answers take 40; a fifth might pass the limit, by its estimate.
    limit = 30 + estimated
    with serve(answer) as server:
        outcomes = complete(
            requests, at(server, token_limit=limit), cache=cache, account=Account(path)
        )
        assert len(server.requests) == 4
        again = complete(
            requests, at(server, token_limit=limit), cache=cache, account=Account(path)
        )
        assert len(server.requests) == 4
        more = complete(requests, at(server, token_limit=1000), cache=cache, account=Account(path))
        assert len(server.requests) == 10
    assert [isinstance(outcome, Reply) for outcome in outcomes] == [True] * 4 + [False] * 6
    assert [isinstance(outcome, Reply) for outcome in again] == [True] * 4 + [False] * 6
    assert all(isinstance(outcome, Reply) for outcome in more)
    failure = outcomes[-1]
    assert isinstance(failure, Failure)
    assert failure.reason.startswith(
        f"not sent: token_limit: {limit} would be exceeded, 40 are used after 4 requests; raise the"
    )


def test_a_limit_of_money_stops_cleanly(tmp_path: Path) -> None:
    with serve(answer) as server:
        # A request is estimated at some 19 + 3 tokens, and costs 0.000044.
        limited = at(server, **PRICES, money_limit=0.00022)
        outcomes = complete([ask(number) for number in range(10)], limited)
        asked = len(server.requests)
    assert 0 < asked < 6
    failure = outcomes[-1]
    assert isinstance(failure, Failure)
    assert (
        f"money_limit: 0.00022 would be exceeded, {asked * 0.000044:.4g} are spent"
        in failure.reason
    )


USAGE = [
    # As servers say it, and what is billed.
    ({"prompt_tokens": 200, "completion_tokens": 10, "total_tokens": 2210}, (200, 2010)),
    ({"prompt_tokens": 200, "completion_tokens": 10, "total_tokens": 210}, (200, 10)),
    ({"prompt_tokens": 200, "completion_tokens": 10, "total_tokens": 100}, (200, 10)),
    ({"prompt_tokens": 200, "completion_tokens": 10, "total_tokens": None}, (200, 10)),
    ({"prompt_tokens": 200, "completion_tokens": 10}, (200, 10)),
    (
        {
            "prompt_tokens": 200, "completion_tokens": 2010, "total_tokens": 2210,
            "completion_tokens_details": {"reasoning_tokens": 2000},
        },
        (200, 2010),
    ),
    (
        {
            "prompt_tokens": 200, "completion_tokens": 10, "total_tokens": 210,
            "completion_tokens_details": {"reasoning_tokens": 2000},
        },
        (200, 2010),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("said", "billed"), USAGE)
def test_hidden_thoughts_are_billed(said: dict[str, Any], billed: tuple[int, int]) -> None:
    assert read_usage(said) == Usage(*billed)


def test_a_limit_of_money_holds_against_hidden_thoughts() -> None:
    usage = {"prompt_tokens": 200, "completion_tokens": 10, "total_tokens": 2210}
    body = json.dumps({"choices": [{"message": {"content": "x"}}], "usage": usage}).encode()
    billed = (200 * 0.1 + 2010 * 10) / 1e6
    with serve(lambda number, content: Answer(body=body)) as server:
        # Each is estimated at 500 new tokens; the first tells that it takes four times as many.
        limited = at(server, price_input=0.1, price_output=10.0, money_limit=0.3, concurrency=2)
        complete([ask(number, max_tokens=500) for number in range(40)], limited)
        assert 0.3 - 2 * billed < len(server.requests) * billed <= 0.3


@given(st.integers(1, 12), st.integers(1, 300))
def test_an_account_lets_nothing_pass_its_limit(in_flight: int, limit: int) -> None:
    account, limited, usage = Account(), served(token_limit=limit), Usage(7, 3)
    sent = []
    for _ in range(40):
        if not account.refusal(limited, usage):
            account.reserve(limited, usage)
            sent.append(usage)
        elif sent:
            account.record(limited, sent[-1])
            account.release(limited, sent.pop())
        assert account.spent(limited).prompt_tokens + 7 * len(sent) <= limit


def test_what_is_in_flight_is_finished_and_small_answers_leave_room(tmp_path: Path) -> None:
    # All eight together are estimated above the limit, and one by one they are not.
    with serve(lambda number, content: Answer(content, delay=0.05)) as server:
        limited = at(server, token_limit=210, concurrency=8)
        outcomes = complete([ask(number, max_tokens=100) for number in range(8)], limited)
        assert server.most_in_flight == 1
    assert all(isinstance(outcome, Reply) for outcome in outcomes)


# What another process does; its arguments are the file and the prices.
SPEND = """
import sys
from pathlib import Path
from polypaca.llm.account import Account, Usage
from polypaca.llm.endpoint import Endpoint

account = Account(Path(sys.argv[1]))
priced = Endpoint(base_url="http://h/v1", model="m", api_key_env=None, **eval(sys.argv[2]))
for _ in range(200):
    account.record(priced, Usage(1000, 100))
"""


def test_several_processes_may_append_and_all_is_seen(tmp_path: Path) -> None:
    path = tmp_path / "spending.jsonl"
    account = Account(path)
    command = [sys.executable, "-c", SPEND, str(path), repr(PRICES)]
    processes = [subprocess.Popen(command) for _ in range(2)]
    for _ in range(200):
        account.record(served(**PRICES), Usage(1000, 100))
    assert [process.wait(60) for process in processes] == [0, 0]
    spent = account.spent(served())
    assert (spent.requests, spent.prompt_tokens, spent.completion_tokens) == (600, 600_000, 60_000)
    assert spent.money == pytest.approx(600 * 0.003)


def test_models_are_counted_apart() -> None:
    account = Account()
    account.record(served(), Usage(1, 2))
    account.record(Endpoint(base_url="http://h/v1/", model="m", api_key_env=None), Usage(1, 2))
    account.record(Endpoint(base_url="http://h/v1", model="other", api_key_env=None), Usage(5, 5))
    assert account.spent(served()) == Spending(2, 2, 4, 0.0)


def test_a_damaged_line_is_passed_over_and_an_unfinished_one_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "spending.jsonl"
    account = Account(path)
    assert account.spent(served()) == Spending()
    account.record(served(), Usage(1, 2))
    with path.open("a", encoding="utf-8") as file:
        file.write('{"base_url": \n[]\n{}\nnull\n{"base_url": "http://h/v1", "model": "m"')
    assert account.spent(served()).requests == 1
    with path.open("a", encoding="utf-8") as file:
        file.write(', "prompt_tokens": 3, "completion_tokens": 4, "money": null}\n')
    assert account.spent(served()) == Spending(2, 4, 6, 0.0)


def test_an_account_that_cannot_be_written_stops_the_stage(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    account = Account(tmp_path / "file" / "spending.jsonl")
    with serve(answer) as server, pytest.raises(StageError, match="cannot save a reply"):
        complete([ask(number) for number in range(3)], at(server), account=account)


def test_no_key_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYPACA_TEST_KEY", KEY)
    path = tmp_path / "spending.jsonl"
    with serve(answer) as server:
        asked = at(server, api_key_env="POLYPACA_TEST_KEY")
        complete([ask(1)], asked, account=Account(path))
    assert KEY not in path.read_text("utf-8")
    assert "POLYPACA_TEST_KEY" not in path.read_text("utf-8")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"money_limit": 1.0}, "needs `price_input` and `price_output`"),
        ({"money_limit": 1.0, "price_input": 1.0}, "needs `price_input` and `price_output`"),
        ({"token_limit": 0}, r"token_limit\n.* greater than or equal to 1"),
        ({"requests_per_minute": -1.0}, r"requests_per_minute\n.* greater than 0"),
        ({"tokens_per_minute": float("nan")}, r"tokens_per_minute\n.* a finite number"),
    ],
)
def test_limits_that_cannot_be(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        served(**settings)
