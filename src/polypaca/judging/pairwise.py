"""Pairwise judging: which of two answers to one prompt is better, asked in both orders.

A scale of three steps saturates, and judges prefer what they see first (Zheng et al. 2023,
https://arxiv.org/abs/2306.05685, section 3.3). So each pair is asked twice, with the order swapped,
and only what both orders say counts as a preference: a tie in one order and a win in the other is
a tie, like two wins that contradict each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text
from polypaca.core.records import PairVerdict
from polypaca.judging.contract import no_progress
from polypaca.judging.llm import (
    explain,
    format_temperature,
    is_retryable,
    model_versions,
    slot_values,
)
from polypaca.judging.prompts import fill, load_pair_prompt
from polypaca.judging.ratings import Reading, read_preference
from polypaca.llm.account import Account
from polypaca.llm.client import complete, require_key
from polypaca.llm.records import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from polypaca.core.records import Preference
    from polypaca.judging.contract import PairItem, PairJudge, Progress
    from polypaca.judging.llm import LlmJudgeSettings
    from polypaca.judging.prompts import JudgePrompt
    from polypaca.llm.records import Failure

    Both = tuple[Reply | Failure, Reply | Failure]  # with a shown first, with b shown first

_SWAPPED: dict[Preference, Preference] = {"a": "b", "b": "a", "tie": "tie"}
_IDENTICAL = "the responses are identical: not asked"


def load(
    settings: LlmJudgeSettings, *, cache: Path | None = None, account: Path | None = None
) -> PairJudge:
    """Make the judge of pairs.

    Args:
        settings: whom to ask and how: `LlmJudgeSettings.pairwise_settings`.
        cache: the folder of kept replies.
        account: the file in which it is kept what was asked and spent; None counts this judge
            alone.

    Raises:
        UserError: if the prompt cannot be used, a setting is wrong or the key is not set.
    """
    return LlmPairJudge(settings, cache=cache, account=account)


class LlmPairJudge:
    """The judge that asks a served model which of two answers is better.

    Identical answers are a tie without being asked. A pair of which one order has no usable
    verdict is `failed`; what was not usable is not kept, so that the next run asks it again.
    """

    def __init__(
        self, settings: LlmJudgeSettings, *, cache: Path | None, account: Path | None
    ) -> None:
        """Read the prompt, with slots `${instruction}`, `${response_a}` and `${response_b}`."""
        if settings.votes != 1:
            raise UserError("each order of a pair is judged once: set `votes: 1`")
        self._settings, self._cache = settings, cache
        self._prompt = load_pair_prompt(settings.prompt)
        require_key(settings)
        self._account = Account(account)
        self.signature = (
            f"llm pairwise judge|model:{settings.model}|prompt:{self._prompt.signature}"
            f"|temperature:{format_temperature(settings.temperature)}"
        )

    def compare(
        self, items: Sequence[PairItem], progress: Progress = no_progress
    ) -> Iterator[PairVerdict]:
        """One verdict an item.

        Raises:
            UserError: if the server refuses key or model.
            StageError: if nothing answers at the URL.
        """
        temperature, max_tokens = self._settings.temperature, self._settings.max_tokens
        differing = [item for item in items if item.response_a != item.response_b]
        identical = len(items) - len(differing)
        requests = [
            Request((("user", text),), temperature=temperature, max_tokens=max_tokens)
            for item in differing
            for text in _texts(item, self._prompt)
        ]
        judged = {
            request: (item.response_a, item.response_b)
            for request, item in zip(requests, (i for i in differing for _ in "ab"), strict=True)
        }
        outcomes = complete(
            requests,
            self._settings,
            cache=self._cache,
            keep=lambda request, reply: _read(reply, judged[request]).preference is not None,
            progress=lambda done: progress(identical + done // 2),
            account=self._account,
        )
        if not differing:
            progress(identical)
        both = iter(zip(outcomes[::2], outcomes[1::2], strict=True))
        for item in items:
            yield self._verdict(item, next(both) if item.response_a != item.response_b else None)

    def _verdict(self, item: PairItem, replies: Both | None) -> PairVerdict:
        temperature = self._settings.temperature
        version: str | None = None
        a_first: Preference | None = "tie"
        b_first: Preference | None = "tie"
        explanations = [_IDENTICAL]
        lasting = thoughts = False
        if replies:
            version = model_versions(replies)
            readings = [_read(reply, (item.response_a, item.response_b)) for reply in replies]
            a_first, swapped = (reading.preference for reading in readings)
            b_first = _SWAPPED[swapped] if swapped else None
            explanations = [explain(reading) for reading in readings]
            # Both orders are needed: one that will stay without a verdict is enough.
            lasting = any(
                reading.preference is None and not is_retryable(reply, temperature)
                for reply, reading in zip(replies, readings, strict=True)
            )
            thoughts = any(reading.had_thoughts for reading in readings)
        outcome = combine_orders(a_first, b_first)
        return PairVerdict(
            system_a=item.system_a,
            system_b=item.system_b,
            prompt_id=item.prompt_id,
            language=item.language,
            response_sha256_a=sha256_text(item.response_a),
            response_sha256_b=sha256_text(item.response_b),
            judge=f"{self.signature}|version:{version}" if version else self.signature,
            a_first=a_first,
            b_first=b_first,
            outcome=outcome,
            explanations=explanations,
            status="ok" if outcome else "failed",
            lasting=lasting,
            thoughts=thoughts,
            model=self._settings.model,
            version=version,
            temperature=temperature,
            prompt_sha256=sha256_text(self._prompt.text(item.language)),
        )


def combine_orders(a_first: Preference | None, b_first: Preference | None) -> Preference | None:
    """What two orders say together: what both say, else a tie; None where one of them failed."""
    if a_first is None or b_first is None:
        return None
    return a_first if a_first == b_first else "tie"


def _texts(item: PairItem, prompt: JudgePrompt) -> tuple[str, str]:
    """The question with a shown first, and with b shown first."""
    template, common = prompt.text(item.language), slot_values(item, prompt)
    a, b = item.response_a, item.response_b
    return (
        fill(template, {**common, "response_a": a, "response_b": b}),
        fill(template, {**common, "response_a": b, "response_b": a}),
    )


def _read(outcome: Reply | Failure, judged: tuple[str, str]) -> Reading:
    """What the judge said, in terms of what it was shown first (a) and second (b)."""
    if not isinstance(outcome, Reply):
        return Reading("", reason=outcome.reason)
    return read_preference(outcome.text, judged, truncated=outcome.is_truncated)
