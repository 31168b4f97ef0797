"""translate: the examples of one language, given or (later) made by an engine.

translations/<language>/   examples.jsonl
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from polypaca.core.files import read_jsonl, write_jsonl
from polypaca.core.records import Example

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def translate(
    folder: Path,
    *,
    instructions: Path,
    language: str,
    threads: int = 1,
    progress: Callable[[float, str], None],
) -> dict[str, Any]:
    """Pass on the data that was given in this language."""
    progress(0.0, language)
    rows = write_jsonl(
        folder / "examples.jsonl", read_jsonl(instructions / f"{language}.jsonl", Example)
    )
    return {"rows": rows, "engine": None, "summary": f"{rows} examples, as given"}
