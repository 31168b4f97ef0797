"""`polypaca langid`: the languages of a file's texts, read as `prepare` reads its data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError
from polypaca.data.readers import SUFFIXES, read_rows
from polypaca.langid.files import check_expected, identify_rows, text_rows

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from polypaca.langid.files import Identified


def identify(
    file: str,
    *,
    expect: str | None = None,
    detector: str = "lid176",
    model: Path | None = None,
    field: str | None = None,
) -> list[Identified]:
    """The language and the gate of every text of a file, in its order.

    Args:
        file: JSON, JSON Lines or Parquet, as `readers.read_rows` takes it, CSV or TSV, by its
            ending; any other file, and standard input (`-`), as `langid.files.text_rows` does.
        expect: the language that all texts should be in; without it each row's `language`.
        detector: a row of `langid.detectors`.
        model: the detector's file, where it is not the one that comes with it.
        field: the column of texts, where it has none of the usual names.

    Raises:
        UserError: if the detector cannot be loaded, or `expect` is no language.
        DataError: if the file cannot be read, holds no texts, or a row is not as it should be.
    """
    check_expected(expect)
    rows = _table(file) if Path(file).suffix.lower() in SUFFIXES else text_rows(file, field=field)
    return identify_rows(rows, file, expect=expect, detector=detector, model=model, field=field)


def _table(file: str) -> list[tuple[int, Mapping[str, Any]]]:
    try:
        rows = read_rows(Path(file), on_bad_row="error").rows
    except DataError as error:
        # Without the hint at a setting that this command does not have.
        raise DataError(error.what, path=error.path, line=error.line, field=error.field) from None
    return [(row.line, row.fields) for row in rows]
