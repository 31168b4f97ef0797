"""Path patterns with `{language}`: which file holds which language."""

from __future__ import annotations

import glob
import re
from pathlib import Path

from polypaca.core.errors import DataError
from polypaca.core.languages import is_language

PLACEHOLDER = "{language}"


def file_for(pattern: str | Path, language: str) -> Path:
    """The file of one language, which must exist.

    Raises:
        DataError: naming the pattern, the language, and the languages that have a file.
    """
    path = Path(str(pattern).replace(PLACEHOLDER, language))
    if path.is_file():
        return path
    if PLACEHOLDER not in str(pattern):
        raise DataError("the file does not exist", path=path)
    found = languages_of(pattern)
    raise DataError(
        f"there is no file for language {language!r} ({path.name})",
        path=str(pattern),
        hint=f"there are files for: {', '.join(found)}"
        if found
        else "no language has a file; check the path",
    )


def languages_of(pattern: str | Path) -> list[str]:
    """The languages for which a file of the pattern exists, sorted."""
    parts = Path(pattern).parts
    fixed = next((i for i, part in enumerate(parts) if PLACEHOLDER in part), len(parts))
    if fixed == len(parts):
        return []
    below = [glob.escape(part).replace(PLACEHOLDER, "*") for part in parts[fixed:]]
    # The first placeholder captures, the others must repeat what it captured.
    first, *others = re.escape(Path(*parts[fixed:]).as_posix()).split(re.escape(PLACEHOLDER))
    matcher = re.compile(first + "(?P<language>[^/]+)" + "(?P=language)".join(others))
    root = Path(*parts[:fixed])
    matches = (
        matcher.fullmatch(path.relative_to(root).as_posix())
        for path in root.glob("/".join(below))
        if path.is_file()
    )
    codes = {match["language"] for match in matches if match}
    return sorted(code for code in codes if is_language(code))
