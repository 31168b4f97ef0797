"""Checks of a study that involve more than one of its parts, or the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.study.grid import Mixture, cells, recipe_mixtures
from polypaca.core.names import nearest
from polypaca.study.schema import BUILTIN_RECIPES, BaseSystem, Study

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Finding = tuple[tuple[str | int, ...], str, str]  # where, what, hint


def cross_checks(study: Study) -> Iterator[Finding]:
    """Everything wrong with a study whose single fields are right."""
    yield from _recipes(study)
    yield from _mixtures(study)
    if not cells(study):
        yield (), "no cell to train", "look at recipes, methods and languages"
    yield from _methods(study)
    yield from _models(study)
    yield from _systems(study)
    yield from _sources(study)


def _recipes(study: Study) -> Iterator[Finding]:
    train = study.languages.train
    for name, recipe in study.recipes.items():
        where: tuple[str | int, ...] = ("recipes", name)
        if name not in BUILTIN_RECIPES and recipe.languages is None:
            what = f"unknown recipe {name!r}{nearest(name, BUILTIN_RECIPES)}"
            yield where, what, "a mixture of your own needs `languages:`"
        if name == "english" and "en" not in train:
            yield where, "needs en among languages.train", "add en, or leave the recipe out"
        for index, code in enumerate(recipe.languages or []):
            if code not in train:
                what = f"{code} is not among languages.train{nearest(code, train)}"
                yield (*where, "languages", index), what, ""
        if name == "english" and recipe.languages not in (None, ["en"]):
            yield (*where, "languages"), "the english recipe is English alone", ""
        if recipe.budgets and recipe.budgets > len(recipe.languages or train):
            what = f"{recipe.budgets:g} budgets are more than there is data for"
            yield (*where, "budgets"), what, "one budget is the rows of one language"


def _mixtures(study: Study) -> Iterator[Finding]:
    """One name must be one mixture: cells and folders go by it."""
    seen: dict[str, Mixture] = {}
    for name in study.recipes:
        for mixture in recipe_mixtures(study, name):
            if seen.setdefault(mixture.name, mixture) != mixture:
                what = f"its mixture {mixture.name} differs from that of another recipe"
                yield ("recipes", name), what, "give both the same languages and budgets"


def _methods(study: Study) -> Iterator[Finding]:
    models = [model.name for model in study.models]
    for name, method in study.methods.items():
        for key, listed, valid in (
            ("models", method.models, models),
            ("recipes", method.recipes, list(study.recipes)),
        ):
            for index, word in enumerate(listed or []):
                if word not in valid:
                    yield (
                        ("methods", name, key, index),
                        f"{word!r} is not in the study{nearest(word, valid)}",
                        "",
                    )
        if method.micro_batch_size and method.batch_size % method.micro_batch_size:
            where = ("methods", name, "micro_batch_size")
            yield where, f"does not divide batch_size {method.batch_size}", ""


def _models(study: Study) -> Iterator[Finding]:
    from polypaca.builtin import BASES

    names = [model.name for model in study.models]
    for index, model in enumerate(study.models):
        where = ("models", index)
        if names.index(model.name) != index:
            yield where, f"two models are called {model.name!r}", "give one of them a `name:`"
        for key in ("source", "tokenizer"):
            place = getattr(model, key)
            if place is None:
                continue
            if place.startswith("builtin:") and place.removeprefix("builtin:") not in BASES:
                valid = [f"builtin:{base}" for base in BASES]
                yield where, f"unknown built-in model {place!r}{nearest(place, valid)}", ""
            if Path(place).is_absolute() and not Path(place).exists():
                yield where, f"no such file or folder: {place}", ""


def _systems(study: Study) -> Iterator[Finding]:
    models = [model.name for model in study.models]
    for index, entry in enumerate(study.systems):
        if study.systems.index(entry) != index:
            yield ("systems", index), "is listed twice", ""
        word, key, valid = (
            (entry.base, "base", [*models, "all"])
            if isinstance(entry, BaseSystem)
            else (entry.shuffle, "shuffle", list(study.recipes))
        )
        if word not in valid:
            where = ("systems", index, key)
            yield where, f"{word!r} is not in the study{nearest(word, valid)}", ""


def _sources(study: Study) -> Iterator[Finding]:
    from polypaca.builtin.catalog import CORPORA

    for where, source, codes in (
        (("data", "instructions"), study.data.instructions, study.languages.train),
        (("prompts", "source"), study.prompts.source, study.languages.test),
    ):
        if source.startswith("builtin:"):
            yield from _builtin(where, source.removeprefix("builtin:"), codes, CORPORA)
        elif where[0] == "prompts" and source.startswith("hf:"):
            yield where, "test prompts are read from files or built in", "give a path"
        elif "{language}" not in source and not (source.startswith("hf:") and len(codes) == 1):
            yield where, "needs {language} in it", "such as data/alpaca.{language}.json"
        elif not source.startswith("hf:"):
            yield from _files(where, source, codes)


def _builtin(
    where: tuple[str, str],
    name: str,
    codes: Iterable[str],
    corpora: dict[str, dict[str, tuple[str, ...]]],
) -> Iterator[Finding]:
    if name not in corpora:
        yield where, f"unknown built-in corpus {name!r}{nearest(name, corpora)}", ""
        return
    has = corpora[name]["instructions" if where[0] == "data" else "prompts"]
    missing = [code for code in codes if code not in has]
    if missing:
        yield where, f"builtin:{name} has no {', '.join(missing)}", f"it has {', '.join(has)}"


def _files(where: tuple[str, str], pattern: str, codes: Iterable[str]) -> Iterator[Finding]:
    missing = [code for code in codes if not Path(pattern.replace("{language}", code)).is_file()]
    if missing:
        example = pattern.replace("{language}", missing[0])
        yield where, f"no file for {', '.join(missing)}", f"looked for {example}"
