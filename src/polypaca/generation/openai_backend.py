"""Answer prompts with a served model: vLLM or SGLang with adapters, llama.cpp, a hosted one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.errors import UserError
from polypaca.llm.account import Account
from polypaca.llm.client import complete
from polypaca.llm.records import Failure, Reply, Request
from polypaca.llm.thoughts import has_unopened_close, split_thoughts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from polypaca.generation.contract import FinishReason
    from polypaca.llm.endpoint import Endpoint

__all__ = ["UNFINISHED", "Failure", "ServedAnswer", "answer"]

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
    """What a served model said.

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


def answer(
    texts: Sequence[str],
    served: Endpoint,
    *,
    raw: bool,
    max_new_tokens: int,
    stop: str | Sequence[str] = (),
    temperature: float | None = 0.0,
    top_p: float = 1.0,
    seed: int = 0,
    num_beams: int = 1,
    cache: Path | None = None,
    account: Path | None = None,
    progress: Callable[[int], None] = lambda done: None,
) -> list[ServedAnswer | Failure]:
    """Ask a served model all texts; outcomes come in order, failures as values.

    Args:
        texts: as a template rendered them (`raw`), or as they were asked.
        served: whom to ask; `model` is an adapter's name where the server has adapters.
        raw: whether a text goes to `/completions` as it is. Otherwise it is the only message of a
            conversation for `/chat/completions`, and the server has the template.
        max_new_tokens: an answer has no more tokens.
        stop: strings that end an answer in the texts' template.
        temperature: 0 takes the likeliest token; more samples; None sends none, for models that
            take none.
        top_p: sampling is from the likeliest tokens whose probabilities reach this sum.
        seed: for sampling, where the server heeds it.
        num_beams: anything but 1 is refused: the protocol has no beams.
        cache: the folder of kept replies; None keeps none.
        account: the file of what was spent, over which limits hold; None counts this call alone.
        progress: told how many texts are done so far.

    Raises:
        UserError: if beams are asked for, or the key or the model's name are wrong.
        StageError: if nothing answers at the URL.
    """
    if num_beams != 1:
        raise UserError(
            f"a served model decodes without beams: set num_beams to 1, not {num_beams}, or let "
            "the transformers backend answer"
        )
    sampled = bool(temperature)
    requests = [
        Request(
            messages=() if raw else (("user", text),),
            prompt=text if raw else None,
            temperature=temperature,
            max_tokens=max_new_tokens,
            stop=(stop,) if isinstance(stop, str) else tuple(stop),
            # Without sampling neither changes an answer, and each would be asked again for it.
            top_p=top_p if sampled else None,
            seed=seed if sampled else None,
        )
        for text in texts
    ]
    outcomes = complete(
        requests,
        served,
        cache=cache,
        keep=lambda request, reply: reply.finish_reason in _REASONS,
        progress=progress,
        account=Account(account),
    )
    # A template that writes the opening mark into the prompt shows in the replies that end well.
    opens = has_unopened_close([o.text for o in outcomes if isinstance(o, Reply)])
    return [_read(outcome, opens=opens, raw=raw) for outcome in outcomes]


def _read(outcome: Reply | Failure, *, opens: bool, raw: bool) -> ServedAnswer | Failure:
    if isinstance(outcome, Failure):
        return outcome
    reason = _REASONS.get(outcome.finish_reason)
    if reason is None:
        why = f"the server broke the answer off: {outcome.finish_reason[:80]}"
        return Failure(why, lasting=outcome.finish_reason == "content_filter")
    truncated = outcome.is_truncated
    said = split_thoughts(outcome.text, truncated=truncated, opened=opens and truncated)
    # Servers that take thoughts out leave nothing where the limit of tokens came among them.
    silent = truncated and not outcome.text and (outcome.thought or not raw)
    if said.unfinished or silent:
        return Failure(UNFINISHED, lasting=True)
    return ServedAnswer(said.text, reason, outcome.model, bool(said.thoughts))
