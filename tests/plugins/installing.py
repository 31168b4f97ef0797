"""Packages that are installed for one test: nothing is built, and no network is used."""

from __future__ import annotations

import shutil
import tomllib
from collections.abc import Mapping
from pathlib import Path

EXAMPLE = Path(__file__).parent / "example_package"


def install(folder: Path, name: str, version: str, points: Mapping[str, Mapping[str, str]]) -> None:
    """Write what an installer leaves of a package: its name, version and entry points."""
    written = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    written.mkdir()
    (written / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    lines = []
    for group, own in points.items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in own.items()), ""]
    (written / "entry_points.txt").write_text("\n".join(lines))


def install_example(folder: Path, version: str | None = None) -> None:
    """Install the example package, or another version of it."""
    project = tomllib.loads((EXAMPLE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    install(folder, project["name"], version or project["version"], project["entry-points"])
    shutil.copy(EXAMPLE / "polypaca_example.py", folder)
