"""What the documentation names is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "CONTRIBUTING.md", ROOT / "docs" / "flow.md", ROOT / "docs" / "costs.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_files_that_a_page_names_are_there(page: Path) -> None:
    named = re.findall(r"`((?:[a-z]+/)+\w+(?:\.py|/)?)`", page.read_text(encoding="utf-8"))
    source = [name for name in named if name.split("/")[0] in _rooms()]
    assert source
    package = ROOT / "src" / "polypaca"
    assert [name for name in source if not (package / name).exists()] == []


def _rooms() -> set[str]:
    return {path.name for path in (ROOT / "src" / "polypaca").iterdir() if path.is_dir()}


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.name
)
def test_pages_that_a_page_links_to_are_there(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8"))
    missing = [
        link
        for link in links
        if not link.startswith(("http://", "https://")) and not (page.parent / link).exists()
    ]
    assert missing == []
