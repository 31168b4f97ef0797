"""Manifests: the one record of what is done.

A stage fills a folder and seals it by writing `manifest.json` last. Two things on it determine the
folder's content: its identity, a hash of the stage, its format number and the settings that affect
results; and the digest of the content that each input had. Everything else (versions, device,
counts, wall time, paths) is recorded and invalidates nothing. One fact is looked at: a folder whose
fact `failed` is not 0 is whole as far as it goes, so that what follows can be made from it, and is
tried again by the next run.

So an input that was made again, for whatever reason, and came out the same leaves its followers
done; one that came out different does not.
"""

from __future__ import annotations

import hashlib
import json
from enum import Enum
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from polypaca.core.files import is_temporary, sha256_cached, sha256_file, write_json, write_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

MANIFEST = "manifest.json"
PARTIAL = "partial.json"  # what an unsealed folder was begun for


class Output(BaseModel):
    """One file of a sealed folder."""

    model_config = ConfigDict(frozen=True)

    size: int
    mtime_ns: int
    sha256: str


class Input(BaseModel):
    """A folder that a sealed folder was made from."""

    model_config = ConfigDict(frozen=True)

    identity: str
    digest: str


class Begun(BaseModel):
    """What an unsealed folder is being filled for."""

    model_config = ConfigDict(frozen=True)

    identity: str
    inputs: dict[str, Input]


class Manifest(BaseModel):
    """What a sealed folder holds and what made it."""

    model_config = ConfigDict(frozen=True)

    stage: str
    format: int
    identity: str
    settings: dict[str, Any]
    inputs: dict[str, Input]
    outputs: dict[str, Output]
    facts: dict[str, Any]

    @property
    def digest(self) -> str:
        """A hash over the names and contents of the folder's files."""
        return _hash([[name, output.sha256] for name, output in sorted(self.outputs.items())])

    def as_input(self) -> Input:
        """What a follower remembers of this folder."""
        return Input(identity=self.identity, digest=self.digest)


class State(Enum):
    """What a folder's manifest says about an identity."""

    DONE = "done"
    MISSING = "not made yet"
    PARTIAL = "begun, not finished"
    STALE = "its settings or inputs changed"
    DAMAGED = "a file of it was changed or removed"
    RETRY = "parts of it failed"


def identity_of(stage: str, format_number: int, settings: Mapping[str, Any]) -> str:
    """The identity of a folder: 32 hex digits over what is done there, but not to what."""
    return _hash([stage, format_number, settings])


def _hash(value: Any) -> str:
    canonical = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:32]


def files_of(folder: Path) -> Iterator[Path]:
    """The files that a seal covers, in sorted order."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name not in (MANIFEST, PARTIAL) and not is_temporary(path):
            yield path


def begin(folder: Path, identity: str, inputs: Mapping[str, Input]) -> None:
    """Mark an unsealed folder as being filled, so that a later run may resume it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in folder.rglob("*.tmp"):
        if is_temporary(path):
            path.unlink()
    write_text(folder / PARTIAL, Begun(identity=identity, inputs=dict(inputs)).model_dump_json())


def seal(
    folder: Path,
    *,
    stage: str,
    format_number: int,
    settings: Mapping[str, Any],
    inputs: Mapping[str, Input],
    facts: Mapping[str, Any],
) -> Manifest:
    """Hash the folder's files and write its manifest, which makes it done."""
    outputs = {}
    for path in files_of(folder):
        stat = path.stat()
        outputs[path.relative_to(folder).as_posix()] = Output(
            size=stat.st_size, mtime_ns=stat.st_mtime_ns, sha256=sha256_file(path)
        )
    manifest = Manifest(
        stage=stage,
        format=format_number,
        identity=identity_of(stage, format_number, settings),
        settings=dict(settings),
        inputs=dict(inputs),
        outputs=outputs,
        facts=dict(facts),
    )
    write_json(folder / MANIFEST, manifest.model_dump())
    (folder / PARTIAL).unlink(missing_ok=True)
    return manifest


def read_manifest(folder: Path) -> Manifest | None:
    """The folder's manifest, or None where there is none that can be read."""
    try:
        return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
    except (OSError, ValidationError):
        return None


def state_of(
    folder: Path,
    identity: str,
    inputs: Mapping[str, Input] | None = None,
    *,
    hashed: bool = False,
) -> State:
    """Whether the folder is done for `identity` and, where given, for what its inputs hold now.

    Files are compared by size and mtime, so that it takes no time; one whose size is right but
    whose mtime is not (a copied folder) is hashed. With `hashed` all of them are, once a process.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        begun = _begun(folder)
        if begun and begun.identity == identity and _same(begun.inputs, inputs):
            return State.PARTIAL
        return State.STALE if folder.is_dir() and any(folder.iterdir()) else State.MISSING
    if manifest.identity != identity or not _same(manifest.inputs, inputs):
        return State.STALE
    if hashed:
        damaged = bool(_wrong(folder, manifest))
    else:
        damaged = any(_changed(folder / name, out) for name, out in manifest.outputs.items())
    if damaged:
        return State.DAMAGED
    return State.RETRY if manifest.facts.get("failed") else State.DONE


def made_from(manifest: Manifest, identity: str, inputs: Mapping[str, Input]) -> bool:
    """Whether a manifest says that its folder was made with this identity from these contents."""
    return manifest.identity == identity and _same(manifest.inputs, inputs)


def _same(recorded: Mapping[str, Input], now: Mapping[str, Input] | None) -> bool:
    if now is None:
        return True
    return {role: source.digest for role, source in recorded.items()} == {
        role: source.digest for role, source in now.items()
    }


def verify(folder: Path) -> list[str]:
    """The names of the sealed files that are missing or whose hash differs, read once a process."""
    manifest = read_manifest(folder)
    return [MANIFEST] if manifest is None else _wrong(folder, manifest)


def _wrong(folder: Path, manifest: Manifest) -> list[str]:
    return [
        name
        for name, output in manifest.outputs.items()
        if not (folder / name).is_file() or sha256_cached(folder / name) != output.sha256
    ]


def _begun(folder: Path) -> Begun | None:
    try:
        return Begun.model_validate_json((folder / PARTIAL).read_bytes())
    except (OSError, ValidationError):
        return None


def _changed(path: Path, output: Output) -> bool:
    try:
        stat = path.stat()
    except OSError:
        return True
    if stat.st_size != output.size:
        return True
    return stat.st_mtime_ns != output.mtime_ns and sha256_file(path) != output.sha256
