"""Which rows a table of results has: recipes over their cells and seeds, then other systems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from polypaca.core.results import RowLabel

if TYPE_CHECKING:
    from collections.abc import Sequence

    from polypaca.core.systems import SystemLabel

_CONTROLS = ("base", "shuffled")
_NAMED = ("model", "served", "given")  # neither trained nor controls; a row each


@dataclass(frozen=True)
class _Key:
    """What systems of one row have in common."""

    kind: str
    model: str
    method: str | None
    recipe: str | None
    system: str | None = None


def result_rows(systems: Sequence[SystemLabel], recipes: Sequence[str]) -> list[RowLabel]:
    """What a person compares: recipes, then systems that were not trained here, then controls.

    Models and methods come as the systems do, recipes in the order of the study.
    """
    same: dict[_Key, list[SystemLabel]] = {}
    for system in systems:
        for recipe in (*system.answers_for,) or (None,):
            own = system.system if system.kind in _NAMED else None
            key = _Key(system.kind, system.model, system.method, recipe, own)
            same.setdefault(key, []).append(system)
    rows = [_row(key, members) for key, members in same.items()]
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


def row_id(model: str, method: str | None, recipe: str | None) -> str:
    """What the row of a recipe is called: `tiny-neox.lora.multilingual`."""
    return ".".join(part for part in (model, method, recipe) if part)


def _row(key: _Key, same: Sequence[SystemLabel]) -> RowLabel:
    first = same[0]
    seeds = sorted({system.seed for system in same if system.seed is not None})
    if key.system:
        return RowLabel(
            id=key.system,
            model=first.model,
            method=None,
            recipe=None,
            name=first.name or first.system,
            control=False,
            budgets=None,
            systems=[key.system],
            seeds=seeds,
        )
    base = row_id(key.model, key.method, key.recipe)
    per_seed = {system.seed: 0.0 for system in same}
    for system in same:
        per_seed[system.seed] += system.budgets or 0.0
    name = {
        "cell": key.recipe or "",
        "base": "untuned base",
        "shuffled": f"{key.recipe}, answers shuffled",
    }[key.kind]
    return RowLabel(
        id=base if key.kind == "cell" else f"{base}.{key.kind}",
        model=key.model,
        method=key.method,
        recipe=key.recipe,
        name=name,
        control=key.kind in _CONTROLS,
        budgets=max(per_seed.values()) if key.kind == "cell" else None,
        systems=[system.system for system in same],
        answers_in={
            system.system: list(system.answers_for[key.recipe])
            for system in same
            if key.recipe is not None
        },
        seeds=seeds,
    )
