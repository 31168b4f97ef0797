"""The section `data.translate`: engines and what is done with their output."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from polypaca.core.settings import Language, Settings
from polypaca.llm.served import Served


class Apertium(Settings):
    """Apertium's rule-based pairs, as installed."""

    kind: Literal["apertium"] = "apertium"
    mode: str | None = Field(default=None, description="such as eng-spa; found if not given")


class Bergamot(Settings):
    """Firefox's translation models, the paper's engine."""

    kind: Literal["bergamot"] = "bergamot"
    model: str = Field(description="a folder; {source} and {language} are filled in")


class CTranslate2(Settings):
    """OPUS-MT and NLLB models, converted to CTranslate2's format."""

    kind: Literal["ctranslate2"] = "ctranslate2"
    model: str = Field(description="a folder; {source} and {language} are filled in")
    beam_size: int = Field(default=4, ge=1)
    compute_type: str = "default"
    device: Literal["auto", "cpu", "cuda"] = "auto"


class LlmTranslator(Served):
    """A served model behind an OpenAI-compatible URL."""

    kind: Literal["llm"] = "llm"
    temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        default=0.0, description="0: the likeliest words; null: none is sent"
    )
    max_tokens: int = Field(default=1024, ge=8, description="the most that one text may become")


class DummyTranslator(Settings):
    """No translation: a stand-in for tests, which marks every word."""

    kind: Literal["dummy"] = "dummy"


Engine = Annotated[
    Apertium | Bergamot | CTranslate2 | LlmTranslator | DummyTranslator,
    Field(discriminator="kind"),
]


class Given(Settings):
    """This language's data is not translated but read, like the source's."""

    kind: Literal["given"] = "given"


class Translate(Settings):
    """How data in one language is brought into the others."""

    source: Language = "en"
    engine: Engine | None = Field(default=None, description="for languages without one below")
    languages: dict[Language, Annotated[Engine | Given, Field(discriminator="kind")]] = Field(
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
