"""A server that others wrote, with a tiny model: chat, plain completions, judging, pairs."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.judging import judges, pairwise
from polypaca.judging.contract import Item, PairItem
from polypaca.llm.account import Account
from polypaca.llm.client import complete
from polypaca.llm.records import Endpoint, Failure, Reply, Request

from ..translation.serving import chat_model, transformers_serve  # noqa: TID252

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(
    tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The URL of a running `transformers serve`, and its model's name."""
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("fastapi") is None:
        pytest.skip("no fastapi or uvicorn: pip install 'polypaca[test]'")
    folder = tmp_path_factory.mktemp("served")
    with transformers_serve(chat_model(tiny_model("llama"), folder), folder) as served:
        yield served


@pytest.mark.parametrize(
    "asked",
    [
        {"messages": (("user", "Name three animals."),)},
        {"prompt": "Name three animals.", "top_p": 1.0, "stop": ("never",)},
    ],
    ids=["chat", "completion"],
)
def test_a_reply_with_its_tokens_counted(
    server: tuple[str, str], asked: dict[str, Any], tmp_path: Path
) -> None:
    url, model = server
    endpoint, account = Endpoint(url, model), Account(tmp_path / "spending.jsonl")
    requests = [Request(**asked, max_tokens=5, sample=sample) for sample in range(2)]
    outcomes = complete(requests, endpoint, cache=tmp_path / "cache", account=account)
    for outcome in outcomes:
        assert isinstance(outcome, Reply), outcome
        assert outcome.finish_reason == "length"
        assert outcome.model
        # The server's own count, since none of ours would come to exactly this.
        assert outcome.completion_tokens == 5
    spent = account.spent(endpoint)
    assert (spent.requests, spent.completion_tokens) == (2, 10)
    assert complete(requests, endpoint, cache=tmp_path / "cache", account=account) == [
        Reply(
            reply.text,
            reply.model,
            reply.finish_reason,
            reply.prompt_tokens,
            reply.completion_tokens,
            cached=True,
        )
        for reply in outcomes
        if isinstance(reply, Reply)
    ]
    assert account.spent(endpoint) == spent


def test_a_model_that_the_server_does_not_have(server: tuple[str, str]) -> None:
    request = Request((("user", "Hello"),), max_tokens=2)
    endpoint = Endpoint(server[0], "no/such-model", max_retries=0)
    (outcome,) = complete([request], endpoint)  # 404 would stop all; this server answers 400
    assert isinstance(outcome, Failure)
    assert outcome.status == 400
    assert "answered 400" in outcome.reason


def test_a_judge_that_knows_nothing_rates_nothing(server: tuple[str, str]) -> None:
    url, model = server
    asked: dict[str, Any] = {"model": model, "base_url": url, "api_key_env": None, "max_tokens": 8}
    judge = judges.load("llm", votes=2, temperature=1.0, **asked)
    (verdict,) = judge.judge([Item("s", "p", "en", "Hello?", "Hello! [[3]]")])
    assert (verdict.status, verdict.rating) == ("failed", None)
    assert verdict.version
    (compared,) = pairwise.make(**asked).compare(
        [PairItem("s", "t", "p", "en", "Hello?", "Hello!", "[[A]]")]
    )
    assert (compared.status, compared.outcome) == ("failed", None)
    assert len(compared.explanations) == 2
