"""Where everything is in a study's output folder: the ids of tasks are paths below it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polypaca.study.grid import Cell, RecipePair, System

PROMPTS = "data/prompts"
INSTRUCTIONS = "data/instructions"
HELD_OUT = "mixtures/heldout"
LEDGER = "mixtures/ledger"
ANALYSIS = "analysis"
REPORT = "report"
SPENDING = "spending.jsonl"  # what served models were asked; no task's folder


def base(model: str) -> str:
    """A base model, ready."""
    return f"bases/{model}"


def translation(language: str) -> str:
    """The examples of a training language."""
    return f"translations/{language}"


def lengths(model: str, template: str) -> str:
    """How long rows are in a model's tokens."""
    return f"lengths/{model}" + ("" if template == "alpaca" else f".{template}")


def mixture(cell: Cell, *, of_cell: bool) -> str:
    """A cell's mixture; `of_cell` where it differs between models and methods."""
    name = f"mixtures/{cell.mixture.name}.s{cell.seed}"
    return f"{name}.{cell.model}.{cell.method}" if of_cell else name


def trained(cell: Cell) -> str:
    """A trained cell."""
    return f"cells/{cell.id}/train"


def responses(system: str) -> str:
    """A system's answers."""
    return f"systems/{system}/responses"


def verdicts(system: System, judge: str) -> str:
    """A judge's verdicts on a system; the first judge's name is empty."""
    return f"systems/{system.id}/verdicts" + (f".{judge}" if judge else "")


def gate(system: System) -> str:
    """The language check of a system."""
    return f"systems/{system.id}/gate"


def pair(compared: RecipePair) -> str:
    """What the judge prefers of two recipes."""
    return f"pairs/{compared.id}"
