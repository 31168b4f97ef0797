"""`run`, and a verb a stage: run a study up to and including that stage."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Annotated

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

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from rich.console import Console

    from polypaca.study import Study
    from polypaca.workflow.run import Plan


app = typer.Typer()

Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, help="Jobs to run in parallel [default: one per core; 1 on a GPU]."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would run and why, without running it.")
]
Launch = Annotated[
    str,
    typer.Option(
        "--launch",
        metavar="COMMAND",
        help="Train on several devices with this launcher, such as 'torchrun --nproc-per-node 8'.",
    ),
]
Yes = Annotated[
    bool,
    typer.Option(
        "--yes", help="Do not ask before requests to served models, which may cost money."
    ),
]


def _run_command(verb: str, stage: str, help_text: str) -> None:
    """Add a command that runs a study up to and including one stage."""

    @app.command(name=verb, help=help_text)
    def command(
        study: StudyFile,
        overrides: Overrides = None,
        out: Out = None,
        jobs: Jobs = None,
        dry_run: DryRun = False,
        as_json: Json = False,
        launch: Launch = "",
        yes: Yes = False,
    ) -> None:
        _run(
            study,
            overrides,
            out,
            jobs,
            stage,
            launch=launch,
            dry_run=dry_run,
            as_json=as_json,
            yes=yes,
        )


_run_command(
    "run",
    "report",
    "Run a study up to its report, skipping finished work.",
)
for _stage, _help in (
    ("prepare", "Prepare the data, the prompts and the base models."),
    ("translate", "Translate the instruction data into every training language."),
    ("mix", "Sample the training rows of every recipe."),
    ("train", "Train the models."),
    ("generate", "Generate every system's responses to the test prompts."),
    ("judge", "Rate the responses and check their language."),
    ("analyze", "Compute scores, intervals and differences."),
    ("report", "Write the report; the same as `run`."),
):
    _run_command(_stage, _stage, f"{_help} Earlier stages run first where needed.")


def _run(
    study: Path,
    overrides: list[str] | None,
    out: Path | None,
    jobs: int | None,
    until: str,
    *,
    launch: str,
    dry_run: bool,
    as_json: bool,
    yes: bool,
) -> None:
    from rich.console import Console

    from polypaca.core.errors import UserError
    from polypaca.workflow import run_text
    from polypaca.workflow.run import execute, make_plan

    loaded = read_study(study, overrides)
    folder = output_folder(loaded, out)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--out {folder} is a file; give a folder instead")
    console = Console(stderr=as_json)
    planned, fingerprints = make_plan(loaded, folder, until=until, processes=jobs, launch=launch)
    if dry_run:
        for line in run_text.dry_run_lines(planned, as_json=as_json):
            typer.echo(line)
        return
    if planned.reasons:
        _preflight(loaded, planned, console, yes=yes)
        console.print(
            f"{loaded.name}: {len(planned.reasons)} of {len(planned.tasks)} tasks to do "
            f"in {folder}",
            highlight=False,
        )
        from polypaca.workflow.display import display

        try:
            with display(planned, console) as show:
                outcome = execute(loaded, planned, fingerprints, show)
        except KeyboardInterrupt:
            typer.echo("stopped; run the same command to continue from here", err=True)
            raise typer.Exit(130) from None
        run_text.print_failures(outcome, console)
        if outcome.exit_code:
            raise typer.Exit(outcome.exit_code)
    else:
        console.print(f"{loaded.name}: nothing to do, all {len(planned.tasks)} tasks are done")
    if until == "report":
        run_text.print_result(folder, standard_output(), as_json=as_json)
    elif as_json:
        typer.echo(json.dumps({"out": str(folder)}))


def _preflight(study: Study, planned: Plan, console: Console, *, yes: bool) -> None:
    """Check, before a run begins, the cache, what jobs will need, and leave to spend money."""
    from polypaca.planning import preflight
    from polypaca.workflow.shared_cache import ensure_cache

    if notice := ensure_cache(planned.out):
        console.print(notice, markup=False, highlight=False, soft_wrap=True)
    tasks = [task for task in planned.tasks if task.id in planned.reasons]
    preflight.check(study, tasks, planned.out)
    if not yes:
        _confirm_spending(preflight.paid_requests(tasks))


def _confirm_spending(phrases: Sequence[str]) -> None:
    """Go on only after a yes where served models may cost money."""
    from polypaca.core.errors import UserError

    if not phrases:
        return
    question = " and ".join(phrases)
    if not sys.stdin.isatty():
        raise UserError(f"{question}, which may cost money: add --yes to allow it")
    typer.confirm(f"{question}, which may cost money. Continue?", abort=True)
