"""One attempt of one request, over the `openai` package: what came of it, as a value.

What a server sends is not trusted: anything may stand under any name, the key that it was sent
among it. What comes of an attempt holds no key, whatever the status.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from polypaca.llm.account import Usage, estimate
from polypaca.llm.completion import Said, member, read_usage, said_in
from polypaca.llm.pacing import retry_after
from polypaca.llm.records import Failure, Reply
from polypaca.llm.refusals import wanted_setting
from polypaca.llm.secrets import redact

if TYPE_CHECKING:
    import openai

    from polypaca.llm.records import Request
    from polypaca.llm.served import Served

NO_KEY = "none"  # sent to servers without keys; the openai package insists on one
_TOO_MANY = (429, 503)
_RETRIED = (408, 409)  # and all of 5xx, as the openai package has it
_LONGEST_REASON = 400  # characters of what went wrong


@dataclass(frozen=True)
class Attempt:
    """What came of an attempt.

    Attributes:
        outcome: the reply, or why there is none.
        kind: `answered` by the model, `refused` with an HTTP error, `garbled`: no completion, or
            `silent`: nothing came in time.
        retry: whether another attempt may do better.
        usage: what to account for, where the model answered.
        wait: the seconds for which the server asks to be left alone.
        spent_up: whether the account at the server is used up, so that nothing else will do.
        absent: whether nobody listens there.
        setting: what to set, where the model refuses a parameter of every request.
    """

    outcome: Reply | Failure
    kind: Literal["answered", "refused", "garbled", "silent"]
    retry: bool = False
    usage: Usage | None = None
    wait: float | None = None
    spent_up: bool = False
    absent: bool = False
    setting: str = ""

    @property
    def too_many(self) -> bool:
        """Whether the server says that it is asked too much."""
        return isinstance(self.outcome, Failure) and self.outcome.status in _TOO_MANY


async def attempt(client: openai.AsyncOpenAI, served: Served, request: Request) -> Attempt:
    """Send a request once; nothing that a server does raises."""
    came = await _attempt(client, served, request)
    secret = None if client.api_key == NO_KEY else client.api_key
    return replace(came, outcome=without_key(came.outcome, secret))


def without_key(outcome: Reply | Failure, secret: str | None) -> Reply | Failure:
    """An outcome with the key, in whatever form, taken out of all that the server said."""
    if isinstance(outcome, Failure):
        return replace(outcome, reason=redact(outcome.reason, secret)[:_LONGEST_REASON])
    return replace(
        outcome,
        text=redact(outcome.text, secret),
        model=redact(outcome.model, secret),
        finish_reason=redact(outcome.finish_reason, secret),
    )


async def _attempt(client: openai.AsyncOpenAI, served: Served, request: Request) -> Attempt:
    import openai

    url = served.base_url
    path = "/chat/completions" if request.messages else "/completions"
    try:
        # The client's own time-outs are for the silence between two bytes; this is for all.
        async with asyncio.timeout(served.timeout_seconds):
            # The package's types check nothing, and building them takes longer than the rest.
            body = await client.post(path, cast_to=bytes, body=_parameters(served, request))
    except (TimeoutError, openai.APITimeoutError):
        reason = f"{url} gave no answer within {served.timeout_seconds:g} s"
        return Attempt(Failure(reason), "silent", retry=True)
    except openai.APIConnectionError as error:
        return Attempt(
            Failure(f"{url} cannot be reached ({error.__cause__ or error})"),
            "silent",
            retry=True,
            # By name: which package speaks HTTP is the openai package's own affair.
            absent=type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"),
        )
    except openai.APIStatusError as error:
        return _refused(error, served)
    except (openai.OpenAIError, ValueError) as error:
        return Attempt(
            Failure(f"{url} sent what is no answer: {type(error).__name__}"), "garbled", retry=True
        )
    return _answered(body, served, request)


def _parameters(served: Served, request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"model": served.model}
    if request.prompt is not None:
        parameters["prompt"] = _sendable(request.prompt)
    else:
        parameters["messages"] = [
            {"role": role, "content": _sendable(content)} for role, content in request.messages
        ]
    for name in ("temperature", "top_p", "max_tokens", "seed"):
        if getattr(request, name) is not None:
            sent = served.max_tokens_parameter if name == "max_tokens" else name
            parameters[sent] = getattr(request, name)
    if request.stop:
        parameters["stop"] = list(request.stop)
    return parameters


def _sendable(text: str) -> str:
    """The text with half characters, which cannot be sent, replaced."""
    return text.encode("utf-8", "replace").decode()


def _refused(error: openai.APIStatusError, served: Served) -> Attempt:
    status = error.status_code
    said = error.body if isinstance(error.body, dict) else {}
    words = " ".join(str(said.get("message") or error.message).split())
    spent_up = status == 402 or "insufficient_quota" in (said.get("code"), said.get("type"))
    retry = not spent_up and (status >= 500 or status in (*_RETRIED, *_TOO_MANY))
    # What is known of the account, the key or the name of the model may be mended.
    lasting = not retry and status not in (401, 402, 403, 404) and not spent_up
    return Attempt(
        Failure(f"{served.base_url} answered {status}: {words}", status, lasting),
        "refused",
        retry=retry,
        wait=retry_after(error.response.headers),
        spent_up=spent_up,
        setting=wanted_setting(status, words, said, served),
    )


def _answered(body: bytes, served: Served, request: Request) -> Attempt:
    url = served.base_url
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        return Attempt(Failure(f"{url} sent a reply that is no JSON"), "garbled", retry=True)
    choices = member(completion, "choices")
    if not isinstance(choices, list):
        reason = f"{url} sent a reply that is no completion{_error_within(completion)}"
        return Attempt(Failure(reason), "garbled", retry=True)
    usage = read_usage(member(completion, "usage"))
    if not choices:
        return Attempt(Failure(f"{url} sent a reply without choices"), "answered", usage=usage)
    said = said_in(choices[0])
    if said.text is None:
        return Attempt(Failure(_without_text(url, said), lasting=True), "answered", usage=usage)
    reply = Reply(
        text=said.text,
        model=str(member(completion, "model") or served.model),
        finish_reason=said.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        thought=said.thought,
    )
    return Attempt(reply, "answered", usage=usage or _guess(request, said.text))


def _without_text(url: str, said: Said) -> str:
    but = f" but {', '.join(said.left_out)}" if said.left_out else ""
    return f"{url} sent no text{but}, finish reason {said.finish_reason}"


def _error_within(completion: Any) -> str:
    # Some hosts answer 200 and tell of the error in the body.
    message = member(member(completion, "error"), "message")
    return f": {' '.join(message.split())}" if isinstance(message, str) else ""


def _guess(request: Request, text: str) -> Usage:
    """What an answer used whose server does not count."""
    written = estimate(type(request)(prompt=text)).prompt_tokens
    return Usage(estimate(request).prompt_tokens, written, estimated=True)
