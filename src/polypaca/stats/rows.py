"""Which rows a table of results has: recipes over their cells and seeds, then other systems."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.results import RowLabel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

# What the study says of a system: `system` (its id), `kind`, `model`, `method`, `recipes`,
# `mixture`, `seed`, `budgets`, `tuned_on`, and `name` where the kind has one of its own.
Described = dict[str, Any]

_CONTROLS = ("base", "shuffled")
_NAMED = ("model", "served", "given")  # neither trained nor controls; a row each


def rows_of(systems: Sequence[Described], recipes: Sequence[str]) -> list[RowLabel]:
    """What a person compares: recipes, then systems that were not trained here, then controls.

    Models and methods come as the systems do, recipes in the order of the study.
    """
    same: dict[tuple[Any, ...], list[Described]] = {}
    keys: dict[tuple[Any, ...], str | None] = {}
    for system in systems:
        for recipe in system["recipes"] or [None]:
            key = _key(system, recipe)
            same.setdefault(key, []).append(system)
            keys[key] = recipe
    rows = [_row(same[key], recipe) for key, recipe in keys.items()]
    groups = list(dict.fromkeys((row.model, row.method) for row in rows))
    return sorted(
        rows,
        key=lambda row: (
            row.control,
            row.recipe is None,
            groups.index((row.model, row.method)),
            recipes.index(row.recipe) if row.recipe else len(recipes),
        ),
    )


def _key(system: Mapping[str, Any], recipe: str | None) -> tuple[Any, ...]:
    if system["kind"] in _NAMED:
        return (system["kind"], system["system"])
    return (system["kind"], system["model"], system["method"], recipe)


def _row(same: Sequence[Described], recipe: str | None) -> RowLabel:
    first = same[0]
    kind = first["kind"]
    seeds = sorted({system["seed"] for system in same if system.get("seed") is not None})
    if kind in _NAMED:
        return RowLabel(
            id=first["system"],
            model=first.get("model") or first["name"],
            method=None,
            recipe=None,
            name=first["name"],
            control=False,
            budgets=None,
            systems=[first["system"]],
            seeds=seeds,
        )
    base = ".".join(part for part in (first["model"], first["method"], recipe) if part)
    per_seed = {system["seed"]: 0.0 for system in same}
    for system in same:
        per_seed[system["seed"]] += system["budgets"] or 0.0
    name = {
        "cell": recipe or "",
        "base": "untuned base",
        "shuffled": f"{recipe}, answers shuffled",
    }[kind]
    return RowLabel(
        id=base if kind == "cell" else f"{base}.{kind}",
        model=first["model"],
        method=first["method"],
        recipe=recipe,
        name=name,
        control=kind in _CONTROLS,
        budgets=max(per_seed.values()) if kind == "cell" else None,
        systems=[system["system"] for system in same],
        seeds=seeds,
    )
