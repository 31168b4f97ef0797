"""The grid that a study spans: mixtures, cells and systems, with their readable ids."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polypaca.study.schema import BaseSystem, Recipe, Study

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Mixture:
    """The training data of one or more cells."""

    name: str  # `multilingual`, `monolingual-es`
    languages: tuple[str, ...]
    budgets: float | None  # None where the size is an amount
    recipe: Recipe = field(default_factory=Recipe)  # amount, shares, repetition

    @property
    def needs_tokens(self) -> bool:
        """Whether its size is in tokens or FLOPs, so that every tokenizer has its own."""
        return self.recipe.tokens is not None or self.recipe.flops is not None


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
    """Whatever answers prompts: a cell, an untuned base, or a cell's answers shuffled."""

    id: str
    model: str
    languages: tuple[str, ...]
    cell: Cell | None = None
    shuffled: Cell | None = None
    recipe: str | None = None  # of a shuffled system: the recipe that it is a control of


def recipes(study: Study) -> dict[str, Recipe]:
    """The study's recipes, those of its sweep behind them."""
    train, sweep = study.languages.train, study.sweep
    found = dict(study.recipes)
    for budgets in sweep.english:
        body = Recipe(languages=["en"], budgets=budgets, repeat=budgets > 1)
        found.setdefault(f"english-{budgets:g}", body)
    for budgets in sweep.downsampled:
        found.setdefault(f"downsampled-{budgets:g}", Recipe(languages=train, budgets=budgets))
    for count in sweep.multilingual:
        found.setdefault(
            f"multilingual-{count}", Recipe(languages=train[:count], budgets=float(count))
        )
    return found


def recipe_mixtures(study: Study, recipe: str) -> list[Mixture]:
    """The mixtures of one recipe, one per language for `monolingual`.

    Supporting N languages costs N budgets monolingually or multilingually, 1 downsampled or in
    English alone (arXiv 2309.08958, section 2).
    """
    train, body = study.languages.train, recipes(study)[recipe]
    if recipe == "monolingual":
        # A model that answers no test prompt would be trained for nothing.
        chosen = body.languages or [code for code in train if code in study.languages.test]
        return [_mixture(f"monolingual-{code}", [code], body) for code in chosen]
    if recipe == "english":
        return [_mixture("monolingual-en", ["en"], body)]
    languages = body.languages or train
    default = 1.0 if recipe == "downsampled" else float(len(languages))
    mixture = _mixture(recipe, languages, body, default)
    if len(languages) == 1 and mixture == _mixture(recipe, languages, Recipe()):
        # One language on one budget is that language's monolingual mixture, whatever its recipe.
        return [_mixture(f"monolingual-{languages[0]}", languages, Recipe())]
    return [mixture]


def _mixture(name: str, languages: Sequence[str], body: Recipe, default: float = 1.0) -> Mixture:
    amount = body.examples or body.tokens or body.flops
    budgets = None if amount else body.budgets or default
    # What is said elsewhere on the mixture must not tell equal mixtures apart.
    rest = body.model_copy(update={"languages": None, "budgets": None})
    return Mixture(name, tuple(languages), budgets, rest)


def supported(study: Study, recipe: str) -> int:
    """How many training languages a recipe is to support."""
    body = recipes(study)[recipe]
    if recipe == "monolingual":
        return len(recipe_mixtures(study, recipe))
    if recipe == "english" or recipe.startswith("english-"):
        return len(study.languages.train)
    return len(body.languages or study.languages.train)


def mixtures(study: Study) -> list[Mixture]:
    """All mixtures of the study, each once."""
    found = [m for recipe in recipes(study) for m in recipe_mixtures(study, recipe)]
    return list({mixture.name: mixture for mixture in found}.values())


def cells(study: Study) -> list[Cell]:
    """All cells of the study, each once, in the order of the study file."""
    found: list[Cell] = []
    for model in study.models:
        for name, method in study.methods.items():
            if method.models is not None and model.name not in method.models:
                continue
            chosen = [r for r in recipes(study) if method.recipes is None or r in method.recipes]
            for seed in study.seeds:
                found += _cells_of(study, model.name, name, chosen, seed)
    return found


def _cells_of(
    study: Study, model: str, method: str, chosen: Sequence[str], seed: int
) -> list[Cell]:
    made: dict[str, Mixture] = {}
    serves: dict[str, list[str]] = {}
    for recipe in chosen:
        for mixture in recipe_mixtures(study, recipe):
            made.setdefault(mixture.name, mixture)
            serves.setdefault(mixture.name, []).append(recipe)
    return [
        Cell(f"{model}.{method}.{name}.s{seed}", model, method, made[name], seed, tuple(names))
        for name, names in serves.items()
    ]


def answers(study: Study, cell: Cell) -> tuple[str, ...]:
    """The test languages that a cell answers: its own alone if it is only monolingual."""
    test = study.languages.test
    if cell.recipes == ("monolingual",):
        return tuple(code for code in test if code in cell.mixture.languages)
    return tuple(test)


def systems(study: Study) -> list[System]:
    """All systems of the study: cells first, then its `systems:` entries."""
    trained = cells(study)
    found = [System(cell.id, cell.model, answers(study, cell), cell=cell) for cell in trained]
    for entry in study.systems:
        if isinstance(entry, BaseSystem):
            names = [m.name for m in study.models] if entry.base == "all" else [entry.base]
            found += [System(f"{name}.base", name, tuple(study.languages.test)) for name in names]
            continue
        found += [
            System(
                f"{cell.id}.shuffled",
                cell.model,
                answers(study, cell),
                shuffled=cell,
                recipe=entry.shuffle,
            )
            for cell in trained
            if entry.shuffle in cell.recipes
        ]
    return list({system.id: system for system in found}.values())


def translated(study: Study) -> dict[str, Any]:
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


def model_folder(pattern: str, source: str, target: str) -> Path:
    """The folder of a translation model for one pair of languages."""
    return Path(pattern.replace("{source}", source).replace("{language}", target))


def given(study: Study) -> list[str]:
    """The languages whose instruction data is read: the source's first, if there is one."""
    by_engine = translated(study)
    read = [code for code in study.languages.train if code not in by_engine]
    source = study.data.translate.source if study.data.translate else None
    return read if source is None or source in read else [source, *read]
