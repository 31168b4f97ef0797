from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from polypaca.core.errors import StageError
from polypaca.generation.batching import encode
from polypaca.generation.contract import Decoding
from polypaca.generation.openai_backend import Failure, ServedAnswer, ServedDecoding, answer
from polypaca.generation.transformers_backend import answer_batch
from polypaca.llm.endpoint import Endpoint
from polypaca.models.loading import load_model, load_tokenizer

from ..llm.mock_server import MODEL_VERSION, Answer, MockServer, serve  # noqa: TID252


def _ask(server: MockServer, texts: list[str], **changes: Any) -> list[ServedAnswer | Failure]:
    settings = {"model": "es.s1", "base_url": server.base_url, "api_key_env": None}
    settings |= {key: changes.pop(key) for key in list(changes) if key in Endpoint.model_fields}
    cache = changes.pop("cache", None)
    decoding = ServedDecoding(**{"raw": True, "max_new_tokens": 9} | changes)
    return answer(texts, Endpoint(**settings), decoding, cache=cache)


def test_a_rendered_text_is_gone_on_from() -> None:
    with serve(lambda number, text: Answer(text.upper())) as server:
        found = _ask(server, ["a", "b"], stop=("\n### A:", "\n### B:"), concurrency=1)
        assert found == [
            ServedAnswer("A", "stop", MODEL_VERSION),
            ServedAnswer("B", "stop", MODEL_VERSION),
        ]
        assert server.requests[0] == {
            "model": "es.s1", "prompt": "a", "max_tokens": 9, "temperature": 0.0,
            "stop": ["\n### A:", "\n### B:"],
        }  # fmt: skip


def test_without_a_template_the_text_is_a_users_message() -> None:
    with serve(lambda number, text: Answer("yes")) as server:
        _ask(server, ["Is it?"], raw=False)
        (sent,) = server.requests
    assert sent["messages"] == [{"role": "user", "content": "Is it?"}]
    assert "stop" not in sent


def test_a_seed_is_sent_where_tokens_are_sampled() -> None:
    with serve(lambda number, text: Answer("yes")) as server:
        _ask(server, ["a"], temperature=0.7, top_p=0.9, seed=4)
        (sent,) = server.requests
    assert (sent["temperature"], sent["top_p"], sent["seed"]) == (0.7, 0.9, 4)


@pytest.mark.parametrize(
    ("said", "meant"),
    [("stop", "stop"), ("length", "length"), ("max_tokens", "length"), (None, "stop")],
)
def test_reasons_are_told_in_one_way(said: str | None, meant: str) -> None:
    quoted = f'"{said}"' if said else "null"
    body = f'{{"choices": [{{"text": "x", "finish_reason": {quoted}}}]}}'.encode()
    with serve(lambda number, text: Answer(body=body)) as server:
        assert _ask(server, ["a"]) == [ServedAnswer("x", meant, "es.s1")]  # type: ignore[arg-type]


def test_an_answer_that_was_broken_off_is_a_failure_and_asked_again(tmp_path: Path) -> None:
    body = b'{"choices": [{"text": "x", "finish_reason": "content_filter"}]}'

    def reply(number: int, text: str) -> Answer:
        return Answer(text) if text == "good" or number > 1 else Answer(body=body)

    with serve(reply) as server:
        first = _ask(server, ["good", "bad"], cache=tmp_path, concurrency=1)
        second = _ask(server, ["good", "bad"], cache=tmp_path, concurrency=1)
        assert len(server.requests) == 3
    assert first[1] == Failure("the server cut the answer off: content_filter", lasting=True)
    assert second[1] == ServedAnswer("bad", "stop", MODEL_VERSION)


def test_one_failure_leaves_the_others() -> None:
    with serve(lambda number, text: Answer(text, status=400 if text == "b" else 200)) as server:
        found = _ask(server, ["a", "b", "c"], max_retries=0)
    assert [isinstance(outcome, Failure) for outcome in found] == [False, True, False]


def test_nothing_asked_is_nothing_answered() -> None:
    with serve(lambda number, text: Answer(text)) as server:
        assert _ask(server, []) == []
        assert not server.requests


def test_a_server_that_is_not_there_is_an_error() -> None:
    with serve(lambda number, text: Answer(text)) as server:
        pass
    with pytest.raises(StageError, match="is the server running"):
        _ask(server, ["a"], max_retries=0)


@pytest.mark.slow
def test_a_real_server_says_what_the_model_says_here(
    transformers_server: tuple[str, str],
) -> None:
    url, name = transformers_server
    model, tokenizer = load_model(Path(name), dtype="float32"), load_tokenizer(Path(name))
    texts = ["Name three animals. The", "El gato, el perro"]
    own = answer_batch(
        model,
        tokenizer,
        encode(tokenizer, texts),
        Decoding(max_new_tokens=12, num_beams=1, no_repeat_ngram_size=0),
    )
    served = Endpoint(model=name, base_url=url, api_key_env=None)
    found = answer(texts, served, ServedDecoding(raw=True, max_new_tokens=12))
    chat = answer(texts, served, ServedDecoding(raw=False, max_new_tokens=12))
    for said, local in zip(found, own, strict=True):
        assert isinstance(said, ServedAnswer)
        assert said.text.strip() == local.text.strip()
        assert said.finish_reason == local.finish_reason
    assert all(isinstance(said, ServedAnswer) for said in chat)
