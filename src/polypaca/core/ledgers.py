"""What training recorded of a cell, read back as a part of the analysis."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_json
from polypaca.core.results import CellCost, HeldOutLoss

if TYPE_CHECKING:
    from pathlib import Path

_TOLD_ELSEWHERE = ("cell", "budgets", "heldout")


def read_cell_cost(cell: str, folder: Path, *, budgets: float) -> CellCost:
    """What a cell cost and what it lost on held-out responses, from the files of `train`.

    Cells that were trained before a figure was recorded have None in its place.

    Raises:
        OSError: if there is no ledger.
        pydantic.ValidationError: if the ledger lacks what every ledger has.
    """
    ledger = read_json(folder / "ledger.json")
    recorded = {
        key: ledger[key]
        for key in CellCost.model_fields
        if key not in _TOLD_ELSEWHERE and key in ledger
    }
    return CellCost(cell=cell, budgets=budgets, heldout=_heldout(folder), **recorded)


def _heldout(folder: Path) -> dict[str, HeldOutLoss]:
    path = folder / "heldout.json"
    if not path.exists():
        return {}
    recorded = read_json(path)
    return {language: _loss(losses) for language, losses in recorded.items()}


def _loss(recorded: dict[str, Any]) -> HeldOutLoss:
    bits = recorded["bits_per_byte"]
    # Where no text was left within the length limit there is nothing to divide by.
    return HeldOutLoss(**{**recorded, "bits_per_byte": bits if math.isfinite(bits) else None})
