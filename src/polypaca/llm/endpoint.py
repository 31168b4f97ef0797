"""A served model's endpoint: where it is, and the limits on requests, tokens and money."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from polypaca.core.settings import RUN_ONLY, Server, Settings, Variable


class Endpoint(Settings):
    """A model behind an OpenAI-compatible URL, and the limits on requests, tokens and money."""

    model_config = ConfigDict(hide_input_in_errors=True)  # a URL or a variable may hold a secret

    model: str = Field(description="the name by which the server knows the model")
    base_url: Server = Field(
        default="https://api.openai.com/v1",
        description="the server's URL, with its version, such as `/v1`",
    )
    api_key_env: Annotated[Variable | None, RUN_ONLY] = Field(
        default="OPENAI_API_KEY", description="the environment variable with the key; null: no key"
    )
    concurrency: Annotated[int, RUN_ONLY] = Field(
        default=8, ge=1, le=1024, description="the most requests in flight at once"
    )
    requests_per_minute: Annotated[float | None, RUN_ONLY] = Field(
        default=None, gt=0, description="the most requests a minute; null: no limit"
    )
    tokens_per_minute: Annotated[float | None, RUN_ONLY] = Field(
        default=None, gt=0, description="the most tokens a minute; null: no limit"
    )
    timeout_seconds: Annotated[float, RUN_ONLY] = Field(
        default=120, gt=0, description="how long to wait for an answer, in seconds"
    )
    max_retries: Annotated[int, RUN_ONLY] = Field(
        default=5,
        ge=0,
        le=100,
        description="how often a request is sent again after time-outs, 408, 409, 429 and 5xx",
    )
    price_input: Annotated[float | None, RUN_ONLY] = Field(
        default=None, ge=0, description="the price of a million prompt tokens"
    )
    price_output: Annotated[float | None, RUN_ONLY] = Field(
        default=None, ge=0, description="the price of a million answer tokens"
    )
    money_limit: Annotated[float | None, RUN_ONLY] = Field(
        default=None, gt=0, description="the most to spend in all, in the currency of the prices"
    )
    token_limit: Annotated[int | None, RUN_ONLY] = Field(
        default=None, ge=1, description="the most tokens in all, of prompts and answers"
    )
    max_tokens_parameter: Annotated[Literal["max_tokens", "max_completion_tokens"], RUN_ONLY] = (
        Field(default="max_tokens", description="the parameter that limits an answer's length")
    )

    @model_validator(mode="after")
    def _limit_has_prices(self) -> Self:
        if self.money_limit is not None and None in (self.price_input, self.price_output):
            raise ValueError("`money_limit` needs `price_input` and `price_output`")
        return self

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


class ServedModel(Endpoint):
    """A served model that answers prompts; the section `generate` says how it decodes.

    A temperature of null is not sent, for models that take none.
    """

    temperature: Annotated[float, Field(ge=0, le=2)] | Literal["generate"] | None = Field(
        default="generate", description="generate: as in that section; null: do not send one"
    )
