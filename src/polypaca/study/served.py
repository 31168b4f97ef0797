"""What every section about a served model has: where it is, and how hard it may be pressed."""

from __future__ import annotations

from pydantic import Field

from polypaca.study.fields import Section, Server, Variable

# What affects no answer: a change of these redoes nothing.
RUN_ONLY = (
    "api_key_env",
    "concurrency",
    "requests_per_minute",
    "tokens_per_minute",
    "timeout_seconds",
    "max_retries",
    "price_input",
    "price_output",
    "money_limit",
    "token_limit",
)


class Served(Section):
    """A model behind an OpenAI-compatible URL."""

    model: str = Field(description="the name by which the server knows the model")
    base_url: Server = "https://api.openai.com/v1"
    api_key_env: Variable | None = Field(
        default="OPENAI_API_KEY", description="the variable that holds the key; null: no key"
    )
    concurrency: int = Field(default=8, ge=1, description="requests in flight at once")
    requests_per_minute: float | None = Field(default=None, gt=0)
    tokens_per_minute: float | None = Field(default=None, gt=0)
    timeout_seconds: float = Field(default=120, gt=0, description="for one attempt")
    max_retries: int = Field(default=5, ge=0)
    price_input: float | None = Field(
        default=None, ge=0, description="of a million tokens, in the currency of `money_limit`"
    )
    price_output: float | None = Field(default=None, ge=0, description="likewise")
    money_limit: float | None = Field(
        default=None, gt=0, description="nothing is asked that would cost more in all"
    )
    token_limit: int | None = Field(default=None, ge=1, description="prompt and answer, in all")
