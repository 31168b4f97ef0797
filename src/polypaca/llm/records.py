"""What is asked of a served model, and what comes back."""

from __future__ import annotations

from dataclasses import dataclass

from polypaca.core.errors import UserError

TRUNCATED = ("length", "max_tokens")  # what servers say where the limit of tokens ended a reply


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
            raise UserError("a request needs either messages or a prompt")


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
    def is_truncated(self) -> bool:
        """Whether the limit of tokens ended the reply."""
        return self.finish_reason in TRUNCATED


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
