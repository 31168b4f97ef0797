"""Checks of a study that involve more than one of its sections, or the disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.languages import matching_language
from polypaca.core.names import suggest
from polypaca.core.settings import Settings, user_paths, with_slots
from polypaca.study.grid import (
    Mixture,
    cells,
    given_languages,
    judge_name,
    pairwise_settings,
    recipe_mixtures,
    recipes,
    translation_engines,
)
from polypaca.study.schema import BUILTIN_RECIPES, Study
from polypaca.study.system_entries import BaseSystem, GivenSystem, ShuffledSystem
from polypaca.translation.filters import FILTERS

_REMOTE = ("http://", "https://")

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Finding = tuple[tuple[str | int, ...], str, str]  # where, what, hint


def cross_checks(study: Study) -> Iterator[Finding]:
    """Everything wrong with a study whose single fields are right."""
    yield from _recipes(study)
    yield from _mixtures(study)
    yield from _translate(study)
    yield from _engines(study)
    if not cells(study):
        yield (), "there is no cell to train", "check recipes, methods and languages"
    yield from _methods(study)
    yield from _models(study)
    yield from _systems(study)
    yield from _judges(study)
    yield from _sources(study)


def _recipes(study: Study) -> Iterator[Finding]:
    train = study.languages.train
    for name, recipe in study.recipes.items():
        where: tuple[str | int, ...] = ("recipes", name)
        if name not in BUILTIN_RECIPES and recipe.languages is None:
            what = f"unknown recipe {name!r}{suggest(name, BUILTIN_RECIPES)}"
            yield where, what, "give a recipe of your own its `languages:`"
        if name == "english" and "en" not in train:
            yield where, "needs en in languages.train", "add en, or remove the recipe"
        for index, code in enumerate(recipe.languages or []):
            if code not in train:
                spelled = matching_language(code, train)
                meant = f"; did you mean {spelled}?" if spelled else suggest(code, train)
                what = f"{code} is not in languages.train{meant}"
                yield (*where, "languages", index), what, ""
        if name == "english" and recipe.languages not in (None, ["en"]):
            what = "the recipe `english` trains on English alone"
            yield (*where, "languages"), what, "remove `languages:`, or rename the recipe"
        languages = recipe.languages or (["en"] if name == "english" else train)
        most = 1 if name == "monolingual" or recipe.one_language_per_source else len(languages)
        if recipe.budgets and recipe.budgets > most and not recipe.repeat:
            what = f"{recipe.budgets:g} budgets are more than there is data for"
            hint = f"give {most} at most, or `repeat: true`; one budget is the rows of one language"
            yield (*where, "budgets"), what, hint
        if recipe.weights and set(recipe.weights) != set(languages):
            what = f"must have a weight for each of {', '.join(languages)}, and no others"
            yield (*where, "weights"), what, ""


def _mixtures(study: Study) -> Iterator[Finding]:
    """A name must mean one mixture, since cells and folders are named after it."""
    seen: dict[str, Mixture] = {}
    train = study.languages.train
    for index, count in enumerate(study.sweep.multilingual):
        if count > len(train):
            what = f"{count} languages, but languages.train has only {len(train)}"
            yield ("sweep", "multilingual", index), what, ""
    for index, budgets in enumerate(study.sweep.downsampled):
        if budgets > len(train):
            what = f"{budgets:g} budgets are more than there is data for"
            yield ("sweep", "downsampled", index), what, f"give {len(train)} at most"
    if study.sweep.english and "en" not in train:
        yield ("sweep", "english"), "needs en in languages.train", "add en, or remove the sweep"
    for name in recipes(study):
        for mixture in recipe_mixtures(study, name):
            if seen.setdefault(mixture.name, mixture) != mixture:
                what = f"its mixture {mixture.name} differs from that of another recipe"
                yield ("recipes", name), what, "give both recipes the same settings"


def _methods(study: Study) -> Iterator[Finding]:
    models = [model.name for model in study.models]
    for name, method in study.methods.items():
        for key, listed, valid in (
            ("models", method.models, models),
            ("recipes", method.recipes, list(recipes(study))),
        ):
            for index, word in enumerate(listed or []):
                if word not in valid:
                    yield (
                        ("methods", name, key, index),
                        f"{word!r} is not in the study{suggest(word, valid)}",
                        "",
                    )


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
                yield where, f"unknown built-in model {place!r}{suggest(place, valid)}", ""
            if Path(place).is_absolute() and not Path(place).exists():
                yield where, f"no such file or folder: {place}", ""


def _systems(study: Study) -> Iterator[Finding]:
    models = [model.name for model in study.models]
    taken = list(models)
    for index, entry in enumerate(study.systems):
        where: tuple[str | int, ...] = ("systems", index)
        if study.systems.index(entry) != index:
            yield where, "is listed twice", "remove one"
        elif isinstance(entry, BaseSystem):
            if entry.base not in (*models, "all"):
                what = f"{entry.base!r} is not in the study{suggest(entry.base, [*models, 'all'])}"
                yield (*where, "base"), what, ""
        elif isinstance(entry, ShuffledSystem):
            if entry.shuffle not in recipes(study):
                what = f"{entry.shuffle!r} is not in the study"
                yield (*where, "shuffle"), f"{what}{suggest(entry.shuffle, recipes(study))}", ""
        else:
            if entry.name in taken:
                what = f"{entry.name!r} is already the name of another model or system"
                yield (*where, "name"), what, "give it another name"
            taken.append(entry.name)
            if isinstance(entry, GivenSystem):
                yield from _files((*where, "answers"), entry.answers, study.languages.test)


def _judges(study: Study) -> Iterator[Finding]:
    names: list[str] = []
    several = bool(study.other_judges)
    for index, judge in enumerate([study.judge, *study.other_judges]):
        where: tuple[str | int, ...] = ("judge", index) if several else ("judge",)
        if judge_name(judge) in names:
            what = f"two judges are called {judge_name(judge)!r}"
            yield where, what, "give one of them a `name:`"
        names.append(judge_name(judge))
        yield from _missing_paths(where, judge)
        compared = pairwise_settings(judge)
        if compared and index:
            what = "only the first judge compares pairs"
            yield (*where, "pairwise"), what, "remove it, or list this judge first"
        pairs = compared.pairs if compared and compared.pairs != "all" else []
        for number, pair in enumerate(pairs):
            for word in pair:
                if word not in recipes(study):
                    what = f"{word!r} is not in the study{suggest(word, recipes(study))}"
                    yield (*where, "pairwise", "pairs", number), what, ""
    yield from _missing_paths(("gate",), study.gate)


def _missing_paths(
    where: tuple[str | int, ...], settings: Settings, slots: Mapping[str, str] | None = None
) -> Iterator[Finding]:
    """The user's files and folders that settings, nested ones included, name but are not there."""
    language = f" for {slots['language']}" if slots else ""
    for name, path in user_paths(with_slots(settings, slots or {})).items():
        if not Path(path).exists():
            yield (*where, name), f"no such file or folder{language}: {path}", ""
    for name in type(settings).model_fields:
        nested = getattr(settings, name)
        if isinstance(nested, Settings):
            yield from _missing_paths((*where, name), nested, slots)


def _sources(study: Study) -> Iterator[Finding]:
    from polypaca.builtin.catalog import CORPORA

    data, prompts = study.data, study.prompts
    for where, source, codes, hashes in (
        (("data", "instructions"), data.instructions, given_languages(study), data.sha256),
        (("prompts", "source"), prompts.source, study.languages.test, prompts.sha256),
    ):
        if source.startswith("builtin:"):
            yield from _builtin(where, source.removeprefix("builtin:"), codes, CORPORA)
        elif where[0] == "prompts" and source.startswith("hf:"):
            yield where, "test prompts cannot be read from the Hub", "give a path or URL"
        elif "{language}" not in source and len(codes) > 1:
            what = "must contain {language}, since there are several languages"
            yield where, what, f"such as {where[0]}/{{language}}.jsonl"
        elif source.startswith(_REMOTE):
            yield from _remote(where[0], codes, hashes)
        elif not source.startswith("hf:"):
            yield from _files(where, source, codes)


def _remote(section: str, codes: Iterable[str], sha256: Mapping[str, str]) -> Iterator[Finding]:
    missing = [code for code in codes if code not in sha256]
    if missing:
        what = f"files at a URL need their SHA-256; it is missing for {', '.join(missing)}"
        yield (section, "sha256"), what, "add `sha256: {en: ...}`, as `sha256sum` prints it"


def _translate(study: Study) -> Iterator[Finding]:
    translate = study.data.translate
    if translate is None:
        return
    where: tuple[str | int, ...] = ("data", "translate")
    engines = translation_engines(study)
    spelled = matching_language(translate.source, study.languages.train)
    if spelled not in (None, translate.source):
        what = f"{translate.source} is the same language as {spelled} in languages.train"
        yield (*where, "source"), what, f"write {spelled} here as well"
    for code in study.languages.train:
        if code != translate.source and code not in engines and code not in translate.languages:
            yield where, f"no engine for {code}", "add `engine:`, or an entry under `languages:`"
    for code in translate.languages:
        place = (*where, "languages", code)
        if code == translate.source:
            yield place, "is the language that is translated from", "remove this entry"
        elif code not in study.languages.train:
            what = f"is not in languages.train{suggest(code, study.languages.train)}"
            yield place, what, ""
    for index, name in enumerate(translate.filters or []):
        if name not in FILTERS:
            place = (*where, "filters", index)
            yield place, f"unknown filter {name!r}{suggest(name, FILTERS)}", ""


def _engines(study: Study) -> Iterator[Finding]:
    translate = study.data.translate
    for code, engine in translation_engines(study).items():
        assert translate is not None
        place = ("languages", code) if code in translate.languages else ("engine",)
        slots = {"source": translate.source, "language": code}
        yield from _missing_paths(("data", "translate", *place), engine, slots)


def _builtin(
    where: tuple[str, str],
    name: str,
    codes: Iterable[str],
    corpora: dict[str, dict[str, tuple[str, ...]]],
) -> Iterator[Finding]:
    if name not in corpora:
        yield where, f"unknown built-in corpus {name!r}{suggest(name, corpora)}", ""
        return
    available = corpora[name]["instructions" if where[0] == "data" else "prompts"]
    missing = [code for code in codes if code not in available]
    if missing:
        hint = f"it has {', '.join(available)}"
        yield where, f"builtin:{name} has no {', '.join(missing)}", hint


def _files(where: tuple[str | int, ...], pattern: str, codes: Iterable[str]) -> Iterator[Finding]:
    missing = [code for code in codes if not Path(pattern.replace("{language}", code)).is_file()]
    if missing:
        hint = f"looked for {pattern.replace('{language}', missing[0])}"
        if where[0] == "data" and not Path(pattern).suffix:
            hint += "; write a data set of the Hub as hf:NAME"
        yield where, f"no file for {', '.join(missing)}", hint
