"""The records of a user's CSV file, whatever divides its fields, with the lines they begin on."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_DELIMITERS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r"sep=([,;\t|])\r?\n", re.IGNORECASE)  # what Excel reads first


def read_text(path: Path | str) -> str:
    """The text of a UTF-8 file, without a byte order mark.

    Raises:
        DataError: if it cannot be read, or is in another encoding; with the line.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from None
    return decoded(data, path)


def decoded(data: bytes, path: Path | str) -> str:
    """The same of bytes that were read from `path`."""
    # Without a byte order mark the zero bytes of UTF-16 show.
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data.split(b"\n", 1)[0]:
        what = "is UTF-16 from column 1 on, not UTF-8"
        raise DataError(what, path=path, line=1, hint="save it as UTF-8")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start]
        line = before.count(b"\n") + 1
        place = len(before.rsplit(b"\n", 1)[-1].decode("utf-8", "replace")) + 1
        what = f"is not UTF-8 at its character {place}"
        raise DataError(what, path=path, line=line, hint="save it as UTF-8") from None


def divided(content: str, columns: Collection[str]) -> tuple[str, str, int]:
    """What is between the fields, the rows, and how many lines stand above them.

    Args:
        content: of the file; its first line may be Excel's `sep=;`.
        columns: by these names, in small letters, the header is known.
    """
    stated = _SEPARATOR_LINE.match(content)
    if stated:
        return stated[1], content[stated.end() :], 1
    return _delimiter(content, columns), content, 0


def csv_rows(
    content: str, delimiter: str, path: Path | str, above: int = 0
) -> Iterator[tuple[int, list[str]]]:
    """The records, the header among them, each with the line that it begins on.

    An empty line is a record without fields.

    Args:
        content: of the file.
        delimiter: what is between two fields.
        path: of the file, for messages.
        above: lines of the file that stand above `content`.

    Raises:
        DataError: where a quotation is not closed, or goes on behind its end.
    """
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(
        io.StringIO(content, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    while True:
        begins = reader.line_num + 1 + above
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(f"is no CSV: {error}", path=path, line=begins) from None
        if fields is None:
            return
        yield begins, fields


def _delimiter(content: str, columns: Collection[str]) -> str:
    """What divides the header into the most of the columns; the comma, if nothing does better."""

    def known(delimiter: str) -> int:
        first = next(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter), [])
        return sum(name.strip().casefold() in columns for name in first)

    try:
        return max(_DELIMITERS, key=known)
    except csv.Error:
        return ","
