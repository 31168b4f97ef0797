"""The LLM judge: one prompt-response pair a query, no history (arXiv 2309.08958, figure 6)."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text
from polypaca.judging.contract import Judge, verdict
from polypaca.judging.prompts import fill, load_prompt
from polypaca.judging.ratings import Reading, read_rating
from polypaca.llm.account import Account
from polypaca.llm.client import complete, require_key
from polypaca.llm.records import Reply, Request, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, PairItem, Progress
    from polypaca.judging.prompts import JudgePrompt
    from polypaca.llm.records import Failure


def make(
    *,
    model: str,
    prompt: str = "paper",
    temperature: float | None = 0.0,
    max_tokens: int | None = 512,
    votes: int = 1,
    cache: Path | None = None,
    account: Path | None = None,
    base_url: str = "https://api.openai.com/v1",
    api_key_env: str | None = "OPENAI_API_KEY",
    **served: Any,
) -> Judge:
    """The judge that asks a served model for a rating.

    A judgement without a usable rating is `failed`, with the reason and the judge's words; it is
    not kept in the cache, so that the next run asks again.

    Args:
        model: the name by which the server knows the model.
        prompt: `paper`, or the path of a file, see `judging.prompts`.
        temperature: of the judge's sampling; None sends none, for models that take none.
        max_tokens: the most that the judge may write.
        votes: how often each answer is judged. The rating is the median of the votes that gave
            one; where no more than half did, the judgement failed.
        cache: the folder of kept replies.
        account: the file in which it is kept what was asked and spent; None counts this judge
            alone.
        base_url: an OpenAI-compatible URL, with its version.
        api_key_env: the environment variable that holds the key; None for a server without one.
        served: how hard the server may be pressed, and limits: see `llm.records.Endpoint`.

    Raises:
        UserError: if the prompt cannot be used, a setting is wrong or the key is not set; from
            `judge`, if the server refuses key or model, or an answer has no reference that the
            prompt asks for.
    """
    if votes < 1 or (votes > 1 and temperature == 0):
        raise UserError(f"{votes} votes need temperature > 0" if votes > 1 else "votes: at least 1")
    asked = load_prompt(prompt)
    server = endpoint(model=model, base_url=base_url, api_key_env=api_key_env, **served)
    require_key(server)  # now, not after hours of training
    spending = Account(account)
    counted = f"|votes:{votes}" if votes > 1 else ""
    signature = (
        f"llm judge|model:{model}|prompt:{asked.signature}"
        f"|temperature:{shown(temperature)}{counted}"
    )

    def verdicts(items: Sequence[Item], progress: Progress) -> Iterator[Verdict]:
        texts = [
            fill(asked.text(item.language), {**slots(item, asked), "response": item.response})
            for item in items
        ]
        requests = [
            Request(
                messages=(("user", text),),
                temperature=temperature,
                max_tokens=max_tokens,
                # One vote leaves the seed to the server, as the paper did.
                seed=vote if votes > 1 else None,
                sample=vote,
            )
            for text in texts
            for vote in range(votes)
        ]
        judged = {text: item.response for text, item in zip(texts, items, strict=True)}

        def rates(request: Request, reply: Reply) -> bool:
            return _read(reply, asked, judged[request.messages[0][1]]).rating is not None

        outcomes = complete(
            requests,
            server,
            cache=cache,
            fits=rates,
            progress=lambda done: progress(done // votes),
            account=spending,
        )
        for index, item in enumerate(items):
            own = outcomes[index * votes : (index + 1) * votes]
            yield _verdict(item, own, asked, model, temperature, signature)

    return Judge(signature, verdicts, asked.scale)


def slots(item: Item | PairItem, asked: JudgePrompt) -> dict[str, str]:
    """What an item puts into a prompt's slots, but for the responses.

    Raises:
        UserError: if the prompt wants a reference and the item has none in its language.
    """
    reference = item.references.get(item.language, "")
    if asked.needs("reference") and not reference.strip():
        raise UserError(
            f"the judge's prompt {asked.name!r} has the slot ${{reference}}, but the prompt "
            f"{item.prompt_id!r} has no reference in {item.language!r}; add references, or choose "
            "a prompt without the slot"
        )
    name = languages.name(item.language) if asked.needs("language") else ""
    return {"instruction": item.prompt, "reference": reference, "language": name}


def shown(temperature: float | None) -> str:
    """A temperature as signatures have it."""
    return "the model's own" if temperature is None else f"{temperature:g}"


def asking_again_helps(outcome: Reply | Failure, temperature: float | None) -> bool:
    """Whether what is no verdict might be one the next time."""
    if isinstance(outcome, Reply):
        # What the limit of tokens cut off at temperature 0 is cut off again.
        return not outcome.is_cut or bool(temperature)
    return not outcome.lasting


def versions(outcomes: Sequence[Reply | Failure]) -> str | None:
    """The versions that the server says its model was, one if it was always the same."""
    found = {outcome.model: None for outcome in outcomes if isinstance(outcome, Reply)}
    return ", ".join(found) or None


def _verdict(
    item: Item,
    outcomes: Sequence[Reply | Failure],
    asked: JudgePrompt,
    model: str,
    temperature: float | None,
    signature: str,
) -> Verdict:
    read = [_read(outcome, asked, item.response) for outcome in outcomes]
    votes = [each.rating for each in read if each.rating is not None]
    is_rated = len(votes) * 2 > len(outcomes)
    version = versions(outcomes)
    return verdict(
        item,
        judge=f"{signature}|version:{version}" if version else signature,
        status="ok" if is_rated else "failed",
        rating=float(median(votes)) if is_rated else None,
        explanation=_explanation(read),
        lasting=not is_rated
        and not any(
            asking_again_helps(outcome, temperature)
            for outcome, each in zip(outcomes, read, strict=True)
            if each.rating is None
        ),
        thoughts=any(each.thought for each in read),
        votes=votes if len(outcomes) > 1 else [],
        model=model,
        version=version,
        temperature=temperature,
        prompt_sha256=sha256_text(asked.text(item.language)),
    )


def _read(outcome: Reply | Failure, asked: JudgePrompt, response: str) -> Reading:
    if not isinstance(outcome, Reply):
        return Reading("", reason=outcome.reason)
    return read_rating(outcome.text, *asked.scale, [response], cut=outcome.is_cut)


def _explanation(read: Sequence[Reading]) -> str:
    """The judge's words, or why they are no rating; of several votes, each on its own."""
    words = [told(each) for each in read]
    if len(words) == 1:
        return words[0]
    return "\n\n".join(f"Vote {number}: {each}" for number, each in enumerate(words, start=1))


def told(read: Reading) -> str:
    """A judge's words, behind the reason where they decide nothing."""
    return ": ".join(part for part in (read.reason, read.words) if part)
