"""The LLM judge: one prompt-response pair a query, no history (arXiv 2309.08958, figure 6)."""

from __future__ import annotations

import re
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text
from polypaca.judging.contract import Judge, verdict
from polypaca.judging.ratings import parse_rating, why_unrated
from polypaca.llm.client import complete, require_key
from polypaca.llm.records import Endpoint, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, Progress
    from polypaca.llm.records import Failure

_SLOT = re.compile(r"\$\{(instruction|response)\}")


def make(
    *,
    model: str,
    base_url: str = "https://api.openai.com/v1",
    api_key_env: str | None = "OPENAI_API_KEY",
    prompt: str = "paper",
    temperature: float = 0.0,
    max_tokens: int | None = 512,
    concurrency: int = 8,
    timeout_seconds: float = 120.0,
    max_retries: int = 5,
    cache: Path | None = None,
) -> Judge:
    """The judge that asks a served model for a rating of 1..3.

    A judgement without a usable rating is `failed`, with the reason and the judge's words; it is
    not kept in the cache, so that the next run asks again.

    Args:
        model: the name by which the server knows the model.
        base_url: an OpenAI-compatible URL, with its version.
        api_key_env: the environment variable that holds the key; None for a server without one.
        prompt: `paper`, or the path of a text with the slots `${instruction}` and `${response}`.
        temperature: of the judge's sampling.
        max_tokens: the most that the judge may write.
        concurrency: requests in flight at once.
        timeout_seconds: for one attempt of one request.
        max_retries: further attempts where the server fails.
        cache: the folder of kept replies.

    Raises:
        UserError: if the prompt cannot be used, the URL is none or the key is not set; from
            `judge`, if the server refuses key or model.
    """
    template = load_prompt(prompt)
    endpoint = Endpoint(
        base_url=base_url,
        model=model,
        api_key_env=api_key_env,
        concurrency=concurrency,
        timeout_seconds=timeout_seconds,
        max_retries=max_retries,
    )
    require_key(endpoint)  # now, not after hours of training
    named = f"{Path(prompt).stem}-{sha256_text(template)[:12]}"
    signature = f"llm judge|model:{model}|prompt:{named}|temperature:{temperature:g}"

    def verdicts(items: Sequence[Item], progress: Progress) -> Iterator[Verdict]:
        requests = [
            Request(
                messages=(("user", fill(template, item.prompt, item.response)),),
                temperature=temperature,
                max_tokens=max_tokens,
            )
            for item in items
        ]
        outcomes = complete(requests, endpoint, cache=cache, keep=_rates, progress=progress)
        for item, outcome in zip(items, outcomes, strict=True):
            yield _verdict(item, outcome, signature)

    return Judge(signature, verdicts)


def load_prompt(name: str) -> str:
    """A judge's prompt: a packaged one by its name, or a file by its path.

    The file's last line end is not part of the prompt.

    Raises:
        UserError: if there is no such prompt, or it lacks a slot.
    """
    packaged = resources.files("polypaca.judging") / "prompts" / f"{name}.txt"
    try:
        if "/" not in name and packaged.is_file():
            text = packaged.read_text(encoding="utf-8")
        else:
            text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"no judge's prompt {name!r} ({error}); give `paper`, or the path of a text file"
        ) from error
    lacking = {"instruction", "response"} - set(_SLOT.findall(text))
    if lacking:
        slots = " and ".join(f"${{{slot}}}" for slot in sorted(lacking))
        raise UserError(f"the judge's prompt {name!r} has no slot {slots}")
    return text.removesuffix("\n")


def fill(template: str, instruction: str, response: str) -> str:
    """Put an instruction and a response into a prompt's slots.

    One pass over the template: slots that stand in the instruction or response stay as they are.
    """
    values = {"instruction": instruction, "response": response}
    return _SLOT.sub(lambda slot: values[slot.group(1)], template)


def _rates(reply: Reply) -> bool:
    return parse_rating(reply.text) is not None


def _verdict(item: Item, outcome: Reply | Failure, signature: str) -> Verdict:
    if not isinstance(outcome, Reply):
        return verdict(item, judge=signature, status="failed", explanation=outcome.reason)
    judge = f"{signature}|version:{outcome.model}"
    rating = parse_rating(outcome.text)
    if rating is None:
        cut = " (cut off)" if outcome.finish_reason == "length" else ""
        reason = f"{why_unrated(outcome.text)}{cut}: {outcome.text}"
        return verdict(item, judge=judge, status="failed", explanation=reason)
    return verdict(item, judge=judge, status="ok", rating=rating, explanation=outcome.text)
