"""Hashes of the user's own files, cached by size and times so that planning stays quick.

The times include that of the last change (ctime), which no editing program can set back.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from polypaca.core.files import sha256_file, write_json

if TYPE_CHECKING:
    from collections.abc import Iterable


class Fingerprints:
    """SHA-256 of files outside the output folder; `save` writes the cache of them."""

    def __init__(self, store: Path | None = None) -> None:
        self._store = store
        self._known: dict[str, list[object]] = {}
        if store is not None:
            try:
                self._known = json.loads(store.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                self._known = {}

    def hashes(self, source: str, languages: Iterable[str]) -> dict[str, str]:
        """Hashes of the files of a source, by language (or by file for a folder).

        Sources that are not files (`builtin:`, `hf:`, Hub ids) have none.
        """
        hashes: dict[str, str] = {}
        for code in languages:
            path = Path(source.replace("{language}", code))
            if not path.is_absolute():
                continue
            if path.is_dir():
                for file in sorted(p for p in path.rglob("*") if p.is_file()):
                    hashes[file.relative_to(path).as_posix()] = self._hash(file)
            elif path.is_file():
                hashes[code] = self._hash(path)
        return hashes

    def save(self, path: Path | None = None) -> None:
        """Write the hashes for the next run, or for a job at `path`."""
        if target := path or self._store:
            write_json(target, self._known)

    def _hash(self, path: Path) -> str:
        stat = path.stat()
        key, stamp = str(path), [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]
        known = self._known.get(key)
        if known is None or known[:-1] != stamp:
            known = [*stamp, sha256_file(path)]
            self._known[key] = known
        return str(known[-1])
