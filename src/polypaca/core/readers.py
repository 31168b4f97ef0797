"""Rows of a user's file, read with every defect refused, set aside or mended on record.

Formats: JSON arrays (`.json`), JSON Lines (`.jsonl`, `.ndjson`, and `.json` files that hold one
object a line) and Parquet (`.parquet`).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from polypaca.core.errors import DataError
from polypaca.core.records import Rejected, Repaired

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OnBadRow = Literal["error", "reject", "repair"]

SUFFIXES = (".json", ".jsonl", ".ndjson", ".parquet")
HINT = "on_bad_row: reject sets such rows aside; on_bad_row: repair also corrects what it can"
# Python's own readers and writers of JSON give up somewhere below 1000.
MAX_DEPTH = 100
_BOM = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")

# What `repair` may try on a line that is not JSON: changes that leave no doubt about what was
# meant. A line that was cut off is not among them: nobody knows what it has lost.
_REPAIRS = (
    ("stray quotation mark before the closing brace removed", re.compile(r'""\s*\}$'), '"}'),
    ("comma after the closing brace removed", re.compile(r"\}\s*,$"), "}"),
    ("comma before the closing brace removed", re.compile(r",\s*\}$"), "}"),
)


@dataclass(frozen=True)
class Row:
    """One object of a file, as read."""

    line: int  # counted from 1; in JSON arrays and Parquet, the row's number
    number: int  # counted from 1 over the rows, good or bad; blank lines do not count
    fields: dict[str, Any]


@dataclass(frozen=True)
class LoadedRows:
    """All rows of a file: every non-blank line is either in `rows` or in `rejected`."""

    rows: list[Row]
    rejected: list[Rejected]
    repaired: list[Repaired]


@dataclass
class Defects:
    """What to do with the bad rows of one file, and the record of what was done."""

    file: str
    on_bad_row: OnBadRow | None  # None: as `error`, where there is no such setting
    rejected: list[Rejected] = field(default_factory=list)
    repaired: list[Repaired] = field(default_factory=list)

    def bad(self, line: int, reason: str, row: str, *, column: str | None = None) -> None:
        """Refuse a row: raise under `error`, else set it aside with its reason.

        Args:
            line: where the row stands.
            reason: what is wrong, worded to follow "file:line: " or "field x ".
            row: the row as it was read.
            column: the field that is wrong, if it is one field.

        Raises:
            DataError: under `error`.
        """
        if self.on_bad_row in ("error", None):
            hint = HINT if self.on_bad_row else ""
            raise DataError(reason, path=self.file, line=line, field=column, hint=hint)
        reason = f"field {column}: {reason}" if column else reason
        self.rejected.append(Rejected(file=self.file, line=line, reason=reason, row=row))

    def record_repair(self, line: int, repair: str) -> None:
        """Record a repair."""
        self.repaired.append(Repaired(file=self.file, line=line, repair=repair))

    def reject_file(self) -> NoReturn:
        """Refuse a file of which no row is left, whatever the policy.

        Raises:
            DataError: with the first rejected row's reason.
        """
        if not self.rejected:
            raise DataError("has no rows", path=self.file)
        first = self.rejected[0]
        raise DataError(
            f"none of its {len(self.rejected)} rows can be used; the first: {first.reason}",
            path=self.file,
            line=first.line,
            hint="" if self.on_bad_row == "repair" else "on_bad_row: repair may correct them",
        )


class _RepeatedField(dict[str, Any]):
    """An object that named a field twice: reading it as a plain dict would lose a value."""


class _BadLineError(Exception):
    """A line that is no row; the message is the reason."""


def read_rows(path: Path, *, on_bad_row: OnBadRow | None = None) -> LoadedRows:
    """Read all rows of a JSON, JSONL or Parquet file.

    Line ends, a byte order mark, blank lines and a missing final newline never make a row bad;
    where reading changed something (CRLF, byte order mark) it is recorded, once a file.

    Args:
        path: the file; its suffix says the format.
        on_bad_row: `error` raises at the first bad row; `reject` keeps bad rows aside with their
            reasons; `repair` first tries to mend them, on record. Without any it is `error`, and
            messages do not speak of the setting.

    Raises:
        DataError: under `error` at a bad row; always for a file that cannot be read at all, and
            for a broken JSON array, behind whose break nothing can be trusted.
    """
    defects = Defects(str(path), on_bad_row)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        rows = _parquet_rows(path, defects)
    elif suffix in SUFFIXES:
        data = _text_bytes(path, defects)
        array = suffix == ".json" and not starts_with_object(data)
        rows = _array_rows(data, path, defects) if array else _line_rows(data, defects)
    else:
        raise DataError(
            f"has the unknown suffix {suffix!r}", path=path, hint="use .json, .jsonl or .parquet"
        )
    return LoadedRows(list(rows), defects.rejected, defects.repaired)


def json_rows(data: bytes, file: str, *, array: bool) -> list[Row]:
    """The rows of UTF-8 text from elsewhere than a file with one of `SUFFIXES`, without a defect.

    Raises:
        DataError: at the first bad row, as `read_rows` does.
    """
    defects = Defects(file, None)
    return list(_array_rows(data, file, defects) if array else _line_rows(data, defects))


def row_text(fields: Mapping[str, Any]) -> str:
    """A row as text, for the record of its rejection."""
    text = json.dumps(fields, ensure_ascii=False, default=str)
    return text if _encodable(text) else json.dumps(fields, default=str)


def _text_bytes(path: Path, defects: Defects) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataError(
            "is UTF-16, not UTF-8", path=path, hint="convert it: iconv -f UTF-16 -t UTF-8"
        )
    if data.startswith(_BOM):
        defects.record_repair(1, "byte order mark removed")
        data = data[len(_BOM) :]
    return data


def starts_with_object(data: bytes) -> bool:
    """Whether the first line is a JSON object, as in many published `.json` files."""
    try:
        return isinstance(json.loads(data.lstrip().split(b"\n", 1)[0]), dict)
    except (ValueError, RecursionError):
        return False


def _line_rows(data: bytes, defects: Defects) -> Iterator[Row]:
    # Never str.splitlines: it also splits at U+2028 and the like, which JSON strings may hold.
    # A raw CR cannot stand in a JSON string, so taking it for a line end or space is safe.
    old_mac = b"\n" not in data and b"\r" in data.rstrip()
    lines = data.split(b"\r" if old_mac else b"\n")
    with_cr = sum(line.endswith(b"\r") for line in lines)
    if old_mac:
        defects.record_repair(1, "CR line ends read as LF")
    elif with_cr:
        total = len(lines) - (not lines[-1])
        part = f"{with_cr} lines" if with_cr == total else f"{with_cr} of {total} lines"
        defects.record_repair(1, f"CRLF line ends read as LF ({part})")

    number = 0
    for line_number, line in enumerate(lines, start=1):
        stripped = line.strip()
        if not stripped:
            continue
        number += 1
        try:
            fields, repair = _parse(stripped, mend=defects.on_bad_row == "repair")
        except _BadLineError as error:
            raw = stripped.decode("utf-8", "backslashreplace")
            defects.bad(line_number, str(error), raw)
            continue
        if repair:
            defects.record_repair(line_number, repair)
        yield Row(line_number, number, fields)


def _parse(line: bytes, *, mend: bool) -> tuple[dict[str, Any], str]:
    """The object of one line and what was done to read it ("" for nothing)."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        reason = f"is not valid UTF-8 (byte 0x{line[error.start]:02x} at byte {error.start + 1})"
        raise _BadLineError(reason) from None
    value, repair = _loads(text, mend=mend)
    value, more = _checked(value, surrogates="\\ud" in text.lower(), mend=mend)
    return value, "; ".join(part for part in (repair, more) if part)


def _loads(text: str, *, mend: bool) -> tuple[Any, str]:
    try:
        return json.loads(text, object_pairs_hook=_object), ""
    except RecursionError:
        raise _BadLineError(f"is nested more than {MAX_DEPTH} deep") from None
    except ValueError as error:
        reason = f"is not valid JSON: {_json_error(error)}"
    if text == "[":
        reason += "; a file with one JSON array must be named .json"
    if mend:
        for repair, pattern, replacement in _REPAIRS:
            value = _try(pattern.sub(replacement, text))
            if isinstance(value, dict):
                return value, repair
        value = _try(text, strict=False)
        if isinstance(value, dict):
            return value, "unescaped control characters read as they stand"
    raise _BadLineError(reason)


def _try(text: str, *, strict: bool = True) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, strict=strict)
    except (ValueError, RecursionError):
        return None


def _json_error(error: ValueError) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} at column {error.colno}"
    return str(error)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else _RepeatedField(fields)


def _checked(value: Any, *, surrogates: bool, mend: bool) -> tuple[dict[str, Any], str]:
    """A parsed value that is a usable object; lone surrogates are mended where `mend` is set."""
    if not isinstance(value, dict):
        raise _BadLineError(f"is {_kind(value)}, not an object with fields")
    if isinstance(value, _RepeatedField):
        raise _BadLineError("names a field twice")
    if _is_deeper(value, MAX_DEPTH):
        raise _BadLineError(f"is nested more than {MAX_DEPTH} deep")
    if surrogates and not _encodable(json.dumps(value, ensure_ascii=False)):
        # Half of a character has no UTF-8; a strict reader refuses even its escape.
        if not mend:
            raise _BadLineError("holds half a character (a lone surrogate escape)")
        text = _SURROGATE.sub("\ufffd", json.dumps(value, ensure_ascii=False))
        return json.loads(text), "half characters (lone surrogates) replaced by U+FFFD"
    return value, ""


def _is_deeper(value: Any, most: int) -> bool:
    level = [value]
    for _ in range(most):
        level = [
            item
            for node in level
            if isinstance(node, dict | list)
            for item in (node.values() if isinstance(node, dict) else node)
            if isinstance(item, dict | list)
        ]
        if not level:
            return False
    return True


def _encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _kind(value: Any) -> str:
    if value is None:
        return "null"
    kinds = {list: "an array", str: "a string", bool: "true or false", dict: "an object"}
    return kinds.get(type(value), "a number")


def _array_rows(data: bytes, path: Path | str, defects: Defects) -> Iterator[Row]:
    try:
        text = data.decode("utf-8")
        values = json.loads(text, object_pairs_hook=_object)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"is not valid UTF-8 (byte 0x{data[error.start]:02x})", path=path, line=line
        ) from error
    except json.JSONDecodeError as error:
        _broken_array(path, error)
    except RecursionError:
        what = f"is nested more than {MAX_DEPTH} deep somewhere"
        raise DataError(what, path=path, hint="use one object per line to see which one") from None
    except ValueError as error:
        raise DataError(f"is not valid JSON: {error}", path=path) from error
    if not isinstance(values, list):
        raise DataError(
            f"holds {_kind(values)}, not an array of objects",
            path=path,
            hint="a file with one object a line must be named .jsonl",
        )
    surrogates = "\\ud" in text.lower()
    for number, value in enumerate(values, start=1):
        try:
            fields, repair = _checked(
                value, surrogates=surrogates, mend=defects.on_bad_row == "repair"
            )
        except _BadLineError as error:
            defects.bad(number, str(error), json.dumps(value))
            continue
        if repair:
            defects.record_repair(number, repair)
        yield Row(number, number, fields)


def _broken_array(path: Path | str, error: json.JSONDecodeError) -> NoReturn:
    raise DataError(
        f"is a broken JSON array: {error.msg} at column {error.colno}",
        path=path,
        line=error.lineno,
        hint="correct the file there: what follows the error cannot be trusted",
    ) from error


def _parquet_rows(path: Path, defects: Defects) -> Iterator[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            number = 0
            for batch in file.iter_batches(batch_size=1024):
                for fields in _batch_rows(batch):
                    number += 1
                    if isinstance(fields, UnicodeDecodeError):
                        raw = fields.object.decode("utf-8", "backslashreplace")
                        defects.bad(number, f"is not valid UTF-8 ({fields.reason})", raw)
                    else:
                        yield Row(number, number, _plain(fields))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", path=path) from error
    except pyarrow.ArrowException as error:
        raise DataError(f"is not a readable Parquet file: {error}", path=path) from error


def _batch_rows(batch: Any) -> Iterator[dict[str, Any] | UnicodeDecodeError]:
    try:
        yield from batch.to_pylist()
    except UnicodeDecodeError:
        # One bad text spoils the whole batch: row by row is slow, but finds it.
        for index in range(batch.num_rows):
            try:
                yield from batch.slice(index, 1).to_pylist()
            except UnicodeDecodeError as error:
                yield error


def _plain(fields: dict[str, Any]) -> Any:
    # Dates, decimals and bytes have no JSON and are kept as text. NaN has none either: it is what
    # pandas writes where a value is missing.
    return json.loads(json.dumps(fields, default=str), parse_constant=lambda _: None)
