"""What studies of a machine share, kept with hashes of its bytes and read only where these hold.

An entry is a folder with a file of hashes, or text that ends in a line with its hash. What does not
fit its hash is set aside under another name, which a notice tells, and is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.disk import writing
from polypaca.core.files import read_json, sha256_cached, sha256_text, write_json
from polypaca.core.notices import notice

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

CACHE_VARIABLE = "POLYPACA_CACHE"
HASHES = "hashes.json"
_ASIDE = ".damaged"
_SHA256, _SHA1 = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{40}")


def cache_folder() -> Path:
    """The folder that studies share (`POLYPACA_CACHE`, else `~/.cache/polypaca`)."""
    given = os.environ.get(CACHE_VARIABLE)
    return Path(given).expanduser() if given else Path.home() / ".cache" / "polypaca"


def private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are not there, with mode 0700.

    A cache holds prompts, answers and data of any study, which are its owner's alone. A folder that
    is there keeps its mode: who shares a cache on purpose has made it so.

    Raises:
        OSError: if it cannot be made.
    """
    missing = [folder]
    while not missing[-1].parent.exists():
        missing.append(missing[-1].parent)
    for parent in reversed(missing):
        parent.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def cached_folder(
    folder: Path,
    build: Callable[[Path], None],
    *,
    again: str,
    waiting: Callable[[], None] = lambda: None,
) -> Iterator[str]:
    """Hold a kept folder under its lock, built if it is not there; yields how it came to be.

    Args:
        folder: the entry; its name must determine what `build` writes.
        build: fills a folder that then becomes the entry.
        again: what is done with a damaged entry, such as `it is built again`.
        waiting: called if another process has the lock.
    """
    with locked(folder, waiting):
        origin, built = "taken from the cache", "built"
        if folder.exists() and (wrong := damaged_files(folder)):
            set_aside(folder, wrong, again)
            built = "built again, since what the cache held was damaged"
        if not folder.exists():
            origin = built
            # What a killed build left behind is in nobody's way, but it is in nobody's use either.
            for leftover in folder.parent.glob(f"{folder.name}.building-*"):
                shutil.rmtree(leftover, ignore_errors=True)
            building = Path(tempfile.mkdtemp(prefix=f"{folder.name}.building-", dir=folder.parent))
            try:
                with writing(building):
                    build(building)
                    write_hashes(building)
                building.rename(folder)
            finally:
                shutil.rmtree(building, ignore_errors=True)
        yield origin


def write_hashes(folder: Path) -> None:
    """Write down the hashes of a folder's files; nothing in it may change afterwards."""
    write_json(folder / HASHES, _hashes(folder))


def damaged_files(folder: Path) -> list[str]:
    """What is wrong with a kept folder: files that are missing, changed or more than were kept.

    Hidden ones that are more do not count: systems leave them everywhere.
    """
    try:
        recorded = read_json(folder / HASHES)
        actual = _hashes(folder)
    except (OSError, ValueError):
        return [HASHES]
    if not isinstance(recorded, dict):
        return [HASHES]
    names = {*recorded, *(name for name in actual if "/." not in f"/{name}")}
    return sorted(name for name in names if recorded.get(name) != actual.get(name))


def _hashes(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): sha256_cached(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / HASHES
    }


def set_aside(path: Path, wrong: Sequence[str], what: str) -> None:
    """Take a damaged entry out of use: it is renamed, in place of an earlier one.

    Args:
        path: the entry.
        wrong: names of its files that do not fit their hashes; empty for an entry of one file.
        what: what will happen now, such as `it is built again`.
    """
    aside = path.with_name(path.name + _ASIDE)
    with suppress(FileNotFoundError):  # another process may be at the same
        if aside.is_dir():
            shutil.rmtree(aside, ignore_errors=True)
        path.rename(aside)
    why = f"{', '.join(wrong)}: not what was kept" if wrong else "it does not fit its hash"
    if list(wrong) == [HASHES]:
        why = "its hashes are missing, or it is from before there were any"
    notice(f"damaged in the cache: {path} ({why}); it is set aside as {aside.name}, and {what}")


@contextmanager
def locked(entry: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold an entry's lock; `waiting` is called if another process has it."""
    from filelock import FileLock, Timeout

    private_folder(entry.parent)
    lock = FileLock(entry.with_name(f"{entry.name}.lock"))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def append_hash(text: str) -> str:
    """Lines of text and one more with their hash."""
    return f"{text}{json.dumps({'sha256': sha256_text(text)})}\n"


def strip_hash(text: str) -> str | None:
    """The lines before the one with their hash; None where it does not fit or is missing."""
    body, line_end, _ = text.removesuffix("\n").rpartition("\n")
    body += line_end
    return body if text == append_hash(body) else None


def is_intact_hub_file(path: Path) -> bool:
    """Whether a file of the Hub's cache is what its name says; True for any other file.

    The Hub's cache names large files by their SHA-256 and small ones as git does.
    """
    target = path.resolve()
    if target.parent.name != "blobs":
        return True
    if _SHA256.fullmatch(target.name):
        return sha256_cached(target) == target.name
    if _SHA1.fullmatch(target.name):
        content = target.read_bytes()
        digest = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False)
        return digest.hexdigest() == target.name
    return True
