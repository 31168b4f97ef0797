"""The command line; each module has the commands of one purpose.

Exit codes: 0 done, 1 a stage failed, 2 the user's input is wrong.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from polypaca import __version__
from polypaca.cli import files, inspecting, running

__all__ = ["app", "main"]

app = typer.Typer(
    name="polypaca",
    help="Which languages should a language model be instruction-tuned on? "
    "Budget-controlled experiments with trustworthy numbers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _commands in (running.app, inspecting.app, files.app):
    app.add_typer(_commands)


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
