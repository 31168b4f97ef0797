"""Atomic files, hashes, and JSONL in and out."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from contextlib import contextmanager
from functools import lru_cache
from typing import IO, TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from polypaca.core.disk import writing
from polypaca.core.errors import DataError
from polypaca.core.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

R = TypeVar("R", bound=Record)


@contextmanager
def atomic_write(path: Path, *, lasting: bool = True) -> Iterator[IO[str]]:
    """Open a text file that appears at `path` whole, or not at all.

    The parent folder is made. On an exception the previous file, if any, stays. Unless `lasting`, a
    power cut may leave half of it, and the call is faster.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        with writing(path), temporary.open("x", encoding="utf-8", newline="\n") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def is_temporary(path: Path) -> bool:
    """Whether a file is what a killed `atomic_write` left behind."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def write_text(path: Path, text: str) -> None:
    """Write `text` to `path` atomically."""
    with atomic_write(path) as file:
        file.write(text)


def write_json(path: Path, value: Any) -> None:
    """Write `value` to `path` atomically, as indented JSON."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        OSError: if it cannot be read.
        ValueError: if it is no JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def sha256_text(text: str) -> str:
    """Hex SHA-256 of a text's UTF-8 bytes; lone surrogates are kept apart, not refused."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_cached(path: Path) -> str:
    """The same, of a file that this process has not read since it was last touched.

    A file is taken as touched if its size, time of modification, time of change or inode differ;
    the time of change is the system's own and is not set back by a copy or `touch`.
    """
    stat = path.stat()
    return _sha256_of(path, (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino))


@lru_cache(maxsize=100_000)
def _sha256_of(path: Path, stamp: tuple[int, ...]) -> str:
    del stamp  # makes it another question
    return sha256_file(path)


def to_line(record: Record) -> str:
    """One record as a line of JSON, without the line end.

    Half characters (lone surrogates), which no UTF-8 file can hold, become U+FFFD.
    """
    text = json.dumps(record.model_dump(), ensure_ascii=False)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def write_jsonl(path: Path, records: Iterable[Record]) -> int:
    """Stream records to `path` atomically; returns how many were written."""
    count = 0
    with atomic_write(path) as file:
        for record in records:
            file.write(to_line(record) + "\n")
            count += 1
    return count


def read_jsonl(path: Path, record: type[R]) -> Iterator[R]:
    """Stream the records of a file that polypaca wrote; blank lines are skipped.

    Raises:
        DataError: with file, line and field, at the first line that is not such a record.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path=path) from error
    with file:
        for number, line in enumerate(file, start=1):
            if line.strip():
                yield _parse(line, record, path, number)


def _parse(line: bytes, record: type[R], path: Path, number: int) -> R:
    try:
        return record.model_validate_json(line)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise DataError(first["msg"], path=path, line=number, field=field) from error
