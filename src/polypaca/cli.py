"""The command line: a verb a stage, and `run`, `plan`, `validate`, `verify`.

Exit codes: 0 done, 1 a stage failed, 2 the user's input is wrong.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polypaca import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from polypaca.core.tables import Grid
    from polypaca.study import Study
    from polypaca.workflow.run import Plan

app = typer.Typer(
    name="polypaca",
    help="Which languages should a language model be instruction-tuned on? "
    "Budget-controlled experiments with trustworthy numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

StudyFile = Annotated[Path, typer.Argument(metavar="STUDY", help="A study file (YAML).")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[KEY=VALUE]...",
        help="Values that override the study file's, such as methods.lora.rank=16.",
    ),
]
Out = Annotated[
    Path | None, typer.Option("--out", help="Output folder [default: out/<name of the study>].")
]
Jobs = Annotated[
    int | None,
    typer.Option(
        "--jobs", "-j", min=1, help="Jobs to run in parallel [default: one per core; 1 on a GPU]."
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show what would run and why, without running it.")
]
Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]
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


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"polypaca {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks of errors.")] = False,
) -> None:
    del version
    if debug:
        os.environ["POLYPACA_DEBUG"] = "1"


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
    loaded = _load(study, overrides)
    costs = estimate(loaded, _out(loaded, out), chosen, price)
    if as_json:
        typer.echo(json.dumps(costs.to_dict(), indent=1, ensure_ascii=False))
        return
    from polypaca.planning.plan_text import print_estimate

    print_estimate(costs, _console())


@app.command()
def validate(study: StudyFile, overrides: Overrides = None, as_json: Json = False) -> None:
    """Check a study file and report every problem at once."""
    from polypaca.planning.schedules import schedule_notes
    from polypaca.study import cells, systems
    from polypaca.study.notices import notices

    loaded = _load(study, overrides)
    counts = {"study": loaded.name, "cells": len(cells(loaded)), "systems": len(systems(loaded))}
    notes = [*notices(loaded), *schedule_notes(loaded, _out(loaded, None))]
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


@app.command("agree")
def agree_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="CSV with columns system, language, judge, human and maybe item."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Measure how well a judge agrees with human raters.

    Correlations of the systems' scores, and Krippendorff's alpha, by language.
    """
    from polypaca.stats.agree import agree, agreement_table

    agreement = agree(file)
    if as_json:
        typer.echo(agreement.model_dump_json(indent=1))
        return
    _print_table(agreement_table(agreement), agreement.notes)


@app.command("compare")
def compare_command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="CSV with columns model, language, recipe, score and maybe low and high.",
        ),
    ],
    as_json: Json = False,
) -> None:
    """Rank recipes by language, from a file of scores."""
    from polypaca.stats.compare import rank, ranking_table

    ranking = rank(file)
    if as_json:
        typer.echo(ranking.model_dump_json(indent=1))
        return
    _print_table(ranking_table(ranking), [ranking.sentence, *ranking.notes])


@app.command()
def langid(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="JSON, JSONL, Parquet or CSV file, or plain text with one text per line; "
            "- reads standard input.",
        ),
    ],
    expect: Annotated[
        str | None,
        typer.Option(
            "--expect", help="Language the texts should be in [default: each row's `language`]."
        ),
    ] = None,
    detector: Annotated[
        str, typer.Option("--detector", help="lid176, openlid, openlid-v3, glotlid or lingua.")
    ] = "lid176",
    model: Annotated[
        Path | None, typer.Option("--model", help="Model file to use instead of the detector's.")
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(
            "--field", "--column", help="Field that holds the text [default: response, text, ...]."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Detect the language of each text in a file.

    With an expected language, also whether the text passes the gate.
    """
    from polypaca.langid.files import identify, to_json, to_text

    texts = identify(file, expect=expect, detector=detector, model=model, field=field)
    typer.echo(to_json(texts) if as_json else to_text(texts))


def main() -> None:
    """Run the command line; errors are printed without a traceback."""
    from polypaca.core.disk import full_disk_message
    from polypaca.core.errors import PolypacaError

    # Jobs inherit these: a base is made ready by `prepare`, nothing else goes to the Hub.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if cache := os.environ.get("POLYPACA_CACHE"):
        # Jobs work in folders of their own.
        os.environ["POLYPACA_CACHE"] = str(Path(cache).expanduser().resolve())
    try:
        app()
    except PolypacaError as error:
        if os.environ.get("POLYPACA_DEBUG"):
            raise
        typer.echo(f"error: {error}" if "\n" not in str(error) else str(error), err=True)
        sys.exit(error.exit_code)
    except OSError as error:
        # What names no file was most likely on its way to standard output.
        full = full_disk_message(error, [Path("/dev/fd/1").resolve()])
        if full is None or os.environ.get("POLYPACA_DEBUG"):
            raise
        typer.echo(f"error: {full}", err=True)
        sys.exit(1)


def _console() -> Console:
    """Standard output; a file or a pipe has no width, and a wide table should be whole there."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


def _print_table(table: Grid, lines: Sequence[str]) -> None:
    from polypaca.core.tables import print_line

    console = _console()
    console.print(table)
    for line in lines:
        print_line(console, line)


def _load(study: Path, overrides: list[str] | None) -> Study:
    from polypaca.study import load_study

    return load_study(study, overrides or [])


def _out(study: Study, out: Path | None) -> Path:
    return out or Path("out") / study.name


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

    loaded = _load(study, overrides)
    folder = _out(loaded, out)
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
        run_text.print_result(folder, _console(), as_json=as_json)
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


if __name__ == "__main__":
    main()
