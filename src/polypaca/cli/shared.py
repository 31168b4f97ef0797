"""What commands share: arguments, and how they print."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from polypaca.core.tables import Grid
    from polypaca.study import Study

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
Json = Annotated[bool, typer.Option("--json", help="Print machine-readable JSON.")]


def standard_output() -> Console:
    """Standard output; a file or a pipe has no width, and a wide table should be whole there."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160)


def print_table(table: Grid, lines: Sequence[str]) -> None:
    """Print a table, and lines of text below it."""
    from polypaca.core.tables import print_line

    wide = standard_output()
    wide.print(table)
    for line in lines:
        print_line(wide, line)


def read_study(study: Path, overrides: list[str] | None) -> Study:
    """Read a study file."""
    from polypaca.study import load_study

    return load_study(study, overrides or [])


def output_folder(study: Study, out: Path | None) -> Path:
    """The folder of `--out`, else `out/<name of the study>`."""
    return out or Path("out") / study.name
