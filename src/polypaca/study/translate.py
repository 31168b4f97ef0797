"""The section `data.translate`: engines and what is done with their output."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from polypaca.core.rows import read_choice
from polypaca.core.settings import Choice, Language, Settings
from polypaca.translation.engines import ENGINES


class Given(Choice):
    """The data of this language is read, like the source's, not translated."""

    kind: Literal["given"] = "given"


EngineChoice = Annotated[
    SerializeAsAny[Choice], BeforeValidator(lambda value: read_choice(value, ENGINES))
]
EngineOrGiven = Annotated[
    SerializeAsAny[Choice],
    BeforeValidator(lambda value: read_choice(value, ENGINES, {"given": Given})),
]


class Translate(Settings):
    """How data in one language is brought into the others."""

    source: Language = "en"
    engine: EngineChoice | None = Field(
        default=None, description="engine of all languages that `languages` does not list"
    )
    languages: dict[Language, EngineOrGiven] = Field(
        default_factory=dict,
        description="engine of each language; `given` to read its data instead of translating",
    )
    untranslatable: Literal["keep", "flag", "drop"] = Field(
        default="flag", description="what to do with tasks whose meaning translation destroys"
    )
    on_lost: Literal["pieces", "reject"] = Field(
        default="pieces",
        description="sentences whose placeholders or numbers an engine loses: translate the pieces "
        "between them, or reject the row",
    )
    filters: list[str] | None = Field(
        default=None, description="filters to run on the translations; null: all"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = dict(value)
        if isinstance(value.get("engine"), str):
            value["engine"] = {"kind": value["engine"]}
        if isinstance(value.get("languages"), dict):
            value["languages"] = {
                code: {"kind": engine} if isinstance(engine, str) else engine
                for code, engine in value["languages"].items()
            }
        return value
