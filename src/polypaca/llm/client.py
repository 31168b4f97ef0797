"""Asking a served model many things at once.

A thin layer over the `openai` package, which speaks HTTP, retries and backs off. This module adds
bounded concurrency, the cache, failures as values, and giving up on a server that is not there.
Rate limits and money limits belong in `_ask_all`, before a request is sent.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from polypaca.core.errors import StageError, UserError
from polypaca.llm import cache as replies
from polypaca.llm.records import Endpoint, Failure, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from pathlib import Path

_NO_KEY = "none"  # sent to servers without keys; the openai package insists on one


def complete(
    requests: Sequence[Request],
    endpoint: Endpoint,
    *,
    cache: Path | None = None,
    keep: Callable[[Reply], bool] = lambda reply: True,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Reply | Failure]:
    """Ask everything, at most `endpoint.concurrency` at a time; outcomes come in order.

    Equal requests are asked once. The failure of one does not stop the others.

    Args:
        requests: what to ask.
        endpoint: whom to ask.
        cache: the folder of kept replies; None keeps none.
        keep: whether a reply is worth keeping. One that is not is neither written nor, when found
            in the cache, used: so a later call asks again.
        progress: told how many requests are done so far.

    Raises:
        UserError: if the key's variable is not set, or if the first that the server says is that
            the key or the model is wrong.
        StageError: if nothing answers at the URL.
    """
    return asyncio.run(
        complete_async(requests, endpoint, cache=cache, keep=keep, progress=progress)
    )


async def complete_async(
    requests: Sequence[Request],
    endpoint: Endpoint,
    *,
    cache: Path | None = None,
    keep: Callable[[Reply], bool] = lambda reply: True,
    progress: Callable[[int], None] = lambda done: None,
) -> list[Reply | Failure]:
    """`complete`, for callers that have an event loop."""
    secret = require_key(endpoint)
    counts: dict[Request, int] = {}
    for request in requests:
        counts[request] = counts.get(request, 0) + 1
    outcomes: dict[Request, Reply | Failure] = {}
    done = 0

    def settle(request: Request, outcome: Reply | Failure) -> None:
        nonlocal done
        outcomes[request] = outcome
        done += counts[request]
        progress(done)

    pending = []
    for request in counts:
        kept = replies.read(cache, endpoint, request) if cache else None
        if kept is not None and keep(kept):
            settle(request, kept)
        else:
            pending.append(request)

    async def arrived(request: Request, outcome: Reply | Failure) -> None:
        if cache and isinstance(outcome, Reply) and keep(outcome):
            await asyncio.to_thread(replies.write, cache, endpoint, request, outcome)
        settle(request, outcome)

    if pending:
        await _ask_all(pending, endpoint, secret, arrived)
    return [outcomes[request] for request in requests]


def require_key(endpoint: Endpoint) -> str:
    """The key that the endpoint's variable holds, or a stand-in for a server without keys.

    Raises:
        UserError: if the variable is not set or holds what no key can be; the message names it.
    """
    name = endpoint.api_key_env
    if name is None:
        # Said outright, or the openai package would send OPENAI_API_KEY to any server.
        return _NO_KEY
    value = os.environ.get(name, "").strip()
    if not value:
        raise UserError(
            f"the environment variable {name} is not set; it must hold the key for "
            f"{endpoint.base_url} (for a server without keys set api_key_env: null)"
        )
    if not (value.isascii() and value.isprintable()):
        raise UserError(f"the environment variable {name} holds characters that no key can have")
    return value


@dataclass
class _Server:
    """What is known of the server: whether it ever answered, and how often it has not since."""

    patience: int
    answered: bool = False
    misses: int = 0
    gone: str = ""  # why nothing more is sent

    def answer(self) -> None:
        self.answered, self.misses = True, 0

    def miss(self, reason: str) -> None:
        # Each miss has had all its retries. A server that never answered is not there; one that
        # did may miss as often in a row as there are requests in flight, and a few slow answers
        # are no sign of its end.
        self.misses += 1
        if not self.answered or self.misses >= self.patience:
            self.gone = reason


async def _ask_all(
    requests: Iterable[Request],
    endpoint: Endpoint,
    secret: str,
    arrived: Callable[[Request, Reply | Failure], Any],
) -> None:
    import openai

    server = _Server(patience=max(endpoint.concurrency, 3))
    todo = iter(requests)

    async def work(client: openai.AsyncOpenAI) -> None:
        for request in todo:
            if server.gone:
                await arrived(request, Failure(f"not sent: {server.gone}"))
            else:
                await arrived(request, await _ask(client, endpoint, request, server))

    async with openai.AsyncOpenAI(
        base_url=endpoint.base_url,
        api_key=secret,
        timeout=endpoint.timeout_seconds,
        max_retries=endpoint.max_retries,
    ) as client:
        workers = [asyncio.ensure_future(work(client)) for _ in range(endpoint.concurrency)]
        try:
            await asyncio.gather(*workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)


async def _ask(
    client: Any, endpoint: Endpoint, request: Request, server: _Server
) -> Reply | Failure:
    import openai

    try:
        create = client.chat.completions.create if request.messages else client.completions.create
        completion = await create(**_parameters(endpoint, request))
    except openai.APIConnectionError as error:
        reason = _no_answer(error, endpoint)
        server.miss(reason)
        if not server.answered:
            raise StageError(f"{reason}; is the server running, and base_url right?") from None
        return Failure(reason)
    except openai.APIStatusError as error:
        reason = f"{endpoint.base_url} answered {error.status_code}: {_said(error, client.api_key)}"
        if error.status_code in (401, 404) and not server.answered:
            raise UserError(f"{reason}; {_remedy(error.status_code, endpoint)}") from None
        server.answer()
        return Failure(reason, error.status_code)
    except (openai.OpenAIError, ValueError) as error:
        # A body that is not what its headers say comes up as the parser's ValueError.
        server.answer()
        return Failure(f"{endpoint.base_url} sent a reply that is no JSON: {type(error).__name__}")
    server.answer()
    return _reply(completion, endpoint)


def _parameters(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"model": endpoint.model}
    if request.prompt is not None:
        parameters["prompt"] = _sendable(request.prompt)
    else:
        parameters["messages"] = [
            {"role": role, "content": _sendable(content)} for role, content in request.messages
        ]
    for name in ("temperature", "top_p", "max_tokens", "seed"):
        if getattr(request, name) is not None:
            parameters[name] = getattr(request, name)
    if request.stop:
        parameters["stop"] = list(request.stop)
    return parameters


def _sendable(text: str) -> str:
    """The text with half characters, which cannot be sent, replaced."""
    return text.encode("utf-8", "replace").decode()


def _no_answer(error: Exception, endpoint: Endpoint) -> str:
    import openai

    url, tries = endpoint.base_url, endpoint.max_retries + 1
    if isinstance(error, openai.APITimeoutError):
        return f"{url} gave no answer within {endpoint.timeout_seconds:g} s, tried {tries} times"
    return f"{url} cannot be reached ({error.__cause__ or error}), tried {tries} times"


def _said(error: Any, secret: str) -> str:
    """The server's own words, short and without the key that some servers repeat."""
    body = error.body if isinstance(error.body, dict) else {}
    words = " ".join(str(body.get("message") or error.message).split())
    return words.replace(secret, "***")[:300] if secret != _NO_KEY else words[:300]


def _remedy(status: int, endpoint: Endpoint) -> str:
    if status == 401:
        name = endpoint.api_key_env
        return f"check the key in {name}" if name else "name the key's variable in api_key_env"
    return f"check base_url and the model's name, {endpoint.model!r}"


def _reply(completion: Any, endpoint: Endpoint) -> Reply | Failure:
    # The package checks no types: a server may send anything under any name.
    choices = getattr(completion, "choices", None)
    if not isinstance(choices, list):
        return Failure(f"{endpoint.base_url} sent a reply that is no chat completion")
    if not choices:
        return Failure(f"{endpoint.base_url} sent a reply without choices")
    finish_reason = str(getattr(choices[0], "finish_reason", None) or "unknown")
    # A plain completion has its text where a chat completion has a message.
    text = getattr(choices[0], "text", None)
    if text is None:
        text = getattr(getattr(choices[0], "message", None), "content", None)
    if not isinstance(text, str):
        return Failure(f"{endpoint.base_url} sent no text, finish reason {finish_reason}")
    usage = getattr(completion, "usage", None)
    return Reply(
        text=text,
        model=str(getattr(completion, "model", None) or endpoint.model),
        finish_reason=finish_reason,
        prompt_tokens=_count(usage, "prompt_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
    )


def _count(usage: Any, name: str) -> int | None:
    value = getattr(usage, name, None)
    return value if isinstance(value, int) else None
