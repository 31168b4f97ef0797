"""Commands on a file of one's own: `agree`, `compare`, `langid`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polypaca.cli.shared import Json, print_table

app = typer.Typer()


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
    print_table(agreement_table(agreement), agreement.notes)


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
    print_table(ranking_table(ranking), [ranking.sentence, *ranking.notes])


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
