"""The grid that a study spans: mixtures, cells and systems, with their readable ids."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from polypaca.core import languages
from polypaca.core.systems import SystemKind, SystemLabel
from polypaca.data.mixtures import Sampling
from polypaca.judging.llm import LlmJudgeSettings, PairwiseSettings
from polypaca.llm.endpoint import Endpoint
from polypaca.stats.rows import row_id
from polypaca.study.schema import Model, Recipe, Study
from polypaca.study.system_entries import (
    BaseSystem,
    GivenSystem,
    ModelSystem,
    ServedSystem,
    ShuffledSystem,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from polypaca.core.settings import Choice


@dataclass(frozen=True)
class Mixture:
    """The training data of one or more cells."""

    name: str  # `multilingual`, `monolingual-es`
    languages: tuple[str, ...]
    budgets: float | None  # None where the size is an amount
    sampling: Sampling = field(default_factory=Sampling)

    @property
    def needs_tokens(self) -> bool:
        """Whether its size is in tokens or FLOPs, so that every tokenizer has its own."""
        return self.sampling.tokens is not None or self.sampling.flops is not None


@dataclass(frozen=True)
class Cell:
    """One trained model."""

    id: str  # `tiny-neox.lora.monolingual-es.s1`
    model: str
    method: str
    mixture: Mixture
    seed: int
    recipes: tuple[str, ...]  # monolingual-en serves the english recipe too


@dataclass(frozen=True)
class System:
    """Whatever answers prompts: a cell, an untuned base, shuffled responses, another model."""

    id: str
    model: str
    languages: tuple[str, ...]
    cell: Cell | None = None
    shuffled: Cell | None = None
    recipe: str | None = None  # of a shuffled system: the recipe that it is a control of
    entry: ModelSystem | ServedSystem | GivenSystem | None = None  # what is not of this study

    @property
    def kind(self) -> SystemKind:
        """What it is, in one word."""
        if self.cell or self.shuffled:
            return "cell" if self.cell else "shuffled"
        if isinstance(self.entry, ServedSystem):
            return "served"
        if isinstance(self.entry, GivenSystem):
            return "given"
        return "model" if self.entry else "base"


@dataclass(frozen=True)
class RecipePair:
    """Two recipes of one model, method and seed whose responses are compared."""

    id: str  # `tiny-neox.lora.monolingual-vs-multilingual.s1`
    rows: tuple[str, str]  # as the report names them: `tiny-neox.lora.monolingual`
    systems: dict[str, tuple[str, str]]  # by language: the systems of the first and the second


def recipes(study: Study) -> dict[str, Recipe]:
    """The study's recipes, those of its sweep behind them."""
    train, sweep = study.languages.train, study.sweep
    named = dict(study.recipes)
    for budgets in sweep.english:
        recipe = Recipe(languages=["en"], budgets=budgets, repeat=budgets > 1)
        named.setdefault(_english_name(budgets), recipe)
    for budgets in sweep.downsampled:
        named.setdefault(f"downsampled-{budgets:g}", Recipe(languages=train, budgets=budgets))
    for count in sweep.multilingual:
        recipe = Recipe(languages=train[:count], budgets=float(count))
        named.setdefault(f"multilingual-{count}", recipe)
    return named


def _english_name(budgets: float) -> str:
    return f"english-{budgets:g}"


def recipe_mixtures(study: Study, recipe: str) -> list[Mixture]:
    """The mixtures of one recipe, one per language for `monolingual`.

    Supporting N languages costs N budgets monolingually or multilingually, 1 downsampled or in
    English alone (arXiv 2309.08958, section 2).
    """
    train, body = study.languages.train, recipes(study)[recipe]
    if recipe == "monolingual":
        # A model that answers no test prompt would be trained for nothing.
        chosen = body.languages or [code for code in train if matching_test_code(study, code)]
        return [_mixture(f"monolingual-{code}", [code], body) for code in chosen]
    if recipe == "english":
        return [_mixture("monolingual-en", ["en"], body)]
    codes = body.languages or train
    default = 1.0 if recipe == "downsampled" else float(len(codes))
    mixture = _mixture(recipe, codes, body, default)
    if len(codes) == 1 and mixture == _mixture(recipe, codes, Recipe()):
        # One language on one budget is that language's monolingual mixture, whatever its recipe.
        return [_mixture(f"monolingual-{codes[0]}", codes, Recipe())]
    return [mixture]


def matching_test_code(study: Study, code: str) -> str | None:
    """The code of a training language among the test languages; None if it is not tested.

    `nb` in the data and `no` in the prompts are one (`core.languages.matching_language`).
    """
    return languages.matching_language(code, study.languages.test)


def matching_test_codes(study: Study, codes: Iterable[str]) -> list[str]:
    """Training languages, by their code among the test languages where they are tested."""
    return [matching_test_code(study, code) or code for code in codes]


def _mixture(name: str, codes: Sequence[str], body: Recipe, default: float = 1.0) -> Mixture:
    amount = body.examples or body.tokens or body.flops
    budgets = None if amount else body.budgets or default
    sampling = Sampling(**body.model_dump(include=set(Sampling.model_fields)))
    return Mixture(name, tuple(codes), budgets, sampling)


def supported_count(study: Study, recipe: str) -> int:
    """How many training languages a recipe is meant to support."""
    body = recipes(study)[recipe]
    if recipe == "monolingual":
        return len(recipe_mixtures(study, recipe))
    if recipe == "english" or recipe in map(_english_name, study.sweep.english):
        return len(study.languages.train)
    return len(body.languages or study.languages.train)


def mixtures(study: Study) -> list[Mixture]:
    """All mixtures of the study, each once."""
    by_recipe = (recipe_mixtures(study, recipe) for recipe in recipes(study))
    return list({mixture.name: mixture for part in by_recipe for mixture in part}.values())


def cells(study: Study) -> list[Cell]:
    """All cells of the study, each once, in the order of the study file."""
    grid: list[Cell] = []
    for model in study.models:
        for name, method in study.methods.items():
            if method.models is not None and model.name not in method.models:
                continue
            chosen = [r for r in recipes(study) if method.recipes is None or r in method.recipes]
            for seed in study.seeds:
                grid += _recipe_cells(study, model.name, name, chosen, seed)
    return grid


def _recipe_cells(
    study: Study, model: str, method: str, chosen: Sequence[str], seed: int
) -> list[Cell]:
    mixed: dict[str, Mixture] = {}
    serves: dict[str, list[str]] = {}
    for recipe in chosen:
        for mixture in recipe_mixtures(study, recipe):
            mixed.setdefault(mixture.name, mixture)
            serves.setdefault(mixture.name, []).append(recipe)
    return [
        Cell(f"{model}.{method}.{name}.s{seed}", model, method, mixed[name], seed, tuple(names))
        for name, names in serves.items()
    ]


def recipe_test_languages(study: Study, cell: Cell, recipe: str) -> tuple[str, ...]:
    """The test languages of a cell under a recipe: under `monolingual`, those it was tuned on."""
    test = study.languages.test
    if recipe != "monolingual":
        return tuple(test)
    tuned_on = matching_test_codes(study, cell.mixture.languages)
    return tuple(code for code in test if code in tuned_on)


def cell_test_languages(study: Study, cell: Cell) -> tuple[str, ...]:
    """The test languages of a cell under any of its recipes."""
    wanted = {
        code for recipe in cell.recipes for code in recipe_test_languages(study, cell, recipe)
    }
    return tuple(code for code in study.languages.test if code in wanted)


def system_label(study: Study, system: System) -> SystemLabel:
    """What the statistics need to know of a system."""
    cell = system.cell or system.shuffled
    if cell is None:
        name = system.entry.name if system.entry else None
        return SystemLabel(system.id, system.kind, system.model, name=name)
    serves = (system.recipe,) if system.recipe else cell.recipes
    return SystemLabel(
        system.id,
        system.kind,
        system.model,
        method=cell.method,
        answers_for={recipe: recipe_test_languages(study, cell, recipe) for recipe in serves},
        seed=cell.seed,
        budgets=cell.mixture.budgets,
        tuned_on=tuple(matching_test_codes(study, cell.mixture.languages)),
    )


def systems(study: Study) -> list[System]:
    """All systems of the study: cells first, then its `systems:` entries."""
    trained = [(cell, cell_test_languages(study, cell)) for cell in cells(study)]
    listed = [System(cell.id, cell.model, codes, cell=cell) for cell, codes in trained]
    test = tuple(study.languages.test)
    for entry in study.systems:
        if isinstance(entry, BaseSystem):
            names = [m.name for m in study.models] if entry.base == "all" else [entry.base]
            listed += [System(f"{name}.base", name, test) for name in names]
        elif isinstance(entry, ShuffledSystem):
            recipe = entry.shuffle
            listed += [
                System(f"{cell.id}.shuffled", cell.model, codes, shuffled=cell, recipe=recipe)
                for cell, codes in trained
                if recipe in cell.recipes
            ]
        else:
            listed.append(System(entry.name, entry.name, test, entry=entry))
    return list({system.id: system for system in listed}.values())


def base_models(study: Study) -> list[Model]:
    """All models to prepare: the study's, and those of its `systems:` entries."""
    existing = [
        Model(name=entry.name, source=entry.model, revision=entry.revision)
        for entry in study.systems
        if isinstance(entry, ModelSystem)
    ]
    return [*study.models, *existing]


def judges(study: Study) -> dict[str, Choice]:
    """The study's judges by name; that of the first, whose ratings count, is empty."""
    return {"": study.judge, **{judge_name(judge): judge for judge in study.other_judges}}


def judge_name(judge: Choice) -> str:
    """What a judge is called: its name, its model, or its kind."""
    name: str | None = getattr(judge, "name", None)
    model = judge.model if isinstance(judge, Endpoint) else judge.kind
    return name or re.sub(r"[^A-Za-z0-9._-]+", "-", model).strip("-.")


def pairwise_settings(judge: Choice) -> PairwiseSettings | None:
    """How a judge compares pairs; None if it compares none."""
    return judge.pairwise if isinstance(judge, LlmJudgeSettings) else None


def pairs(study: Study) -> list[RecipePair]:
    """The pairs of recipes whose responses the judge compares."""
    settings = pairwise_settings(study.judge)
    if settings is None:
        return []
    every_pair = combinations(recipes(study), 2)
    chosen = list(every_pair) if settings.pairs == "all" else settings.pairs
    groups = dict.fromkeys((cell.model, cell.method, cell.seed) for cell in cells(study))
    compared = []
    for model, method, seed in groups:
        by_recipe = _by_recipe(study, model, method, seed)
        for a, b in chosen:
            first, second = by_recipe.get(a, {}), by_recipe.get(b, {})
            both = {
                code: (first[code], second[code])
                for code in study.languages.test
                # One checkpoint may serve two recipes; it is not compared with itself.
                if code in first and code in second and first[code] != second[code]
            }
            if both:
                rows = (row_id(model, method, a), row_id(model, method, b))
                compared.append(RecipePair(f"{rows[0]}-vs-{b}.s{seed}", rows, both))
    return compared


def _by_recipe(study: Study, model: str, method: str, seed: int) -> dict[str, dict[str, str]]:
    """The system that answers, by recipe and language."""
    systems: dict[str, dict[str, str]] = {}
    for cell in cells(study):
        if (cell.model, cell.method, cell.seed) != (model, method, seed):
            continue
        for recipe in cell.recipes:
            for code in recipe_test_languages(study, cell, recipe):
                systems.setdefault(recipe, {})[code] = cell.id
    return systems


def translation_engines(study: Study) -> dict[str, Choice]:
    """The engine of each training language that is translated, by code."""
    translate = study.data.translate
    if translate is None:
        return {}
    engines = {
        code: translate.languages.get(code, translate.engine)
        for code in study.languages.train
        if code != translate.source
    }
    return {code: e for code, e in engines.items() if e is not None and e.kind != "given"}


def given_languages(study: Study) -> list[str]:
    """The languages whose instruction data is read, not translated; first the source of others."""
    by_engine = translation_engines(study)
    read = [code for code in study.languages.train if code not in by_engine]
    source = study.data.translate.source if study.data.translate else None
    return read if source is None or source in read else [source, *read]
