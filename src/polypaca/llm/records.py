"""What is asked of a served model, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from polypaca.core.errors import UserError
from polypaca.core.urls import wrong_server_url

CUT = ("length", "max_tokens")  # what servers say where the limit of tokens ended a reply
MAX_TOKENS = ("max_tokens", "max_completion_tokens")


@dataclass(frozen=True)
class Endpoint:
    """A model behind an OpenAI-compatible URL, and how hard it may be pressed.

    Attributes:
        base_url: up to and with the version, `https://api.openai.com/v1`.
        model: the name by which the server knows the model.
        api_key_env: the environment variable that holds the key; None for a server without one.
        concurrency: requests in flight at once, at least 1.
        timeout_seconds: for one attempt of one request, from sending it to the answer's end.
        max_retries: further attempts after connection errors, time-outs, answers that are no
            completion, 408, 409, 429 and 5xx.
        requests_per_minute: attempts that this process sends, evenly spaced; None is no limit.
        tokens_per_minute: of prompts and answers; estimated before a request is sent, and
            corrected by what the server counts.
        price_input: of a million tokens of prompts, in any currency; None is unknown.
        price_output: of a million tokens of answers.
        money_limit: nothing is sent that could bring what was spent above it; needs both prices.
        token_limit: likewise, for tokens of prompts and answers.
        max_tokens_parameter: the name under which a request's `max_tokens` is sent; some models
            take `max_completion_tokens` alone.

    Raises:
        UserError: if a number is out of range, or the URL is none or holds what may be a secret.
    """

    base_url: str
    model: str
    api_key_env: str | None = None
    concurrency: int = 8
    timeout_seconds: float = 120.0
    max_retries: int = 5
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    price_input: float | None = None
    price_output: float | None = None
    money_limit: float | None = None
    token_limit: int | None = None
    max_tokens_parameter: str = "max_tokens"

    def __post_init__(self) -> None:
        if self.concurrency < 1:
            raise UserError(f"concurrency must be at least 1, not {self.concurrency}")
        for name in ("requests_per_minute", "tokens_per_minute", "money_limit", "token_limit"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise UserError(f"{name} must be above 0, not {value}")
        if self.money_limit is not None and None in (self.price_input, self.price_output):
            raise UserError("money_limit needs price_input and price_output")
        if self.max_tokens_parameter not in MAX_TOKENS:
            raise UserError(f"max_tokens_parameter must be one of {', '.join(MAX_TOKENS)}")
        wrong = wrong_server_url(self.base_url)
        if wrong:
            # The URL is shown in errors and written to the cache. This message does not repeat it.
            raise UserError(f"base_url {wrong}")

    @property
    def has_limit(self) -> bool:
        """Whether money or tokens are limited in all."""
        return self.money_limit is not None or self.token_limit is not None

    def money(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """What so many tokens cost, or None where a price is unknown."""
        if self.price_input is None or self.price_output is None:
            return None
        return (
            prompt_tokens * self.price_input + completion_tokens * self.price_output
        ) / 1_000_000


def endpoint(
    *,
    model: str,
    base_url: str = "https://api.openai.com/v1",
    api_key_env: str | None = "OPENAI_API_KEY",
    **settings: Any,
) -> Endpoint:
    """The endpoint of these settings, by the names and defaults of a study's sections.

    Raises:
        UserError: if there is no such setting, or its value is wrong.
    """
    unknown = sorted(set(settings) - {field.name for field in fields(Endpoint)})
    if unknown:
        raise UserError(f"a served model has no setting {', '.join(unknown)}")
    return Endpoint(base_url=base_url, model=model, api_key_env=api_key_env, **settings)


@dataclass(frozen=True)
class Request:
    """One chat completion, or plain completion, to ask for.

    Attributes:
        messages: pairs of role and content, for the endpoint `/chat/completions`.
        temperature: None leaves it to the server.
        max_tokens: the most tokens to generate; None leaves it to the server.
        stop: strings at which generation ends.
        seed: asks for a repeatable sample; None leaves it to the server.
        prompt: in place of messages, a raw text that the endpoint `/completions` goes on from.
        top_p: None leaves it to the server.
        sample: tells requests apart that are equal otherwise, so that each is asked and kept. It
            is not sent.

    Raises:
        UserError: if there are both messages and a prompt, or neither.
    """

    messages: tuple[tuple[str, str], ...] = ()
    temperature: float | None = 0.0
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    prompt: str | None = None
    top_p: float | None = None
    sample: int = 0

    def __post_init__(self) -> None:
        if bool(self.messages) == (self.prompt is not None):
            raise UserError("a request has either messages or a prompt")


@dataclass(frozen=True)
class Reply:
    """An answer.

    Attributes:
        text: what the model said.
        model: the model version that the server says it was.
        finish_reason: `stop`, `length`, ..., as the server says it; `refusal` where the text is
            what the model said in place of an answer.
        prompt_tokens: as the server counts, None where it does not.
        completion_tokens: likewise.
        cached: whether the reply was kept from an earlier call.
        thought: whether the server sent thoughts apart from the text.
    """

    text: str
    model: str
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    cached: bool = False
    thought: bool = False

    @property
    def is_cut(self) -> bool:
        """Whether the limit of tokens ended the reply."""
        return self.finish_reason in CUT


@dataclass(frozen=True)
class Failure:
    """Why one request has no answer.

    Attributes:
        reason: in words, with the server's own.
        status: the HTTP status, where the server sent one that is an error.
        lasting: whether asking again will not help.
    """

    reason: str
    status: int | None = None
    lasting: bool = False
