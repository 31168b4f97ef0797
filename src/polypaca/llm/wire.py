"""One attempt of one request, over the `openai` package: what came of it, as a value.

What a server sends is not trusted: anything may stand under any name, the key that it was sent
among it. What comes of an attempt holds no key, whatever the status.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from polypaca.llm.account import Usage, estimate_usage
from polypaca.llm.completion import ChoiceContent, get_field, read_choice, read_usage
from polypaca.llm.pacing import retry_after
from polypaca.llm.records import Failure, Reply
from polypaca.llm.refusals import suggest_setting
from polypaca.llm.secrets import redact

if TYPE_CHECKING:
    import openai

    from polypaca.llm.endpoint import Endpoint
    from polypaca.llm.records import Request

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
    quota_exhausted: bool = False
    unreachable: bool = False
    setting: str = ""

    @property
    def is_throttled(self) -> bool:
        """Whether the server says that it is asked too much."""
        return isinstance(self.outcome, Failure) and self.outcome.status in _TOO_MANY


async def send(client: openai.AsyncOpenAI, endpoint: Endpoint, request: Request) -> Attempt:
    """Send a request once; nothing that a server does raises."""
    result = await _attempt(client, endpoint, request)
    secret = None if client.api_key == NO_KEY else client.api_key
    return replace(result, outcome=redact_outcome(result.outcome, secret))


def redact_outcome(outcome: Reply | Failure, secret: str | None) -> Reply | Failure:
    """An outcome with the key, in whatever form, taken out of all that the server said."""
    if isinstance(outcome, Failure):
        return replace(outcome, reason=redact(outcome.reason, secret)[:_LONGEST_REASON])
    return replace(
        outcome,
        text=redact(outcome.text, secret),
        model=redact(outcome.model, secret),
        finish_reason=redact(outcome.finish_reason, secret),
    )


async def _attempt(client: openai.AsyncOpenAI, endpoint: Endpoint, request: Request) -> Attempt:
    import openai

    url = endpoint.base_url
    path = "/chat/completions" if request.messages else "/completions"
    try:
        # The client's own time-outs are for the silence between two bytes; this is for all.
        async with asyncio.timeout(endpoint.timeout_seconds):
            # The package's types check nothing, and building them takes longer than the rest.
            body = await client.post(path, cast_to=bytes, body=_parameters(endpoint, request))
    except (TimeoutError, openai.APITimeoutError):
        reason = f"{url} did not answer within {endpoint.timeout_seconds:g} s"
        return Attempt(Failure(reason), "silent", retry=True)
    except openai.APIConnectionError as error:
        return Attempt(
            Failure(f"{url} cannot be reached ({error.__cause__ or error})"),
            "silent",
            retry=True,
            # By name: which package speaks HTTP is the openai package's own affair.
            unreachable=type(error.__cause__).__name__ in ("ConnectError", "ConnectTimeout"),
        )
    except openai.APIStatusError as error:
        return _read_error(error, endpoint)
    except (openai.OpenAIError, ValueError) as error:
        return Attempt(
            Failure(f"{url} sent an invalid answer: {type(error).__name__}"), "garbled", retry=True
        )
    return _read_body(body, endpoint, request)


def _parameters(endpoint: Endpoint, request: Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"model": endpoint.model}
    if request.prompt is not None:
        parameters["prompt"] = _encodable(request.prompt)
    else:
        parameters["messages"] = [
            {"role": role, "content": _encodable(content)} for role, content in request.messages
        ]
    for name in ("temperature", "top_p", "max_tokens", "seed"):
        if getattr(request, name) is not None:
            sent = endpoint.max_tokens_parameter if name == "max_tokens" else name
            parameters[sent] = getattr(request, name)
    if request.stop:
        parameters["stop"] = list(request.stop)
    return parameters


def _encodable(text: str) -> str:
    """The text with half characters, which cannot be sent, replaced."""
    return text.encode("utf-8", "replace").decode()


def _read_error(error: openai.APIStatusError, endpoint: Endpoint) -> Attempt:
    status = error.status_code
    details = error.body if isinstance(error.body, dict) else {}
    message = " ".join(str(details.get("message") or error.message).split())
    spent_up = status == 402 or "insufficient_quota" in (details.get("code"), details.get("type"))
    retry = not spent_up and (status >= 500 or status in (*_RETRIED, *_TOO_MANY))
    # What is known of the account, the key or the name of the model may be mended.
    lasting = not retry and status not in (401, 402, 403, 404) and not spent_up
    return Attempt(
        Failure(f"{endpoint.base_url} answered {status}: {message}", status, lasting),
        "refused",
        retry=retry,
        wait=retry_after(error.response.headers),
        quota_exhausted=spent_up,
        setting=suggest_setting(status, message, details, endpoint),
    )


def _read_body(body: bytes, endpoint: Endpoint, request: Request) -> Attempt:
    url = endpoint.base_url
    try:
        completion = json.loads(body)
    except (ValueError, RecursionError):
        return Attempt(Failure(f"{url} sent a reply that is not JSON"), "garbled", retry=True)
    choices = get_field(completion, "choices")
    if not isinstance(choices, list):
        reason = f"{url} sent a reply that is not a completion{_error_within(completion)}"
        return Attempt(Failure(reason), "garbled", retry=True)
    usage = read_usage(get_field(completion, "usage"))
    if not choices:
        return Attempt(Failure(f"{url} sent a reply without choices"), "answered", usage=usage)
    content = read_choice(choices[0])
    if content.text is None:
        return Attempt(Failure(_without_text(url, content), lasting=True), "answered", usage=usage)
    reply = Reply(
        text=content.text,
        model=str(get_field(completion, "model") or endpoint.model),
        finish_reason=content.finish_reason,
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        thought=content.thought,
    )
    return Attempt(reply, "answered", usage=usage or _guess_usage(request, content.text))


def _without_text(url: str, content: ChoiceContent) -> str:
    but = f" but {', '.join(content.left_out)}" if content.left_out else ""
    return f"{url} sent no text{but}, finish reason {content.finish_reason}"


def _error_within(completion: Any) -> str:
    # Some hosts answer 200 and tell of the error in the body.
    message = get_field(get_field(completion, "error"), "message")
    return f": {' '.join(message.split())}" if isinstance(message, str) else ""


def _guess_usage(request: Request, text: str) -> Usage:
    """What an answer used whose server does not count."""
    written = estimate_usage(type(request)(prompt=text)).prompt_tokens
    return Usage(estimate_usage(request).prompt_tokens, written, estimated=True)
