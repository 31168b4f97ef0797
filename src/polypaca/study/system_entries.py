"""The section `systems`: what answers prompts beside the study's cells, without training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from polypaca.core.settings import Name, Settings
from polypaca.llm.endpoint import ServedModel


class BaseSystem(Settings):
    """The untuned base model, as a control."""

    base: str = Field(description="name of a model of the study, or `all`")


class ShuffledSystem(Settings):
    """A recipe's responses, shuffled among the prompts of a language: a control."""

    shuffle: str = Field(description="name of a recipe of the study")


class ModelSystem(Settings):
    """An existing model, such as a chat model of the Hub."""

    model: str = Field(description="Hub id or folder")
    name: Name
    revision: str | None = Field(default=None, description="Hub commit, tag or branch")
    template: Literal["chat", "alpaca", "alpaca-no-newline"] = Field(
        default="chat", description="prompt template; chat: the model's own chat template"
    )


class ServedSystem(Settings):
    """A model behind a server; decoded without beams.

    In a study file the fields of `served` stand beside the others, `base_url` as `url`.
    """

    served: ServedModel
    name: Name
    template: Literal["alpaca", "alpaca-no-newline"] | None = Field(
        default=None,
        description="prompt template; null sends a chat message, which the server renders",
    )

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "url" not in value:
            return value
        entry = {key: value[key] for key in ("name", "template") if key in value}
        served = {key: item for key, item in value.items() if key not in (*entry, "url")}
        return {**entry, "served": {"base_url": value["url"], **served}}


class GivenSystem(Settings):
    """Responses from elsewhere, one file per language."""

    answers: str = Field(description="path with {language} of JSONL files with `id` and `response`")
    name: Name


# The key that decides the kind of an entry; tags are no keys, so that errors tell them apart.
KEYS = {
    "base": "base system",
    "shuffle": "shuffled system",
    "answers": "given system",
    "url": "served system",
    "model": "model system",
}
_TAGS: dict[type, str] = {
    BaseSystem: "base system",
    ShuffledSystem: "shuffled system",
    GivenSystem: "given system",
    ServedSystem: "served system",
    ModelSystem: "model system",
}


def _tag(entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return _TAGS.get(type(entry))
    frozen = "served system" if "served" in entry else None
    return next((tag for key, tag in KEYS.items() if key in entry), frozen)


SystemEntry = Annotated[
    Annotated[BaseSystem, Tag("base system")]
    | Annotated[ShuffledSystem, Tag("shuffled system")]
    | Annotated[GivenSystem, Tag("given system")]
    | Annotated[ServedSystem, Tag("served system")]
    | Annotated[ModelSystem, Tag("model system")],
    Discriminator(_tag),
]
