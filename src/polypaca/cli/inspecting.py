"""Commands that look at a study or its output and run nothing: `plan`, `validate`, `verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from polypaca.cli.shared import (
    Json,
    Out,
    Overrides,
    StudyFile,
    output_folder,
    read_study,
    standard_output,
)

app = typer.Typer()


@app.command()
def plan(
    study: StudyFile,
    overrides: Overrides = None,
    out: Out = None,
    gpu: Annotated[
        str | None,
        typer.Option("--gpu", help="GPU to estimate hours and memory for, such as a100-80gb."),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option("--price", min=0, help="Price of one GPU-hour, to estimate the total cost."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Estimate what a study will cost, model by model.

    Budgets, tokens, FLOPs and, with a GPU, hours, memory and money.
    """
    from polypaca.planning.estimate import estimate
    from polypaca.planning.hardware import find_gpu

    chosen = find_gpu(gpu) if gpu is not None else None
    loaded = read_study(study, overrides)
    costs = estimate(loaded, output_folder(loaded, out), chosen, price)
    if as_json:
        typer.echo(json.dumps(costs.to_dict(), indent=1, ensure_ascii=False))
        return
    from polypaca.planning.plan_text import print_estimate

    print_estimate(costs, standard_output())


@app.command()
def validate(study: StudyFile, overrides: Overrides = None, as_json: Json = False) -> None:
    """Check a study file and report every problem at once."""
    from polypaca.planning.schedules import schedule_notes
    from polypaca.study import cells, systems
    from polypaca.study.notices import notices

    loaded = read_study(study, overrides)
    counts = {"study": loaded.name, "cells": len(cells(loaded)), "systems": len(systems(loaded))}
    notes = [*notices(loaded), *schedule_notes(loaded, output_folder(loaded, None))]
    if as_json:
        typer.echo(json.dumps({**counts, **({"notes": notes} if notes else {})}))
        return
    typer.echo(f"{study}: valid; {counts['cells']} cells, {counts['systems']} systems")
    for note in notes:
        typer.echo(f"note: {note}")


@app.command()
def verify(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A study's output folder.")],
) -> None:
    """Check every file of a study's output against its recorded hash."""
    from polypaca.workflow.verification import verify_output

    result = verify_output(out)
    for line in (*result.problems, *([result.note] if result.note else [])):
        typer.echo(line)
    text = f"{result.sealed} folders, {result.changed} files changed or missing"
    if others := len(result.problems) - result.changed:
        text += f", {others} other problems"
    if result.not_made:
        text += f"; {result.not_made} tasks of the study are not done yet"
    typer.echo(text)
    raise typer.Exit(1 if result.problems else 0)
