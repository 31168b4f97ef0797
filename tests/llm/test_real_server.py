"""Servers that others wrote: chat, plain completions, answers, judging, pairs."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, Any

import pytest

from polypaca.generation.openai_backend import ServedAnswer, ServedDecoding, answer
from polypaca.judging import judges, pairwise
from polypaca.judging.contract import Item, PairItem
from polypaca.judging.llm import LlmJudgeSettings
from polypaca.langid.settings import GateSettings
from polypaca.llm.account import Account
from polypaca.llm.client import complete
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Failure, Reply, Request
from polypaca.models.loading import load_tokenizer
from polypaca.models.templates import load_template

from ..translation.serving import llama_cpp_serve  # noqa: TID252

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def llama_cpp_server(models_folder: Path) -> Iterator[tuple[str, str]]:
    """The URL of a running llama.cpp server with SmolLM2 135M Instruct, and the model's name."""
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("no xllamacpp: pip install 'polypaca[test]'")
    gguf = models_folder / "smollm2-135m-instruct.gguf"
    if not gguf.is_file():
        pytest.skip(f"{gguf} is not there")
    with llama_cpp_serve(gguf) as served:
        yield served


@pytest.fixture(params=["transformers_server", "llama_cpp_server"])
def server(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Each of them in turn."""
    served: tuple[str, str] = request.getfixturevalue(request.param)
    return served


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
    served, account = (
        Endpoint(base_url=url, model=model, api_key_env=None),
        Account(tmp_path / "spending.jsonl"),
    )
    requests = [Request(**asked, max_tokens=5, sample=sample) for sample in range(2)]
    outcomes = complete(requests, served, cache=tmp_path / "cache", account=account)
    for outcome in outcomes:
        assert isinstance(outcome, Reply), outcome
        assert outcome.finish_reason == "length"
        assert outcome.model
        # The server's own count, since none of ours would come to exactly this.
        assert outcome.completion_tokens == 5
    spent = account.spent(served)
    assert (spent.requests, spent.completion_tokens) == (2, 10)
    assert complete(requests, served, cache=tmp_path / "cache", account=account) == [
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
    assert account.spent(served) == spent


def test_a_model_that_the_server_does_not_have(transformers_server: tuple[str, str]) -> None:
    request = Request((("user", "Hello"),), max_tokens=2)
    served = Endpoint(
        base_url=transformers_server[0], model="no/such-model", api_key_env=None, max_retries=0
    )
    (outcome,) = complete([request], served)  # 404 would stop all; this server answers 400
    assert isinstance(outcome, Failure)
    assert outcome.status == 400
    assert "answered 400" in outcome.reason


def test_a_judge_that_knows_nothing_rates_nothing(server: tuple[str, str]) -> None:
    url, model = server
    asked: dict[str, Any] = {"model": model, "base_url": url, "api_key_env": None, "max_tokens": 8}
    voting = LlmJudgeSettings(votes=2, temperature=1.0, **asked)
    judge = judges.load(voting, gate=GateSettings())
    (verdict,) = judge.judge([Item("s", "p", "en", "Hello?", "Hello! [[3]]")])
    assert (verdict.status, verdict.rating) == ("failed", None)
    assert verdict.version
    (compared,) = pairwise.load(LlmJudgeSettings(prompt="default", **asked)).compare(
        [PairItem("s", "t", "p", "en", "Hello?", "Hello!", "[[A]]")]
    )
    assert (compared.status, compared.outcome) == ("failed", None)
    assert len(compared.explanations) == 2


def test_a_served_model_answers_in_the_template_and_stops_where_it_says(
    llama_cpp_server: tuple[str, str], models_folder: Path
) -> None:
    url, model = llama_cpp_server
    template = load_template("chat", load_tokenizer(models_folder / "smollm2-135m-instruct"))
    asked = "What is the capital of France? Answer in one short sentence."
    served = Endpoint(base_url=url, model=model, api_key_env=None)
    raw, chat = (
        answer([text], served, ServedDecoding(raw=raw, max_new_tokens=24))[0]
        for text, raw in ((template.render(asked), True), (asked, False))
    )
    stopping = ServedDecoding(raw=True, max_new_tokens=24, stop=("Par",))
    (cut,) = answer([template.render(asked)], served, stopping)
    assert isinstance(raw, ServedAnswer)
    assert isinstance(chat, ServedAnswer)
    assert isinstance(cut, ServedAnswer)
    assert "Paris" in raw.text
    # Both ways the model is given the same text, and without sampling it says the same.
    assert chat.text.strip() == raw.text.strip()
    assert raw.finish_reason == "stop"
    assert cut.text == raw.text.split("Par")[0]
