"""The section `data.translate`: engines and what is done with their output."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from polypaca.core.rows import read_choice
from polypaca.core.settings import Choice, Language, Settings
from polypaca.translation.engines import ENGINES


class Given(Choice):
    """This language's data is not translated but read, like the source's."""

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
    engine: EngineChoice | None = Field(default=None, description="for languages without one below")
    languages: dict[Language, EngineOrGiven] = Field(
        default_factory=dict, description="engines by language; `given` where there is data"
    )
    untranslatable: Literal["keep", "flag", "drop"] = Field(
        default="flag", description="tasks whose meaning translation destroys"
    )
    on_lost: Literal["pieces", "reject"] = Field(
        default="pieces", description="sentences whose placeholders or numbers an engine loses"
    )
    filters: list[str] | None = Field(default=None, description="only these; all by default")

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
