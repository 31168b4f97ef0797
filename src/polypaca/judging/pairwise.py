"""Pairwise judging: which of two answers to one prompt is better, asked in both orders.

A scale of three steps saturates, and judges prefer what they see first (Zheng et al. 2023,
https://arxiv.org/abs/2306.05685, section 3.3). So each pair is asked twice, with the order swapped,
and only what both orders say counts as a preference: a tie in one order and a win in the other is
a tie, like two wins that contradict each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text
from polypaca.core.records import PairVerdict
from polypaca.judging.contract import PairJudge
from polypaca.judging.llm import asking_again_helps, shown, slots, told, versions
from polypaca.judging.prompts import fill, load_pair_prompt
from polypaca.judging.ratings import Reading, read_preference
from polypaca.llm.account import Account
from polypaca.llm.client import complete, require_key
from polypaca.llm.records import Reply, Request, endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Preference
    from polypaca.judging.contract import PairItem, Progress
    from polypaca.judging.prompts import JudgePrompt
    from polypaca.llm.records import Failure

    Both = tuple[Reply | Failure, Reply | Failure]  # with a shown first, with b shown first

_SWAPPED: dict[Preference, Preference] = {"a": "b", "b": "a", "tie": "tie"}
_IDENTICAL = "the responses are identical: not asked"


def make(
    *,
    model: str,
    prompt: str = "default",
    temperature: float | None = 0.0,
    max_tokens: int | None = 512,
    votes: int = 1,
    cache: Path | None = None,
    account: Path | None = None,
    base_url: str = "https://api.openai.com/v1",
    api_key_env: str | None = "OPENAI_API_KEY",
    **served: Any,
) -> PairJudge:
    """The judge that asks a served model which of two answers is better.

    Identical answers are a tie without being asked. A pair of which one order has no usable
    verdict is `failed`; what was not usable is not kept, so that the next run asks it again.

    Args:
        model: the name by which the server knows the model.
        prompt: `default`, or the path of a file, see `judging.prompts`; its slots are
            `${instruction}`, `${response_a}` and `${response_b}`.
        temperature: of the judge's sampling; None sends none, for models that take none.
        max_tokens: the most that the judge may write.
        votes: 1, since each order is asked once.
        cache: the folder of kept replies.
        account: the file in which it is kept what was asked and spent; None counts this judge
            alone.
        base_url: an OpenAI-compatible URL, with its version.
        api_key_env: the environment variable that holds the key; None for a server without one.
        served: how hard the server may be pressed, and limits: see `llm.records.Endpoint`.

    Raises:
        UserError: if the prompt cannot be used, a setting is wrong or the key is not set; from
            `compare`, if the server refuses key or model.
    """
    if votes != 1:
        raise UserError("pairs are judged once an order: votes must be 1")
    asked = load_pair_prompt(prompt)
    server = endpoint(model=model, base_url=base_url, api_key_env=api_key_env, **served)
    require_key(server)
    spending = Account(account)
    signature = (
        f"llm pairwise judge|model:{model}|prompt:{asked.signature}"
        f"|temperature:{shown(temperature)}"
    )

    def verdicts(items: Sequence[PairItem], progress: Progress) -> Iterator[PairVerdict]:
        differing = [item for item in items if item.response_a != item.response_b]
        alike = len(items) - len(differing)
        requests = [
            Request((("user", text),), temperature=temperature, max_tokens=max_tokens)
            for item in differing
            for text in _texts(item, asked)
        ]
        judged = {
            request: (item.response_a, item.response_b)
            for request, item in zip(requests, (i for i in differing for _ in "ab"), strict=True)
        }
        outcomes = complete(
            requests,
            server,
            cache=cache,
            fits=lambda request, reply: _read(reply, judged[request]).preference is not None,
            progress=lambda done: progress(alike + done // 2),
            account=spending,
        )
        if not differing:
            progress(alike)
        both = iter(zip(outcomes[::2], outcomes[1::2], strict=True))
        for item in items:
            came = next(both) if item.response_a != item.response_b else None
            yield _verdict(item, came, asked, model, temperature, signature)

    return PairJudge(signature, verdicts)


def outcome_of(a_first: Preference | None, b_first: Preference | None) -> Preference | None:
    """What two orders say together: what both say, else a tie; None where one of them failed."""
    if a_first is None or b_first is None:
        return None
    return a_first if a_first == b_first else "tie"


def _texts(item: PairItem, asked: JudgePrompt) -> tuple[str, str]:
    """The question with a shown first, and with b shown first."""
    template, common = asked.text(item.language), slots(item, asked)
    a, b = item.response_a, item.response_b
    return (
        fill(template, {**common, "response_a": a, "response_b": b}),
        fill(template, {**common, "response_a": b, "response_b": a}),
    )


def _verdict(
    item: PairItem,
    came: Both | None,
    asked: JudgePrompt,
    model: str,
    temperature: float | None,
    signature: str,
) -> PairVerdict:
    version: str | None = None
    a_first: Preference | None = "tie"
    b_first: Preference | None = "tie"
    explanations = [_IDENTICAL]
    lasting = thoughts = False
    if came:
        version = versions(came)
        read = [_read(each, (item.response_a, item.response_b)) for each in came]
        a_first, swapped = (each.preference for each in read)
        b_first = _SWAPPED[swapped] if swapped else None
        explanations = [told(each) for each in read]
        # Both orders are needed: one that will stay without a verdict is enough.
        lasting = any(
            each.preference is None and not asking_again_helps(outcome, temperature)
            for outcome, each in zip(came, read, strict=True)
        )
        thoughts = any(each.thought for each in read)
    outcome = outcome_of(a_first, b_first)
    return PairVerdict(
        system_a=item.system_a,
        system_b=item.system_b,
        prompt_id=item.prompt_id,
        language=item.language,
        response_sha256_a=sha256_text(item.response_a),
        response_sha256_b=sha256_text(item.response_b),
        judge=f"{signature}|version:{version}" if version else signature,
        a_first=a_first,
        b_first=b_first,
        outcome=outcome,
        explanations=explanations,
        status="ok" if outcome else "failed",
        lasting=lasting,
        thoughts=thoughts,
        model=model,
        version=version,
        temperature=temperature,
        prompt_sha256=sha256_text(asked.text(item.language)),
    )


def _read(came: Reply | Failure, judged: tuple[str, str]) -> Reading:
    """What the judge said, in terms of what it was shown first (a) and second (b)."""
    if not isinstance(came, Reply):
        return Reading("", reason=came.reason)
    return read_preference(came.text, judged, cut=came.is_cut)
