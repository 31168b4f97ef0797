"""The grid that a study spans: mixtures, cells and systems, with their readable ids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.study.schema import BaseSystem, Study

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class Mixture:
    """The training data of one or more cells."""

    name: str  # `multilingual`, `monolingual-es`
    languages: tuple[str, ...]
    budgets: float


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


def recipe_mixtures(study: Study, recipe: str) -> list[Mixture]:
    """The mixtures of one recipe, one per language for `monolingual`.

    Supporting N languages costs N budgets monolingually or multilingually, 1 downsampled or in
    English alone (arXiv 2309.08958, section 2).
    """
    train, body = study.languages.train, study.recipes[recipe]
    if recipe == "monolingual":
        # A model that answers no test prompt would be trained for nothing.
        chosen = body.languages or [code for code in train if code in study.languages.test]
        return [Mixture(f"monolingual-{code}", (code,), body.budgets or 1.0) for code in chosen]
    if recipe == "english":
        return [Mixture("monolingual-en", ("en",), body.budgets or 1.0)]
    languages = tuple(body.languages or train)
    default = 1.0 if recipe == "downsampled" else float(len(languages))
    return [Mixture(recipe, languages, body.budgets or default)]


def mixtures(study: Study) -> list[Mixture]:
    """All mixtures of the study, each once."""
    found = [m for recipe in study.recipes for m in recipe_mixtures(study, recipe)]
    return list(dict.fromkeys(found))


def cells(study: Study) -> list[Cell]:
    """All cells of the study, each once, in the order of the study file."""
    found: list[Cell] = []
    for model in study.models:
        for name, method in study.methods.items():
            if method.models is not None and model.name not in method.models:
                continue
            recipes = [r for r in study.recipes if method.recipes is None or r in method.recipes]
            for seed in study.seeds:
                found += _cells_of(study, model.name, name, recipes, seed)
    return found


def _cells_of(
    study: Study, model: str, method: str, recipes: Sequence[str], seed: int
) -> list[Cell]:
    serves: dict[Mixture, list[str]] = {}
    for recipe in recipes:
        for mixture in recipe_mixtures(study, recipe):
            serves.setdefault(mixture, []).append(recipe)
    return [
        Cell(f"{model}.{method}.{mixture.name}.s{seed}", model, method, mixture, seed, tuple(names))
        for mixture, names in serves.items()
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
