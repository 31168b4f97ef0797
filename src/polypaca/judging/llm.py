"""The LLM judge: one prompt-response pair a query, no history (arXiv 2309.08958, figure 6)."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from polypaca.core import languages
from polypaca.core.errors import UserError
from polypaca.core.files import sha256_text
from polypaca.core.settings import RUN_ONLY, USER_PATH, Choice, Name, Settings
from polypaca.judging.contract import make_verdict, no_progress
from polypaca.judging.prompts import fill, load_pair_prompt, load_prompt
from polypaca.judging.ratings import Reading, read_rating
from polypaca.llm.account import Account
from polypaca.llm.client import complete, require_key
from polypaca.llm.endpoint import Endpoint
from polypaca.llm.records import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from polypaca.core.records import Verdict
    from polypaca.judging.contract import Item, JudgeContext, PairItem, Progress
    from polypaca.judging.prompts import JudgePrompt
    from polypaca.llm.records import Failure


class PairwiseSettings(Settings):
    """Compares two recipes' answers to the same prompt, in both orders, beside the ratings."""

    pairs: Literal["all"] | list[tuple[str, str]] = Field(
        default="all", description="the pairs of recipes to compare; all: every pair"
    )
    prompt: Annotated[str, USER_PATH] = Field(
        default="default",
        description="the prompt: `default`, or the path of a .txt or .yaml file",
    )

    @field_validator("pairs")
    @classmethod
    def _pairs_differ(cls, pairs: Any) -> Any:
        for pair in pairs if isinstance(pairs, list) else ():
            if pair[0] == pair[1]:
                raise ValueError(f"{pair[0]!r} cannot be compared with itself")
        return pairs


class LlmJudgeSettings(Endpoint, Choice):
    """A served model behind an OpenAI-compatible URL, by default with the paper's prompt."""

    kind: Literal["llm"] = "llm"
    name: Annotated[Name | None, RUN_ONLY] = Field(
        default=None, description="a name that tells this judge apart from others"
    )
    prompt: Annotated[str, USER_PATH] = Field(
        default="paper",
        description="the prompt: `paper`, or the path of a .txt or .yaml file",
    )
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=0.0, description="sampling temperature; 0: greedy decoding; null: do not send one"
    )
    max_tokens: int = Field(default=512, ge=8, description="the most tokens of a judgement")
    votes: int = Field(
        default=1,
        ge=1,
        le=99,
        description="how many times each answer is judged; its rating is the median",
    )
    missing: Annotated[float, RUN_ONLY] = Field(
        default=0.1, ge=0, le=1, description="the share of a system's judgements that may fail"
    )
    pairwise: Annotated[PairwiseSettings | None, RUN_ONLY] = Field(  # no rating depends on it
        default=None, description="settings of pairwise judging; null: none"
    )

    @model_validator(mode="after")
    def _votes_differ(self) -> Self:
        if self.votes > 1 and self.temperature == 0:
            raise ValueError("`votes` above 1 need a `temperature` above 0: at 0 all are equal")
        return self

    @property
    def pairwise_settings(self) -> Self:
        """The settings with which pairs are compared: one question an order, in its own words."""
        assert self.pairwise is not None
        update = {"prompt": self.pairwise.prompt, "votes": 1, "pairwise": None}
        return self.model_copy(update=update)


class LlmJudge:
    """The judge that asks a served model for a rating.

    A judgement without a usable rating is `failed`, with the reason and the judge's words; it is
    not kept in the cache, so that the next run asks again. Of several votes the rating is the
    median of those that gave one; where no more than half did, the judgement failed.
    """

    def __init__(self, settings: LlmJudgeSettings, context: JudgeContext) -> None:
        """Read the prompt and look whether the key is there.

        Raises:
            UserError: if the prompt cannot be used or the key is not set.
        """
        self._settings, self._cache = settings, context.cache
        self._prompt = load_prompt(settings.prompt)
        require_key(settings)  # now, not after hours of training
        self._account = Account(context.account)
        self.scale = self._prompt.scale
        votes = f"|votes:{settings.votes}" if settings.votes > 1 else ""
        self.signature = (
            f"llm judge|model:{settings.model}|prompt:{self._prompt.signature}"
            f"|temperature:{format_temperature(settings.temperature)}{votes}"
        )

    def judge(self, items: Sequence[Item], progress: Progress = no_progress) -> Iterator[Verdict]:
        """One verdict an item.

        Raises:
            UserError: if the server refuses key or model, or an answer has no reference that the
                prompt asks for.
            StageError: if nothing answers at the URL.
        """
        prompt, votes = self._prompt, self._settings.votes
        texts = [
            fill(prompt.text(i.language), {**slot_values(i, prompt), "response": i.response})
            for i in items
        ]
        requests = [
            Request(
                messages=(("user", text),),
                temperature=self._settings.temperature,
                max_tokens=self._settings.max_tokens,
                # One vote leaves the seed to the server, as the paper did.
                seed=vote if votes > 1 else None,
                sample=vote,
            )
            for text in texts
            for vote in range(votes)
        ]
        responses = {text: item.response for text, item in zip(texts, items, strict=True)}

        def rates(request: Request, reply: Reply) -> bool:
            return _read(reply, prompt, responses[request.messages[0][1]]).rating is not None

        outcomes = complete(
            requests,
            self._settings,
            cache=self._cache,
            keep=rates,
            progress=lambda done: progress(done // votes),
            account=self._account,
        )
        for index, item in enumerate(items):
            yield self._verdict(item, outcomes[index * votes : (index + 1) * votes])

    def _verdict(self, item: Item, outcomes: Sequence[Reply | Failure]) -> Verdict:
        temperature = self._settings.temperature
        readings = [_read(outcome, self._prompt, item.response) for outcome in outcomes]
        votes = [reading.rating for reading in readings if reading.rating is not None]
        is_rated = len(votes) * 2 > len(outcomes)
        version = model_versions(outcomes)
        return make_verdict(
            item,
            judge=f"{self.signature}|version:{version}" if version else self.signature,
            status="ok" if is_rated else "failed",
            rating=float(median(votes)) if is_rated else None,
            explanation=_explanation(readings),
            lasting=not is_rated
            and not any(
                is_retryable(outcome, temperature)
                for outcome, reading in zip(outcomes, readings, strict=True)
                if reading.rating is None
            ),
            thoughts=any(reading.had_thoughts for reading in readings),
            votes=votes if len(outcomes) > 1 else [],
            model=self._settings.model,
            version=version,
            temperature=temperature,
            prompt_sha256=sha256_text(self._prompt.text(item.language)),
        )


def check_prompts(settings: LlmJudgeSettings) -> None:
    """Read the prompts for ratings and pairs.

    Raises:
        UserError: if one cannot be used.
    """
    load_prompt(settings.prompt)
    if settings.pairwise:
        load_pair_prompt(settings.pairwise.prompt)


def slot_values(item: Item | PairItem, prompt: JudgePrompt) -> dict[str, str]:
    """What an item puts into a prompt's slots, but for the responses.

    Raises:
        UserError: if the prompt wants a reference and the item has none in its language.
    """
    reference = item.references.get(item.language, "")
    if prompt.needs("reference") and not reference.strip():
        raise UserError(
            f"the judge's prompt {prompt.name!r} uses ${{reference}}, but prompt "
            f"{item.prompt_id!r} has no reference in {item.language!r}; add references, or choose "
            "a judge's prompt without ${reference}"
        )
    name = languages.name(item.language) if prompt.needs("language") else ""
    return {"instruction": item.prompt, "reference": reference, "language": name}


def format_temperature(temperature: float | None) -> str:
    """A temperature as signatures have it."""
    return "the model's own" if temperature is None else f"{temperature:g}"


def is_retryable(outcome: Reply | Failure, temperature: float | None) -> bool:
    """Whether what is no verdict might be one the next time."""
    if isinstance(outcome, Reply):
        # What the limit of tokens cut off at temperature 0 is cut off again.
        return not outcome.is_truncated or bool(temperature)
    return not outcome.lasting


def model_versions(outcomes: Sequence[Reply | Failure]) -> str | None:
    """The versions that the server says its model was, one if it was always the same."""
    models = {outcome.model: None for outcome in outcomes if isinstance(outcome, Reply)}
    return ", ".join(models) or None


def _read(outcome: Reply | Failure, prompt: JudgePrompt, response: str) -> Reading:
    if not isinstance(outcome, Reply):
        return Reading("", reason=outcome.reason)
    return read_rating(outcome.text, *prompt.scale, [response], truncated=outcome.is_truncated)


def _explanation(readings: Sequence[Reading]) -> str:
    """The judge's words, or why they are no rating; of several votes, each on its own."""
    texts = [explain(reading) for reading in readings]
    if len(texts) == 1:
        return texts[0]
    return "\n\n".join(f"Vote {number}: {text}" for number, text in enumerate(texts, start=1))


def explain(reading: Reading) -> str:
    """A judge's words, behind the reason where they decide nothing."""
    return ": ".join(text for text in (reading.reason, reading.words) if text)
