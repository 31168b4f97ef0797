"""What a study file may say: every key, its type, range and default."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from polypaca.core.settings import (
    BadRows,
    Language,
    LanguageList,
    Name,
    Settings,
    distinct,
)
from polypaca.data.mixtures import Sampling
from polypaca.generation.contract import Generate
from polypaca.judging.judges import JudgeChoice
from polypaca.judging.reference import ReferenceJudgeSettings
from polypaca.langid.settings import GateSettings
from polypaca.stats.settings import Statistics
from polypaca.study.methods import Method, with_preset
from polypaca.study.system_entries import SystemEntry
from polypaca.study.translate import Translate
from polypaca.training.settings import Hardware

BUILTIN_RECIPES = ("monolingual", "multilingual", "downsampled", "english")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{64}$")]


def _control_sweep(study: dict[str, Any]) -> dict[str, Any]:
    """The sweep that `sweep: controls` stands for."""
    languages = study.get("languages")
    train = languages.get("train") if isinstance(languages, dict) else None
    count = len(train) if isinstance(train, list) else 1
    return {
        "english": [count] if count > 1 else [],
        "downsampled": [0.25, 0.5, 2] if count > 2 else [0.25, 0.5],
        "multilingual": list(range(1, count)),
    }


class Languages(Settings):
    """Which languages the models are tuned on and tested in."""

    train: LanguageList
    test: LanguageList


class Data(Settings):
    """The instruction data."""

    instructions: str = Field(
        description="where the data is: `builtin:tiny`, `hf:dataset-{language}`, or a path or URL "
        "with {language}"
    )
    format: Literal[
        "auto", "alpaca", "dolly", "sharegpt", "messages", "prompt-completion", "question-answer"
    ] = Field(
        default="auto",
        description="format of the rows; a format named here ignores the columns of others",
    )
    sha256: dict[Language, Sha256] = Field(
        default_factory=dict, description="SHA-256 of each downloaded file, by language"
    )
    translate: Translate | None = Field(
        default=None,
        description="how the data is translated; null if there is data in every language",
    )
    validation: int = Field(
        default=1000,
        ge=1,
        description="number of held-out sources; their loss selects the best checkpoint",
    )
    split: Literal["source", "random"] = Field(
        default="source",
        description="what is held out: sources, in every language, or random rows of each mixture",
    )
    align: Literal["parallel", "none"] = Field(
        default="parallel",
        description="parallel: train only on sources that are left in every language",
    )
    rows: int | None = Field(default=None, ge=2, description="maximum number of rows per language")
    on_bad_row: BadRows = "error"
    contaminated: Literal["keep", "flag", "drop"] = Field(
        default="drop", description="what to do with training rows that match a test prompt"
    )
    duplicates: Literal["keep", "flag", "drop"] = Field(
        default="flag", description="what to do with rows that repeat an earlier request"
    )
    truncated: Literal["keep", "flag", "drop"] = Field(
        default="flag", description="what to do with rows whose output ends in mid-sentence"
    )
    placeholders: Literal["keep", "flag", "drop"] = Field(
        default="flag",
        description="what to do with rows whose output or instruction is a placeholder for none",
    )
    entities: Literal["keep", "flag", "drop", "repair"] = Field(
        default="flag",
        description="what to do with HTML entities (`&lt;`); repair decodes them outside code",
    )


class Prompts(Settings):
    """The test prompts, parallel over languages."""

    source: str = Field(
        description="where the prompts are: `builtin:tiny`, or a path or URL with {language}"
    )
    sha256: dict[Language, Sha256] = Field(
        default_factory=dict, description="SHA-256 of each downloaded file, by language"
    )
    count: int | None = Field(
        default=None, ge=1, description="use only this many prompts, from the start of the file"
    )
    on_bad_row: BadRows = "error"


class Model(Settings):
    """A base model: from the Hub, a folder, built in, or freshly initialised from a config."""

    name: Name
    source: str | None = Field(
        default=None, description="Hub id, folder, or `builtin:tiny-neox`; not with `config`"
    )
    revision: str | None = Field(default=None, description="Hub commit, tag or branch")
    config: dict[str, Any] | None = Field(
        default=None,
        description="Transformers config, with `model_type`, of a model with random weights",
    )
    tokenizer: str | None = Field(
        default=None, description="Hub id, folder or tokenizer.json; required with `config`"
    )
    seed: int = Field(
        default=1, ge=0, description="random seed of the weights; used only with `config`"
    )

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, value: Any) -> Any:
        if isinstance(value, str):
            value = {"source": value}
        if isinstance(value, dict) and "name" not in value and isinstance(value.get("source"), str):
            value = {**value, "name": re.split(r"[/:]", value["source"].rstrip("/"))[-1].lower()}
        return value

    @model_validator(mode="after")
    def _one_origin(self) -> Model:
        if (self.source is None) == (self.config is None):
            raise ValueError(f"model {self.name!r} needs either `source` or `config`")
        if self.config is not None and (self.tokenizer is None or "model_type" not in self.config):
            raise ValueError(
                f"model {self.name!r}: `config` needs `model_type` in it and `tokenizer` beside it"
            )
        return self


class Recipe(Sampling):
    """How a cell's data is mixed; the four built-in recipes need no field.

    The size is in budgets, or an amount: give one at most.
    """

    languages: LanguageList | None = None
    budgets: float | None = Field(default=None, gt=0, description="size of the mixture in budgets")

    @model_validator(mode="after")
    def _one_of_each(self) -> Recipe:
        for names in (
            ("budgets", "examples", "tokens", "flops"),
            ("weights", "temperature", "stratified"),
            ("repeat", "one_language_per_source"),
        ):
            given = [name for name in names if getattr(self, name)]
            if len(given) > 1:
                raise ValueError(f"give only one of {', '.join(given)}")
        return self


class Sweep(Settings):
    """Recipes over a range of budgets, as controls.

    `english: [2]` is English on 2 budgets (rows come again), `downsampled: [0.5]` a downsampled
    mixture of half a budget, `multilingual: [3]` the first three training languages on 3 budgets.
    `sweep: controls` is English on N budgets, samples of a quarter, a half and two budgets, and
    the first 1 to N-1 languages.
    """

    english: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)
    downsampled: list[Annotated[float, Field(gt=0)]] = Field(default_factory=list)
    multilingual: list[Annotated[int, Field(ge=1)]] = Field(default_factory=list)


class Budget(Settings):
    """The unit of budgets, and how far equal budgets may differ."""

    unit: Literal["examples", "tokens", "flops"] = "examples"
    tolerance: float = Field(
        default=0.01,
        ge=0,
        lt=1,
        description="largest difference between equal budgets, as a share of their cost",
    )
    unequal: Literal["error", "report"] = Field(
        default="error", description="what to do if recipes with equal budgets differ in cost"
    )


class Study(Settings):
    """One study: languages x models x methods x recipes x seeds, and how to evaluate them."""

    name: Name
    seeds: Annotated[
        list[Annotated[int, Field(ge=0)]], Field(min_length=1), AfterValidator(distinct)
    ] = Field(default=[1])
    languages: Languages
    data: Data
    prompts: Prompts
    models: Annotated[list[Model], Field(min_length=1)]
    methods: Annotated[dict[Name, Method], Field(min_length=1)]
    recipes: Annotated[dict[Name, Recipe], Field(min_length=1)]
    sweep: Sweep = Sweep()
    budget: Budget = Budget()
    train: Hardware = Hardware()
    systems: list[SystemEntry] = Field(default_factory=list)
    generate: Generate = Generate()
    judge: JudgeChoice = ReferenceJudgeSettings()
    other_judges: list[JudgeChoice] = Field(
        default_factory=list, description="more judges, to measure their agreement with `judge`"
    )
    gate: GateSettings = GateSettings()
    analyze: Statistics = Statistics()

    @model_validator(mode="before")
    @classmethod
    def _short_forms(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        value = dict(value)
        if isinstance(value.get("prompts"), str):
            value["prompts"] = {"source": value["prompts"]}
        if isinstance(value.get("recipes"), list):
            value["recipes"] = {str(recipe): {} for recipe in value["recipes"]}
        elif isinstance(value.get("recipes"), dict):
            value["recipes"] = {key: body or {} for key, body in value["recipes"].items()}
        judges = value.get("judge")
        if isinstance(judges, list) and judges:
            # The first one's ratings count; the others show how far ratings depend on the judge.
            value["judge"], value["other_judges"] = judges[0], judges[1:]
        if value.get("sweep") == "controls":
            value["sweep"] = _control_sweep(value)
        if isinstance(value.get("methods"), dict):
            value["methods"] = {
                name: with_preset(str(name), body) for name, body in value["methods"].items()
            }
        return value
