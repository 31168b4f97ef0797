"""Answer prompts with a served model: vLLM or SGLang with adapters, llama.cpp, a hosted one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.llm.account import Account
from polypaca.llm.client import complete
from polypaca.llm.records import Failure, Reply, Request
from polypaca.llm.thoughts import has_unopened_close, split_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from polypaca.generation.contract import FinishReason
    from polypaca.llm.endpoint import Endpoint

__all__ = ["UNFINISHED", "Failure", "ServedAnswer", "ServedDecoding", "answer"]

UNFINISHED = "the answer ends within the model's thoughts: raise max_new_tokens"

# What servers say instead of the protocol's `stop` and `length`. Some say nothing.
_REASONS: dict[str, FinishReason] = {
    "stop": "stop",
    "eos": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "unknown": "stop",
    "refusal": "stop",  # what a model says in place of an answer is its answer
    "length": "length",
    "max_tokens": "length",
}


@dataclass(frozen=True)
class ServedAnswer:
    """The answer of a served model.

    Attributes:
        text: without its thoughts, and without the stop strings, which servers leave out.
        finish_reason: `stop` or `length`.
        model: the version that the server says it was.
        thought: whether thoughts were taken out of the text.
    """

    text: str
    finish_reason: FinishReason
    model: str
    thought: bool = False


@dataclass(frozen=True)
class ServedDecoding:
    """How a served model answers.

    Attributes:
        raw: whether a text goes to `/completions` as it is. Otherwise it is the only message of a
            conversation for `/chat/completions`, and the server has the template.
        max_new_tokens: maximum tokens of an answer.
        stop: strings that end an answer in the texts' template.
        temperature: 0 takes the likeliest token; more samples; None sends none, for models that
            take none.
        top_p: sampling is from the likeliest tokens whose probabilities reach this sum.
        seed: for sampling, where the server heeds it.
    """

    raw: bool
    max_new_tokens: int
    stop: Sequence[str] = ()
    temperature: float | None = 0.0
    top_p: float = 1.0
    seed: int = 0

    def request(self, text: str) -> Request:
        """The request for one text."""
        sampled = bool(self.temperature)
        return Request(
            messages=() if self.raw else (("user", text),),
            prompt=text if self.raw else None,
            temperature=self.temperature,
            max_tokens=self.max_new_tokens,
            stop=tuple(self.stop),
            # Without sampling neither changes an answer, and either would miss the cache.
            top_p=self.top_p if sampled else None,
            seed=self.seed if sampled else None,
        )


def answer(
    texts: Sequence[str],
    endpoint: Endpoint,
    decoding: ServedDecoding,
    *,
    cache: Path | None = None,
    account: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[ServedAnswer | Failure]:
    """Request answers to all texts from a served model; failures are returned in their place.

    Args:
        texts: rendered by a template where `decoding.raw`, else as they are.
        endpoint: the server; `model` is an adapter's name where the server has adapters.
        decoding: how to decode.
        cache: folder of the cached replies; None caches none.
        account: file of the spending that limits are checked against; None counts this call alone.
        progress: called with the number of texts done so far.

    Raises:
        UserError: if the key or the model's name are wrong.
        StageError: if nothing answers at the URL.
    """
    outcomes = complete(
        [decoding.request(text) for text in texts],
        endpoint,
        cache=cache,
        keep=lambda request, reply: reply.finish_reason in _REASONS,
        progress=progress,
        account=Account(account),
    )
    # A template that writes the opening mark into the prompt shows in the replies that end well.
    opens = has_unopened_close([o.text for o in outcomes if isinstance(o, Reply)])
    return [_read(outcome, opens=opens, raw=decoding.raw) for outcome in outcomes]


def _read(outcome: Reply | Failure, *, opens: bool, raw: bool) -> ServedAnswer | Failure:
    if isinstance(outcome, Failure):
        return outcome
    reason = _REASONS.get(outcome.finish_reason)
    if reason is None:
        why = f"the server cut the answer off: {outcome.finish_reason[:80]}"
        return Failure(why, lasting=outcome.finish_reason == "content_filter")
    truncated = outcome.is_truncated
    visible = split_thoughts(outcome.text, truncated=truncated, opened=opens and truncated)
    # Servers that take thoughts out leave nothing where the limit of tokens came among them.
    silent = truncated and not outcome.text and (outcome.thought or not raw)
    if visible.unfinished or silent:
        return Failure(UNFINISHED, lasting=True)
    return ServedAnswer(visible.text, reason, outcome.model, bool(visible.thoughts))
