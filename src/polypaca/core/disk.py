"""A full disk and its kin: told from other errors, whatever library met them."""

from __future__ import annotations

import errno
import os
import re
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "a file would be larger than the disk, or `ulimit -f`, allows",
}
# What libraries say that keep no errno: C's and Rust's words, and SQLite's.
_SAID = (
    (re.compile(r"no space left on device|os error 28\b|disk is full", re.I), errno.ENOSPC),
    (re.compile(r"(?:disk )?quota exceeded|os error 122\b", re.I), errno.EDQUOT),
    (re.compile(r"file too large|os error 27\b", re.I), errno.EFBIG),
)
# PyTorch and NumPy say that a write failed, and not why.
_FAILED_WRITE = re.compile(
    r"PytorchStreamWriter failed|unexpected pos \d+ vs \d+|file write failed"
    r"|\d+ requested and \d+ written",
    re.I,
)
_PROBE_BYTES = 1 << 18


def full_disk_message(error: BaseException, folders: Sequence[Path]) -> str | None:
    """Words for an error that a full disk, a quota or a size limit caused; None for any other.

    Args:
        error: its causes are looked at too.
        folders: where something may have been written, for an error that does not say where.
    """
    for cause in _chain(error):
        text = str(cause)
        code = (
            cause.errno
            if isinstance(cause, OSError) and cause.errno in _FULL
            else full_disk_errno(text)
        )
        if code is None and _FAILED_WRITE.search(text):
            code = next((found for _, found in _full_ones(folders)), None)
            if code is None:
                continue
        if code is not None:
            named = getattr(cause, "filename", None) if isinstance(cause, OSError) else None
            return _words(code, Path(os.fsdecode(named)) if named else _fullest(folders))
    return None


def full_disk_errno(text: str) -> int | None:
    """The errno that a library's words stand for, if it is one of a full disk."""
    return next((code for pattern, code in _SAID if pattern.search(text)), None)


def disk_full_now(folders: Sequence[Path]) -> str | None:
    """Words for the first folder in which nothing can be written for want of room, if any."""
    return next((_words(code, folder) for folder, code in _full_ones(folders)), None)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Name the file in errors of a full disk: the system's own do not."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL and error.filename is None:
            error.filename = str(path)
        raise


def _chain(error: BaseException) -> Iterator[BaseException]:
    current: BaseException | None = error
    seen: set[int] = set()
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )


def _full_ones(folders: Sequence[Path]) -> Iterator[tuple[Path, int]]:
    for folder in folders:
        there = _existing(folder)
        try:
            with tempfile.NamedTemporaryFile(dir=there, prefix=".room-") as file:
                file.write(bytes(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            if error.errno in _FULL:
                yield there, error.errno


def _fullest(folders: Sequence[Path]) -> Path:
    return min(folders, key=lambda folder: _room(_existing(folder))[0])


def _words(code: int, path: Path) -> str:
    folder = _existing(path)
    free, files, total = _room(folder)
    room = f"{_size(free)} of {_size(total)} are free now"
    if code == errno.ENOSPC and not files:
        room = "it can hold no more files"
    done = "what is done is kept, and the same command goes on from there"
    return f"{_FULL[code]}: {path} cannot be written ({room}); make room and run again: {done}"


def _room(folder: Path) -> tuple[int, int, int]:
    """Free bytes, free inodes (1 where they are not counted) and all bytes."""
    try:
        stat = os.statvfs(folder)
    except OSError:
        return 0, 1, 0
    files = stat.f_favail if stat.f_files else 1
    return stat.f_bavail * stat.f_frsize, files, stat.f_blocks * stat.f_frsize


def _existing(path: Path) -> Path:
    """The folder that a path lies in, or would."""
    return next((folder for folder in (path, *path.parents) if folder.is_dir()), Path())


def _size(count: float) -> str:
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"
